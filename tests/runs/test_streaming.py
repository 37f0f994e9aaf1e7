"""Many images are made and written in parts: the same images, in bounded memory."""

import numpy as np
import pytest
from support.commands import HOME, needs_a_backend, said, tiny

from gandem.core.runs import open_run
from gandem.core.runs.generation import sampling
from gandem.core.specs.loading import load_spec
from gandem.core.training import fixed_inputs, fixed_parts


@pytest.mark.parametrize("labels", [None, np.arange(23) % 3])
@pytest.mark.parametrize("model", ["dcgan", "cgan"])
def test_inputs_that_come_in_parts_are_the_inputs(model, labels):
    spec = load_spec(model)
    given = labels if model == "cgan" else None
    whole = fixed_inputs(spec, 3, 23, "float32", given)

    parts = list(fixed_parts(spec, 3, 23, "float32", given, size=5))

    assert [len(part["noise"]) for part in parts] == [5, 5, 5, 5, 3]
    for name, value in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), value)


def test_parts_of_a_latent_code_are_those_of_the_whole():
    changes = {"latent.categories": 4, "latent.codes": 2, "latent.size": 12}
    spec = load_spec("mlp-gan", changes)
    whole = fixed_inputs(spec, 3, 23, "float32")

    parts = [part["noise"] for part in fixed_parts(spec, 3, 23, "float32", size=5)]

    np.testing.assert_array_equal(np.concatenate(parts), whole["noise"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    said(
        *tiny("cgan", image=[28, 28, 1], classes=10),
        "--data",
        "digits",
        "--steps",
        2,
        "--out",
        folder,
    )
    return folder


@needs_a_backend
def test_a_file_of_many_images_holds_those_that_would_be_made_at_once(run, tmp_path):
    said("generate", run, "-n", 600, "-o", tmp_path / "many.npz")
    at_once = open_run(run).generate(600)

    with np.load(tmp_path / "many.npz") as many:
        np.testing.assert_array_equal(many["images"], at_once.images)
        np.testing.assert_array_equal(many["labels"], at_once.labels)


@needs_a_backend
def test_no_more_images_than_a_part_are_in_memory(run, tmp_path, monkeypatch):
    held, real = [], sampling._as_images

    def watched(spec, images, inputs):
        held.append(len(images))
        return real(spec, images, inputs)

    monkeypatch.setattr(sampling, "_as_images", watched)
    open_run(run).save(tmp_path / "many.npz", 1100, backend=HOME)

    assert held == [250, 250, 250, 250, 100]


@needs_a_backend
def test_images_that_end_early_leave_no_file(run, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sampling, "_as_images", fails)
    with pytest.raises(KeyboardInterrupt):
        open_run(run).save(tmp_path / "many.npz", 300)

    assert list(tmp_path.iterdir()) == []
