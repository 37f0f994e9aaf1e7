"""The child process that reads a data set with the loader of its framework and writes raw bytes.

Run as ``python -m gandem.data.framework_process REQUEST`` by :mod:`gandem.data.frameworks`, with a
request in JSON. Its output carries progress, the error, and output of the framework.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gandem.core.data.image_files import describe_error, fit_image, limit_image_size
from gandem.core.errors import DataError, GandemError, format_count
from gandem.core.files import fill_file, write_json
from gandem.core.plugins.isolation import format_error
from gandem.data.frameworks import ERROR_MARK, PROGRESS_MARK, hash_files

if TYPE_CHECKING:
    from PIL import Image

READERS = {"torchvision": "gandem.data.torchvision_sets", "keras": "gandem.data.keras_sets"}
SOCKET_TIMEOUT = 30
"""Socket timeout in seconds."""
TIME_LIMIT = 24 * 3600
"""Seconds to download and open a data set."""
PROGRESS_INTERVAL = 0.2
"""Seconds between two progress lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The fields of :class:`gandem.data.frameworks.FrameworkSet`, and the wanted output."""

    name: str
    framework: str
    parts: list[str]
    root: Path
    given: bool
    want: str
    shape: tuple[int, ...] | None
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSet:
    """A data set that a framework has opened.

    Attributes:
        at: returns an image of Pillow or an array (H, W) or (H, W, C), and its target.
        pictures: True for image files of any sizes; False for images in memory of one size.
        files: True if it was read from files below the root.
    """

    count: int
    at: Callable[[int], tuple[Any, Any]]
    source: str
    class_names: tuple[str, ...] = ()
    pictures: bool = False
    files: bool = True


def main(text: str) -> int:
    """Carry out a request and return the exit code."""
    warnings.simplefilter("ignore")
    socket.setdefaulttimeout(SOCKET_TIMEOUT)
    fields = json.loads(text)
    fields |= {"root": Path(fields["root"]), "folder": Path(fields["folder"])}
    request = Request(**fields | {"shape": fields["shape"] and tuple(fields["shape"])})
    if request.given:
        _protect_files(request.root)
    try:
        with _limit_time(request):
            opened: OpenedSet = import_module(READERS[request.framework]).open_set(request)
        with limit_image_size():
            _write(request, opened)
    except GandemError as error:
        line = str(error)
    except Exception as error:  # frameworks raise many types of errors
        line = f"{request.name}: {request.framework} cannot read it: {format_error(error)}"
    else:
        return 0
    print(f"\n{ERROR_MARK}{line}", flush=True)  # noqa: T201
    return 1


@contextlib.contextmanager
def _limit_time(request: Request) -> Iterator[None]:
    """End this process if a set is not open within the limit, because a download hangs."""

    def give_up() -> None:
        hours = TIME_LIMIT / 3600
        line = f"{request.name}: {request.framework} did not open it within {hours:g} hours."
        print(f"\n{ERROR_MARK}{line}", flush=True)  # noqa: T201
        os._exit(1)

    timer = threading.Timer(TIME_LIMIT, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _protect_files(root: Path) -> None:
    """Prevent this process from overwriting or removing the user's files below a folder."""
    created: set[str] = set()
    home = os.path.join(os.path.realpath(root), "")

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if not (set(mode or "") & set("wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR)):
                return
        elif event in ("os.remove", "os.mkdir", "shutil.rmtree"):
            path = arguments[0]
        elif event == "os.rename":
            path = arguments[1]
        else:
            return
        if not isinstance(path, str | bytes | os.PathLike):
            return
        full_path = os.path.realpath(os.fsdecode(path))
        if not full_path.startswith(home) or full_path in created:
            return
        if not os.path.lexists(full_path):
            created.add(full_path)
        elif event != "os.mkdir":
            raise DataError(
                f"{full_path!r}: it is damaged or another file than expected, and is not "
                "overwritten. Remove it to download it again, or replace it."
            )

    sys.addaudithook(audit)


# --- output --------------------------------------------------------------------------------------


def _write(request: Request, opened: OpenedSet) -> None:
    """Fill the folder; the facts are written last."""
    facts: dict[str, Any] = {
        "pictures": opened.pictures,
        "source": opened.source,
        "files": opened.files,
        "labeled": False,
        "count": 0,
        "bad": {},
        "notes": [],
        "class_names": [],
    }
    if request.want == "look":
        facts |= _summarize(request, opened)
    elif request.want == "fit" or not opened.pictures:
        facts |= _write_images(request, opened)
    facts["stamps"] = hash_files(request.root) if opened.files else ""
    write_json(request.folder / "facts.json", facts)


def _write_images(request: Request, opened: OpenedSet) -> dict[str, Any]:
    """Write all images, resized if a shape is given, and their labels."""
    shape, targets = request.shape, []
    errors: dict[int, str] = {}

    def fill(temporary: Path) -> None:
        nonlocal shape
        with temporary.open("wb", buffering=1 << 20) as file:
            for index, image, target in _iterate(opened, errors):
                try:
                    pixels = (
                        fit_image(_to_pillow(image), request.shape)
                        if request.shape
                        else _to_array(image)
                    )
                except Exception as error:  # damaged images raise many types of errors
                    errors[index] = describe_error(error)
                    continue
                shape = shape or pixels.shape
                if pixels.shape != shape:
                    raise DataError(
                        f"{request.name}: image {index} is {pixels.shape}, the first is {shape}."
                    )
                file.write(pixels.tobytes())
                targets.append(target)

    fill_file(request.folder / "images.bin", fill)
    _check_not_empty(request, targets, errors)
    return {
        "shape": [len(targets), *(shape or ())],
        "count": len(targets),
        "bad": errors,
        **_write_labels(request, opened, targets),
    }


def _summarize(request: Request, opened: OpenedSet) -> dict[str, Any]:
    """Return the facts of a summary."""
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    first: dict[bytes, int] = {}
    errors: dict[int, str] = {}
    copies, targets = [], []
    for index, image, target in _iterate(opened, errors):
        try:
            pixels = _to_array(image)
        except Exception as error:  # as above
            errors[index] = describe_error(error)
            continue
        sizes[pixels.shape[1], pixels.shape[0]] += 1
        modes["gray" if pixels.shape[2] == 1 else "color"] += 1
        hashed = hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16)
        if (original := first.setdefault(hashed.digest(), index)) != index:
            copies.append([index, original])
        targets.append(target)
    _check_not_empty(request, targets, errors)
    return {
        "count": len(targets),
        "sizes": [[*size, count] for size, count in sizes.items()],
        "modes": dict(modes),
        "copies": copies,
        "bad": errors,
        **_write_labels(request, opened, targets),
    }


def _iterate(opened: OpenedSet, errors: dict[int, str]) -> Iterator[tuple[int, Any, Any]]:
    """Yield index, image and target in order; loaders may not be thread-safe."""
    due = 0.0
    for index in range(opened.count):
        if (now := time.monotonic()) >= due or index + 1 == opened.count:
            due = now + PROGRESS_INTERVAL
            print(f"\n{PROGRESS_MARK}{index + 1} {opened.count}", flush=True)  # noqa: T201
        try:
            image, target = opened.at(index)
        except Exception as error:  # as above
            errors[index] = describe_error(error)
        else:
            yield index, image, target


def _write_labels(request: Request, opened: OpenedSet, targets: list[Any]) -> dict[str, Any]:
    """Write the labels, if all targets are classes, and return their facts."""
    labels = [_to_label(target) for target in targets]
    if any(label is None for label in labels):
        note = f"{request.name}: it has no labels, because its targets are no classes."
        return {"labeled": False, "class_names": [], "notes": [note]}
    array = np.array(labels, np.int64)

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.save(file, array)

    fill_file(request.folder / "labels.npy", save)
    names = opened.class_names if len(opened.class_names) > array.max() else ()
    return {"labeled": True, "class_names": list(names)}


def _to_label(target: Any) -> int | None:
    """Return a target as a class number, or None if it is not one."""
    try:
        array = np.asarray(target)
    except Exception:  # third-party objects
        return None
    if array.dtype.kind not in "iu" or array.size != 1 or array.item() < 0:
        return None
    return int(array.item())


def _check_not_empty(request: Request, targets: list[Any], errors: dict[int, str]) -> None:
    if not targets:
        first = f": {next(iter(errors.values()))}" if errors else ""
        count = format_count(len(errors), "image")
        raise DataError(f"{request.name}: it has {count}, none of which can be read{first}.")


def _to_pillow(image: Any) -> Image.Image:
    """Return an image as an image of Pillow."""
    from PIL import Image

    if isinstance(image, Image.Image):
        return image
    array = np.asarray(image)
    return Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def _to_array(image: Any) -> np.ndarray:
    """Return an image as uint8 (H, W, 1 or 3), not resized."""
    if isinstance(image, np.ndarray) and image.dtype == np.uint8:
        return image[..., None] if image.ndim == 2 else image
    picture = _to_pillow(image)
    width, height = picture.size
    is_gray = len(picture.getbands()) == 1 and picture.mode != "P"
    return fit_image(picture, (height, width, 1 if is_gray else 3))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
