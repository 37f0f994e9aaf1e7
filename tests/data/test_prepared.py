"""Prepared data sets: when they are used, what they notice, how much they take, the commands."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image
from support.commands import refused, said

from gandem.core.data import lazy_images, prepared
from gandem.core.data.dataset import load_dataset
from gandem.core.errors import DataError
from gandem.data import image_cache

SHAPE = (8, 8, 3)
SIZE = 4 * 8 * 8 * 3


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GANDEM_PREPARED_GB", raising=False)
    return tmp_path / "cache"


def write_image(path: Path, level: int) -> None:
    Image.new("RGB", (9, 9), (level, 0, level)).save(path, "bmp")  # of equal size


def write_images(root: Path) -> Path:
    root.mkdir()
    for level in range(4):
        write_image(root / f"{level}.bmp", 50 * level)
    return root


@pytest.fixture
def images(tmp_path):
    return write_images(tmp_path / "images")


def load(root: Path, shape: tuple[int, ...] = SHAPE):
    return load_dataset(f"folder:{root}", shape=shape)


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        load(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- when it is used ------------------------------------------------------------------------------


def test_second_start_neither_reads_nor_hashes_the_images(images, monkeypatch):
    digest = load(images).digest
    for module, name in ((image_cache, "open_image"), (lazy_images, "hash_images")):
        monkeypatch.setattr(module, name, pytest.fail)

    assert load(images).digest == digest


def test_hash_depends_on_labels_and_classes(images):
    (images / "labels.csv").write_text("file,label\n0,a\n1,b\n2,a\n3,b\n")
    first = load(images)
    (images / "labels.csv").write_text("file,label\n0,b\n1,a\n2,a\n3,b\n")
    second = load(images)

    every = [first.digest, second.digest, first.select_classes([0]).digest]

    assert len({*every, second.select_classes([0]).digest}) == 4
    assert first.digest == lazy_images.hash_images(np.asarray(first.images), first.labels)


def change_with_its_old_time(root: Path) -> None:
    facts = (root / "0.bmp").stat()
    write_image(root / "0.bmp", 201)
    os.utime(root / "0.bmp", ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        change_with_its_old_time,
        lambda root: write_image(root / "5.bmp", 9),
        lambda root: (root / "0.bmp").unlink(),
        lambda root: (root / "0.bmp").rename(root / "9.bmp"),
    ],
    ids=["changed", "added", "removed", "renamed"],
)
def test_changed_folder_is_prepared_again(images, change):
    before = load(images).digest

    change(images)

    assert load(images).digest != before


def test_folders_with_files_of_equal_names_sizes_and_times_differ(images, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(images, other)
    facts = (images / "0.bmp").stat()
    write_image(other / "0.bmp", 201)
    os.utime(other / "0.bmp", ns=(facts.st_atime_ns, facts.st_mtime_ns))

    assert load(images).digest != load(other).digest


def test_prepared_images_are_read_from_a_folder_that_cannot_be_locked(images, monkeypatch):
    digest = load(images).digest
    monkeypatch.setattr(image_cache, "_lock", pytest.fail)  # a read-only cache

    assert load(images).digest == digest


def test_start_that_waits_for_another_process_says_so(images, cache, monkeypatch, capsys):
    monkeypatch.setattr(image_cache, "WAIT_BEFORE_LINE", 0)
    load(images)
    (folder,) = (cache / "folder").iterdir()
    (folder / "facts.json").unlink()
    is_held = threading.Event()

    def hold() -> None:
        with FileLock(folder / "lock"):
            is_held.set()
            time.sleep(0.3)

    other = threading.Thread(target=hold)
    other.start()
    is_held.wait()

    assert len(load(images).images) == 4
    other.join()
    assert "Another process prepares the same images; waiting for it." in capsys.readouterr().err


# --- files that change meanwhile ------------------------------------------------------------------


@pytest.mark.parametrize("change", [lambda path: write_image(path, 201), Path.unlink])
def test_file_that_changes_while_it_is_read_stops_the_preparation(
    images, cache, monkeypatch, change
):
    fit, calls = image_cache.fit_image, []

    def change_last(picture, shape):
        if not calls:
            calls.append(change(images / "3.bmp"))
        return fit(picture, shape)

    monkeypatch.setattr(image_cache, "fit_image", change_last)

    assert refusal(images) == (
        f"folder:{images}: '3.bmp' has been changed while the images were read. Start again."
    )
    assert not [path for path in cache.rglob("*.*") if path.is_file()]


def test_prepared_file_that_is_cut_while_it_is_read_is_an_error_of_one_line(images):
    data = load(images)
    os.truncate(data.images.path, 10)

    with pytest.raises(DataError, match=r"images.bin: it has been changed while it is in use"):
        data.images[0]


def test_removal_does_not_disturb_images_that_are_read(images):
    data = load(images)
    before = data.images[:]

    assert [prepared.remove_prepared(each) for each in prepared.list_prepared()] == [True]
    selected = data.images.select(np.array([2, 0]))
    del data
    np.testing.assert_array_equal(selected[:], before[[2, 0]])


# --- how much it takes ----------------------------------------------------------------------------


def test_least_recently_used_set_is_removed_beyond_the_limit(images, tmp_path, monkeypatch):
    other = write_images(tmp_path / "other")
    load(images, (40, 40, 3))
    load(images, (40, 39, 3))
    for each in prepared.list_prepared():
        used = each.used - (200 if "40×39×3" in each.source else 100)
        os.utime(each.folder / "facts.json", (used, used))
    monkeypatch.setenv("GANDEM_PREPARED_GB", str(2.5 * 4 * 40 * 40 * 3 / 1e9))

    load(other, (40, 40, 3))

    sources = [each.source for each in prepared.list_prepared()]
    assert sources == [f"folder:{other}, 40×40×3", f"folder:{images}, 40×40×3"]


def test_set_beyond_the_limit_is_refused(images, monkeypatch):
    monkeypatch.setenv("GANDEM_PREPARED_GB", "0.0000001")

    assert refusal(images) == (
        f"folder:{images}: the images take {SIZE} bytes at 8×8×3, and prepared images may take "
        "100 bytes; set GANDEM_PREPARED_GB=1."
    )


@pytest.mark.parametrize("text", ["many", "-1", "nan", "inf"])
def test_limit_that_is_no_number_is_refused(images, monkeypatch, text):
    monkeypatch.setenv("GANDEM_PREPARED_GB", text)

    assert f"expected a number of gigabytes from 0, received {text!r}" in refusal(images)


def test_nothing_is_stored_with_a_limit_of_zero(images, cache, monkeypatch):
    (images / "bad.png").write_bytes(b"nothing")
    stored = load(images)
    shutil.rmtree(cache)
    monkeypatch.setenv("GANDEM_PREPARED_GB", "0")

    data = load(images)

    assert isinstance(data.images, np.ndarray)
    assert (data.digest, data.notes) == (stored.digest, stored.notes)
    assert not cache.exists()
    assert "GANDEM_PREPARED_GB is 0" in refused("data", images, "--prepare", "8,8,3")


def test_full_disk_is_an_error_before_anything_is_read(images, monkeypatch):
    monkeypatch.setattr(image_cache, "open_image", pytest.fail)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, SIZE - 1)
    )

    line = refusal(images)

    assert f"the disk has {SIZE - 1} bytes free. Set GANDEM_CACHE to a folder" in line
    assert "or GANDEM_PREPARED_GB=0 to keep the images in memory." in line


# --- the commands ---------------------------------------------------------------------------------


def test_commands_prepare_list_and_remove(images, cache):
    line = said("data", images, "--prepare", "8,8,3")
    (folder,) = (cache / "folder").iterdir()
    assert line.startswith(f"prepared   folder:{images}, 8×8×3, ")
    assert line.endswith(f" in {folder}\n")
    assert said("data", "--list-prepared") == line

    (facts,) = json.loads(said("data", "--list-prepared", "--json"))
    assert facts["folder"] == str(folder)
    assert facts["bytes"] > SIZE

    with FileLock(folder / "lock"):
        assert "no prepared data sets that can be removed" in said("data", "--remove-prepared")
    assert said("data", "--remove-prepared") == line.replace("prepared ", "removed ", 1)
    assert said("data", "--list-prepared") == "There are no prepared data sets.\n"


def test_wrong_use_of_the_commands_is_refused(images):
    for arguments in ([], [images, "--list-prepared"], ["--list-prepared", "--remove-prepared"]):
        line = refused("data", *arguments, code=2)
        assert line.startswith("Expected a data set, --list-prepared or --remove-prepared.")
    for arguments in ([images, "--prepare", "8,8,1"], ["--list-prepared"]):
        line = refused("data", *arguments, "-o", "sheet.png", code=2)
        assert line.startswith("--out shows a data set;")
    for shape in ("8", "8,8,5", "0,8,3", "a,b,c"):
        line = refused("data", images, "--prepare", shape, code=2)
        assert f"like 64,64,3; received {shape!r}" in line
    assert "need no preparation" in refused("data", "digits", "--prepare", "8,8,3")
