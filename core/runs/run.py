"""A run: a training in a folder, with all that is needed to look at it, generate from it and hand
it over.

::

    runs/dcgan-torch-20261121-1/
        spec.toml    run.json    log.jsonl
        samples/epoch-0001.png   checkpoints/step-00000938.safetensors
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.errors import BackendError, RunError, SpecError
from gandem.core.files import fill_file, make_folder, write_file, write_json
from gandem.core.images import grid, save_image, to_bytes
from gandem.core.registry import installed, load_backend, registry
from gandem.core.runs.checkpoint import read_checkpoint
from gandem.core.spec import Spec, plan_spec, read_spec, to_toml
from gandem.core.training import Engine, fixed_inputs

__all__ = [
    "Images",
    "Run",
    "begin",
    "check_out",
    "enough_memory",
    "next_folder",
    "open_run",
    "pick_device",
    "sample",
]

CHUNK = 250
"""Images made at once."""
COLUMNS = 20
"""The most classes that get a column each in a grid."""
LARGEST = 1_000_000
"""Bytes; a run.json has about a thousand."""


@dataclass(frozen=True, slots=True)
class Images:
    """Generated images: uint8 (N, H, W, C), and their labels where the model is conditional."""

    images: np.ndarray
    labels: np.ndarray | None

    def grid(self) -> np.ndarray:
        """Return one picture (height, width, 3) of all; classes that take turns have a column
        each.
        """
        columns = 0 if self.labels is None else len(np.unique(self.labels))
        return grid(self.images, columns if 1 < columns <= COLUMNS else None)

    def save(self, path: Path | str) -> None:
        """Write the images to a ``.png``, as a grid, or with their labels to an ``.npz``.

        Raises:
            RunError: the name ends otherwise, or the place cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".npz":
            save_image(path, self.grid())
            return
        arrays = {"images": self.images}
        if self.labels is not None:
            arrays["labels"] = self.labels

        def fill(temporary: Path) -> None:
            with temporary.open("wb") as file:  # NumPy would add .npz to a name
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

        fill_file(path, fill)


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
        with contextlib.suppress(FileNotFoundError, ValueError):
            for line in (self.path / "log.jsonl").read_bytes().splitlines():
                rows.append(json.loads(line))
        return rows

    def checkpoints(self) -> list[Path]:
        """Return the checkpoints, oldest first."""
        return sorted((self.path / "checkpoints").glob("step-*.safetensors"))

    def samples(self) -> list[Path]:
        """Return the sample grids, oldest first."""
        found = (self.path / "samples").glob("*.png")
        return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))

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
        state = self.state()
        subject = load_backend(backend or self._backend())
        with enough_memory():
            return subject.engine(
                self.spec,
                state,
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
        progress: Callable[[int], None] | None = None,
    ) -> Images:
        """Make images from noise; the same seed gives the same noise on every backend.

        Args:
            count: how many.
            label: the class to make; left out, a conditional model's classes take turns.
            backend: left out, the run's own where it is installed, or else any that is.
            raw: use the last weights instead of their average, where the run keeps one.
            progress: called now and then with the number of images made.

        Raises:
            SpecError: a label for a model without classes, or outside them.
        """
        if count < 1:
            raise SpecError(f"count: expected at least 1 image, received {count}.")
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
        engine = self.engine(backend, device)
        return sample(self.spec, engine, inputs, raw=raw, progress=progress)

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
    try:
        if not path.is_dir():
            state = "is not a folder" if path.exists() else "is not there"
            raise RunError(f"{path}: not a run; it {state}.")
        if not (path / "run.json").is_file():
            near = [found.parent for found in sorted(path.glob("*/run.json"))]
            hint = f" Did you mean {near[-1]}?" if near else ""
            raise RunError(f"{path}: not a run; there is no run.json in it.{hint}")
        facts = _read_facts(path / "run.json")
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from None
    return Run(path, read_spec(path / "spec.toml"), facts)


def _read_facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        text = file.read(LARGEST + 1)
    try:
        facts = json.loads(text) if len(text) <= LARGEST else None
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise RunError(f"{path}: damaged; expected a JSON object with the facts of a run.")
    wanted = {"backend": str, "precision": str, "seed": int, "data": dict}
    for name, kind in wanted.items():
        if not isinstance(facts.get(name), kind):
            raise RunError(f"{path}: damaged; its {name!r} is {facts.get(name)!r:.60}.")
    if facts["precision"] not in ("float32", "float64"):
        raise RunError(f"{path}: damaged; its 'precision' is {facts['precision']!r:.60}.")
    return facts


def next_folder(stem: str) -> Path:
    """Return ``runs/STEM-N`` for the first N from 1 that is free."""
    places = (Path("runs") / f"{stem}-{number}" for number in itertools.count(1))
    return next(place for place in places if not place.exists())


def check_out(out: Path) -> None:
    """Raise a :class:`RunError` unless ``out`` is free for a new run: an empty folder, or nothing
    yet.
    """
    try:
        taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    except OSError as error:
        raise RunError(f"{out}: cannot be made ({error.strerror or error}).") from None
    if taken:
        raise RunError(f"{out}: it exists and is not an empty folder; choose another --out.")


def begin(spec: Spec, facts: dict[str, Any], out: Path | None) -> tuple[Path, Callable[[], None]]:
    """Make a run's folder, ``out`` or the next free one under ``runs/``, and write what is known
    before the first step.

    Returns:
        The folder, and a function that takes it all back, for a training that fails at once.

    Raises:
        RunError: ``out`` is in use, or cannot be written; then nothing is left behind.
    """
    stem = f"{spec.name}-{facts['backend']}-{date.today():%Y%m%d}".replace("/", "-")
    folder, made = _claim(stem, out)
    take_back = functools.partial(_take_back, folder, made)
    try:
        write_file(folder / "spec.toml", to_toml(spec).encode())
        write_json(folder / "run.json", facts)
    except BaseException:
        take_back()
        raise
    return folder, take_back


def _claim(stem: str, out: Path | None) -> tuple[Path, list[Path]]:
    """Make a folder that no other training has; return it, and the folders made, innermost
    first.
    """
    while True:
        folder = out or next_folder(stem)
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            make_folder(folder)
            (folder / "samples").mkdir()  # of two trainings at once only one can
            return folder, made
        except FileExistsError:
            if out is not None:
                check_out(out)
        except (RunError, OSError) as error:
            _remove_empty(made)
            if isinstance(error, RunError):
                raise
            raise RunError(f"{folder}: cannot be written ({error.strerror or error}).") from None


def _take_back(folder: Path, made: list[Path]) -> None:
    """Remove what a run has written, and the folders made for it unless others use them now."""
    for name in ("samples", "checkpoints"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("spec.toml", "run.json", "log.jsonl"):
        with contextlib.suppress(OSError):
            (folder / name).unlink()
    _remove_empty(made)


def _remove_empty(folders: list[Path]) -> None:
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def pick_device(there: list[str], wanted: str) -> str:
    """Return the device to use: the first GPU for ``"auto"`` where there is one."""
    if wanted == "auto":
        return there[-1] if len(there) == 1 else there[1]
    return wanted


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Make one :class:`RunError` of what NumPy and the frameworks raise when memory runs out."""
    try:
        yield
    except Exception as error:
        known = ("MemoryError", "OutOfMemoryError", "ResourceExhaustedError", "_ArrayMemoryError")
        words = ("can't allocate memory", "not enough memory", "CUDA out of memory")
        if type(error).__name__ not in known and not any(w in str(error) for w in words):
            raise
        raise RunError(
            "There is not enough memory for this; use a smaller model, batch or number of images."
        ) from error


def sample(
    spec: Spec,
    engine: Engine,
    inputs: dict[str, np.ndarray],
    *,
    raw: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Images:
    """Make images from given inputs, a few hundred at a time."""
    average = bool(spec.training.ema_decay) and not raw
    count = len(inputs["noise"])
    images = np.empty((count, *spec.image.shape), np.uint8)
    for start in range(0, count, CHUNK):
        part = {name: value[start : start + CHUNK] for name, value in inputs.items()}
        with enough_memory():
            made = engine.forward("generator", part, average=average)
        images[start : start + CHUNK] = to_bytes(made, spec.image.low, spec.image.high)
        if progress is not None:
            progress(min(start + CHUNK, count))
    return Images(images, inputs["label"].argmax(1) if "label" in inputs else None)
