"""The data set holds what was drawn, trains, and refuses what it cannot use."""

import gandem
import numpy as np
import pytest
from gandem.core.data.dataset import load_dataset
from gandem.core.errors import DataError
from gandem.core.training import installed_backends
from PIL import Image
from sample import draw_images

DATA = "my-plugin/example"
SMALL = {"latent": 8, "width": 8, "batch_size": 8}


@pytest.fixture
def folder(tmp_path):
    """A folder of four boxes and four discs."""
    draw_images(tmp_path / "sample", count=4)
    return tmp_path / "sample"


def test_images_are_bytes_channels_last_with_labels(folder):
    data = load_dataset(f"{DATA}:{folder}")

    assert (data.images.shape, data.images.dtype) == ((8, 28, 28, 1), np.uint8)
    assert data.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert data.class_names == ("box", "disc")


def test_folder_is_relative_to_the_data_dir(folder):
    assert len(load_dataset(f"{DATA}:sample", folder.parent).images) == 8


def test_model_trains_on_the_images(folder, tmp_path):
    run = gandem.train(
        "dcgan",
        backend=installed_backends()[0],
        data=f"{DATA}:{folder}",
        steps=2,
        changes=SMALL,
        out=tmp_path / "run",
    )

    assert run.generate(4).images.shape == (4, 28, 28, 1)


def test_missing_folder_is_refused():
    with pytest.raises(DataError, match="expected a folder"):
        load_dataset(DATA)


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no PNG file"):
        load_dataset(f"{DATA}:{tmp_path}")


def test_images_of_two_sizes_are_refused(folder):
    Image.new("L", (28, 30)).save(folder / "disc" / "tall.png")

    with pytest.raises(DataError, match=r"received \(28, 28, 1\) in 000.png and \(30, 28, 1\)"):
        load_dataset(f"{DATA}:{folder}")


def test_file_that_is_not_an_image_is_refused(folder):
    (folder / "box" / "text.png").write_text("not an image")

    with pytest.raises(DataError, match=r"text.png' cannot be read"):
        load_dataset(f"{DATA}:{folder}")
