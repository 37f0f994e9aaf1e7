"""A run: a training in a folder, with all that is needed to look at it, generate from it and hand
it over.

::

    runs/dcgan-torch-20261121-1/
        spec.toml    run.json    log.jsonl
        samples/epoch-0001.png   checkpoints/step-000938.safetensors
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.callbacks.diagnostics.monitor import is_event
from gandem.core.errors import BackendError, RunError, SpecError, shown
from gandem.core.fields import decode
from gandem.core.plugins.registry import installed, load_backend, registry
from gandem.core.runs.checkpoint import Checkpoint, checkpoints_in, read_checkpoint, step_of
from gandem.core.runs.config import Settings
from gandem.core.runs.sampling import CHUNK, Images, enough_memory, sample, save_arrays, stream
from gandem.core.specs import Spec, differences, plan_spec, read_spec
from gandem.core.training import OUTSIDE, Engine, check_able, fixed_inputs, fixed_parts, stored

__all__ = ["LAST", "Run", "covers", "open_run", "pick_device", "some_backend"]

LARGEST = 16_000_000
"""Bytes; a run.json has about two thousand, and some hundreds for each time it was resumed."""
LAST, BEST = "last", "best"
"""Names for checkpoints, beside their step."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run on disk.  ``facts`` is what ``run.json`` held when it was opened."""

    path: Path
    spec: Spec
    facts: dict[str, Any]

    def settings(self) -> Settings:
        """Return what the training was told beside the spec.

        Raises:
            RunError: the run's facts do not say it.
        """
        told = self.facts.get("settings")
        try:
            if not isinstance(told, dict):
                raise SpecError("settings: there are none.")
            settings: Settings = decode(Settings, told, "settings")
            settings.best_of(self.spec)
        except SpecError as error:
            raise RunError(f"{self.path / 'run.json'}: damaged; {error}") from None
        return settings

    def log(self) -> list[dict[str, Any]]:
        """Return the rows of ``log.jsonl`` with losses: these in the loss's unit, accuracies
        from 0 to 1, steps per second.

        A line cut short by a crash ends the log.
        """
        return [row for row in self.rows() if not is_event(row)]

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows of ``log.jsonl``: losses, judgments, and what began or ended in the
        training's health.
        """
        rows: list[dict[str, Any]] = []
        try:
            path = self.path / "log.jsonl"
            for line in path.read_bytes().splitlines() if path.is_file() else ():
                row = json.loads(line)
                if not isinstance(row, dict) or type(row.get("step")) is not int:
                    break
                rows.append(row)
        except (OSError, ValueError, RecursionError):
            pass
        return rows

    def checkpoints(self) -> list[Path]:
        """Return the checkpoints, oldest first."""
        return checkpoints_in(self.path)

    def checkpoint(self, which: int | str = LAST) -> Checkpoint:
        """Read a checkpoint: the ``"last"``, the ``"best"``, or that of a step.

        Raises:
            RunError: there is none such, it is damaged, or of another spec than the run's.
        """
        found = read_checkpoint(self._path_of(which))
        allowed = self.facts.get("allowed_changes")
        allowed = allowed if isinstance(allowed, list) else []
        for path, (was, now) in differences(found.spec, self.spec).items():
            if not any(covers(field, path) for field in allowed if isinstance(field, str)):
                raise RunError(
                    f"{found.path}: of another spec than the spec.toml beside it: {path} is "
                    f"{shown(now)} there, {shown(was)} in the checkpoint."
                )
        return found

    def _path_of(self, which: int | str) -> Path:
        there = self.checkpoints()
        if not there:
            raise RunError(f"{self.path}: it has no checkpoint yet.")
        if which == LAST:
            return there[-1]
        best = self.facts.get("best")
        if which == BEST and not isinstance(best, dict):
            raise RunError(
                f"{self.path}: it has no best checkpoint; a training with --best METRIC keeps one."
            )
        step = best.get("step") if which == BEST and isinstance(best, dict) else which
        if isinstance(step, str) and step.isdecimal() and len(step) < 20:
            step = int(step)
        fits = [path for path in there if step_of(path) == step]
        if not fits:
            steps = ", ".join(str(step_of(path)) for path in there[-8:])
            raise RunError(f"{self.path}: it has no checkpoint {shown(step)}; its steps: {steps}.")
        return fits[0]

    def samples(self) -> list[Path]:
        """Return the sample grids, oldest first."""
        return sorted(
            (self.path / "samples").glob("*.png"),
            key=lambda path: (self.sampled_at(path), path.name),
        )

    def sampled_at(self, samples: Path) -> int:
        """Return the step after which a grid was made, as its name and the run's facts tell."""
        kind, _, number = samples.stem.partition("-")
        step = int(number) if number.isdecimal() and len(number) < 20 else 0
        batches = self.facts.get("batches_per_epoch")
        if kind == "epoch" and isinstance(batches, int):
            step = -(-step * batches // self.spec.training.discriminator_steps)
        return step

    def state(self, which: int | str = LAST) -> dict[str, np.ndarray]:
        """Return a checkpoint's state, by canonical name; see :meth:`checkpoint`."""
        return self.checkpoint(which).state

    def engine(
        self, backend: str | None = None, device: str = "auto", which: int | str = LAST
    ) -> Engine:
        """Return the trained networks alive on a backend: the run's own, or else any that is
        installed.
        """
        state = self.state(which)
        name = backend or some_backend(str(self.facts["backend"]))
        subject = load_backend(name)
        precision = stored(self.facts["precision"])  # mixed precision is for training
        check_able(name, subject, self.spec, precision)
        with enough_memory():
            return subject.engine(
                self.spec,
                state,
                precision=precision,
                device=pick_device(subject.devices(), device),
            )

    def native(self, player: str, backend: str | None = None, *, raw: bool = False) -> Any:
        """Return a player's network as the framework's own: a ``torch.nn.Module``, or a
        ``keras.Model``.

        Args:
            raw: the last weights instead of their average, where the run keeps one.
        """
        self.spec.player(player)
        averaged = player == "generator" and bool(self.spec.training.ema_decay) and not raw
        return self.engine(backend).native(player, average=averaged)

    def generate(
        self,
        count: int = 25,
        *,
        label: int | None = None,
        seed: int = 0,
        backend: str | None = None,
        device: str = "auto",
        raw: bool = False,
        which: int | str = LAST,
        progress: Callable[[int], None] | None = None,
    ) -> Images:
        """Make images from noise; the same seed gives the same noise on every backend.

        Args:
            count: how many.
            label: the class to make; left out, a conditional model's classes take turns.
            backend: left out, the run's own where it is installed, or else any that is.
            raw: use the last weights instead of their average, where the run keeps one.
            which: the checkpoint: ``"last"``, ``"best"``, or a step.
            progress: called now and then with the number of images made.

        Raises:
            SpecError: a label for a model without classes, or outside them.
        """
        labels = self._labels(count, label)
        inputs = fixed_inputs(self.spec, seed, count, self.facts["precision"], labels)
        engine = self.engine(backend, device, which)
        return sample(self.spec, engine, inputs, raw=raw, progress=progress)

    def save(
        self,
        path: Path | str,
        count: int = 25,
        *,
        label: int | None = None,
        seed: int = 0,
        backend: str | None = None,
        device: str = "auto",
        raw: bool = False,
        which: int | str = LAST,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write the images that :meth:`generate` makes to an ``.npz`` while they are made, so that
        memory is bounded however many they are.

        Raises:
            SpecError: a label for a model without classes, or outside them.
            RunError: the place cannot be written.
        """
        labels = self._labels(count, label)
        precision = self.facts["precision"]
        parts = fixed_parts(self.spec, seed, count, precision, labels, size=CHUNK)
        engine = self.engine(backend, device, which)
        made = stream(self.spec, engine, parts, raw=raw, progress=progress)
        save_arrays(Path(path), made, count)

    def _labels(self, count: int, label: int | None) -> np.ndarray | None:
        """Return the classes to make, None where they take turns."""
        if count < 1:
            raise SpecError(f"count: expected at least 1 image, received {count}.")
        if label is not None:
            conditional = "label" in plan_spec(self.spec)["generator"].inputs
            if not conditional:
                raise SpecError(
                    f"The model {self.spec.name!r} has no classes; leave the label out."
                )
            if not 0 <= label < self.spec.classes:
                raise SpecError(
                    f"There is no class {label}; expected 0 to {self.spec.classes - 1}."
                )
            return np.broadcast_to(label, count)
        return None


def some_backend(preferred: str = "") -> str:
    """Return the id of an installed backend, that which is preferred or else the first.

    Raises:
        BackendError: none is installed.
    """
    there = [row.id for row in registry().entries("backends") if installed(row)]
    if preferred in there:
        return preferred
    if not there:
        raise BackendError("No backend is installed. Install one with: pip install 'gandem[torch]'")
    return there[0]


def covers(field: str, path: str) -> bool:
    """Say whether a field that may change is a path, leads to it, or ends it.

    >>> covers("learning_rate", "players.generator.optimizer.learning_rate")
    True
    """
    return f".{field}." in f".{path}."


def open_run(path: Path | str) -> Run:
    """Open a run's folder.

    Raises:
        RunError: it is not one.
    """
    path = Path(path)
    try:
        if not path.is_dir():
            state = "is not a folder" if path.exists() else "is not there"
            raise RunError(f"{path}: not a run; it {state}.")
        if not (path / "run.json").is_file():
            near = [found.parent for found in sorted(path.glob("*/run.json"))]
            hint = f" Did you mean {near[-1]}?" if near else ""
            raise RunError(f"{path}: not a run; there is no run.json in it.{hint}")
        facts = _read_facts(path / "run.json")
        if not (path / "spec.toml").is_file():  # a pipe would be waited for
            raise RunError(
                f"{path}: not a run; there is no spec.toml in it, so its training had not begun."
            )
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from None
    return Run(path, read_spec(path / "spec.toml"), facts)


def _read_facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        text = file.read(LARGEST + 1)
    try:
        facts = json.loads(text) if len(text) <= LARGEST else None
        json.dumps(facts, ensure_ascii=False).encode()  # halves of letters cannot be printed
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise RunError(f"{path}: damaged; expected a JSON object with the facts of a run.")
    wanted = {"backend": str, "precision": str, "seed": int, "data": dict}
    for name, kind in wanted.items():
        if not isinstance(facts.get(name), kind):
            raise RunError(f"{path}: damaged; its {name!r} is {facts.get(name)!r:.60}.")
    if facts["precision"] not in ("float32", "float64", *OUTSIDE):
        raise RunError(f"{path}: damaged; its 'precision' is {facts['precision']!r:.60}.")
    return facts


def pick_device(there: list[str], wanted: str) -> str:
    """Return the device to use: the first GPU for ``"auto"`` where there is one."""
    if wanted == "auto":
        return there[-1] if len(there) == 1 else there[1]
    return wanted
