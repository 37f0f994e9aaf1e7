"""The loops that gandem's speed on Keras is measured against: the same networks, and they learn."""

import math
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from support.commands import THERE

from gandem.core.specs import plan_spec
from gandem.core.specs.loading import load_spec
from gandem.core.training.backends import load_backend

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"
MODELS = ("dcgan", "cgan", "upsample-gan", "dcgan-dropout", "mlp-gan", "wgan-gp")
KINDS = {"experts_keras": "EXPERTS", "notebooks_keras": "NOTEBOOKS"}
IMAGES = np.random.default_rng(0).integers(256, size=(66, 28, 28, 1), dtype=np.uint8)
"""66, so that the second of every two batches has 2."""
LABELS = np.arange(66) % 10

pytestmark = pytest.mark.skipif("keras" not in THERE, reason="needs Keras")
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def loops(kind, monkeypatch):
    """Return the functions that build a loop, by model."""
    load_backend("keras")  # TensorFlow, in an order in which PyTorch bears it
    monkeypatch.syspath_prepend(SPEED)
    monkeypatch.delitem(sys.modules, kind, raising=False)
    return getattr(import_module(kind), KINDS[kind])


def weights_of(player):
    """Return the trained weights of an expert's player or of a notebook's model."""
    return player.trainable_weights if hasattr(player, "trainable_weights") else player.weights


def sizes_of(model):
    plans = plan_spec(load_spec(model))
    return [
        sum(p.size for p in plans[player].parameters()) for player in ("generator", "discriminator")
    ]


@each_kind
@pytest.mark.parametrize("model", MODELS)
def test_a_loop_trains_the_networks_of_gandem(kind, loops, model):
    players = loops[model](IMAGES, LABELS).players
    for player in players:  # notebooks freeze the discriminator while the generator learns
        player.trainable = True

    sizes = [sum(math.prod(weight.shape) for weight in weights_of(player)) for player in players]

    assert sizes == sizes_of(model)


@pytest.mark.parametrize(
    ("kind", "model", "steps", "constant"),
    [
        ("notebooks_keras", "mlp-gan", 2, [0, 0]),
        ("experts_keras", "mlp-gan", 2, [0, 0]),
        # the critic's last bias has no gradient
        ("experts_keras", "wgan-gp", 1, [0, 1]),
    ],
)
def test_a_loop_changes_all_weights(kind, loops, model, steps, constant):
    loop = loops[model](IMAGES, LABELS)
    for player in loop.players:
        player.trainable = True
    weights = [list(weights_of(player)) for player in loop.players]
    before = [[weight.numpy() for weight in player] for player in weights]

    loop(steps)

    same = [
        sum(np.array_equal(weight.numpy(), old) for weight, old in zip(*player, strict=True))
        for player in zip(weights, before, strict=True)
    ]
    assert same == constant
    assert np.isfinite(loop.losses).all()
