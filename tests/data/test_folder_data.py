"""The folder data set: labels, conversion of pixels, unreadable files, the cache, the commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.commands import needs_a_backend, refused, said, tiny

from gandem.core.data.dataset import load_dataset
from gandem.core.data.disk_images import DiskImages
from gandem.core.errors import DataError
from gandem.data import folder, image_cache

SHAPE = (8, 8, 3)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pets(tmp_path):
    """Five cats and three dogs of several sizes."""
    root, draw = tmp_path / "pets", np.random.default_rng(0)
    for name, count in (("dog", 3), ("cat", 5)):
        (root / name).mkdir(parents=True)
        for place in range(count):
            pixels = draw.integers(0, 256, (12 + place, 16, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{place}.png")
    return root


def load(root: Path, shape=SHAPE):
    return load_dataset(f"folder:{root}", shape=shape)


def refusal(root: Path, shape=SHAPE) -> str:
    with pytest.raises(DataError) as caught:
        load(root, shape)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def one(tmp_path: Path, picture: Image.Image, name: str = "a.png", **options: object) -> Path:
    root = tmp_path / "one"
    root.mkdir(exist_ok=True)
    picture.save(root / name, **options)
    return root


# --- labels --------------------------------------------------------------------------------------


def test_sub_folders_in_order_are_the_classes(pets):
    data = load(pets)

    assert data.class_names == ("cat", "dog")
    assert data.labels.tolist() == [0] * 5 + [1] * 3
    assert data.images.shape == (8, *SHAPE)


def test_a_table_gives_the_labels(pets):
    rows = ["file,label", "dog/0.png,10", "cat/1.png,9", "cat/0.png,10"]
    (pets / "labels.csv").write_text("\n".join(rows))

    data = load(pets)

    assert (data.class_names, data.labels.tolist()) == (("9", "10"), [1, 0, 1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cat/0.png,cat\n", "expected a first line file,label; received 'cat/0.png,cat'"),
        ("", "expected a first line file,label; received ''"),
        ("file,label\n", "it has no rows"),
        ("file,label\ngone.png,cat\n", "labels.csv lists 1 file, none of which is there"),
        ("file,label\n../x.png,cat\n", "line 2: '../x.png' is not in the folder"),
        ("file,label\ncat/0.png\n", "line 2: it has no label"),
        ("file,label\ncat/0.png,a\ncat/0.png,b\n", "line 3: 'cat/0.png' is 'b' here and 'a' in"),
        (b"file,label\n\xff\xfe,a\n", "expected UTF-8 text"),
    ],
)
def test_invalid_tables_are_refused(pets, text, words):
    (pets / "labels.csv").write_bytes(text if isinstance(text, bytes) else text.encode())

    assert words in refusal(pets)


def test_repeated_row_counts_once_and_missing_file_is_reported(pets):
    rows = ["file,label", "cat/0.png,a", "cat/0.png,a", "gone.png,b"]
    (pets / "labels.csv").write_text("\n".join(rows))

    data = load(pets)

    assert len(data.images) == 1
    assert "gone.png: in labels.csv, but there is no such file" in data.notes[0]


# --- pixels --------------------------------------------------------------------------------------


def test_an_image_of_the_right_size_keeps_its_pixels(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)

    np.testing.assert_array_equal(load(one(tmp_path, Image.fromarray(pixels))).images[0], pixels)


def test_wide_image_is_cropped_at_its_center(tmp_path):
    pixels = np.zeros((8, 24, 3), np.uint8)
    pixels[:, 8:16] = 200

    assert (load(one(tmp_path, Image.fromarray(pixels))).images[0] == 200).all()


def test_image_is_cropped_to_a_shape_that_is_not_square(tmp_path):
    pixels = np.random.default_rng(2).integers(0, 256, (8, 24, 3), np.uint8)

    image = load(one(tmp_path, Image.fromarray(pixels)), (8, 12, 3)).images[0]

    np.testing.assert_array_equal(image, pixels[:, 6:18])


def test_exif_orientation_is_applied(tmp_path):
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter clockwise
    root = one(tmp_path, Image.fromarray(pixels), exif=exif)

    turned = load(root, (8, 8, 1)).images[0, :, :, 0]

    assert (turned[:, 4:] == 255).all()
    assert (turned[:, :4] == 0).all()


@pytest.mark.parametrize(
    ("picture", "name", "pixel"),
    [
        (Image.new("L", (8, 8), 90), "a.png", [90, 90, 90]),
        (Image.new("1", (8, 8), 1), "a.png", [255, 255, 255]),
        (Image.fromarray(np.full((8, 8), 257 * 90, np.uint16)), "a.png", [90, 90, 90]),
        (Image.new("RGBA", (8, 8), (200, 0, 0, 0)), "a.png", [255, 255, 255]),
        (Image.new("RGB", (8, 8), (9, 99, 199)).quantize(4), "a.png", [9, 99, 199]),
        (Image.new("CMYK", (8, 8), (0, 0, 0, 255)), "a.tif", [0, 0, 0]),
        (Image.new("RGB", (1, 1), (1, 2, 3)), "a.png", [1, 2, 3]),
    ],
    ids=["gray", "bits", "16 bits", "alpha", "palette", "CMYK", "1×1"],
)
def test_every_kind_of_image_becomes_eight_bits_of_color(tmp_path, picture, name, pixel):
    assert load(one(tmp_path, picture, name)).images[0, 4, 4].tolist() == pixel


def test_color_becomes_gray_for_one_channel(pets):
    assert load(pets, (8, 8, 1)).images.shape == (8, 8, 8, 1)


# --- what is passed over, and what is refused ----------------------------------------------------


def test_damaged_files_are_skipped_and_reported(pets):
    whole = (pets / "cat" / "0.png").read_bytes()
    (pets / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (pets / "dog" / "no.jpg").write_bytes(b"nothing")

    data = load(pets)

    assert len(data.images) == 8
    assert data.labels.tolist() == [0] * 5 + [1] * 3
    assert "2 left out: cat/cut.png: " in data.notes[0]
    assert "dog/no.jpg: not an image that Pillow reads" in data.notes[0]


def test_image_above_the_size_limit_is_skipped(pets, monkeypatch):
    Image.new("L", (64, 64)).save(pets / "cat" / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)

    assert "cat/bomb.png: more than 1,000 pixels, Pillow's limit" in load(pets).notes[0]


def test_circular_links_are_followed_once(pets):
    (pets / "cat" / "up").symlink_to(pets)

    assert len(load(pets).images) == 8


def test_folder_without_readable_images_is_refused(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"nothing")

    assert "it has 1 image, none of which can be read: a.png: not an image" in refusal(
        tmp_path / "bad"
    )


def test_error_of_a_folder_without_images_lists_its_files(tmp_path):
    (tmp_path / "texts").mkdir()
    assert "it is empty" in refusal(tmp_path / "texts")
    (tmp_path / "texts" / "a.txt").write_text("x")
    assert "it holds a.txt" in refusal(tmp_path / "texts")


def test_missing_folder_and_file_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")

    assert "is a file; expected a folder" in refusal(tmp_path / "file")
    assert "does not exist" in refusal(tmp_path / "gone")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission_is_refused(pets):
    pets.chmod(0)
    try:
        assert "cannot be read (Permission denied)" in refusal(pets)
    finally:
        pets.chmod(0o700)


def test_several_sizes_need_a_shape(pets):
    assert "its images have 5 sizes" in refusal(pets, None)


# --- the cache -----------------------------------------------------------------------------------


def test_second_load_reads_the_cache(pets, monkeypatch):
    first = load(pets).digest
    monkeypatch.setattr(image_cache, "open_image", None)

    assert load(pets).digest == first


def test_a_changed_file_is_read_again(pets):
    first = load(pets).digest
    Image.new("RGB", (9, 9), "red").save(pets / "cat" / "0.png")

    assert load(pets).digest != first


def test_interruption_leaves_no_partial_cache(pets, cache, monkeypatch):
    fit, calls = image_cache.fit_image, []

    def interrupted(picture, shape):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return fit(picture, shape)

    monkeypatch.setattr(image_cache, "fit_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(pets)
    left = {path.name for path in cache.rglob("*") if path.is_file()}
    monkeypatch.setattr(image_cache, "fit_image", fit)

    assert left <= {"lock"}
    assert len(load(pets).images) == 8


def test_error_of_an_unusable_cache_names_the_variable(pets, cache):
    cache.write_text("a file")

    assert "Set GANDEM_CACHE to a folder" in refusal(pets)


def test_two_processes_at_once_read_the_same_images(pets):
    code = (
        "import sys; from gandem.core.data.dataset import load_dataset;"
        "print(load_dataset('folder:' + sys.argv[1], shape=(8, 8, 3)).digest)"
    )
    command = [sys.executable, "-c", code, str(pets)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    digests = {process.communicate(timeout=100)[0].strip() for process in both}

    assert digests == {load(pets).digest}


def test_selected_images_stay_on_disk(pets):
    data = load(pets)
    chosen = data.select_classes([1])

    assert isinstance(chosen.images, DiskImages)
    np.testing.assert_array_equal(np.asarray(chosen.images), data.images[5:])
    np.testing.assert_array_equal(chosen.images[[2, 0]], data.images[[7, 5]])
    assert chosen.images[1].shape == SHAPE
    assert chosen.images[..., 0].shape == (3, 8, 8)


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    root = tmp_path / "many"
    root.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(root / "0.png")
    for place in range(1, 3000):
        os.link(root / "0.png", root / f"{place}.png")
    code = (
        "import resource, sys; from gandem.core.data.dataset import load_dataset;"
        "import PIL.Image, pooch, filelock;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "data = load_dataset('folder:' + sys.argv[1], shape=(64, 64, 3)); data.digest;"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, data.images.nbytes)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True
    )
    grown, size = map(int, done.stdout.split())

    assert size == 3000 * 64 * 64 * 3
    assert grown * (1 if sys.platform == "darwin" else 1024) < size * 0.9


# --- the commands --------------------------------------------------------------------------------


@needs_a_backend
def test_a_folder_trains(pets, tmp_path):
    arguments = tiny(image="[8,8,3]", batch_size=4)

    said(*arguments, "--data", f"folder:{pets}", "--steps", 2, "--out", tmp_path / "run", "--json")

    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["data"]["count"] == 8


def test_data_command_counts_and_draws_a_folder(pets, tmp_path):
    (pets / "dog" / "copy.png").write_bytes((pets / "dog" / "0.png").read_bytes())

    data = json.loads(said("data", pets, "-o", tmp_path / "sheet.png", "--json"))

    assert data["classes"] == {"cat": 5, "dog": 4}
    assert data["copies"] == ["dog/copy.png: the same file as dog/0.png"]
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[1] == 2 + 2 * (64 + 2)


def test_data_command_describes_a_data_set_by_name():
    assert "digits: 10,000 images" in said("data", "digits")


def test_data_command_refuses_a_missing_path(tmp_path):
    assert "does not exist" in refused("data", tmp_path / "gone")
    assert "ends in .png" in refused("data", "digits", "-o", tmp_path / "a.gif")


def test_a_folder_without_a_path_is_refused():
    with pytest.raises(DataError, match=r"Use --data folder:PATH"):
        folder.load("", None)
