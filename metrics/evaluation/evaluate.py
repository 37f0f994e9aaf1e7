"""Scores of runs and of images: what is compared with what, and by which protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.errors import BackendError, DataError, RunError, shown
from gandem.core.plugins.registry import find_extractor, load_dataset, load_extractor, registry
from gandem.core.rng import Purpose, stream
from gandem.core.runs.run import BEST, LAST, Run, open_run, some_backend
from gandem.core.runs.sampling import samples_of
from gandem.core.training import fixed_inputs
from gandem.metrics.evaluation import RealSide, Scored, same_protocol, usual_extractor
from gandem.metrics.evaluation.reference_statistics import LEAST, Progress

__all__ = ["ALL", "COUNT", "evaluate"]

COUNT = 10_000
"""Images that are scored, where the data has twice as many."""
ALL = "all"
"""The last checkpoint and the best, where that is another."""
CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Real:
    """What to compare with, as it was asked for; None: a run's own."""

    data: str | None
    data_dir: Path | None
    classes: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class _Subject:
    """Something to be scored.

    Attributes:
        run: the run; None for a file or folder of images.
    """

    path: Path
    run: Run | None = None


def evaluate(
    subjects: Sequence[Run | Path | str],
    *,
    data: str | None = None,
    data_dir: Path | str | None = None,
    classes: Sequence[int] | None = None,
    count: int = COUNT,
    extractor: str | None = None,
    seed: int = 0,
    backend: str | None = None,
    device: str = "auto",
    which: int | str = ALL,
    progress: Progress | None = None,
    notice: Callable[[str], None] | None = None,
) -> list[Scored]:
    """Return the scores of runs and of images, all by one protocol.

    A run is scored as its last checkpoint has it, and its best where that is another; where it
    keeps an average of the generator's weights, with the average and without.  The classes of a
    conditional model take turns.

    Args:
        subjects: runs, their folders, other folders of images, ``.npz`` files.
        data: what to compare with; left out, what the runs were trained on.
        data_dir: a folder with its files.
        classes: of it only these.
        count: images to score; half the data where that is less.
        extractor: whose features; left out, what suits the data.
        seed: of everything drawn.
        backend: what runs generate on, and the extractor where it wants one; left out, the run's.
        device: likewise, for generating.
        which: the checkpoint of runs: ``"all"``, ``"last"``, ``"best"``, or a step.
        progress: called with what is being done, how much of it is, and of how much.
        notice: called with what deserves a word and is no error, like files that cannot be read.

    Raises:
        GandemError: something cannot be scored, or not beside the rest.
    """
    if count < 1:
        raise DataError(f"count: expected at least 1 image, received {count}.")
    if not 0 <= seed < 2**63:
        raise DataError(f"seed: expected a whole number from 0 to 2**63 - 1, received {seed}.")
    if not subjects:
        raise DataError("There is nothing to score; name runs, folders or .npz files of images.")
    found = [_subject(subject) for subject in subjects]
    runs = [subject.run for subject in found if subject.run is not None]
    asked = _Real(
        data=data,
        data_dir=Path(data_dir) if data_dir is not None else None,
        classes=tuple(classes) if classes is not None else None,
    )
    if extractor is not None:
        find_extractor(extractor)  # a slip shall not wait for the data
    dataset, name = _real_data(found, asked)
    tell = notice or (lambda text: None)
    for note in dataset.notes:
        tell(note)
    for run in runs:
        _check_kind(run, dataset)
    steps = {run.path: _steps(run, which) for run in runs}
    able = backend or _able(str(runs[0].facts["backend"]) if runs else "")
    looking = load_extractor(extractor or usual_extractor(name), able)
    real = RealSide(dataset, looking, count, seed, progress=progress)
    scored = []
    for subject in found:
        if subject.run is None:
            scored.append(_score_images(subject.path, real, tell))
        else:
            scored += _score_run(subject.run, real, steps[subject.path], backend, device)
    same_protocol(scored)
    return scored


def _subject(given: Run | Path | str) -> _Subject:
    if isinstance(given, Run):
        return _Subject(given.path, given)
    path = Path(given)
    try:
        there, run = path.exists(), (path / "run.json").exists()
        run = run or (path.is_dir() and not _holds_images(path))
    except (OSError, ValueError) as error:  # no name at all, or a folder that is nobody's to read
        reason = getattr(error, "strerror", None) or error
        raise RunError(f"{shown(str(path))}: cannot be read ({reason}).") from None
    if not there:
        raise RunError(f"{path}: there is neither a run nor a folder or .npz of images.")
    return _Subject(path, open_run(path) if run else None)


def _holds_images(path: Path) -> bool:
    """Say whether a folder is no folder of runs: the errors of :func:`open_run` suggest one."""
    return not any(path.glob("*/run.json")) and any(path.iterdir())


def _able(preferred: str) -> str:
    """Return a backend for an extractor; one that is not there where none is, for an extractor may
    do without.
    """
    try:
        return some_backend(preferred)
    except BackendError:
        return registry().entries("backends")[0].id


# --- the real side -------------------------------------------------------------------------------


def _real_data(subjects: Iterable[_Subject], asked: _Real) -> tuple[Dataset, str]:
    """Return the real images, and the name they were asked for by."""
    runs = [subject.run for subject in subjects if subject.run is not None]
    shapes = {run.spec.image.shape for run in runs}
    shape = next(iter(shapes)) if len(shapes) == 1 else None
    if asked.data is not None:
        return load_dataset(asked.data, asked.data_dir, shape, asked.classes), asked.data
    if not runs:
        raise DataError("Images alone do not say what to compare them with; name it with --data.")
    told = {run.path: str(run.facts["data"].get("digest")) for run in runs}
    if len(set(told.values())) > 1:
        first = runs[0]
        other = next(run for run in runs if told[run.path] != told[first.path])
        raise DataError(
            f"{first.path} was trained on {_data_of(first)}, {other.path} on {_data_of(other)}: "
            "scores of different protocols stand in no table together; name the data to compare "
            "both with, --data, or score them one by one."
        )
    run, settings = runs[0], runs[0].settings()
    name = settings.data or "digits"
    folder = asked.data_dir or (Path(settings.data_dir) if settings.data_dir else None)
    classes = settings.classes if asked.classes is None else asked.classes
    try:
        dataset = load_dataset(name, folder, run.spec.image.shape)
    except DataError as error:
        raise DataError(f"{error} If the data has moved, say where with --data.") from None
    dataset = dataset.only(classes) if classes else dataset
    if asked.classes is None and dataset.digest != told[run.path]:
        raise DataError(
            f"{run.path}: {name} is not the data that it was trained on, its images or labels have "
            "changed; say with --data what to compare with."
        )
    return dataset, name


def _data_of(run: Run) -> Any:
    return run.facts["data"].get("name", "?")


def _check_kind(run: Run, dataset: Dataset) -> None:
    """Refuse a run that makes what has another shape than the real images, before these wait."""
    if run.spec.image.shape != dataset.shape:
        made, real = ("×".join(map(str, of)) for of in (run.spec.image.shape, dataset.shape))
        raise DataError(
            f"{run.path}: it makes images of {made}, {dataset.name} has {real}; choose the real "
            "ones with --data."
        )


# --- what is scored ------------------------------------------------------------------------------


def _score_run(
    run: Run, real: RealSide, steps: dict[int, str], backend: str | None, device: str
) -> Iterator[Scored]:
    weights = ("averaged", "raw") if run.spec.training.ema_decay else ("",)
    inputs = fixed_inputs(run.spec, real.seed, real.count, run.facts["precision"], None)
    labels = _in_numbers_of(real.dataset, run, inputs["label"]) if "label" in inputs else None
    for step, name in steps.items():
        engine = run.engine(backend, device, step)
        for kind in weights:
            words = ", ".join(word for word in (name, f"step {step}", kind) if word)
            made = samples_of(run.spec, engine, inputs, raw=kind == "raw")
            scored = real.score(f"{run.path}: {words}", made, labels)
            facts = {"checkpoint": name or str(step), "step": step, "weights": kind or "raw"}
            yield replace(scored, details={**facts, **scored.details})


def _in_numbers_of(dataset: Dataset, run: Run, hot: np.ndarray) -> np.ndarray | None:
    """Return labels, one-hot (N, K) in the numbers of a run's own data, in those of another, where
    that has classes of the same names; else None.
    """
    labels: np.ndarray = hot.argmax(1)
    told = run.facts["data"]
    if told.get("digest") == dataset.digest:
        return labels
    names, known = told.get("class_names"), list(dataset.class_names)
    if (
        not isinstance(names, list)
        or labels.max() >= len(names)
        or not all(name in known for name in names)
    ):
        return None
    numbers = np.array([known.index(name) for name in names])
    return np.asarray(numbers[labels])


def _steps(run: Run, which: int | str) -> dict[int, str]:
    """Return the steps of the checkpoints to score, each with its name, if it has one."""
    names = _names(run, which)
    return {run.checkpoint(n).step: n if n in (LAST, BEST) else "" for n in reversed(names)}


def _names(run: Run, which: int | str) -> list[int | str]:
    if which != ALL:
        return [which]
    return [LAST, BEST] if isinstance(run.facts.get("best"), dict) else [LAST]


def _score_images(path: Path, real: RealSide, tell: Callable[[str], None]) -> Scored:
    kind = "folder" if path.is_dir() else "npz"
    dataset = load_dataset(f"{kind}:{path}", None, real.dataset.shape)
    for note in dataset.notes:
        tell(note)
    if len(dataset.images) < real.count:
        raise DataError(
            f"{path}: it has {len(dataset.images)} images, fewer than the {real.count} to be "
            f"scored; {_advice(len(dataset.images))}."
        )
    order = stream(real.seed, Purpose.METRICS, part=1).permutation(len(dataset.images))
    rows = np.sort(order[: real.count])
    chunks = (dataset.images[rows[at : at + CHUNK]] for at in range(0, len(rows), CHUNK))
    # a folder numbers its classes by their names, which need not be the data's numbers
    labels = dataset.labels[rows] if dataset.labels is not None and kind == "npz" else None
    return real.score(str(path), chunks, labels)


def _advice(there: int) -> str:
    if there < LEAST:
        return f"scores take at least {LEAST}"
    return f"take as many of everything with -n {there}"
