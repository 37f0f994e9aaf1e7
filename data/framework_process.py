"""The process that reads one data set with its framework's loader and writes it as plain bytes.

``python -m gandem.data.framework_process REQUEST`` with a request in JSON, as
:mod:`gandem.data.frameworks` sends it.  Standard output and standard error go to whoever started
it: how far it is, why it cannot, and the framework's own noise.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gandem.core.errors import DataError, GandemError
from gandem.core.files import fill_file, write_json
from gandem.core.plugins.isolation import sentence
from gandem.data.frameworks import DONE, REFUSED, stamps_of
from gandem.data.pictures import careful, fit, why

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Opened", "Request", "main"]

READERS = {"torchvision": "gandem.data.torchvision_sets", "keras": "gandem.data.keras_sets"}
PATIENCE = 30
"""Seconds that a server may be silent."""
OFTEN = 0.2
"""Seconds between two words of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to read, as :class:`gandem.data.frameworks.FrameworkSet` says it, and what to make."""

    name: str
    framework: str
    words: list[str]
    root: Path
    given: bool
    want: str
    shape: tuple[int, ...] | None
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A data set that a framework has opened.

    Attributes:
        at: returns an image, Pillow's or an array (H, W) or (H, W, C), and its target, whatever
            that is.
        pictures: the images are files of any sizes; if not, they are in memory and of one size.
        files: it was read from files below the root.
    """

    count: int
    at: Callable[[int], tuple[Any, Any]]
    source: str
    class_names: tuple[str, ...] = ()
    pictures: bool = False
    files: bool = True


def main(text: str) -> int:
    """Do what a request says and return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits for this process ends it
    warnings.simplefilter("ignore")
    socket.setdefaulttimeout(PATIENCE)
    told = json.loads(text)
    told |= {"root": Path(told["root"]), "folder": Path(told["folder"])}
    request = Request(**told | {"shape": told["shape"] and tuple(told["shape"])})
    if request.given:
        _spare(request.root)
    try:
        opened: Opened = import_module(READERS[request.framework]).opened(request)
        with careful():
            _write(request, opened)
    except GandemError as error:
        line = str(error)
    except Exception as error:  # a framework may raise anything at all
        line = f"{request.name}: {request.framework} cannot read it: {sentence(error)}"
    else:
        return 0
    print(f"\n{REFUSED}{line}", flush=True)  # noqa: T201
    return 1


def _spare(root: Path) -> None:
    """Keep this process from overwriting or removing a file that a person has below a folder."""
    made: set[str] = set()
    home = os.path.realpath(root)

    def look(event: str, arguments: tuple[Any, ...]) -> None:
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
        whole = os.path.realpath(os.fsdecode(path))
        if not whole.startswith(os.path.join(home, "")) or whole in made:
            return
        if os.path.lexists(whole) and event == "os.mkdir":
            return
        if os.path.lexists(whole):
            raise DataError(
                f"{whole!r}: it is not the file that was expected, or not whole; it is left as it "
                "was. Remove it, and it is downloaded, or put the right one there."
            )
        made.add(whole)

    sys.addaudithook(look)


# --- what is written -----------------------------------------------------------------------------


def _write(request: Request, opened: Opened) -> None:
    """Fill the folder; its facts come last."""
    facts: dict[str, Any] = {"pictures": opened.pictures, "source": opened.source}
    facts |= {"files": opened.files, "labeled": False, "count": 0, "bad": {}, "notes": []}
    facts |= {"class_names": []}
    if request.want == "look":
        facts |= _look(request, opened)
    elif request.want == "fit" or not opened.pictures:
        facts |= _images(request, opened)
    facts["stamps"] = stamps_of(request.root) if opened.files else ""
    write_json(request.folder / "facts.json", facts)


def _images(request: Request, opened: Opened) -> dict[str, Any]:
    """Write all images, fitted to the shape if one is asked for, and their labels."""
    shape, targets = request.shape, []
    bad: dict[int, str] = {}
    wanted = request.shape

    def fill(temporary: Path) -> None:
        nonlocal shape
        with temporary.open("wb", buffering=1 << 20) as file:
            for place, image, target in _each(opened, bad):
                try:
                    made = fit(_picture(image), wanted) if wanted else _array(image)
                except Exception as error:  # a damaged picture raises nearly anything
                    bad[place] = why(error)
                    continue
                shape = shape or made.shape
                if made.shape != shape:
                    raise DataError(
                        f"{request.name}: image {place} is {made.shape}, the first is {shape}."
                    )
                file.write(made.tobytes())
                targets.append(target)

    fill_file(request.folder / "images.bin", fill)
    _check_any(request, targets, bad)
    facts = {"shape": [len(targets), *(shape or ())], "count": len(targets)}
    return (
        facts
        | {"bad": {str(place): said for place, said in bad.items()}}
        | _labels(request, opened, targets)
    )


def _look(request: Request, opened: Opened) -> dict[str, Any]:
    """Return what the pictures are."""
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    first: dict[bytes, int] = {}
    bad: dict[int, str] = {}
    copies, targets = [], []
    for place, image, target in _each(opened, bad):
        try:
            pixels = _array(image)
        except Exception as error:  # likewise
            bad[place] = why(error)
            continue
        sizes[pixels.shape[1], pixels.shape[0]] += 1
        modes["gray" if pixels.shape[2] == 1 else "color"] += 1
        mark = hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16)
        if (of := first.setdefault(mark.digest(), place)) != place:
            copies.append([place, of])
        targets.append(target)
    _check_any(request, targets, bad)
    return {
        "count": len(targets),
        "sizes": [[*size, count] for size, count in sizes.items()],
        "modes": dict(modes),
        "copies": copies,
        "bad": {str(place): said for place, said in bad.items()},
    } | _labels(request, opened, targets)


def _each(opened: Opened, bad: dict[int, str]) -> Iterator[tuple[int, Any, Any]]:
    """Yield place, image and target, one after the other: loaders need not bear threads."""
    due = 0.0
    for place in range(opened.count):
        if (now := time.monotonic()) >= due or place + 1 == opened.count:
            due = now + OFTEN
            print(f"\n{DONE}{place + 1} {opened.count}", flush=True)  # noqa: T201
        try:
            image, target = opened.at(place)
        except Exception as error:  # likewise
            bad[place] = why(error)
        else:
            yield place, image, target


def _labels(request: Request, opened: Opened, targets: list[Any]) -> dict[str, Any]:
    """Write the labels, if each target is one, and return what is said of them."""
    labels = [_class(target) for target in targets]
    if any(label is None for label in labels):
        said = f"{request.name}: it comes without labels, for its targets are no classes."
        return {"labeled": False, "class_names": [], "notes": [said]}
    array = np.array(labels, np.int64)

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.save(file, array)

    fill_file(request.folder / "labels.npy", save)
    names = opened.class_names if len(opened.class_names) > array.max() else ()
    return {"labeled": True, "class_names": list(names)}


def _class(target: Any) -> int | None:
    """Return the number of a class, or None of what is none."""
    try:
        array = np.asarray(target)
    except Exception:  # a stranger's object
        return None
    if array.dtype.kind not in "iu" or array.size != 1 or array.item() < 0:
        return None
    return int(array.item())


def _check_any(request: Request, targets: list[Any], bad: dict[int, str]) -> None:
    if not targets:
        first = f": {next(iter(bad.values()))}" if bad else ""
        raise DataError(f"{request.name}: none of its {len(bad)} images can be read{first}.")


def _picture(image: Any) -> Image.Image:
    """Return an image as Pillow's."""
    from PIL import Image

    if isinstance(image, Image.Image):
        return image
    array = np.asarray(image)
    return Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def _array(image: Any) -> np.ndarray:
    """Return an image as uint8 (H, W, 1 or 3), of the size it has."""
    if isinstance(image, np.ndarray) and image.dtype == np.uint8:
        return image[..., None] if image.ndim == 2 else image
    picture = _picture(image)
    width, height = picture.size
    gray = len(picture.getbands()) == 1 and picture.mode != "P"
    return fit(picture, (height, width, 1 if gray else 3))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
