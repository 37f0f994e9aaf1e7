"""IDX files, and the data sets that consist of four of them, like MNIST.

The hash of a file is that of its unpacked bytes, so the compression does not matter.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.errors import DataError, suggest
from gandem.download import download, read_unpacked

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
PARTS = {
    "train": (0,),
    "test": (2,),
    "all": (0, 2),
}  # indices of images in FILES; the labels follow
MAX_SIZE = 64 << 20  # bytes; the largest file has 47 MB
REMEDY = (
    "Download the files by hand and pass --data-dir DIR, or use --data digits, which needs no "
    "network."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdxSet:
    """The facts of a data set that consists of four IDX files.

    Attributes:
        folder: the folder name of torchvision; ``folder/raw`` is searched, too.
        mirrors: URL prefixes of the ``.gz`` files, in order of preference.
        sha256: hashes of the unpacked bytes of ``FILES``.
    """

    name: str
    folder: str
    mirrors: tuple[str, ...]
    sha256: tuple[str, ...]
    class_names: tuple[str, ...]
    source: str
    license: str


def load_idx_set(facts: IdxSet, argument: str, data_dir: Path | None) -> Dataset:
    """Return the part called ``argument``: ``train`` (also when empty), ``test``, or ``all``.

    Args:
        data_dir: a folder with the files; by default they are downloaded and cached.

    Raises:
        DataError: the part does not exist, or its files are not available.
    """
    part = argument or "train"
    if part not in PARTS:
        raise DataError(f"{facts.name}: it has no part {argument!r}.{suggest(argument, PARTS)}")
    images, labels = (
        np.concatenate([_array(facts, first + column, data_dir) for first in PARTS[part]])
        for column in (0, 1)
    )
    return Dataset(
        name=f"{facts.name}:{argument}" if argument else facts.name,
        images=images[..., None],  # (N, H, W, 1)
        labels=labels.astype(np.int64),
        class_names=facts.class_names,
        source=facts.source,
        license=facts.license,
    )


def _array(facts: IdxSet, index: int, data_dir: Path | None) -> np.ndarray:
    name, sha256 = FILES[index], facts.sha256[index]
    if data_dir is None:
        urls = [f"{mirror}{name}.gz" for mirror in facts.mirrors]
        path = download(
            name, sha256, urls, facts.name, max_size=MAX_SIZE, remedy=REMEDY, unpack=True
        )
        content = path.read_bytes()
    else:
        content = _find(name, sha256, (data_dir, data_dir / facts.folder / "raw"))
    return parse_idx(content, name, rank=3 if "idx3" in name else 1)


def _find(name: str, sha256: str, folders: Sequence[Path]) -> bytes:
    """Return the unpacked bytes of ``name`` or ``name.gz`` from the first folder with a valid file.

    Raises:
        DataError: no folder has the file, or it is damaged or another file.
    """
    problem = ""
    for path in (folder / file for folder in folders for file in (name, f"{name}.gz")):
        try:
            if not path.is_file():
                continue
            with path.open("rb") as file:
                content = read_unpacked(file, repr(str(path)), MAX_SIZE)
        except DataError as error:
            problem = problem or str(error)
        except OSError as error:
            problem = problem or f"{str(path)!r}: cannot be read ({error.strerror})."
        else:
            digest = hashlib.sha256(content).hexdigest()
            if digest == sha256:
                return content
            problem = problem or (
                f"{str(path)!r}: expected SHA-256 {sha256} of {name!r}, received {digest}. "
                "Download it again."
            )
    searched = " or ".join(repr(str(folder)) for folder in folders)
    raise DataError(
        problem
        or f"There is no {name!r} (or '{name}.gz') in {searched}. "
        f"Put it there, or leave --data-dir out to download it."
    )


def parse_idx(content: bytes, name: str, *, rank: int) -> np.ndarray:
    """Return the uint8 array of an IDX file.

    The format: two zero bytes, the type (8 is uint8), the rank, each size as big-endian uint32,
    and the values.

    Raises:
        DataError: the header is invalid, or does not match the number of bytes.
    """
    magic = bytes([0, 0, 8, rank])
    if content[:4] != magic:
        raise DataError(
            f"{name}: expected an IDX file of uint8 and rank {rank}, which begins {magic.hex()}; "
            f"received {content[:4].hex() or 'nothing'}."
        )
    start = 4 + 4 * rank
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    expected = start + math.prod(shape)  # Python integers do not overflow
    if len(content) < start or len(content) != expected:
        raise DataError(
            f"{name}: its header says {shape}, so expected {expected} bytes; "
            f"received {len(content)}. Download it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
