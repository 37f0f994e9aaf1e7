"""CIFAR-10: 60,000 photographs in ten classes, 32×32×3.

The binary archive: a record is the label and the three color planes, 3,073 bytes.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from pathlib import Path

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.errors import DataError, suggest
from gandem.download import download

ARCHIVE = "cifar-10-binary.tar.gz"
URLS = (f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}",)
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
RECORD_SIZE = 1 + 3 * 32 * 32
MAX_BATCH_SIZE = 64 << 20  # bytes; a batch has 31 MB
MAX_ARCHIVE_SIZE = 256 << 20  # bytes; it has 170 MB
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
PARTS = {"train": TRAIN, "test": ("test_batch.bin",), "all": (*TRAIN, "test_batch.bin")}
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
REMEDY = (
    f"Download {ARCHIVE} by hand and pass --data-dir DIR, or use --data digits, which needs no "
    "network."
)


def load(argument: str, data_dir: Path | None) -> Dataset:
    """Return the 50,000 training images; the 10,000 test images for ``test``; both for ``all``.

    Args:
        data_dir: a folder with the archive; by default it is downloaded and cached.

    Raises:
        DataError: the part does not exist, or the archive is not available.
    """
    part = argument or "train"
    if part not in PARTS:
        raise DataError(f"cifar10: it has no part {argument!r}.{suggest(argument, PARTS)}")
    if data_dir is None:
        path = download(ARCHIVE, SHA256, URLS, "cifar10", max_size=MAX_ARCHIVE_SIZE, remedy=REMEDY)
    else:
        path = _find_archive(data_dir)
    records = np.concatenate(_read_batches(path, PARTS[part]))  # (N, 3073)
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return Dataset(
        name=f"cifar10:{argument}" if argument else "cifar10",
        images=np.ascontiguousarray(planes.transpose(0, 2, 3, 1)),
        labels=records[:, 0].astype(np.int64),
        class_names=CLASSES,
        source="CIFAR-10, A. Krizhevsky, V. Nair, G. Hinton",
    )


def _find_archive(folder: Path) -> Path:
    path = folder / ARCHIVE
    if not path.is_file():
        raise DataError(
            f"There is no {ARCHIVE!r} in {str(folder)!r}. Put it there, or leave --data-dir out "
            "to download it."
        )
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{str(path)!r}: cannot be read ({error.strerror}).") from None
    if digest != SHA256:
        raise DataError(
            f"{str(path)!r}: expected SHA-256 {SHA256}, received {digest}. Download it again."
        )
    return path


def _read_batches(path: Path, names: tuple[str, ...]) -> list[np.ndarray]:
    """Return the records (N, 3073) of some batches, without unpacking to disk."""
    batches: dict[str, np.ndarray] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if name in names and member.isfile() and member.size <= MAX_BATCH_SIZE:
                    file = archive.extractfile(member)
                    batches[name] = _parse_records(file.read() if file else b"", name)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path.name}: cannot be unpacked ({error}). Download it again.") from error
    if missing := [name for name in names if name not in batches]:
        raise DataError(f"{path.name}: it does not contain {missing[0]!r}. Download it again.")
    return [batches[name] for name in names]


def _parse_records(content: bytes, name: str) -> np.ndarray:
    if not content or len(content) % RECORD_SIZE:
        raise DataError(
            f"{name}: expected records of {RECORD_SIZE} bytes, received {len(content)} bytes. "
            "Download it again."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD_SIZE)
    if records[:, 0].max() >= len(CLASSES):
        raise DataError(
            f"{name}: expected labels from 0 to 9, received {records[:, 0].max()}. "
            "Download it again."
        )
    return records
