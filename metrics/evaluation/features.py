"""Loading extractors, and the extraction of features in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from gandem.core.data.features import Extractor, Features
from gandem.core.errors import DataError, GandemError, NotFoundError, shown
from gandem.core.plugins.entry import Entry
from gandem.core.plugins.isolation import format_error, stdout_to_stderr
from gandem.core.plugins.loading import find_missing, import_target
from gandem.core.plugins.registry import require

CHUNK_SIZE = 500
"""Images per call of an extractor."""


def extract(
    extractor: Extractor,
    images: Iterable[np.ndarray],
    progress: Callable[[int], None] | None = None,
) -> Features:
    """Return the features of images that come in chunks; one chunk is in memory at a time.

    Args:
        progress: called with the number of images done.

    Raises:
        DataError: the extractor does not support the images, or returns invalid features.
    """
    features: list[np.ndarray] = []
    probabilities: list[np.ndarray] = []
    done, width = 0, None
    for chunk in images:
        extracted = _extract_chunk(extractor, chunk, width)
        features.append(extracted.features)
        width = extracted.features.shape[1]
        if extracted.probabilities is not None:
            probabilities.append(extracted.probabilities)
        done += len(chunk)
        if progress is not None:
            progress(done)
    if not features:
        raise DataError(f"{extractor.name}: there are no images.")
    joined = np.concatenate(probabilities) if probabilities else None
    return Features(np.concatenate(features), joined)


def _extract_chunk(extractor: Extractor, chunk: np.ndarray, width: int | None) -> Features:
    """Return the features of a chunk as C-contiguous arrays; the extractor may be third-party."""
    try:
        with stdout_to_stderr():
            features, probabilities = extractor(chunk)
            result = Features(
                np.ascontiguousarray(features, np.float32),
                None if probabilities is None else np.ascontiguousarray(probabilities, np.float64),
            )
    except (GandemError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise DataError(
            f"The extractor {extractor.name} failed on {len(chunk)} images: {format_error(error)}"
        ) from error
    _check_features(extractor, result, len(chunk), width)
    return result


def _check_features(extractor: Extractor, result: Features, count: int, width: int | None) -> None:
    shapes = [array.shape for array in result if array is not None]
    expected = [(count, *(shapes[0][1:2] if width is None else (width,)))]
    if extractor.classes:
        parts = shapes[-1][1:2] if len(shapes[-1]) == 3 else ()
        expected += [(count, *parts, extractor.classes)]
    if shapes != expected or len(shapes[0]) != 2:
        raise DataError(
            f"The extractor {extractor.name} returned arrays of {' and '.join(map(str, shapes))} "
            f"for {count} images, expected features (N, {width or 'D'})"
            + (f" and probabilities (N, {extractor.classes})." if extractor.classes else ".")
        )


def find_extractor(name: str) -> Entry:
    """Return the entry of an installed extractor, called ``name`` or ``name:argument``.

    Raises:
        NotFoundError: the extractor does not exist.
        BackendError: a required module is not installed; the message says how to install it.
    """
    return require("extractors", name.partition(":")[0])


def load_extractor(name: str, backend: str) -> Extractor:
    """Return the extractor called ``name``, or ``name:argument``.

    Args:
        backend: the id of an installed backend, for extractors that run on any.

    Raises:
        NotFoundError: the extractor does not exist.
        DataError, BackendError: it cannot be created; the message says what to do.
    """
    entry, argument = find_extractor(name), name.partition(":")[2]
    load = import_target(entry)
    try:
        with stdout_to_stderr():
            extractor: Extractor = load(argument, backend)
    except (GandemError, KeyboardInterrupt):
        raise
    except BaseException as error:  # third-party code may raise anything
        raise DataError(
            f"The {entry.full_name} could not be created: {format_error(error)}"
        ) from error
    if problem := _find_fault(extractor):
        raise NotFoundError(f"The {entry.full_name} is not an extractor: {problem}.")
    return extractor


def _find_fault(extractor: Extractor) -> str:
    """Return what is wrong with an extractor's attributes, or nothing."""
    if missing := find_missing(extractor, ("name", "digest", "classes", "__call__")):
        return missing
    for name in ("name", "digest"):
        text = getattr(extractor, name)
        if not (isinstance(text, str) and text and text.isprintable()):
            return f"its {name} is {shown(text)}, expected a string on one line"
    if type(extractor.classes) is not int or extractor.classes < 0:
        return f"its classes are {shown(extractor.classes)}, expected an integer from 0"
    return ""
