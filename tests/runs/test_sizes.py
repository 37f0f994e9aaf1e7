"""Sizes that no machine can hold are refused in one line, before anything is done."""

import json
import re

import numpy as np
import pytest
from support.commands import SMALL, refused, said

import gandem
from gandem.core import machine
from gandem.core.errors import RunError
from gandem.core.specs import load_spec
from gandem.core.training import backends, estimate_cost, initial_state, planned_memory
from gandem.core.training.losses import load_loss

TINY = SMALL | {"width": 2, "batch_size": 20}
HUGE = [10**9, 2**31, 2**63 - 1, 2**63, 10**23]


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8))
    return f"npz:{path}"


@pytest.fixture
def run(toy, images, tmp_path):
    out = tmp_path / "run"
    return gandem.train("dcgan", backend=toy, data=images, out=out, steps=2, changes=TINY).path


@pytest.fixture
def no_framework(monkeypatch):
    """Fail if a backend is started."""
    monkeypatch.setattr(backends, "import_target", pytest.fail)


@pytest.mark.parametrize("count", HUGE)
@pytest.mark.parametrize("name", ["grid.png", "images.npz"])
def test_number_of_samples_that_fits_nowhere_is_refused(run, tmp_path, no_framework, count, name):
    line = refused("generate", run, "-n", count, "-o", tmp_path / name)

    assert "samples" in line
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    "changes",
    [
        ["hidden=[1000000]", "discriminator_hidden=[1000000]"],
        ["hidden=[2147483647]"],
        ["latent=2147483647"],
        ["image=[100000,100000,3]"],
    ],
)
def test_model_that_fits_into_no_memory_is_refused(images, tmp_path, no_framework, changes):
    options = [f"--set={change}" for change in changes]

    line = refused("train", "mlp-gan", *options, "--data", "digits", "--out", tmp_path / "run")

    assert len(line) < 300
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["--steps", "--epochs", "--checkpoint-steps", "--sample-steps"])
def test_number_of_steps_beyond_a_lifetime_is_refused(images, tmp_path, name):
    line = refused(
        "train", "mlp-gan", "--data", "digits", f"{name}={10**26}", "--out", tmp_path / "run"
    )

    field = name.removeprefix("--").replace("-", "_")
    assert line == (
        f"Settings.{field}: expected 1 ≤ a number ≤ 1e+15, received 100000000000000000000000000."
    )
    assert not (tmp_path / "run").exists()


def test_step_that_fits_into_no_memory_is_refused(toy, images, tmp_path, monkeypatch):
    spec = load_spec("dcgan", TINY)
    state, step = planned_memory(spec, "float32")
    monkeypatch.setattr(machine, "memory_size", lambda: max(state, step) - 1)

    with pytest.raises(RunError, match=r"would take at least .* smaller"):
        gandem.train("dcgan", backend=toy, data=images, changes=TINY, out=tmp_path / "run")


@pytest.fixture
def cost(monkeypatch):
    """The cost of a small training, on a machine with a little less memory than it takes."""
    spec = load_spec("dcgan", TINY)
    cost = estimate_cost(spec, load_loss(spec.loss))
    assert cost.memory > max(planned_memory(spec, "float32"))
    monkeypatch.setattr(machine, "memory_size", lambda: cost.memory - 1)
    return cost


def test_training_warns_before_a_step_that_takes_more_than_the_memory(toy, images, tmp_path, cost):
    lines = []

    gandem.train(
        *("dcgan",),
        backend=toy,
        data=images,
        changes=TINY,
        out=tmp_path / "run",
        steps=1,
        notice=lines.append,
    )

    (line,) = lines
    assert re.fullmatch(r"dcgan: a training takes about .* training\.batch_size=19 fits\.", line)


def test_show_warns_with_the_batch_size_that_fits(cost):
    changes = [f"--set={name}={json.dumps(value)}" for name, value in TINY.items()]

    text = said("show", "dcgan", *changes)
    data = json.loads(said("show", "dcgan", *changes, "--json"))

    assert text.splitlines()[-2] == f"! {data['cost']['problem']}"
    assert data["cost"]["problem"].endswith("; --set training.batch_size=19 fits")
    assert "! " not in said("show", "dcgan", *changes, "--set=training.batch_size=19")


def test_show_prints_memory_and_multiply_adds():
    text = said("show", "dcgan")
    cost = json.loads(said("show", "dcgan", "--json"))["cost"]

    memory = cost["memory_mib"]
    assert memory["weights"] == pytest.approx(4 * (771_969 + 138_689) / 2**20, rel=0.01)
    assert memory["optimizer"] == pytest.approx(2 * memory["weights"], rel=0.02)
    assert memory["total"] == pytest.approx(sum(memory.values()) - memory["total"], abs=0.2)
    assert f"about {memory['total']} MiB: weights {memory['weights']} MiB" in text
    assert f"work       {cost['multiply_adds'] / 1e9:.3g} billion multiply-adds per step" in text


def test_show_of_an_image_that_fits_into_no_memory_says_so(monkeypatch):
    monkeypatch.setattr(machine, "memory_size", lambda: 10**9)

    text = said("show", "mlp-gan", "--set=image=[10000,10000,1]", "--set=hidden=[1]")

    assert "! Training 'mlp-gan' would take at least" in text


def test_planned_memory_is_that_of_the_state_and_its_draws():
    spec = load_spec("dcgan", TINY)
    arrays = initial_state(spec, 0, "float32")
    weights = [a for name, a in arrays.items() if name.endswith(("kernel", "bias", "scale"))]

    state, _ = planned_memory(spec, "float32")

    assert state >= sum(array.nbytes for array in arrays.values())
    assert state <= 3 * sum(array.nbytes for array in arrays.values())
    assert weights


def test_memory_of_this_machine_is_known():
    assert 2**28 < machine.memory_size() < machine.ANY_MACHINE
