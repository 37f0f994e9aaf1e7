import numpy as np
import pytest
from PIL import Image

from gandem.extractors import vgg

WIDTHS = (4, 6, 8, 8, 8)


@pytest.fixture
def small_vgg(monkeypatch):
    """Give VGG fewer channels."""
    monkeypatch.setattr(vgg, "WIDTHS", WIDTHS)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Two pictures: a disk on a ramp, and stripes."""
    folder = tmp_path_factory.mktemp("pictures")
    rows, columns = np.mgrid[0:36, 0:48]
    disk = np.where((rows - 18) ** 2 + (columns - 24) ** 2 < 120, 220, 3 * rows)
    content = np.stack([disk, 255 - disk, 5 * columns], axis=-1)
    stripes = 120 + 100 * np.sin((rows + 2 * columns) / 3)
    style = np.stack([stripes, 200 - stripes / 2, 40 + 4 * rows], axis=-1)
    paths = []
    for name, picture in {"content": content, "style": style}.items():
        paths.append(folder / f"{name}.png")
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(paths[-1])
    return paths
