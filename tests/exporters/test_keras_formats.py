"""Exports as Keras models, SavedModels and LiteRT files.

Each export is compared with gandem's own output before it is written; the tests read what else a
file says.
"""

import json
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from gandem.core.data.images import to_bytes
from gandem.core.errors import SpecError
from gandem.core.export import export_runs
from gandem.core.specs import Layer
from gandem.testing.untrained_run import make_run

pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def run():
    """A small model with classes."""
    return make_run("cgan")


@pytest.fixture
def export(run, tmp_path):
    """Return a function that exports a run and returns the path of the file."""

    def exported(format, name, run=run, **options):
        return export_runs([run], format, tmp_path / name, **options).path

    return exported


def test_a_keras_file_has_stock_layers_only(export):
    blocks = make_run("sngan-projection")
    path = export("keras", "discriminator.keras", blocks, player="discriminator")

    with zipfile.ZipFile(path) as archive:
        config = archive.read("config.json").decode()
        facts = json.loads(archive.read("gandem.json"))
    modules = {layer["module"] for layer in json.loads(config)["config"]["layers"]}
    assert {module.partition(".")[0] for module in modules} == {"keras"}
    assert "gandem" not in config
    assert "Lambda" not in config
    assert [port["name"] for port in facts["inputs"]] == ["image", "label"]


def test_a_layer_without_stock_layers_is_refused():
    from gandem.exporters.keras.layers.base import build

    class New(Layer):
        kind = "new"

    node = SimpleNamespace(path="generator/new")

    with pytest.raises(SpecError, match=r"^generator/new: no stock Keras layers compute 'new'"):
        build(New(), node, None, None)


def test_a_keras_file_takes_numbers_or_weights_of_classes_by_name(run, export):
    import keras

    numbers = keras.saving.load_model(export("keras", "a.keras", pixels="uint8"))
    weights = keras.saving.load_model(export("keras", "b.keras", labels="weights"))
    noise = np.random.default_rng(0).normal(size=(2, run.spec.latent.size)).astype(np.float32)
    label = np.array([2, 0])

    images = weights({"label": np.eye(run.spec.classes, dtype=np.float32)[label], "noise": noise})
    pixels = numbers({"label": label, "noise": noise})

    expected = to_bytes(images.numpy(), run.spec.image.low, run.spec.image.high)
    assert pixels.dtype == "uint8"
    assert np.abs(pixels.numpy() - expected.astype(int)).max() <= 1


def test_tensorflow_reads_a_saved_model_by_names(run, export):
    import tensorflow as tf

    signature = tf.saved_model.load(export("savedmodel", "model")).signatures["serving_default"]

    shapes = {
        name: tensor.shape.as_list()
        for name, tensor in signature.structured_input_signature[1].items()
    }
    assert shapes == {"noise": [None, run.spec.latent.size], "label": [None]}
    assert list(signature.structured_outputs) == ["image"]


def test_a_litert_file_ends_in_a_description(run, export):
    pytest.importorskip("ai_edge_litert")
    path = export("litert", "generator.tflite")

    with zipfile.ZipFile(path) as archive:
        facts = json.loads(archive.read("gandem.json"))
    assert facts["output"]["shape"] == ["N", *run.spec.image.shape]
