"""A run: a training in a folder; read it, generate images from it, and get its networks.

::

    runs/dcgan-torch-20261121-1/
        spec.toml    run.json    log.jsonl
        samples/epoch-0001.png   checkpoints/step-000938.safetensors
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.errors import BackendError, RunError, SpecError, shown, suggest
from gandem.core.plugins.installation import install_command
from gandem.core.runs.checkpoint import (
    Checkpoint,
    list_checkpoints,
    parse_step,
    read_checkpoint,
)
from gandem.core.runs.config import Settings
from gandem.core.runs.generation.latents import LatentVectors
from gandem.core.runs.generation.sampling import (
    CHUNK_SIZE,
    Images,
    check_count,
    decode,
    encode,
    generate_parts,
    report_memory_errors,
    sample,
    save_arrays,
    save_folder,
)
from gandem.core.runs.log import has_losses, read_last_row, read_log
from gandem.core.runs.record import RunRecord, covers, read_record
from gandem.core.runs.run_dir import is_locked
from gandem.core.specs import Spec, differences, plan_spec, read_spec
from gandem.core.training import (
    Engine,
    averaged_players,
    check_capabilities,
    fixed_inputs,
    fixed_parts,
    installed_backends,
    load_backend,
    make_engine,
    resolve_loss,
    stored,
)

__all__ = ["LAST", "Run", "open_run", "pick_backend", "pick_device"]

LAST, BEST = "last", "best"
"""Names of checkpoints, besides their steps."""
ATTEMPTS = 5
"""How often a checkpoint is looked up that a training removes before it is read."""


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """A run on disk; ``record`` is what ``run.json`` held when it was opened."""

    path: Path
    spec: Spec
    record: RunRecord

    def __repr__(self) -> str:
        record = self.record
        return f"<Run {self.path}: {record.model}, {record.state} at step {record.steps}>"

    def status(self) -> str:
        """Return the state of the training; one that run.json calls running may be killed."""
        state = self.record.state
        return "interrupted" if state == "running" and is_locked(self.path) is False else state

    def count_steps(self) -> int:
        """Return the steps made: those logged if the training is running, else those saved."""
        if self.status() == "running":
            return int(read_last_row(self.path).get("step", 0))
        saved = [step for path in self.checkpoints() if (step := parse_step(path)) is not None]
        return max([*saved, self.record.steps])

    def health(self) -> str:
        """Return the current warnings, or ``"well"`` or ``"unknown"``; empty if not recorded."""
        now = (self.record.health or {}).get("now")
        return ", ".join(map(str, now)) if isinstance(now, list) else ""

    def settings(self) -> Settings:
        """Return the settings of the training.

        Raises:
            RunError: the record has none, or they do not fit the spec.
        """
        settings = self.record.settings
        try:
            if settings is None:
                raise SpecError("the field 'settings' is missing.")
            settings.best_of(self.spec)
        except SpecError as error:
            raise RunError(f"{self.path / 'run.json'}: damaged; {error}") from None
        return settings

    def log(self) -> list[dict[str, Any]]:
        """Return the rows of ``log.jsonl`` with losses; accuracies are from 0 to 1.

        Lines that are damaged or cut short by a crash are left out.
        """
        return [row for row in self.rows() if has_losses(row)]

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows of ``log.jsonl``: losses, accuracies, scores and warnings."""
        return read_log(self.path)

    def checkpoints(self) -> list[Path]:
        """Return the checkpoints, oldest first."""
        return list_checkpoints(self.path)

    def checkpoint(self, which: int | str = LAST) -> Checkpoint:
        """Read a checkpoint: the ``"last"``, the ``"best"``, or that of a step.

        Raises:
            RunError: it does not exist, is damaged, or has another spec than the run.
        """
        checkpoint = self._read(which)
        allowed = self.record.allowed_changes
        for path, (was, now) in differences(checkpoint.spec, self.spec).items():
            if not any(covers(field, path) for field in allowed):
                raise RunError(
                    f"{checkpoint.path}: it has another spec than spec.toml: {path} is "
                    f"{shown(now)} there, {shown(was)} in the checkpoint."
                )
        return checkpoint

    def _read(self, which: int | str) -> Checkpoint:
        """Read a checkpoint; a training may replace the last and the best one at any time."""
        for attempt in range(ATTEMPTS):
            run = open_run(self.path) if attempt else self
            try:
                path = run._path_of(which)
                return read_checkpoint(path)
            except RunError:
                is_replaced = which in (LAST, BEST) and is_locked(self.path) is not False
                if not is_replaced or attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError

    def _path_of(self, which: int | str) -> Path:
        paths = self.checkpoints()
        if not paths:
            raise RunError(f"{self.path}: it has no checkpoint yet.")
        if which == LAST:
            return paths[-1]
        best = self.record.best
        if which == BEST and best is None:
            raise RunError(
                f"{self.path}: it has no best checkpoint; a training with --best METRIC keeps one."
            )
        step = best.step if which == BEST and best is not None else which
        if isinstance(step, str) and step.isdecimal() and len(step) < 20:
            step = int(step)
        matches = [path for path in paths if parse_step(path) == step]
        if not matches:
            steps = ", ".join(str(parse_step(path)) for path in paths[-8:])
            raise RunError(f"{self.path}: it has no checkpoint {shown(step)}; its steps: {steps}.")
        return matches[0]

    def samples(self) -> list[Path]:
        """Return the sample grids, oldest first."""
        return sorted(
            (self.path / "samples").glob("*.png"),
            key=lambda path: (self.sampled_at(path), path.name),
        )

    def sampled_at(self, samples: Path) -> int:
        """Return the step after which a sample grid was made, from its name."""
        kind, _, number = samples.stem.partition("-")
        step = int(number) if number.isdecimal() and len(number) < 20 else 0
        spans = [span for span in self.record.epochs if span.first_epoch < step]
        return spans[-1].step_of(step) if kind == "epoch" and spans else step

    def state(self, which: int | str = LAST) -> dict[str, np.ndarray]:
        """Return a checkpoint's state, by canonical name; see :meth:`checkpoint`."""
        return self.checkpoint(which).state

    def engine(
        self,
        backend: str | None = None,
        device: str = "auto",
        checkpoint: int | str | Checkpoint = LAST,
    ) -> Engine:
        """Return an engine with the trained networks.

        Args:
            backend: by default the run's own, or else any that is installed.
            checkpoint: ``"last"``, ``"best"``, a step, or one that was read before.
        """
        if not isinstance(checkpoint, Checkpoint):
            checkpoint = self.checkpoint(checkpoint)
        name = backend or pick_backend(self.record.backend)
        loaded = load_backend(name)
        precision = stored(self.record.precision)  # mixed precision is for training
        check_capabilities(name, loaded, self.spec, precision)
        loss, place = resolve_loss(self.spec), pick_device(loaded.devices(), device)
        how: Any = {"precision": precision, "device": place, "trains": False}
        with report_memory_errors():
            return make_engine(loaded, self.spec, loss, checkpoint.state, **how)

    def native(self, player: str, backend: str | None = None, *, ema: bool = True) -> Any:
        """Return a player's network as a ``torch.nn.Module`` or a ``keras.Model``.

        Args:
            ema: use the moving average of the weights, if the run keeps one.
        """
        self.spec.player(player)
        averaged = player in averaged_players(self.spec) and ema
        return self.engine(backend).native(player, average=averaged)

    def generate(
        self,
        num_samples: int = 25,
        *,
        label: int | str | None = None,
        seed: int = 0,
        truncation: float | None = None,
        backend: str | None = None,
        device: str = "auto",
        ema: bool = True,
        checkpoint: int | str = LAST,
        latent: LatentVectors | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Images:
        """Generate images from noise; equal seeds give equal noise on every backend.

        Args:
            num_samples: number of images.
            label: the class, its number or its name; by default the classes of a conditional model
                take turns.
            truncation: ψ; images below 1 are more typical and less varied. Styles move to their
                mean (arXiv:1812.04948); other noise is at most ψ (arXiv:1809.11096).
            backend: by default the run's own if it is installed, or else any that is.
            ema: use the moving average of the weights, if the run keeps one.
            checkpoint: ``"last"``, ``"best"``, or a step.
            latent: vectors to use in place of noise; then the number, the label, the seed and the
                truncation are ignored.
            progress: called with the number of images generated so far.

        Raises:
            SpecError: the model has no such class, its noise cannot be truncated, or it has other
                latent vectors.
        """
        precision = self.record.precision
        if latent is not None:
            inputs = latent.make_inputs(self.spec, precision)
        else:
            check_count(self.spec, num_samples)
            labels = self._labels(num_samples, label)
            inputs = fixed_inputs(
                self.spec, seed, num_samples, precision, labels, truncation=truncation
            )
        engine = self.engine(backend, device, checkpoint)
        return sample(self.spec, engine, inputs, ema=ema, progress=progress)

    def save(
        self,
        path: Path | str,
        num_samples: int = 25,
        *,
        label: int | str | None = None,
        seed: int = 0,
        truncation: float | None = None,
        backend: str | None = None,
        device: str = "auto",
        ema: bool = True,
        checkpoint: int | str = LAST,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write the images of :meth:`generate` to an ``.npz``, or as PNG files to a new folder.

        Memory does not grow with the number of images.

        Raises:
            SpecError: the model has no such class, or its noise cannot be truncated.
            RunError: the path cannot be written.
        """
        check_count(self.spec, num_samples, Path(path))
        labels = self._labels(num_samples, label)
        precision = self.record.precision
        parts = fixed_parts(
            self.spec, seed, num_samples, precision, labels, size=CHUNK_SIZE, truncation=truncation
        )
        engine = self.engine(backend, device, checkpoint)
        images = generate_parts(self.spec, engine, parts, ema=ema, progress=progress)
        save = save_arrays if Path(path).suffix.lower() == ".npz" else save_folder
        save(Path(path), images, num_samples)

    def encode(self, images: np.ndarray, *, ema: bool = True, **engine: Any) -> np.ndarray:
        """Return the noise of images; ``engine`` as for :meth:`engine`.

        See :func:`gandem.core.runs.generation.sampling.encode`.
        """
        return encode(self.spec, self.engine(**engine), images, self.record.precision, ema=ema)

    def reconstruct(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        ema: bool = True,
        **engine: Any,
    ) -> Images:
        """Generate images from the noise of images, and their labels (N,) if it has classes."""
        loaded, precision = self.engine(**engine), self.record.precision
        noise = encode(self.spec, loaded, images, precision, ema=ema)
        return decode(self.spec, loaded, noise, labels, precision, ema=ema)

    def _labels(self, count: int, label: int | str | None) -> np.ndarray | None:
        """Return the class of each image, None if the classes take turns."""
        if label is not None:
            conditional = "label" in plan_spec(self.spec)["generator"].inputs
            if not conditional:
                raise SpecError(
                    f"The model {self.spec.name!r} has no classes; leave the label out."
                )
            number = self.find_label(label)
            if not 0 <= number < self.spec.classes:
                raise SpecError(f"No class {label}; expected 0 to {self.spec.classes - 1}.")
            return np.broadcast_to(number, count)
        return None

    def find_label(self, label: int | str) -> int:
        """Return the number of a class, given by number or by its name in the training data.

        Raises:
            SpecError: there is no class of this name.
        """
        names = self.record.data.class_names
        if not isinstance(label, str) and (0 <= label < len(names) or str(label) not in names):
            return int(label)
        if str(label) in names:
            return names.index(str(label))
        raise SpecError(f"No class named {label!r}.{suggest(str(label), names)}")


def pick_backend(preferred: str = "") -> str:
    """Return the id of the preferred backend if it is installed, or else of the first that is.

    Raises:
        BackendError: no backend is installed.
    """
    installed = installed_backends()
    if preferred in installed:
        return preferred
    if not installed:
        command = install_command("torch")
        raise BackendError(f"No backend is installed. Install one with: {command}")
    return installed[0]


def open_run(path: Run | Path | str) -> Run:
    """Open a run's folder; a run is returned as it is.

    Raises:
        RunError: the folder is not a run, or is damaged.
    """
    if isinstance(path, Run):
        return path
    path = Path(path)
    try:
        if not path.is_dir():
            state = "is not a folder" if path.exists() else "does not exist"
            raise RunError(f"{path}: not a run; it {state}.")
        if not (path / "run.json").is_file():
            runs = [record.parent for record in sorted(path.glob("*/run.json"))]
            hint = f" Did you mean {runs[-1]}?" if runs else ""
            raise RunError(f"{path}: not a run; it has no run.json.{hint}")
        record = read_record(path)
        if not (path / "spec.toml").is_file():  # reading a pipe would block
            raise RunError(f"{path}: not a run; it has no spec.toml, so training had not started.")
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from None
    return Run(path, read_spec(path / "spec.toml"), record)


def pick_device(devices: list[str], requested: str) -> str:
    """Return the device to use; ``"auto"`` is the first GPU if there is one."""
    if requested == "auto":
        return devices[-1] if len(devices) == 1 else devices[1]
    return requested
