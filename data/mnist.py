"""MNIST: 70,000 handwritten digits, 28×28×1."""

from __future__ import annotations

from pathlib import Path

from gandem.core.data.dataset import Dataset
from gandem.data.idx import IdxSet, load_idx_set

MNIST = IdxSet(
    name="mnist",
    folder="MNIST",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    sha256=(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    class_names=tuple("0123456789"),
    source="MNIST, Y. LeCun, C. Cortes, C. Burges",
    license="CC BY-SA 3.0",
)


def load(argument: str, data_dir: Path | None) -> Dataset:
    """Return the 60,000 training images; the 10,000 test images for ``test``; both for ``all``."""
    return load_idx_set(MNIST, argument, data_dir)
