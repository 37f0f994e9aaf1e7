"""Shared fixtures: no network, a temporary cache, and small tables and folders of images."""

import os

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session", autouse=True)
def alone(tmp_path_factory):
    """Keep the library off the network and out of the user's cache; it reads both at its import."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def digits():
    """Twelve gray images of 8×8, in three classes."""
    return np.random.default_rng(0).integers(0, 256, (12, 8, 8), np.uint8)


@pytest.fixture(scope="session")
def table(digits):
    """Return a function that makes a table of the digits, with some columns in place of its own."""
    import datasets

    def made(**columns):
        data = {"image": [Image.fromarray(d) for d in digits], "label": [n % 3 for n in range(12)]}
        features = {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["zero", "one", "two"]),
        }
        for name, (values, feature) in columns.items():
            data[name], features[name] = values, feature
        return datasets.Dataset.from_dict(data, features=datasets.Features(features))

    return made


@pytest.fixture
def parquet(table, tmp_path):
    """Return a function that writes such a table to a parquet file, and returns its path."""

    def written(**columns):
        path = tmp_path / "digits.parquet"
        table(**columns).to_parquet(str(path))
        return path

    return written


@pytest.fixture
def folder(digits, tmp_path):
    """A folder of PNGs with a subfolder for each class."""
    for number, image in enumerate(digits):
        place = tmp_path / "pictures" / ("even", "odd")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:02}.png")
    return tmp_path / "pictures"
