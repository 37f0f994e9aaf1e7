"""Files of folders and zip files of images: which are read, and what is reported."""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.commands import gandem, refused, said
from support.image_folders import levels, png
from support.image_folders import load_folder as load

from gandem.core.data import image_files
from gandem.core.data.dataset import find_dataset, load_dataset
from gandem.core.errors import DataError, NotFoundError
from gandem.data import folder_contents


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def without_plugins(monkeypatch):
    """Pretend that no package adds formats to Pillow."""
    known = image_files.find_suffixes() - {".heic", ".heif", ".heics", ".heifs", ".hif", ".jxl"}
    monkeypatch.setattr(folder_contents, "find_suffixes", lambda: known)


def test_files_of_unknown_formats_are_counted(pack, without_plugins):
    files = {f"{i}.HEIC": b"heic" for i in range(40)} | {"x.nef": b"MM\0*", "y.svg": b"<svg>"}
    documents = {"README.md": b"", "notes.txt": b"", ".hidden.jpg": b""}

    data = load(pack(files | documents | {"z.png": png()}))

    assert data.notes == (
        f"{data.name}: 42 files not read: 40 .heic, 1 .nef, 1 .svg; "
        "install pillow-heif to read HEIC files.",
    )


def test_the_error_of_a_folder_of_unknown_formats_lists_them(pack, without_plugins):
    with pytest.raises(DataError, match=r"no images in .*; 1 file not read: 1 \.heic; install"):
        load(pack({"a.heic": b""}))


def test_heic_files_are_read_with_pillow_heif(pack):
    heif = pytest.importorskip("pillow_heif", reason="needs pillow-heif")
    heif.register_heif_opener()
    file = io.BytesIO()
    Image.new("L", (8, 8), 150).save(file, "HEIF")

    data = load(pack({"a.heic": file.getvalue(), "b.HEIF": file.getvalue()}))

    assert len(data.images) == 2
    np.testing.assert_allclose(data.images, 150, atol=2)


def test_images_with_unknown_endings_are_read(pack):
    data = load(pack({"a.jpg_large": png(101), "IMG.v1.0": png(102), "b": png(103)}))

    assert sorted(levels(data)) == [101, 102, 103]


def test_only_the_first_frame_is_used_and_reported(pack, tmp_path):
    frames = [Image.new("L", (4, 4), level) for level in (90, 150)]
    contents = {}
    for ending in ("gif", "tif", "png", "webp"):
        file = io.BytesIO()
        frames[0].save(file, ending.replace("tif", "tiff"), save_all=True, append_images=frames[1:])
        contents[f"a.{ending}"] = file.getvalue()
    path = pack(contents)

    data = load(path)

    assert set(levels(data)) <= {89, 90, 91}
    line = "4 with several frames or pages, of which the first is used: a.gif, a.png, a.tif and 1"
    assert line in data.notes[0]
    assert load(path).notes == data.notes  # also from the cache
    assert line in said("data", path)


@pytest.mark.parametrize("mode", "1 L LA P RGB RGBA CMYK YCbCr LAB I;16".split())
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_every_mode_are_read(tmp_path, mode, channels):
    (tmp_path / "images").mkdir()
    image = Image.new("L", (4, 4), 255).convert("I" if mode == "I;16" else "RGB")
    image.convert(mode).save(tmp_path / "images" / "a.tif")

    images = np.asarray(load_dataset("folder:images", shape=(4, 4, channels)).images)

    assert images.shape == (1, 4, 4, channels)
    assert images.min() >= (0 if mode == "I;16" else 250)
    assert "1 image, from" in said("data", "images")


@pytest.mark.parametrize(
    ("mode", "color", "gray"),
    [("RGBA", (200, 10, 20, 0), 68), ("LA", (66, 0), 66), ("RGB", (66, 66, 66), 66)],
)
def test_transparency_is_kept_in_two_and_four_channels(mode, color, gray, tmp_path):
    (tmp_path / "images").mkdir()
    Image.new(mode, (4, 4), color).save(tmp_path / "images" / "a.png")

    pixels = {
        n: load_dataset("folder:images", shape=(4, 4, n)).images[0, 0, 0].tolist()
        for n in (1, 2, 3, 4)
    }

    alpha, shown = (255, gray) if mode == "RGB" else (0, 255)
    assert pixels[1] == [shown]
    assert pixels[2] == [gray, alpha]
    assert pixels[3] == [shown] * 3
    assert pixels[4] == [*(color[:3] if len(color) > 2 else [gray] * 3), alpha]


@pytest.mark.parametrize("high", [1, 30, 4095])
def test_nearly_black_images_are_reported(pack, tmp_path, high):
    pixels = np.linspace(0, high, 16).reshape(4, 4)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8 if high < 256 else np.uint16)).save(file, "png")
    path = pack({"dark.png": file.getvalue()})

    assert "1 of 1 images are nearly black" in load(path).notes[0]
    assert "! 1 nearly black: dark.png" in said("data", path)


def test_links_do_not_win_over_the_folder_that_they_point_to(tmp_path):
    (tmp_path / "images" / "real").mkdir(parents=True)
    (tmp_path / "images" / "real" / "1.png").write_bytes(png())
    (tmp_path / "images" / "other").mkdir()
    (tmp_path / "images" / "other" / "1.png").write_bytes(png())
    (tmp_path / "images" / "a_link").symlink_to("real", target_is_directory=True)

    data = load("images")

    assert data.class_names == ("other", "real")
    assert "a_link/: a link to a folder that is here already" in data.notes[0]


def test_link_is_the_copy_of_the_file_that_it_points_to(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "real.png").write_bytes(png())
    (tmp_path / "images" / "a_link.png").symlink_to("real.png")

    assert "a_link.png: the same file as real.png" in said("data", "images")


def test_names_that_are_not_unicode_are_shown(tmp_path):
    (tmp_path / "images").mkdir()
    for level in (100, 150):
        name = os.fsdecode(b"bad\xff%d.png" % level)
        (tmp_path / "images" / name).write_bytes(b"x" if level == 100 else png())

    assert r"bad\udcff100.png" in said("data", "images")
    assert "bad" in json.loads(said("data", "images", "--json"))["unread"][0]
    assert r"bad\udcff100.png" in load("images").notes[0]


def test_control_characters_in_names_are_escaped(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a\nError: all is lost.png", "\x1b[31mred\x1b[2J.png", "\u202egnp.png"):
        (tmp_path / "images" / name).write_bytes(b"bad")

    (tmp_path / "images" / "ok.png").write_bytes(png())
    note = load("images").notes[0]
    shown = said("data", "images")
    for text in (note, shown):
        assert r"a\nError: all is lost.png" in text
        assert r"\x1b[31mred\x1b[2J.png" in text
        assert r"\u202egnp.png" in text
    (tmp_path / "images" / "ok.png").unlink()
    assert r"a\nError" in refused("data", "images")


def test_damaged_zip_files_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.png", png())
        archive.writestr("2.png", png(90))
    content = (tmp_path / "a.zip").read_bytes()
    for at in range(0, len(content), 7):
        (tmp_path / "b.zip").write_bytes(content[:at] + b"\xff\xff" + content[at + 2 :])
        done = gandem("data", "folder:b.zip")
        assert done.exit_code in (0, 1), done.exception
        assert done.exception is None or isinstance(done.exception, SystemExit)


def test_zip_members_that_cannot_be_read_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("1.png", png())
        archive.writestr("__MACOSX/._1.png", b"")
        archive.writestr("2.png", png(90))
        archive.getinfo("2.png").flag_bits |= 1  # encrypted

    data = load("a.zip")

    assert len(data.images) == 1
    assert "2.png: encrypted" in data.notes[0]


def test_path_alone_is_answered_with_the_right_name(pack, tmp_path):
    path = pack({"a.png": png()})
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 2, 2)))

    with pytest.raises(NotFoundError, match=f"Use --data folder:{path}"):
        find_dataset(path)
    with pytest.raises(NotFoundError, match=r"Use --data npz:a\.npz"):
        find_dataset("a.npz")
    assert "1 image, from" in said("data", path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs files of the kernel")
def test_files_of_the_kernel_are_not_read(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(png())
    (tmp_path / "images" / "b.png").symlink_to("/proc/cpuinfo")
    open_file = Path.open

    def open_other(path, *mode, **more):
        assert path.name != "b.png"
        return open_file(path, *mode, **more)

    monkeypatch.setattr(Path, "open", open_other)

    assert "b.png: not an image" in load("images").notes[0]
    with pytest.raises(DataError, match="is a file; expected a folder or zip file"):
        load("/proc/cpuinfo")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_are_not_opened(tmp_path):
    (tmp_path / "images").mkdir()
    os.mkfifo(tmp_path / "images" / "pipe.png")
    (tmp_path / "images" / "a.png").write_bytes(png())

    assert "pipe.png: is not a file" in load("images").notes[0]
