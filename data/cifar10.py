"""CIFAR-10: 60,000 photographs in ten classes, 32×32×3.

Its files are Python 2 pickles, which could run code; only their opcodes are parsed here, and none
is executed.
"""

from __future__ import annotations

import hashlib
import pickletools
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.errors import DataError, suggest
from gandem.data.download import keep

__all__ = ["Archive", "load", "load_archive", "parse_batch"]

ROW = 3 * 32 * 32
MAX_BATCH_SIZE = 64 << 20  # bytes; a batch has 31 MB
TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
PARTS = {"train": TRAIN, "test": ("test_batch",), "all": (*TRAIN, "test_batch")}
AGAIN = "Fetch it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """The location of the archive, and the SHA-256 of its compressed bytes."""

    name: str = "cifar-10-python.tar.gz"
    mirrors: tuple[str, ...] = ("https://www.cs.toronto.edu/~kriz/",)
    sha256: str = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


CIFAR10 = Archive()
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def load(argument: str, data_dir: Path | None) -> Dataset:
    """Return the 50,000 training images; the 10,000 test images for ``test``; both for ``all``."""
    return load_archive(CIFAR10, argument, data_dir)


def load_archive(facts: Archive, argument: str, data_dir: Path | None) -> Dataset:
    """Return the part called ``argument``: ``train`` (also when empty), ``test``, or ``all``.

    Args:
        data_dir: a folder with the archive; by default it is downloaded and cached.

    Raises:
        DataError: the part does not exist, or the archive is not available.
    """
    part = argument or "train"
    if part not in PARTS:
        raise DataError(f"cifar10: it has no part {argument!r}.{suggest(argument, PARTS)}")
    if data_dir is None:
        path = keep(facts.name, facts.sha256, facts.mirrors, "cifar10")
    else:
        path = _in_folder(facts, data_dir)
    batches = _batches(path, PARTS[part])
    pixels = np.concatenate([images for images, _ in batches])
    return Dataset(
        name=f"cifar10:{argument}" if argument else "cifar10",
        images=pixels,
        labels=np.concatenate([labels for _, labels in batches]),
        class_names=CLASSES,
        source="CIFAR-10, A. Krizhevsky, V. Nair, G. Hinton",
    )


def _in_folder(facts: Archive, folder: Path) -> Path:
    path = folder / facts.name
    if not path.is_file():
        raise DataError(
            f"There is no {facts.name!r} in {str(folder)!r}. Put it there, or leave --data-dir out "
            "to download it."
        )
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{str(path)!r}: cannot be read ({error.strerror}).") from None
    if found != facts.sha256:
        raise DataError(f"{str(path)!r}: its bytes are not those of {facts.name!r}. {AGAIN}")
    return path


def _batches(path: Path, names: tuple[str, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return images and labels of some batches, without unpacking to disk."""
    wanted: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if name in names and member.isfile() and member.size <= MAX_BATCH_SIZE:
                    file = archive.extractfile(member)
                    wanted[name] = file.read() if file else b""
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path.name}: cannot be unpacked ({error}). {AGAIN}") from error
    for name in names:
        if name not in wanted:
            raise DataError(f"{path.name}: there is no {name!r} in it. {AGAIN}")
    return [parse_batch(wanted[name], name) for name in names]


def parse_batch(content: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, 32, 32, 3), uint8, and labels (N,), int64, of a pickled batch.

    The pickle is a dictionary: ``labels`` is a list of numbers, and ``data`` an array whose bytes
    are the longest string. Both are parsed from the opcodes; nothing is executed.

    Raises:
        DataError: it is not a batch of CIFAR-10.
    """
    labels: list[int] = []
    pixels, listing = b"", False
    try:
        for opcode, value, _ in pickletools.genops(content):
            if isinstance(value, str | bytes) and opcode.name != "GLOBAL":
                held = value.encode("latin-1") if isinstance(value, str) else value
                listing = held == b"labels"
                pixels = held if len(held) > len(pixels) else pixels
            elif listing and opcode.name in ("BININT", "BININT1", "BININT2", "INT"):
                labels.append(int(value))
    except Exception as error:  # invalid pickles raise many types of errors
        raise DataError(f"{name}: it is not a batch of CIFAR-10 ({error}). {AGAIN}") from error
    if not labels or len(pixels) != len(labels) * ROW or not 0 <= min(labels) <= max(labels) < 10:
        raise DataError(
            f"{name}: expected {ROW} bytes for each label from 0 to 9, received {len(labels)} "
            f"labels and {len(pixels)} bytes. {AGAIN}"
        )
    planes = np.frombuffer(pixels, np.uint8).reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), np.array(labels, np.int64)
