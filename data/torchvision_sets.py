"""torchvision's data sets by name: ``torchvision:SVHN``, ``torchvision:SVHN:extra``."""

from __future__ import annotations

import difflib
import inspect
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gandem.core.data.dataset import Dataset, ResizableDataset
from gandem.core.errors import DataError
from gandem.core.files import cache_folder
from gandem.core.plugins.isolation import format_error
from gandem.data.frameworks import FrameworkSet, check_installed, load_set

if TYPE_CHECKING:
    from gandem.data.framework_process import Opened, Request

__all__ = ["load", "opened"]

OTHERS = {
    "holds videos": ("HMDB51", "Kinetics", "MovingMNIST", "UCF101"),
    "holds images with boxes around things": (
        "CocoDetection",
        "Kitti",
        "VOCDetection",
        "WIDERFace",
    ),
    "holds images with a map of things": ("Cityscapes", "SBDataset", "VOCSegmentation"),
    "holds images with sentences": ("CocoCaptions", "Flickr30k", "Flickr8k", "SBU"),
    "holds pairs of images": ("LFWPairs", "PhotoTour"),
    "holds optical flow": ("FlyingChairs", "FlyingThings3D", "HD1K", "KittiFlow", "Sintel"),
    "holds stereo images": (
        *("CREStereo", "CarlaStereo", "ETH3DStereo", "FallingThingsStereo", "InStereo2k"),
        *("Kitti2012Stereo", "Kitti2015Stereo", "Middlebury2014Stereo", "SceneFlowStereo"),
        "SintelStereo",
    ),
    "is for a folder of your own, for which there is --data folder:PATH": (
        *("DatasetFolder", "ImageFolder", "VisionDataset", "LSUNClass"),
    ),
}
"""What is not images with a class each; what a later torchvision adds is known by its first item.
"""
PARTS = ("split", "version", "image_set", "classes")
"""Parameters that choose a part by name; those with ``train`` know ``train``, ``test`` and ``all``.
"""
COLLECTS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
FOLDERS = ("raw_folder", "_base_folder", "_data_folder", "_data_dir")
"""Where a set that could not be opened says it has looked."""


def load(argument: str, data_dir: Path | None) -> Dataset | ResizableDataset:
    """Return the training part of the set called ``argument``, or ``NAME:PART``.

    Args:
        data_dir: torchvision's ``root``; left out, a folder of the cache, into which it downloads.

    Raises:
        DataError: torchvision is not installed, lacks the set, or cannot read it.
    """
    check_installed("torchvision")
    name, *parts = argument.split(":")
    if not name:
        raise DataError(
            "torchvision: expected the name of a data set, received none. "
            "Use --data torchvision:NAME, like torchvision:SVHN."
        )
    if data_dir is not None and not data_dir.is_dir():
        raise DataError(f"torchvision:{argument}: there is no folder {str(data_dir)!r}.")
    root = data_dir or cache_folder() / "torchvision" / name.lower()
    wanted = FrameworkSet(
        name=f"torchvision:{argument}",
        framework="torchvision",
        words=(name.lower(), *parts),
        root=root.absolute(),
        given=data_dir is not None,
    )
    return load_set(wanted)


# --- in the child process ------------------------------------------------------------------------


def opened(request: Request) -> Opened:
    """Return the data set of a request; download it if needed."""
    from gandem.data.framework_process import Opened

    name, *parts = request.words
    kind = _kind(request, name)
    takes = _parameters(kind)
    sets = [_made(request, kind, given) for given in _arguments(request, kind, takes, parts)]
    first = sets[0]
    _check_item(request, kind, first)
    names = getattr(first, "classes", ())
    named = isinstance(names, list | tuple) and all(isinstance(each, str) for each in names)
    ends = list(accumulate(len(each) for each in sets))

    def at(place: int) -> tuple[Any, Any]:
        which = bisect_right(ends, place)
        image, target = sets[which][place - (ends[which] - len(sets[which]))]
        return image, target

    return Opened(
        count=ends[-1],
        at=at,
        source=f"{kind.__name__} of torchvision",
        class_names=tuple(names) if named else (),
        pictures=not _in_memory(first),
        files="root" in takes,
    )


def _kind(request: Request, name: str) -> Any:
    """Return the class of a data set; its name is case-insensitive."""
    from torchvision import datasets  # type: ignore[import-untyped]

    found = {each: getattr(datasets, each) for each in datasets.__all__}
    known = {each.lower(): each for each, kind in found.items() if inspect.isclass(kind)}
    others = {each.lower(): what for what, some in OTHERS.items() for each in some}
    if name not in known:
        fit = [each for each in known if each not in others]
        near = difflib.get_close_matches(name, fit, n=1, cutoff=0.6)
        hint = f"Did you mean {known[near[0]]!r}?" if near else f"There are: {_list(known, fit)}."
        typed = request.name.split(":")[1]
        raise DataError(f"torchvision has no data set {typed!r:.60}. {hint}")
    if name in others:
        raise DataError(
            f"{request.name}: {known[name]} {others[name]}; a GAN here learns from images, "
            "with or without a class each."
        )
    return found[known[name]]


def _list(known: dict[str, str], some: list[str]) -> str:
    return ", ".join(sorted(known[each] for each in some))


def _parameters(kind: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of a class, with those that it forwards to its base classes."""
    found: dict[str, inspect.Parameter] = {}
    for cls in kind.__mro__:
        if "__init__" not in vars(cls):
            continue
        own = dict(inspect.signature(cls.__init__).parameters)
        ends = [key for key, value in own.items() if value.kind in COLLECTS]
        found = {key: value for key, value in own.items() if key not in ends} | found
        if not any(own[key].kind is inspect.Parameter.VAR_KEYWORD for key in ends):
            break
    found.pop("self", None)
    return found


def _arguments(
    request: Request, kind: Any, takes: dict[str, inspect.Parameter], parts: list[str]
) -> list[dict[str, Any]]:
    """Return the arguments of the one or two sets that form a part."""
    given: dict[str, Any] = {"root": str(request.root)} if "root" in takes else {}
    chooses = next((each for each in PARTS if each in takes), None)
    several: list[dict[str, Any]] = [{}]
    for part in parts:
        if "train" in takes and part in ("train", "test", "all"):
            both = {"train": (True,), "test": (False,), "all": (True, False)}
            several = [{"train": value} for value in both[part]]
        elif chooses and chooses not in given:
            given[chooses] = part
        else:
            has = "train, test and all" if "train" in takes else "no parts, or only one"
            raise DataError(f"{request.name}: {kind.__name__} has no part {part!r}; it has {has}.")
    for name, value in takes.items():
        if value.default is value.empty and name not in given:
            if name == chooses:
                raise DataError(
                    f"{request.name}: {kind.__name__} needs its {name}: "
                    f"--data {request.name}:{name.upper()}.{_choices(kind)}"
                )
            raise DataError(f"{request.name}: {kind.__name__} needs its {name}, which has no name.")
    return [given | each for each in several]


def _choices(kind: Any) -> str:
    found = getattr(kind, "splits", ())
    return f" There are: {', '.join(map(str, found))}." if found else ""


def _made(request: Request, kind: Any, given: dict[str, Any]) -> Any:
    """Return a data set from existing files, or download it.

    The download is the second attempt, because some sets refuse it if their files exist.
    """
    loads = "download" in _parameters(kind)
    made = kind.__new__(kind)
    try:
        try:
            return kind(**given, **({"download": False} if loads else {}))
        except (OSError, RuntimeError):
            if not loads:
                raise
        if not request.given:
            request.root.mkdir(parents=True, exist_ok=True)
        made.__init__(**given, download=True)
        return made
    except DataError:
        raise
    except ModuleNotFoundError as error:
        raise DataError(
            f"{request.name}: {kind.__name__} needs {error.name}, which is not installed. "
            f"Install it with: pip install {error.name}"
        ) from error
    except Exception as error:
        if isinstance(error, ValueError) and "Unknown value" in str(error):  # of a split
            raise DataError(f"{request.name}: {kind.__name__}: {_short(error)}.") from error
        by_itself = "" if loads else "torchvision does not download it. "
        raise DataError(
            f"{request.name}: torchvision cannot read or download it: {_short(error)}. {by_itself}"
            f"Its files belong in {str(_place(made, request.root))!r}; --data-dir names another "
            "root."
        ) from error


def _place(made: Any, root: Path) -> Path:
    """Return the folder where a set that could not be opened looked for its files."""
    for name in FOLDERS:
        try:
            place = Path(getattr(made, name))
        except Exception:  # it may be only partly initialized
            continue
        if place.is_relative_to(root):
            return place
    return root


def _short(error: Exception) -> str:
    text = format_error(error).removeprefix("ValueError: ").rstrip(".… ")
    return text if len(text) <= 300 else f"{text[:299]}…"


def _check_item(request: Request, kind: Any, found: Any) -> None:
    """Check that a set has images with at most one class each."""
    from PIL import Image

    if not len(found):
        raise DataError(f"{request.name}: it has no images.")
    try:
        item = found[0]
    except Exception:  # a damaged image is skipped later
        return
    image, target = item if isinstance(item, tuple) and len(item) == 2 else (item, 0)
    gives = f"{request.name}: {kind.__name__} gives"
    if not isinstance(image, Image.Image):
        raise DataError(
            f"{gives} what is of type {type(image).__name__}, where an image should be."
        )
    if isinstance(target, Image.Image | dict | list | tuple | str):
        raise DataError(
            f"{gives} what is of type {type(target).__name__}, where a class should be."
        )


def _in_memory(found: Any) -> bool:
    """Return True if all images are in one array, so that they have one size."""
    data: Any = getattr(found, "data", None)
    return getattr(data, "ndim", 0) >= 3 and len(data) == len(found)
