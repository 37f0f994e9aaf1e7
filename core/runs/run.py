"""A run: a training in a folder, with all that is needed to look at it, generate from it and hand
it over.

::

    runs/dcgan-torch-20261121-1/
        spec.toml    run.json    log.jsonl
        samples/epoch-0001.png   checkpoints/step-00000938.safetensors
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.errors import BackendError, RunError, SpecError
from gandem.core.files import make_folder, write_file, write_json
from gandem.core.images import to_bytes
from gandem.core.registry import installed, load_backend, registry
from gandem.core.runs.checkpoint import read_checkpoint
from gandem.core.spec import Spec, plan_spec, read_spec, to_toml
from gandem.core.training import Engine, fixed_inputs

__all__ = ["Images", "Run", "new_folder", "open_run", "pick_device", "sample"]

CHUNK = 250
"""Images made at once."""


@dataclass(frozen=True, slots=True)
class Images:
    """Generated images: uint8 (N, H, W, C), and their labels where the model is conditional."""

    images: np.ndarray
    labels: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Run:
    """A run on disk.  ``facts`` is what ``run.json`` held when it was opened."""

    path: Path
    spec: Spec
    facts: dict[str, Any]

    def log(self) -> list[dict[str, Any]]:
        """Return the rows of ``log.jsonl``: losses in the objective's unit, accuracies from 0 to 1,
        steps per second.

        A line cut short by a crash ends the log.
        """
        rows = []
        try:
            for line in (self.path / "log.jsonl").read_text("utf-8").splitlines():
                rows.append(json.loads(line))
        except FileNotFoundError:
            pass
        except ValueError:
            pass
        return rows

    def checkpoints(self) -> list[Path]:
        """Return the checkpoints, oldest first."""
        return sorted((self.path / "checkpoints").glob("step-*.safetensors"))

    def state(self) -> dict[str, np.ndarray]:
        """Return the newest state, by canonical name.

        Raises:
            RunError: there is none, or it is damaged.
        """
        found = self.checkpoints()
        if not found:
            raise RunError(f"{self.path}: it has no checkpoint yet.")
        return read_checkpoint(found[-1], self.spec)[0]

    def engine(self, backend: str | None = None, device: str = "auto") -> Engine:
        """Return the trained networks alive on a backend: the run's own, or else any that is
        installed.
        """
        subject = load_backend(backend or self._backend())
        return subject.engine(
            self.spec,
            self.state(),
            precision=self.facts["precision"],
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
    ) -> Images:
        """Make images from noise; the same seed gives the same noise on every backend.

        Args:
            count: how many.
            label: the class to make; left out, a conditional model's classes take turns.
            backend: left out, the run's own where it is installed, or else any that is.
            raw: use the last weights instead of their average, where the run keeps one.

        Raises:
            SpecError: a label for a model without classes, or outside them.
        """
        labels = None
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
            labels = np.full(count, label)
        inputs = fixed_inputs(self.spec, seed, count, self.facts["precision"], labels)
        return sample(self.spec, self.engine(backend, device), inputs, raw=raw)

    def _backend(self) -> str:
        own = str(self.facts["backend"])
        rows = registry().rows("backends")
        there = [row.id for row in rows if installed(row)]
        if own in there:
            return own
        if not there:
            raise BackendError(
                "No backend is installed. Install one with: pip install 'gandem[torch]'"
            )
        return there[0]


def open_run(path: Path | str) -> Run:
    """Open a run's folder.

    Raises:
        RunError: it is not one.
    """
    path = Path(path)
    if not (path / "run.json").is_file():
        near = [p.parent for p in sorted(path.glob("*/run.json"))] if path.is_dir() else []
        hint = f" Did you mean {near[-1]}?" if near else ""
        raise RunError(f"{path}: not a run (there is no run.json in it).{hint}")
    try:
        facts = json.loads((path / "run.json").read_text("utf-8"))
        missing = {"backend", "precision", "seed", "data"} - set(facts)
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{path / 'run.json'}: cannot be read ({error}).") from None
    if missing:
        raise RunError(f"{path / 'run.json'}: it does not say {', '.join(sorted(missing))}.")
    return Run(path, read_spec(path / "spec.toml"), facts)


def new_folder(spec: Spec, backend: str, out: Path | None) -> Path:
    """Return where a new run shall lie: ``out``, or the next free name under ``runs/``.

    Raises:
        RunError: ``out`` exists and is not an empty folder.
    """
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RunError(f"{out}: it exists and is not an empty folder; choose another --out.")
        return out
    stem = f"{spec.name.replace('/', '-')}-{backend.replace('/', '-')}-{date.today():%Y%m%d}"
    return next(p for p in (Path("runs") / f"{stem}-{n}" for n in _count()) if not p.exists())


def begin(path: Path, spec: Spec, facts: dict[str, Any]) -> None:
    """Make a run's folder and write what is known before the first step."""
    new = not path.exists()
    try:
        make_folder(path / "samples")
        write_file(path / "spec.toml", to_toml(spec).encode())
        write_json(path / "run.json", facts)
    except RunError:
        if new:  # a run that could not begin leaves nothing behind
            shutil.rmtree(path, ignore_errors=True)
        raise


def pick_device(there: list[str], wanted: str) -> str:
    """Return the device to use: the first GPU for ``"auto"`` where there is one."""
    if wanted == "auto":
        return there[-1] if len(there) == 1 else there[1]
    return wanted


def sample(
    spec: Spec, engine: Engine, inputs: dict[str, np.ndarray], *, raw: bool = False
) -> Images:
    """Make images from given inputs, a few hundred at a time."""
    average = bool(spec.training.ema_decay) and not raw
    count = len(inputs["noise"])
    images = np.empty((count, *spec.image.shape), np.uint8)
    for start in range(0, count, CHUNK):
        part = {name: value[start : start + CHUNK] for name, value in inputs.items()}
        made = engine.forward("generator", part, average=average)
        images[start : start + CHUNK] = to_bytes(made, spec.image.low, spec.image.high)
    return Images(images, inputs["label"].argmax(1) if "label" in inputs else None)


def _count() -> Iterator[int]:
    number = 1
    while True:
        yield number
        number += 1
