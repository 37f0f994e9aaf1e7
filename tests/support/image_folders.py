"""Folders and zip files of tiny images."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from gandem.core.data.dataset import Dataset, load_dataset


def png(level: int = 200) -> bytes:
    """Return a PNG of 4×4 pixels, all but the first of one level."""
    file = io.BytesIO()
    pixels = np.full((4, 4), level, np.uint8)
    pixels[0, 0] = level // 2
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def write_folder(path: Path, files: dict[str, bytes | str]) -> None:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content.encode() if isinstance(content, str) else content)


def write_zip(path: Path, files: dict[str, bytes | str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def load_folder(path: str) -> Dataset:
    return load_dataset(f"folder:{path}", shape=(4, 4, 1))


def levels(data: Dataset) -> list[int]:
    """Return the level of each image."""
    return data.images[:, 3, 3, 0].tolist()
