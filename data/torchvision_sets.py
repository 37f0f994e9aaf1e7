"""torchvision's data sets by name: ``torchvision:SVHN``, ``torchvision:SVHN:extra``."""

from __future__ import annotations

import inspect
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gandem.core.data.dataset import Dataset, ResizableDataset
from gandem.core.errors import DataError
from gandem.core.files import cache_folder
from gandem.core.plugins.isolation import format_error
from gandem.data.frameworks import FrameworkSet, check_installed, check_name, load_set

if TYPE_CHECKING:
    from gandem.data.framework_process import OpenedSet, Request

UNSUITABLE = {
    "holds videos": ("HMDB51", "Kinetics", "MovingMNIST", "UCF101"),
    "holds images with bounding boxes": (
        "CocoDetection",
        "Kitti",
        "VOCDetection",
        "WIDERFace",
    ),
    "holds images with segmentation masks": ("Cityscapes", "SBDataset", "VOCSegmentation"),
    "holds images with captions": ("CocoCaptions", "Flickr30k", "Flickr8k", "SBU"),
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
"""Data sets that cannot be used, with the reason; unknown ones are checked by their first item."""
PARTS = ("split", "version", "image_set", "classes")
"""Parameters that choose a part by name; those with ``train`` know ``train``, ``test`` and ``all``.
"""
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
FOLDERS = ("raw_folder", "_base_folder", "_data_folder", "_data_dir")
"""Attributes of a data set with the folder of its files."""


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
    dataset = FrameworkSet(
        name=f"torchvision:{argument}",
        framework="torchvision",
        parts=(name.lower(), *parts),
        root=root.absolute(),
        given=data_dir is not None,
    )
    return load_set(dataset)


# --- in the child process ------------------------------------------------------------------------


def open_set(request: Request) -> OpenedSet:
    """Return the data set of a request; download it if needed."""
    from gandem.data.framework_process import OpenedSet

    name, *parts = request.parts
    cls = _find_class(request, name)
    parameters = _list_parameters(cls)
    arguments = _list_arguments(request, cls, parameters, parts)
    sets = [_open_or_download(request, cls, keywords) for keywords in arguments]
    first = sets[0]
    _check_first_item(request, cls, first)
    names = getattr(first, "classes", ())
    has_names = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    ends = list(accumulate(len(part) for part in sets))

    def at(index: int) -> tuple[Any, Any]:
        which = bisect_right(ends, index)
        image, target = sets[which][index - (ends[which] - len(sets[which]))]
        return image, target

    return OpenedSet(
        count=ends[-1],
        at=at,
        source=f"{cls.__name__} of torchvision",
        class_names=tuple(names) if has_names else (),
        pictures=not _is_in_memory(first),
        files="root" in parameters,
    )


def _find_class(request: Request, name: str) -> Any:
    """Return the class of a data set; its name is case-insensitive."""
    from torchvision import datasets  # type: ignore[import-untyped]

    members = {member: getattr(datasets, member) for member in datasets.__all__}
    classes = {key.lower(): cls for key, cls in members.items() if inspect.isclass(cls)}
    known = {key: cls.__name__ for key, cls in classes.items()}
    check_name(request.name, name, known, UNSUITABLE)
    return classes[name]


def _list_parameters(cls: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of a class, with those that it forwards to its base classes."""
    parameters: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        own = dict(inspect.signature(base.__init__).parameters)
        variadic = [key for key, value in own.items() if value.kind in VARIADIC]
        parameters = {key: own[key] for key in own if key not in variadic} | parameters
        if not any(own[key].kind is inspect.Parameter.VAR_KEYWORD for key in variadic):
            break
    parameters.pop("self", None)
    return parameters


def _list_arguments(
    request: Request, cls: Any, parameters: dict[str, inspect.Parameter], parts: list[str]
) -> list[dict[str, Any]]:
    """Return the arguments of the one or two sets that form a part."""
    shared: dict[str, Any] = {"root": str(request.root)} if "root" in parameters else {}
    selector = next((name for name in PARTS if name in parameters), None)
    halves: list[dict[str, Any]] = [{}]
    for part in parts:
        if "train" in parameters and part in ("train", "test", "all"):
            values = {"train": (True,), "test": (False,), "all": (True, False)}[part]
            halves = [{"train": value} for value in values]
        elif selector and selector not in shared:
            shared[selector] = part
        else:
            known = "train, test and all" if "train" in parameters else "no parts, or only one"
            raise DataError(f"{request.name}: {cls.__name__} has no part {part!r}; it has {known}.")
    for name, value in parameters.items():
        if value.default is value.empty and name not in shared:
            if name == selector:
                raise DataError(
                    f"{request.name}: {cls.__name__} needs its {name}: "
                    f"--data {request.name}:{name.upper()}.{_format_choices(cls)}"
                )
            raise DataError(
                f"{request.name}: {cls.__name__} needs the argument {name}, which a name cannot "
                "give."
            )
    return [shared | half for half in halves]


def _format_choices(cls: Any) -> str:
    splits = getattr(cls, "splits", ())
    return f" There are: {', '.join(map(str, splits))}." if splits else ""


def _open_or_download(request: Request, cls: Any, arguments: dict[str, Any]) -> Any:
    """Return a data set from existing files, or download it.

    The download is the second attempt, because some sets refuse it if their files exist.
    """
    can_download = "download" in _list_parameters(cls)
    dataset = cls.__new__(cls)
    try:
        try:
            return cls(**arguments, **({"download": False} if can_download else {}))
        except (OSError, RuntimeError):
            if not can_download:
                raise
        if not request.given:
            request.root.mkdir(parents=True, exist_ok=True)
        dataset.__init__(**arguments, download=True)
        return dataset
    except DataError:
        raise
    except ModuleNotFoundError as error:
        raise DataError(
            f"{request.name}: {cls.__name__} needs {error.name}, which is not installed. "
            f"Install it with: pip install {error.name}"
        ) from error
    except Exception as error:
        if isinstance(error, ValueError) and "Unknown value" in str(error):  # of a split
            raise DataError(f"{request.name}: {cls.__name__}: {_shorten(error)}.") from error
        reason = "" if can_download else "torchvision does not download it. "
        raise DataError(
            f"{request.name}: torchvision cannot read or download it: {_shorten(error)}. {reason}"
            f"Its files belong in {str(_find_folder(dataset, request.root))!r}; --data-dir names "
            "another root."
        ) from error


def _find_folder(dataset: Any, root: Path) -> Path:
    """Return the folder where a set that could not be opened looked for its files."""
    for name in FOLDERS:
        try:
            folder = Path(getattr(dataset, name))
        except Exception:  # it may be only partly initialized
            continue
        if folder.is_relative_to(root):
            return folder
    return root


def _shorten(error: Exception) -> str:
    text = format_error(error).removeprefix("ValueError: ").rstrip(".… ")
    return text if len(text) <= 300 else f"{text[:299]}…"


def _check_first_item(request: Request, cls: Any, dataset: Any) -> None:
    """Check that a set has images with at most one class each."""
    from PIL import Image

    if not len(dataset):
        raise DataError(f"{request.name}: it has no images.")
    try:
        item = dataset[0]
    except Exception:  # a damaged image is skipped later
        return
    image, target = item if isinstance(item, tuple) and len(item) == 2 else (item, 0)
    wrong, expected = None, ""
    if not isinstance(image, Image.Image):
        wrong, expected = image, "an image"
    elif isinstance(target, Image.Image | dict | list | tuple | str):
        wrong, expected = target, "a class"
    if expected:
        raise DataError(
            f"{request.name}: expected {expected} from {cls.__name__}, received "
            f"{type(wrong).__name__}."
        )


def _is_in_memory(dataset: Any) -> bool:
    """Return True if all images are in one array, so that they have one size."""
    data: Any = getattr(dataset, "data", None)
    return getattr(data, "ndim", 0) >= 3 and len(data) == len(dataset)
