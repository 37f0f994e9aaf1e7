"""Evaluation of runs and of images against real images, all with one protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gandem.core.data.dataset import Dataset, default_extractor, load_dataset, name_path
from gandem.core.documents import finite
from gandem.core.errors import BackendError, DataError, RunError, format_count, shown
from gandem.core.files import write_json
from gandem.core.plugins.registry import registry
from gandem.core.rng import Purpose, stream
from gandem.core.runs.checkpoint import Checkpoint
from gandem.core.runs.generation.sampling import generate_batches
from gandem.core.runs.run import BEST, LAST, Run, open_run, pick_backend
from gandem.core.runs.run_dir import is_locked
from gandem.core.runs.saved.folder import is_saved_model
from gandem.core.runs.saved.targets import is_name
from gandem.core.training import fixed_inputs
from gandem.metrics.evaluation import RealSide, Scored, same_protocol
from gandem.metrics.evaluation.features import find_extractor, load_extractor
from gandem.metrics.evaluation.reference_statistics import MIN_IMAGES, Progress, count_images

COUNT = 10_000
"""Images to score, if the data has at least twice as many."""
SCORES = "scores.json"
"""The scores of a run, in its folder."""
ALL = "all"
"""The last checkpoint, and the best if it is a different one."""
CHUNK_SIZE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Real:
    """The requested real images; None means those of the run."""

    data: str | None
    data_dir: Path | None
    classes: tuple[int | str, ...] | None


@dataclass(frozen=True, slots=True)
class _Subject:
    """A run, or images to score.

    Attributes:
        run: the run; None for images.
        data: the name of the data set of images, like ``"folder:PATH"``.
        is_named: it was given as such a name, not as the path of images.
    """

    path: Path
    run: Run | None = None
    data: str = ""
    is_named: bool = False


def evaluate(
    subjects: Run | Path | str | Sequence[Run | Path | str],
    *,
    data: str | None = None,
    data_dir: Path | str | None = None,
    classes: Sequence[int | str] | None = None,
    num_samples: int = COUNT,
    extractor: str | None = None,
    gan_train: bool = False,
    save: bool = False,
    seed: int = 0,
    backend: str | None = None,
    device: str = "auto",
    checkpoint: int | str = ALL,
    progress: Progress | None = None,
    notice: Callable[[str], None] | None = None,
) -> list[Scored]:
    """Return the scores of runs and of images, all with one protocol.

    By default the last checkpoint of a run is scored, and the best one if it differs; with and
    without averaged generator weights if the run keeps an average. A conditional model generates
    its classes in turn.

    Args:
        subjects: runs, run folders, folders of images, ``.npz`` files, names of data sets; or one.
        data: the data set to compare with; by default the training data of the runs.
        data_dir: a folder with its files, and with those of data sets among the subjects.
        classes: the classes of the data to use; all by default.
        num_samples: images to score, at most half of the data.
        extractor: the feature extractor; by default the one that suits the data.
        gan_train: also train a classifier on the images of each conditional run, and test it on
            the real ones: about a minute for 10,000 images, and as much for the real baseline.
        save: also write the scores of each run to :data:`SCORES` in its folder, for which
            ``checkpoint`` must be ``"all"``.
        seed: of all random draws.
        backend: the backend for generation and the extractor; by default that of the run.
        device: the device for generation.
        checkpoint: of runs: ``"all"``, ``"last"``, ``"best"``, or a step.
        progress: called with the name of the task, the amount done, and the total.
        notice: called with messages for the user, like files that cannot be read.

    Raises:
        GandemError: a subject cannot be scored, or its scores cannot be compared with the others.
    """
    if num_samples < 1:
        raise DataError(f"num_samples: expected at least 1 image, received {num_samples}.")
    if not 0 <= seed < 2**63:
        raise DataError(f"seed: expected a whole number from 0 to 2**63 - 1, received {seed}.")
    if isinstance(subjects, Run | Path | str):
        subjects = [subjects]
    if not subjects:
        raise DataError(
            "There is nothing to score; expected runs, folders or .npz files of images."
        )
    if save and checkpoint != ALL:  # 'gandem report' reads both
        raise RunError(
            "Saved scores are those of the last and the best checkpoint; leave --checkpoint or "
            "--save out."
        )
    targets = [_subject(subject) for subject in subjects]
    for target in targets if save else ():
        if target.run is not None and is_saved_model(target.run.path):
            raise RunError(f"{target.path}: a saved model is not changed; leave --save out.")
    runs = [target.run for target in targets if target.run is not None]
    request = _Real(
        data=data,
        data_dir=Path(data_dir) if data_dir is not None else None,
        classes=tuple(classes) if classes is not None else None,
    )
    if extractor is not None:
        find_extractor(extractor)  # report a wrong name before the data is loaded
    dataset, name = _real_data(targets, request)
    notify = notice or (lambda text: None)
    for note in dataset.notes:
        notify(note)
    for run in runs:
        _check_shape(run, dataset)
    count = count_images(dataset, num_samples)
    images = {
        target.path: _load_images(target, request.data_dir, dataset, count, notify)
        for target in targets
        if target.run is None
    }
    checkpoints = {
        target.path: _find_checkpoints(target.run, checkpoint)
        for target in targets
        if target.run is not None
    }
    usable = backend or _pick_backend(runs[0].record.backend if runs else "")
    features = load_extractor(extractor or default_extractor(name), usable)
    real = RealSide(dataset, features, count, seed, gan_train=gan_train, progress=progress)
    scored = []
    for target in targets:
        if target.run is None:
            scored.append(_score_images(target, images[target.path], real))
        else:
            of_run = [*_score_run(target, real, checkpoints[target.path], backend, device)]
            if save:
                rows = [finite(scores.to_data()) for scores in of_run]
                write_json(target.run.path / SCORES, rows)
            scored += of_run
    same_protocol(scored)
    return scored


def _subject(given: Run | Path | str) -> _Subject:
    if isinstance(given, Run):
        return _Subject(given.path, given)
    path = Path(given)
    if is_name(given):
        return _Subject(path, open_run(given))
    try:
        exists, run = path.exists(), (path / "run.json").exists()
        run = run or (path.is_dir() and not _holds_images(path))
    except (OSError, ValueError) as error:  # an invalid name, or no permission
        reason = getattr(error, "strerror", None) or error
        raise RunError(f"{shown(str(path))}: cannot be read ({reason}).") from None
    if run:
        return _Subject(path, open_run(path))
    name = str(given)
    if exists:
        return _Subject(path, data=name_path(name) or f"npz:{name}")
    try:
        registry().find("datasets", name.partition(":")[0])
    except LookupError:
        raise RunError(
            f"{path}: not found; expected a run, a folder of images, an .npz file, or a data set "
            "like npz:FILE."
        ) from None
    return _Subject(path, data=name, is_named=True)


def _holds_images(path: Path) -> bool:
    """Return True unless a folder is empty or holds runs, which errors of `open_run` suggest."""
    return not any(path.glob("*/run.json")) and any(path.iterdir())


def _pick_backend(preferred: str) -> str:
    """Return a backend for the extractor, even if none is installed: it may not need one."""
    try:
        return pick_backend(preferred)
    except BackendError:
        return registry().entries("backends")[0].id


# --- real images ---------------------------------------------------------------------------------


def _real_data(subjects: Iterable[_Subject], request: _Real) -> tuple[Dataset, str]:
    """Return the real images and the requested name."""
    runs = [subject.run for subject in subjects if subject.run is not None]
    shapes = {run.spec.image.shape for run in runs}
    shape = next(iter(shapes)) if len(shapes) == 1 else None
    if request.data is not None:
        return load_dataset(request.data, request.data_dir, shape, request.classes), request.data
    if not runs:
        raise DataError("Images have no data set to compare with; choose one with --data.")
    digests = {run.path: run.record.data.digest for run in runs}
    if len(set(digests.values())) > 1:
        first = runs[0]
        other = next(run for run in runs if digests[run.path] != digests[first.path])
        raise DataError(
            f"{first.path} was trained on {first.record.data.name}, {other.path} on "
            f"{other.record.data.name}: scores with different protocols cannot be compared; "
            "choose the data for both with --data, or score them separately."
        )
    run, settings = runs[0], runs[0].settings()
    name = settings.data or "digits"
    folder = request.data_dir or (Path(settings.data_dir) if settings.data_dir else None)
    classes = settings.classes if request.classes is None else request.classes
    try:
        dataset = load_dataset(name, folder, run.spec.image.shape)
    except DataError as error:
        raise DataError(f"{error} If the data has moved, give its path with --data.") from None
    dataset = dataset.select_classes(classes) if classes else dataset
    if request.classes is None and dataset.digest != digests[run.path]:
        raise DataError(
            f"{run.path}: {name} is not the data that it was trained on; its images or labels have "
            "changed. Choose the data with --data."
        )
    return dataset, name


def _check_shape(run: Run, dataset: Dataset) -> None:
    """Check that a run generates images of the shape of the real images."""
    if run.spec.image.shape != dataset.shape:
        fake, real = ("×".join(map(str, of)) for of in (run.spec.image.shape, dataset.shape))
        raise DataError(
            f"{run.path}: it generates images of {fake}, {dataset.name} has {real}; choose the "
            "real images with --data."
        )


# --- generated images ----------------------------------------------------------------------------


def _score_run(
    subject: _Subject,
    real: RealSide,
    checkpoints: dict[int, tuple[str, Checkpoint | int]],
    backend: str | None,
    device: str,
) -> Iterator[Scored]:
    run = subject.run
    assert run is not None
    weights: tuple[str, ...] = ("averaged", "raw") if run.spec.training.averages else ("",)
    if is_saved_model(run.path):  # it holds one set of weights
        weights = weights[:1]
    inputs = fixed_inputs(run.spec, real.seed, real.count, run.record.precision, None)
    labels = _convert_labels(real.dataset, run, inputs["label"]) if "label" in inputs else None
    for step, (name, checkpoint) in checkpoints.items():
        engine = run.engine(backend, device, checkpoint)
        for kind in weights:
            description = ", ".join(part for part in (name, f"step {step}", kind) if part)
            images = generate_batches(run.spec, engine, inputs, ema=kind != "raw")
            scored = real.score(f"{subject.path}: {description}", images, labels)
            facts = {"checkpoint": name or str(step), "step": step, "weights": kind or "raw"}
            yield replace(scored, details={**facts, **scored.details})


def _convert_labels(dataset: Dataset, run: Run, hot: np.ndarray) -> np.ndarray | None:
    """Return the one-hot labels (N, K) of a run in the numbering of another data set, or None.

    Classes are matched by name; None if the data set lacks one.
    """
    labels: np.ndarray = hot.argmax(1)
    if run.record.data.digest == dataset.digest:
        return labels
    names, known = run.record.data.class_names, dataset.class_names
    if labels.max() >= len(names) or not all(name in known for name in names):
        return None
    numbers = np.array([known.index(name) for name in names])
    return np.asarray(numbers[labels])


def _find_checkpoints(run: Run, which: int | str) -> dict[int, tuple[str, Checkpoint | int]]:
    """Return the checkpoints to score by step, each with its name, if it has one.

    Those of a training that is still running are kept in memory, since it may remove the files.
    """
    names = [BEST, LAST] if run.record.best else [LAST]
    checkpoints: dict[int, tuple[str, Checkpoint | int]] = {}
    for name in names if which == ALL else [which]:
        checkpoint = run.checkpoint(name)
        source = checkpoint if is_locked(run.path) else checkpoint.step
        checkpoints[checkpoint.step] = (str(name) if name in (LAST, BEST) else "", source)
    return checkpoints


def _load_images(
    subject: _Subject,
    data_dir: Path | None,
    real: Dataset,
    count: int,
    notify: Callable[[str], None],
) -> Dataset:
    """Return the images of a subject, if there are enough.

    Args:
        data_dir: the folder with the files of data sets that are given by name.
    """
    dataset = load_dataset(subject.data, data_dir if subject.is_named else None, real.shape)
    for note in dataset.notes:
        notify(note)
    if len(dataset.images) < count:
        raise DataError(
            f"{subject.path}: it has {format_count(len(dataset.images), 'image')}, expected at "
            f"least {count}; "
            f"{_suggest_count(len(dataset.images))}."
        )
    return dataset


def _score_images(subject: _Subject, dataset: Dataset, real: RealSide) -> Scored:
    order = stream(real.seed, Purpose.METRICS, part=1).permutation(len(dataset.images))
    rows = np.sort(order[: real.count])
    chunks = (
        dataset.images[rows[start : start + CHUNK_SIZE]]
        for start in range(0, len(rows), CHUNK_SIZE)
    )
    # the numbering of other data follows class names and may differ from that of the real images
    same = subject.data.startswith("npz:") or dataset.class_names == real.dataset.class_names
    labels = dataset.labels[rows] if dataset.labels is not None and same else None
    return real.score(str(subject.path), chunks, labels)


def _suggest_count(count: int) -> str:
    if count < MIN_IMAGES:
        return f"scores need at least {MIN_IMAGES}"
    return f"score {count} images of each with -n {count}"
