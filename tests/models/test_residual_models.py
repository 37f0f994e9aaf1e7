"""The residual models: sngan and its relatives, and r3gan."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from gandem.core.specs import (
    Adam,
    BatchNorm,
    Concatenate,
    Conv2D,
    Cosine,
    Dense,
    Linear,
    Loss,
    Normal,
    SelfAttention,
    Slice,
    draw_initial_values,
    find_schedules,
    plan_spec,
)
from gandem.core.specs.loading import load_spec

FAMILY = ["sngan", "sngan-projection", "sagan", "lecam-gan", "biggan"]
WEIGHTED = (Conv2D, Dense, SelfAttention)


def weighted(model, player):
    """Return the layers with kernels of a player, inner ones too."""
    nodes = plan_spec(load_spec(model))[player].walk()
    return [node.layer for node in nodes if isinstance(node.layer, WEIGHTED)]


@pytest.mark.parametrize("model", FAMILY)
def test_every_kernel_of_the_discriminator_has_spectral_norm(model):
    layers = weighted(model, "discriminator")

    assert len(layers) >= 11
    assert all(layer.has_spectral_norm for layer in layers)


@pytest.mark.parametrize(
    ("model", "expected"), [("sngan", False), ("sagan", True), ("biggan", True)]
)
def test_the_generator_has_spectral_norm_in_sagan_and_biggan_only(model, expected):
    assert {layer.has_spectral_norm for layer in weighted(model, "generator")} == {expected}


@pytest.mark.parametrize("model", ["sngan", "sngan-projection"])
def test_sngan_is_trained_as_the_program_of_its_authors(model):
    spec = load_spec(model)
    rate = Linear(from_=2e-4, to=0.0, end=320.0, unit="epochs")

    assert spec.loss == Loss(name="hinge", halves="sum")
    assert {player.optimizer for player in spec.players} == {
        Adam(learning_rate=rate, beta1=0.0, beta2=0.9, epsilon=1e-8)
    }
    assert spec.training.discriminator_steps == 5
    assert (spec.training.batch_size, spec.training.generator_batches) == (64, 2)
    assert 320 * 50_000 == 50_000 * 5 * spec.training.batch_size  # epochs, steps of the paper


def test_the_sizes_of_sngan_are_those_of_table_4():
    plans = plan_spec(load_spec("sngan"))
    shapes = {name: [node.output_shape for node in plan.nodes] for name, plan in plans.items()}

    assert shapes["generator"][1:5] == [(4, 4, 256), (8, 8, 256), (16, 16, 256), (32, 32, 256)]
    assert shapes["discriminator"][:4] == [(16, 16, 128), *[(8, 8, 128)] * 3]


def test_the_classes_of_the_projection_reach_both_players():
    plans = plan_spec(load_spec("sngan-projection", {"classes": 3}))

    assert plans["generator"].inputs["label"] == plans["discriminator"].inputs["label"] == (3,)


def test_sagan_attends_to_images_of_half_the_size():
    spec = load_spec("sagan")

    for plan in plan_spec(spec).values():
        (node,) = [node for node in plan.walk() if isinstance(node.layer, SelfAttention)]
        assert node.input_shape[:2] == (16, 16)
    rates = [player.optimizer.learning_rate for player in spec.players]
    assert (rates, spec.training.discriminator_steps) == ([1e-4, 4e-4], 1)


def test_lecam_gan_differs_from_sngan_projection_in_loss_and_mirroring():
    spec, plain = load_spec("lecam-gan"), load_spec("sngan-projection")

    assert spec == replace(
        plain,
        name="lecam-gan",
        loss=replace(plain.loss, lecam=0.3),
        training=replace(plain.training, flip=True),
    )


# --- biggan --------------------------------------------------------------------------------------


def test_each_number_of_the_noise_reaches_one_place_of_biggan():
    plan = plan_spec(load_spec("biggan", {"width": 8}))["generator"]
    parts = [
        [
            (inner.layer.start, inner.layer.stop)
            for inner in node.walk()
            if isinstance(inner.layer, Slice)
        ]
        for node in plan.nodes
    ]

    ends = [(0, 30), (30, 60), (60, 90), (90, 120)]
    assert [part for part in parts if part] == [[ends[0]], *([end] * 4 for end in ends[1:])]


@pytest.mark.parametrize(
    ("settings", "ends"),
    [
        ({"blocks": 2, "latent": 8}, [0, 2, 5, 8]),
        ({"blocks": 4, "latent": 11, "image": [32, 48, 1]}, [0, 2, 4, 6, 8, 11]),
    ],
)
def test_the_noise_of_biggan_is_divided_by_its_number_of_blocks(settings, ends):
    plan = plan_spec(load_spec("biggan", {"width": 8, **settings}))["generator"]
    slices = [node.layer for node in plan.walk() if isinstance(node.layer, Slice)]

    parts = dict.fromkeys((layer.start, layer.stop) for layer in slices)
    assert [*parts] == [*itertools.pairwise(ends)]


def test_the_classes_of_biggan_share_one_embedding():
    plan = plan_spec(load_spec("biggan", {"width": 8}))["generator"]
    reads = [node.reads for node in plan.walk() if isinstance(node.layer, Concatenate)]

    assert reads == ["label", *["layer:embedded/class"] * 12]
    assert plan.inputs["label"] == (10,)


def test_biggan_is_trained_as_the_program_of_its_authors():
    spec = load_spec("biggan")
    decays = [spec.training.ema_decay.value(step, 0.0) for step in (999, 1000)]

    assert (spec.loss, decays) == (Loss(name="hinge", halves="sum", orthogonal=1e-4), [0, 0.9999])
    assert {player.optimizer for player in spec.players} == {
        Adam(learning_rate=2e-4, beta1=0.0, beta2=0.999, epsilon=1e-8)
    }
    assert (spec.training.discriminator_steps, spec.training.batch_size) == (4, 50)
    for player in ("generator", "discriminator"):
        assert {layer.kernel_init for layer in weighted("biggan", player)} == {Normal(std=0.02)}


# --- r3gan ---------------------------------------------------------------------------------------


def test_five_numbers_of_r3gan_follow_a_cosine():
    schedules = dict(find_schedules(load_spec("r3gan")))

    ends = {path.split(".", 1)[-1]: (s.from_, s.to) for path, s in schedules.items()}
    assert ends == {
        "optimizer.learning_rate": (2e-4, 5e-5),
        "optimizer.beta2": (0.9, 0.99),
        "r1": (0.05, 0.005),
        "r2": (0.05, 0.005),
        "ema_half_life": (0.0, 5e6),
        "augment.probability": (0.0, 0.55),
    }
    assert {(type(s), s.end * 50_000) for s in schedules.values()} == {(Cosine, 2e7)}


def test_r3gan_normalizes_nothing_and_each_block_starts_as_the_identity():
    plans = plan_spec(load_spec("r3gan", {"width": 16, "groups": 4}))

    for plan in plans.values():
        assert not any(isinstance(node.layer, BatchNorm) for node in plan.walk())
        values = draw_initial_values(plan, 0)
        last = [value for name, value in values.items() if name.endswith("/conv2d_2/kernel")]
        assert len(last) == 8
        assert not any(value.any() for value in last)


def test_the_first_kernels_of_r3gan_have_the_variance_of_fixup():
    (plan, _) = plan_spec(load_spec("r3gan", {"width": 64, "groups": 8})).values()
    values = draw_initial_values(plan, 0)

    for name, fan_in in (("conv2d", 64), ("conv2d_1", 9 * 16)):
        kernel = values[f"generator/residual/{name}/kernel"]
        assert kernel.shape[:3] == ((1, 1, 64) if fan_in == 64 else (3, 3, 16))
        expected = math.sqrt(2 / (1.04 * fan_in * math.sqrt(8)))
        np.testing.assert_allclose(kernel.std(), expected, rtol=0.03)


def test_the_players_of_r3gan_are_mirror_images():
    plans = plan_spec(load_spec("r3gan"))
    kinds = {name: [node.layer.kind for node in plan.nodes] for name, plan in plans.items()}

    assert kinds["generator"][2:-1] == kinds["discriminator"][1:-3][::-1]
