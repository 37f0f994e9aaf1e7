"""Make digits.npz: python -m gandem.data.make_digits TRAIN_IMAGES.gz TRAIN_LABELS.gz OUT.npz."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from gandem.data.download import unpack
from gandem.data.idx import parse_idx

__all__ = ["make_digits"]

EACH = 1000


def make_digits(images_file: Path, labels_file: Path, out: Path) -> None:
    """Write the first 1,000 images of each class, in their original order.

    The output is reproducible for one version of zlib: the members have a fixed date.

    Raises:
        DataError: a file is invalid.
    """
    images, labels = _read(images_file, 3), _read(labels_file, 1)
    kept = np.sort(np.concatenate([np.flatnonzero(labels == c)[:EACH] for c in range(10)]))
    with zipfile.ZipFile(out, "w") as archive:
        for name, array in (("images", images[kept]), ("labels", labels[kept])):
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # Windows would write a different value
            archive.writestr(info, member.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)


def _read(path: Path, rank: int) -> np.ndarray:
    with path.open("rb") as file:
        return parse_idx(unpack(file, repr(str(path))), path.name, rank=rank)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    make_digits(*map(Path, sys.argv[1:]))
