"""`gandem profile`: the parts of a step sum to its total, and each measures what its name says."""

import json
import tempfile
import time

import numpy as np
import pytest
from support.commands import HOME, needs_a_backend, on_each, refused, said, tiny

import gandem
from gandem.core.errors import SpecError
from gandem.core.plugins.registry import load_backend, load_dataset, load_loss, load_spec
from gandem.core.runs.stopwatch import STAGES, Apart
from gandem.core.training import Feed, initial_state, weights

RING = [f"--set={name}={value}" for name, value in (("image", 2), ("latent", 2))] + ["--data=ring"]
PARTS = ["transfer", "forward", "backward", "optimizer", "slowed", "waited", "logging"]
CHANGES = {
    "wgan": {"training.discriminator_steps": 2},
    "cdcgan": {"training.noise": "fresh", "training.generator_batches": 2},
    "dcgan-dropout": {"training.instance_noise": 0.1, "training.flip": True},
    "wgan-gp": {"training.discriminator_steps": 2},
}


def feed_of(model, **changes):
    spec = load_spec(model, {**CHANGES.get(model, {}), **changes})
    name = "ring" if "image" in changes else "digits"
    data = load_dataset(name, None, spec.image.shape, ())
    return spec, Feed(spec, load_loss(spec.loss), data, 0, "float32")


# --- the command ---------------------------------------------------------------------------------


@on_each
def test_the_parts_of_a_step_make_up_its_total(backend):
    found = json.loads(
        said("profile", "mlp-gan", "--backend", backend, *RING, "--steps", 12, "--json")
    )

    assert list(found["milliseconds"]) == PARTS
    assert min(found["milliseconds"].values()) >= 0
    assert found["milliseconds"]["forward"] > 0
    assert sum(found["milliseconds"].values()) == pytest.approx(found["total"], abs=1e-3)
    assert sum(found["shares"].values()) == pytest.approx(1, abs=1e-3)
    assert found["steps_per_second"] == pytest.approx(1000 / found["total"], rel=0.01)
    assert list(found["beside"]) == ["data", "random numbers"]
    assert (found["together"] is None) == (found["steps_per_call"] == 1)


@needs_a_backend
def test_a_profile_is_a_table_for_people_and_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    text = said("profile", "mlp-gan", "--backend", HOME, *RING, "--steps", 3)

    names = [line.split("  ")[1].strip() for line in text.splitlines() if line.startswith("  ")]
    assert names[1:] == [*PARTS, "total", "data", "random numbers"]
    assert "100%" in text
    assert [path for path in tmp_path.iterdir() if "torch" not in path.name] == []  # its own cache


@needs_a_backend
def test_what_cannot_be_profiled_is_refused_in_one_line():
    assert "Did you mean 'dcgan'?" in refused("profile", "dcgn")
    assert "No backend is called 'nope'" in refused("profile", "dcgan", "--backend", "nope")
    assert "x>=2" in refused("profile", "dcgan", "--steps", 1, code=2)
    assert "(8, 8, 1)" in refused("profile", *tiny()[1:], "--data", "digits")
    with pytest.raises(SpecError, match="at least 2"):
        gandem.profile("dcgan", steps=1)


@needs_a_backend
def test_a_training_that_waits_for_its_data_says_so(monkeypatch):
    real = Feed.real

    def slow(self, step):
        time.sleep(0.1)
        return real(self, step)

    monkeypatch.setattr(Feed, "real", slow)

    small = {"width": 2, "latent": 2, "batch_size": 4}
    found = gandem.profile("dcgan", backend=HOME, changes=small, data="digits", steps=4)

    assert found.beside["data"] >= 100
    assert found.parts["waited"] > 20


# --- the inputs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", CHANGES)
def test_what_is_real_and_what_is_drawn_make_up_the_inputs(model):
    _, feed = feed_of(model)

    real, drawn, whole = feed.real(3), feed.drawn(3), feed(3)

    assert {name.partition("/")[0] for name in real} <= {"real", "label"}
    assert not {name.partition("/")[0] for name in drawn} & {"real", "label"}
    assert not real.keys() & drawn.keys()
    assert whole.keys() == real.keys() | drawn.keys()
    for name, value in (real | drawn).items():
        np.testing.assert_array_equal(whole[name], value)


# --- the stages ----------------------------------------------------------------------------------


@on_each
@pytest.mark.parametrize("model", ["mlp-gan", "wgan"])
def test_a_stage_changes_no_weights(model, backend):
    changes = {"image": 2} if model == "mlp-gan" else {"latent": 2, "width": 2, "batch_size": 2}
    spec, feed = feed_of(model, **changes)
    state = initial_state(spec, 0, "float32")
    engine = load_backend(backend).engine(spec, state, precision="float32", device="cpu")

    for stage in STAGES:
        engine.until(stage)(feed(0))

    after = weights(spec, engine.export())
    for name, value in weights(spec, state).items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    assert np.isfinite(list(engine.read(engine.step(feed(0))).values())).all()


class Plain:
    """An engine that can do a step, and writes down what it did."""

    def __init__(self):
        self.did = []

    def step(self, inputs):
        self.did.append("step")

    def read(self, scalars):
        return {}


class InParts(Plain):
    def until(self, stage):
        return lambda inputs: self.did.append(stage)


class Together(Plain):
    steps_per_call = 5

    def steps(self, inputs):
        self.did.append(len(inputs))
        time.sleep(0.01)


def apart(engine, rounds):
    _, feed = feed_of("mlp-gan", image=2)
    found = Apart(engine, feed)
    for _ in range(rounds):
        found.round()
    return found


def test_every_stage_is_first_in_its_turn():
    engine = InParts()

    apart(engine, 4)

    assert engine.did[::4] == ["transfer", "forward", "backward", "step"]
    assert sorted(engine.did) == sorted([*STAGES, "step"] * 4)


def test_a_part_is_the_difference_of_two_medians_and_never_below_nothing():
    found = apart(InParts(), 0)
    found.took = {
        "transfer": [1.0, 1.0, 99.0],
        "forward": [3.0, 3.0, 0.0],
        "backward": [2.5],  # sooner than forward, by chance
        "step": [7.0],
    }

    assert found.parts() == {"transfer": 1.0, "forward": 2.0, "backward": 0.0, "optimizer": 4.0}


def test_a_backend_that_cannot_take_its_step_apart_has_one_part():
    engine = Plain()

    assert list(apart(engine, 2).parts()) == ["step"]
    assert engine.did == ["step", "step"]


def test_a_step_among_several_takes_its_share_of_the_call():
    engine = Together()

    taken = apart(engine, 1).together()

    assert set(engine.did[1:]) == {5}
    assert 0.002 <= taken < 0.01
