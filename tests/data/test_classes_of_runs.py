"""Class names, empty classes and image folders in the commands, with one tiny training."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from support.commands import gandem, needs_a_backend, refused, said, tiny

from gandem.core.data.dataset import load_dataset

pytestmark = needs_a_backend
NAMES = np.array(["cat", "dog", "owl"])


def read_arrays(path):
    with np.load(path) as file:
        return dict(file)


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """A data set of three classes with names, and one whose class 0 has no images."""
    folder = tmp_path_factory.mktemp("arrays")
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    np.savez(folder / "names.npz", images=images, labels=NAMES[np.arange(40) % 3])
    np.savez(folder / "gap.npz", images=images, labels=np.arange(40) % 2 + 1)
    return folder


@pytest.fixture(scope="module")
def run(arrays):
    """A conditional run on the classes owl and cat, in that order."""
    data = ["--data", f"npz:{arrays / 'names.npz'}", "--classes", "owl,cat"]
    said(*tiny("cgan", classes=2), *data, "--steps", 1, "--out", arrays / "run", "--json")
    return arrays / "run"


def test_classes_are_chosen_by_name(run):
    record = json.loads((run / "run.json").read_text())

    assert record["data"]["class_names"] == ["owl", "cat"]
    assert record["settings"]["classes"] == ["owl", "cat"]
    assert record["data"]["count"] == 13 + 14


def test_run_on_classes_by_name_is_resumed(run):
    said("resume", run, "--steps", 2, "--json")

    assert json.loads((run / "run.json").read_text())["steps"] == 2


def test_unknown_class_name_suggests_the_nearest(arrays):
    line = refused(
        *("train", "dcgan", "--data", f"npz:{arrays / 'names.npz'}", "--classes", "cta"),
        *("--set", "image=[8,8,1]"),
    )

    assert "there is no class 'cta'; its classes are 0 to 2. Did you mean 'cat'?" in line


def test_label_is_a_number_or_a_name(run, tmp_path):
    for label in ("cat", "1"):
        out = tmp_path / f"{label}.npz"
        said("generate", run, "--label", label, "-n", 3, "-o", out)
    by_name, by_number = (read_arrays(tmp_path / f"{label}.npz") for label in ("cat", "1"))

    assert by_name["labels"].tolist() == [1, 1, 1]
    np.testing.assert_array_equal(by_name["images"], by_number["images"])
    line = refused("generate", run, "--label", "cta", "-o", tmp_path / "x.npz")
    assert line == "No class named 'cta'. Did you mean 'cat'?"


def test_images_are_written_to_a_folder(run, tmp_path):
    said("generate", run, "-n", 5, "-o", f"{tmp_path / 'fakes'}/")
    said("generate", run, "-n", 5, "-o", tmp_path / "fakes.npz")

    files = sorted(path.name for path in (tmp_path / "fakes").iterdir())
    expected = read_arrays(tmp_path / "fakes.npz")
    assert files == [*(f"0000{number}.png" for number in range(5)), "labels.csv"]
    for number, image in enumerate(expected["images"]):
        with Image.open(tmp_path / "fakes" / files[number]) as stored:
            np.testing.assert_array_equal(np.asarray(stored), image[..., 0])
    data = load_dataset(f"folder:{tmp_path / 'fakes'}", shape=(8, 8, 1))
    np.testing.assert_array_equal(data.labels, expected["labels"])


def test_folder_that_is_not_empty_is_not_written(run, tmp_path):
    (tmp_path / "fakes").mkdir()
    said("generate", run, "-n", 2, "-o", tmp_path / "fakes")
    before = {path: path.read_bytes() for path in (tmp_path / "fakes").iterdir()}

    line = refused("generate", run, "-n", 5, "-o", tmp_path / "fakes")

    assert "fakes: it is not an empty folder; choose a new one." in line
    assert {path: path.read_bytes() for path in (tmp_path / "fakes").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["fakes"]


def test_classes_without_images_are_reported_when_trained_and_generated(arrays, tmp_path):
    train = [*tiny("cgan", classes=3), "--data", f"npz:{arrays / 'gap.npz'}", "--steps", 1]

    trained = gandem(*train, "--out", tmp_path / "run")
    generated = gandem("generate", tmp_path / "run", "--label", 0, "-o", tmp_path / "a.png")
    other = gandem("generate", tmp_path / "run", "--label", 1, "-o", tmp_path / "a.png")

    assert "1 of 3 classes without any image: '0'; choose the others with --classes 1,2" in (
        trained.stderr
    )
    assert "the training data has no images of class 0." in generated.stderr
    assert (generated.exit_code, other.stderr) == (0, "")


@pytest.mark.parametrize(("channels", "mode"), [(2, "LA"), (4, "RGBA")])
def test_images_with_transparency_are_trained_and_written(channels, mode, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8, channels), np.uint8)
    np.savez(tmp_path / "alpha.npz", images=pixels)
    data = ["--data", f"npz:{tmp_path / 'alpha.npz'}"]

    said(*tiny(image=f"[8,8,{channels}]"), *data, "--steps", 1, "--out", tmp_path / "run", "--json")
    said("generate", tmp_path / "run", "-n", 2, "-o", tmp_path / "fakes")

    with Image.open(tmp_path / "fakes" / "00000.png") as image:
        assert image.mode == mode
    with Image.open(tmp_path / "run" / "samples" / "step-000001.png") as grid:
        assert grid.mode == "RGB"


def test_data_sets_are_scored_by_name(arrays):
    names = f"npz:{arrays / 'names.npz'}"

    (scored,) = json.loads(
        said("evaluate", names, "--data", names, "-n", 20, "--extractor", "pixels", "--json")
    )

    assert scored["name"] == names
    line = refused("evaluate", "nowhere:x", "--data", names)
    assert "expected a run, a folder of images, an .npz file, or a data set like npz:FILE" in line
