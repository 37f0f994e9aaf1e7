"""Fashion-MNIST: 70,000 pictures of clothes, 28×28×1, in MNIST's format."""

from __future__ import annotations

from pathlib import Path

from gandem.core.data.dataset import Dataset
from gandem.data.idx import IdxSet, load_idx_set

FASHION_MNIST = IdxSet(
    name="fashion-mnist",
    folder="FashionMNIST",
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    sha256=(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    source="Fashion-MNIST, H. Xiao, K. Rasul, R. Vollgraf, Zalando SE",
    license="MIT",
)


def load(argument: str, data_dir: Path | None) -> Dataset:
    """Return the 60,000 training images, or with ``test`` 10,000 others, or with ``all`` both."""
    return load_idx_set(FASHION_MNIST, argument, data_dir)
