"""Make digits.npz: python -m gandem.data.make_digits TRAIN_IMAGES.gz TRAIN_LABELS.gz OUT.npz."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from gandem.data.idx import MAX_SIZE, parse_idx
from gandem.download import read_unpacked

IMAGES_PER_CLASS = 1000


def make_digits(images_file: Path, labels_file: Path, out: Path) -> None:
    """Write the first 1,000 images of each class, in their original order.

    The output is reproducible for one version of zlib: the members have a fixed date.

    Raises:
        DataError: a file is invalid.
    """
    images, labels = _read(images_file, 3), _read(labels_file, 1)
    rows = [np.flatnonzero(labels == label)[:IMAGES_PER_CLASS] for label in range(10)]
    kept = np.sort(np.concatenate(rows))
    with zipfile.ZipFile(out, "w") as archive:
        for name, array in (("images", images[kept]), ("labels", labels[kept])):
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # Windows would write a different value
            archive.writestr(info, member.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)


def _read(path: Path, rank: int) -> np.ndarray:
    with path.open("rb") as file:
        return parse_idx(read_unpacked(file, repr(str(path)), MAX_SIZE), path.name, rank=rank)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    make_digits(*map(Path, sys.argv[1:]))
