"""Images and files: conversion to bytes, grids of images, and atomic writes to disk."""

import json
import os
import stat
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from gandem.core.data.images import (
    downsample_images,
    draw_grid,
    flatten_alpha,
    save_image,
    to_bytes,
)
from gandem.core.errors import DataError, RunError
from gandem.core.files import append_line, fill_file, make_folder, write_file, write_json

GRAY = 96


# --- numbers to bytes ----------------------------------------------------------------------------


def test_the_ends_of_the_range_are_black_and_white():
    assert to_bytes(np.array([-1.0, 1.0]), -1, 1).tolist() == [0, 255]
    assert to_bytes(np.array([0.0, 1.0]), 0, 1).tolist() == [0, 255]


def test_a_value_goes_to_the_nearest_byte():
    values = np.array([9.4, 9.6, 254.4, 254.6]) / 255

    assert to_bytes(values, 0, 1).tolist() == [9, 10, 254, 255]


def test_bytes_are_restored_from_network_values():
    pixels = np.arange(256, dtype=np.uint8)
    for low, high in ((-1.0, 1.0), (0.0, 1.0), (-0.5, 3.0)):
        for precision in (np.float32, np.float64):
            inside = (pixels * ((high - low) / 255) + low).astype(precision)

            assert (to_bytes(inside, low, high) == pixels).all()


def test_values_outside_the_range_are_clipped():
    values = np.array([-1e30, -1.1, 1.1, 1e30, -np.inf, np.inf])

    assert to_bytes(values, -1, 1).tolist() == [0, 0, 255, 255, 0, 255]


def test_nan_becomes_black():
    assert to_bytes(np.array([np.nan]), 0, 1).tolist() == [0]


# --- many images to one --------------------------------------------------------------------------


def test_a_grid_goes_row_by_row_with_gaps():
    images = np.stack([np.full((2, 3, 1), value, np.uint8) for value in (10, 20, 30)])

    sheet = draw_grid(images, columns=2, gap=1, zoom=1)

    a, b, c, g = 10, 20, 30, GRAY
    assert sheet[..., 0].tolist() == [
        [g, g, g, g, g, g, g, g, g],
        [g, a, a, a, g, b, b, b, g],
        [g, a, a, a, g, b, b, b, g],
        [g, g, g, g, g, g, g, g, g],
        [g, c, c, c, g, g, g, g, g],
        [g, c, c, c, g, g, g, g, g],
        [g, g, g, g, g, g, g, g, g],
    ]


def test_gray_image_becomes_three_equal_channels():
    gray = np.full((1, 2, 2, 1), 7, np.uint8)
    color = np.tile(np.array([1, 2, 3], np.uint8), (1, 2, 2, 1))

    assert draw_grid(gray, gap=0, zoom=1).tolist() == [[[7, 7, 7]] * 2] * 2
    assert draw_grid(color, gap=0, zoom=1).tolist() == [[[1, 2, 3]] * 2] * 2


def test_zoom_repeats_pixels():
    image = np.array([[1, 2], [3, 4]], np.uint8).reshape(1, 2, 2, 1)

    sheet = draw_grid(image, gap=0, zoom=3)[..., 0]

    assert sheet.tolist() == np.kron(image[0, ..., 0], np.ones((3, 3), np.uint8)).tolist()


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (25, 5, 5)])
def test_a_grid_without_columns_is_about_square(count, columns, rows):
    sheet = draw_grid(np.zeros((count, 4, 6, 1), np.uint8), gap=2, zoom=1)

    assert sheet.shape == (rows * (4 + 2) + 2, columns * (6 + 2) + 2, 3)


def test_transparency_is_drawn_on_white():
    images = np.array([[200, 0, 0, 0], [200, 0, 0, 255], [200, 0, 100, 51]], np.uint8)

    flat = flatten_alpha(images)

    assert flat.tolist() == [[255, 255, 255], [200, 0, 0], [244, 204, 224]]
    sheet = draw_grid(images.reshape(3, 1, 1, 4), columns=3, gap=0, zoom=1)
    assert sheet.tolist() == [flat.tolist()]
    gray = np.array([[200, 0], [200, 255], [100, 51]], np.uint8)
    assert flatten_alpha(gray).tolist() == [[255], [200], [224]]


def test_a_png_holds_exactly_the_pixels_that_were_given(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)

    save_image(tmp_path / "x.PNG", image)

    assert (iio.imread(tmp_path / "x.PNG") == image).all()


def test_image_with_another_suffix_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"x\.jpg: expected a name that ends in \.png"):
        save_image(tmp_path / "x.jpg", np.zeros((2, 2, 3), np.uint8))

    assert not list(tmp_path.iterdir())


# --- onto the disk -------------------------------------------------------------------------------


def test_a_new_file_replaces_the_old_one(tmp_path):
    path = tmp_path / "x"
    write_file(path, b"a long first text")

    write_file(path, b"second")

    assert path.read_bytes() == b"second"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failed_write_leaves_the_old_file_only(tmp_path, error):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def fill(temporary: Path) -> None:
        temporary.write_bytes(b"ne")
        raise error

    with pytest.raises((RunError, KeyboardInterrupt)):
        fill_file(path, fill)

    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_full_disk_is_named(tmp_path):
    def fill(temporary: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match=r"x: cannot be written \(No space left on device\)"):
        fill_file(tmp_path / "x", fill)


def test_temporary_file_is_in_the_same_folder(tmp_path):
    seen = []

    fill_file(tmp_path / "x", lambda temporary: (seen.append(temporary), temporary.touch()))

    assert seen[0].parent == tmp_path
    assert seen[0].name != "x"


def test_longest_file_name_can_be_written(tmp_path):
    path = tmp_path / ("x" * 255)

    write_file(path, b"1")

    assert path.read_bytes() == b"1"


@pytest.mark.parametrize("place", ["missing/x", "file/x", "folder"])
def test_error_of_an_unwritable_path_is_one_sentence(tmp_path, place):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()

    with pytest.raises(RunError, match=r"cannot be written \([A-Z][a-z ]+\)\.$"):
        write_file(tmp_path / place, b"1")

    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_permissions_follow_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_file(tmp_path / "x", b"1")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o666 & ~mask


def test_json_on_disk_has_no_nan(tmp_path):
    write_json(tmp_path / "x.json", {"ü": [1, 0.5, None]})
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"ü": float("nan")})

    assert json.loads((tmp_path / "x.json").read_text("utf-8")) == {"ü": [1, 0.5, None]}


def test_lines_are_added_one_after_another(tmp_path):
    append_line(tmp_path / "log", "one")
    append_line(tmp_path / "log", "zwölf")

    assert (tmp_path / "log").read_text("utf-8") == "one\nzwölf\n"


def test_line_that_does_not_fit_on_the_disk_is_not_written(tmp_path):
    resource = pytest.importorskip("resource", reason="limits of file sizes are of Unix")
    log = tmp_path / "log"
    append_line(log, "x" * 20)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30, limits[1]))
    try:
        with pytest.raises(RunError, match=r"log: cannot be written \(File too large\)"):
            append_line(log, "y" * 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert log.read_text() == "x" * 20 + "\n"


def test_folder_is_created_with_its_parents(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    (tmp_path / "file").touch()

    assert (tmp_path / "a" / "b").is_dir()
    with pytest.raises(RunError, match=r"file/c: cannot be created \(Not a directory\)"):
        make_folder(tmp_path / "file" / "c")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_downsampled_pixels_are_the_means_of_blocks(dtype):
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 12, 3)).astype(dtype)

    small = downsample_images(images, 4)

    blocks = images.reshape(2, 2, 4, 3, 4, 3).astype(np.float64)
    assert (small == blocks.mean((2, 4))).all()  # exact: whole numbers, a power of two
    assert small.dtype == (np.float64 if dtype is np.uint8 else dtype)


def test_downsampling_twice_is_downsampling_by_the_product():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), np.uint8)

    twice = downsample_images(downsample_images(images, 2), 2)

    assert (twice == downsample_images(images, 4)).all()


def test_a_factor_that_does_not_divide_the_images_is_refused():
    with pytest.raises(DataError, match="Images of 8x12 pixels cannot be downsampled by 3"):
        downsample_images(np.zeros((1, 8, 12, 1)), 3)
