"""The pretrained models: their files, records and cards, and their images on each backend."""

import hashlib
import json
import re
import shlex
import tomllib

import imageio.v3 as iio
import numpy as np
import pytest
from safetensors.numpy import load_file
from support.commands import HOME, needs_a_backend, needs_both, said

import gandem
from gandem.core.plugins.registry import registry
from gandem.core.runs.saved.card import write_card
from gandem.core.runs.saved.hub import FILES
from gandem.core.specs import digest
from gandem.pretrained import FOLDER

ENTRIES = {entry.id: entry for entry in registry().entries("pretrained")}
RECIPES = tomllib.loads((FOLDER / "recipes.toml").read_text("utf-8"))
MAX_SIZE = 1_200_000  # bytes

each_model = pytest.mark.parametrize("name", ENTRIES)


def test_each_model_has_a_recipe_and_its_title():
    titles = {name: entry.title for name, entry in ENTRIES.items()}

    assert titles == {name: RECIPES[name]["title"] for name in titles}


@each_model
def test_the_files_of_a_model(name):
    paths = {path.name: path for path in (FOLDER / name).iterdir()}

    assert set(paths) == set(FILES)
    content = paths["model.safetensors"].read_bytes()
    assert len(content) < MAX_SIZE
    assert hashlib.sha256(content).hexdigest() == ENTRIES[name].sha256
    assert {array.dtype.name for array in load_file(paths["model.safetensors"]).values()} == {
        "float16"
    }


@each_model
def test_the_record_of_a_model(name):
    run = gandem.from_pretrained(name)

    record = run.record
    command = ["gandem", "train", *shlex.split(RECIPES[name]["train"])]
    assert shlex.split(record.first_command) == command
    assert (record.state, record.license, record.seed) == ("finished", "mit", 0)
    assert record.spec_digest == digest(run.spec)
    protocol, last = record.evaluation["protocol"], record.evaluation["last"]
    assert protocol["fake"] == min(10_000, record.data.count // 2)
    assert protocol["data_digest"] == record.data.digest
    assert last["step"] == record.steps
    assert 0 < last["frechet"] < 15
    assert run.checkpoint().players == ("generator",)


@each_model
@pytest.mark.parametrize("file", ["spec.toml", "run.json", "README.md"])
def test_no_text_of_a_model_has_a_path_of_a_machine(name, file):
    text = (FOLDER / name / file).read_text("utf-8")

    assert not re.findall(r"(?<![\w.:/])/(?:work|home|root|tmp|Users)\b", text)


@each_model
def test_the_card_of_a_model_is_that_of_its_record(name):
    run = gandem.from_pretrained(name)
    size = (run.path / "model.safetensors").stat().st_size

    card = write_card(name, run.spec, run.record, ["generator"], size)

    assert (run.path / "README.md").read_text("utf-8") == card


def test_the_list_has_the_facts_of_each_model():
    rows = json.loads(said("list", "--pretrained", "--json"))

    assert [row["id"] for row in rows] == sorted(ENTRIES)
    for row in rows:
        assert {"data", "steps", "scores", "protocol", "license", "bytes", "sha256"} <= set(row)
    text = said("list", "--pretrained", "*@digits")
    assert "dcgan@digits" in text
    assert "@mnist" not in text
    assert "No pretrained model matches 'x'" in said("list", "x", "--pretrained")


def read_samples(name, shape):
    """Return the images of a model's samples (N, H, W), in the order of the grid."""
    sheet = iio.imread(FOLDER / name / "samples.png")[..., 0]
    side = 2 * shape[0] + 2
    rows, columns = (size // side for size in sheet.shape)
    cells = sheet[2:, 2:].reshape(rows, side, columns, side).transpose(0, 2, 1, 3)
    return cells.reshape(rows * columns, side, side)[:, :-2:2, :-2:2]


def difference_to_samples(name, backend):
    """Return the largest difference of generated images to the stored samples, in gray levels."""
    run = gandem.from_pretrained(name)
    stored = read_samples(name, run.spec.image.shape)
    images = run.generate(len(stored), backend=backend).images[..., 0]
    return np.abs(images.astype(int) - stored).max()


@needs_a_backend
def test_a_model_generates_its_samples():
    assert difference_to_samples(next(iter(ENTRIES)), HOME) <= 1


@pytest.mark.slow
@needs_both
@each_model
@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_each_model_generates_its_samples_on_each_backend(name, backend):
    assert difference_to_samples(name, backend) <= 1
