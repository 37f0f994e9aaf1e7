"""The models, field by field, against the lessons they come from (and their parameters at work)."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import pytest

from gandem.core.errors import SpecError
from gandem.core.plugins.registry import registry
from gandem.core.specs import (
    Adam,
    BatchNorm,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    GlobalMaxPool2D,
    GlorotUniform,
    Image,
    Latent,
    LeakyRelu,
    Loss,
    Normal,
    Player,
    Relu,
    Reshape,
    Sigmoid,
    Spec,
    Tanh,
    Training,
    Zeros,
    change,
    plan_spec,
)
from gandem.core.specs.loading import load_spec
from gandem.models.acgan import acgan
from gandem.models.bigan import bigan
from gandem.models.biggan import biggan
from gandem.models.cdcgan import cdcgan
from gandem.models.cgan import cgan
from gandem.models.dcgan import dcgan
from gandem.models.dcgan_cifar import dcgan_cifar
from gandem.models.dcgan_dropout import dcgan_dropout
from gandem.models.dragan import dragan
from gandem.models.hinge_gan import hinge_gan
from gandem.models.infogan import infogan
from gandem.models.lecam_gan import lecam_gan
from gandem.models.lsgan import lsgan
from gandem.models.mlp_gan import mlp_gan
from gandem.models.msg_gan import msg_gan
from gandem.models.pacgan import pacgan
from gandem.models.point_gan import point_gan
from gandem.models.progan import progan
from gandem.models.r3gan import r3gan
from gandem.models.ragan import ragan
from gandem.models.sagan import sagan
from gandem.models.sngan import sngan
from gandem.models.sngan_projection import sngan_projection
from gandem.models.stylegan2 import stylegan2
from gandem.models.ttur_cifar import ttur_cifar
from gandem.models.upsample_gan import upsample_gan
from gandem.models.wgan import wgan
from gandem.models.wgan_gp import wgan_gp

LESSONS = [mlp_gan, dcgan, cgan, upsample_gan, dcgan_dropout]
PAPERS = [wgan, wgan_gp, lsgan, hinge_gan, acgan, cdcgan, ragan, dragan, pacgan, infogan, bigan]
CIFAR = [dcgan_cifar, ttur_cifar]
RESIDUAL = [sngan, sngan_projection, sagan, lecam_gan, biggan]
MODELS = [*LESSONS, *PAPERS, *CIFAR, *RESIDUAL, r3gan, progan, msg_gan, stylegan2, point_gan]
DEPTHS: dict[Any, dict[str, Any]] = {
    **{make: {"widths": (8, 16)} for make in CIFAR},
    **{make: {"blocks": 2} for make in RESIDUAL},
    r3gan: {"stages": 3, "blocks": 1},
    progan: {},
    msg_gan: {},
    stylegan2: {},
}
"""Parameters that make models of 32×32 images shallow enough for smaller images."""
TWO_RATES = (ttur_cifar, point_gan, infogan, sagan, stylegan2)
every_model = pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)


def row(make: Any) -> Any:
    return registry().find("models", make.__name__.replace("_", "-"))


# --- lesson C ------------------------------------------------------------------------------------

PAD_1 = {"kernel": (4, 4), "stride": (2, 2), "padding": "same"}  # on even sizes, a pixel a side
SMALL = Normal(mean=0.0, std=0.02)
NORM = BatchNorm(epsilon=1e-5, decay=0.9)
LEAKY = LeakyRelu(slope=0.2)


def test_dcgan_is_the_lessons():
    adam = Adam(learning_rate=2e-4, beta1=0.5, beta2=0.999, epsilon=1e-8, weight_decay=0.0)

    assert dcgan() == Spec(
        name="dcgan",
        image=Image(height=28, width=28, channels=1, low=-1.0, high=1.0),
        latent=Latent(size=100, distribution="normal"),
        classes=0,
        loss=Loss(name="non-saturating", halves="sum", label_smoothing=0.0),
        training=Training(
            batch_size=64,
            epochs=20,
            discriminator_steps=1,
            noise="reused",
            passes="separate",
            partial_batch="keep",  # 60,000 images make 938 batches
            ema_decay=0.0,
        ),
        players=(
            Player(
                name="generator",
                input="noise",
                optimizer=adam,
                layers=(
                    Dense(units=128 * 7 * 7, bias=False, kernel_init=SMALL),
                    NORM,
                    Relu(),
                    Reshape(shape=(7, 7, 128)),
                    Conv2DTranspose(filters=64, **PAD_1, bias=False, kernel_init=SMALL),
                    NORM,
                    Relu(),
                    Conv2DTranspose(filters=1, **PAD_1, bias=True, kernel_init=SMALL),
                    Tanh(),
                ),
            ),
            Player(
                name="discriminator",
                input="image",
                optimizer=adam,
                layers=(
                    Conv2D(filters=64, **PAD_1, bias=True, kernel_init=SMALL),
                    LEAKY,
                    Conv2D(filters=128, **PAD_1, bias=False, kernel_init=SMALL),
                    NORM,
                    LEAKY,
                    Flatten(),
                    Dense(units=1, bias=True, kernel_init=SMALL),
                ),
            ),
        ),
    )


def test_dcgan_pads_a_pixel_on_each_side_as_the_lesson_writes_it():
    from gandem.core.specs import crops, pads

    spec = dcgan()
    up = [x for x in spec.player("generator").layers if isinstance(x, Conv2DTranspose)]
    down = [x for x in spec.player("discriminator").layers if isinstance(x, Conv2D)]

    assert [crops(layer) for layer in up] == [((1, 1), (1, 1))] * 2
    assert [pads(x, n, n) for x, n in zip(down, (28, 14), strict=True)] == [((1, 1), (1, 1))] * 2


# --- lesson A ------------------------------------------------------------------------------------

GLOROT: dict[str, Any] = {"kernel_init": GlorotUniform(), "bias_init": Zeros(), "bias": True}


def test_cgan_is_the_lessons():
    adam = Adam(learning_rate=3e-4, beta1=0.9, beta2=0.999, epsilon=1e-7, weight_decay=0.0)
    double = {"kernel": (4, 4), "stride": (2, 2), "padding": "same", **GLOROT}
    half = {"kernel": (3, 3), "stride": (2, 2), "padding": "same", **GLOROT}

    assert cgan() == Spec(
        name="cgan",
        image=Image(height=28, width=28, channels=1, low=0.0, high=1.0),
        latent=Latent(size=128, distribution="normal"),
        classes=10,
        loss=Loss(name="non-saturating", halves="mean", label_smoothing=0.0),
        training=Training(
            batch_size=64,
            epochs=20,
            discriminator_steps=1,
            noise="fresh",
            passes="separate",
            partial_batch="keep",  # 70,000 images make 1,094 batches
            ema_decay=0.0,
        ),
        players=(
            Player(
                name="generator",
                input="noise",
                optimizer=adam,
                layers=(
                    Concatenate(input="label", planes=False),
                    Dense(units=7 * 7 * 138, **GLOROT),
                    LEAKY,
                    Reshape(shape=(7, 7, 138)),
                    Conv2DTranspose(filters=128, **double),
                    LEAKY,
                    Conv2DTranspose(filters=128, **double),
                    LEAKY,
                    Conv2D(filters=1, kernel=(7, 7), stride=(1, 1), padding="same", **GLOROT),
                    Sigmoid(),
                ),
            ),
            Player(
                name="discriminator",
                input="image",
                optimizer=adam,
                layers=(
                    Concatenate(input="label", planes=True),
                    Conv2D(filters=64, **half),
                    LEAKY,
                    Conv2D(filters=128, **half),
                    LEAKY,
                    GlobalMaxPool2D(),
                    Dense(units=1, **GLOROT),
                ),
            ),
        ),
    )


def test_cgan_reads_noise_with_label_and_image_with_label_planes():
    plans = plan_spec(cgan())

    assert plans["generator"].nodes[0].output_shape == (138,)
    assert plans["discriminator"].nodes[0].output_shape == (28, 28, 11)


# --- lesson E ------------------------------------------------------------------------------------


def test_mlp_gan_is_the_lessons():
    adam = Adam(learning_rate=2e-4, beta1=0.5, beta2=0.999, epsilon=1e-8, weight_decay=0.0)

    def normed(units: int) -> tuple[Any, ...]:
        return (Dense(units=units, **(GLOROT | {"bias": False})), NORM, LEAKY)

    def plain(units: int) -> tuple[Any, ...]:
        return (Dense(units=units, **GLOROT), LEAKY)

    assert mlp_gan() == Spec(
        name="mlp-gan",
        image=Image(height=28, width=28, channels=1, low=-1.0, high=1.0),
        latent=Latent(size=100, distribution="normal"),
        classes=0,
        loss=Loss(name="non-saturating", halves="mean", label_smoothing=0.0),
        training=Training(
            batch_size=64,
            epochs=20,
            discriminator_steps=1,
            noise="reused",
            passes="separate",
            partial_batch="keep",
            ema_decay=0.0,
        ),
        players=(
            Player(
                name="generator",
                input="noise",
                optimizer=adam,
                layers=(
                    *plain(128),
                    *normed(256),
                    *normed(512),
                    *normed(1024),
                    Dense(units=784, **GLOROT),
                    Tanh(),
                    Reshape(shape=(28, 28, 1)),
                ),
            ),
            Player(
                name="discriminator",
                input="image",
                optimizer=adam,
                layers=(Flatten(), *plain(512), *plain(256), Dense(units=1, **GLOROT)),
            ),
        ),
    )


# --- all -----------------------------------------------------------------------------------------


def test_every_model_of_the_catalog_is_tested_here():
    ours = {row.id for row in registry().entries("models") if row.provider == "gandem"}

    assert ours == {row(make).id for make in MODELS}


@every_model
def test_a_model_is_called_what_the_catalog_calls_it(make):
    assert make().name == row(make).id


@every_model
def test_the_docstring_names_the_paper_of_the_catalog(make):
    assert row(make).paper.split("arXiv:")[1] in make.__doc__


@every_model
def test_every_parameter_is_a_keyword_with_a_default_and_is_explained(make):
    for name, parameter in inspect.signature(make).parameters.items():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is not parameter.empty
        assert f"\n        {name}: " in make.__doc__


@every_model
def test_the_small_size_holds_and_is_small(make):
    plans = plan_spec(load_spec(row(make).id, small=True))

    assert 0 < sum(plan.parameter_count for plan in plans.values()) < 70_000


@every_model
def test_the_small_size_differs_from_the_full_one_in_sizes_only(make):
    def kinds(spec: Spec) -> list[list[str]]:
        return [[layer.kind for layer in p.layers] for p in spec.players if p.name != "generator"]

    small, full = load_spec(row(make).id, small=True), make()
    sizes = ("batch_size", "batches_per_epoch", "discriminator_steps")

    assert small.loss == full.loss
    resized = change(small, {f"training.{s}": getattr(full.training, s) for s in sizes}).training
    assert replace(resized, stages=full.training.stages) == full.training
    if make in DEPTHS:  # fewer layers, on images of the digits' size
        full = make(image=(28, 28, 1), **DEPTHS[make])
    if make is point_gan:  # images instead of points
        full = make(image=(28, 28, 1))
    assert kinds(small) == kinds(full)
    assert small.image == full.image


@every_model
@pytest.mark.parametrize("image", [(32, 32, 3), (12, 20, 1), (4, 4, 3)], ids=str)
def test_another_image_size_closes(make, image):
    if make is upsample_gan:  # its convolutions without padding take 12 pixels
        image = (image[0] + 12, image[1] + 12, image[2])

    assert plan_spec(make(image=image, **DEPTHS.get(make, {})))["generator"].output_shape == image


@every_model
@pytest.mark.parametrize(
    ("parameter", "value", "field"),
    [
        ("latent", 7, lambda spec: spec.latent.size),
        ("batch_size", 9, lambda spec: spec.training.batch_size),
        ("epochs", 3, lambda spec: spec.training.epochs),
        ("learning_rate", 0.5, lambda spec: spec.player("generator").optimizer.learning_rate),
        ("learning_rate", 0.5, lambda spec: spec.player("discriminator").optimizer.learning_rate),
    ],
)
def test_a_parameter_reaches_its_field(make, parameter, value, field):
    given = {parameter: value} | ({"categories": 2} if make is infogan else {})
    if make is progan and parameter == "epochs":  # its stages count images
        given, field = {"images": value}, lambda spec: spec.training.stages[0].length
    if make in TWO_RATES and parameter == "learning_rate":
        given["discriminator_learning_rate"] = value

    assert field(make(**given)) == value


@pytest.mark.parametrize(
    ("make", "parameters", "generator", "discriminator"),
    [
        (dcgan, {"width": 4}, ["392", "4", "1"], ["4", "8", "1"]),
        (cgan, {"generator_width": 4, "latent": 2, "classes": 3}, ["245", "4", "4", "1"], None),
        (cgan, {"discriminator_width": 4}, None, ["4", "8", "1"]),
        (mlp_gan, {"hidden": (3, 5)}, ["3", "5", "784"], None),
        (mlp_gan, {"hidden": ()}, ["784"], None),
        (mlp_gan, {"discriminator_hidden": (3, 5)}, None, ["3", "5", "1"]),
        (point_gan, {"hidden": (3, 5)}, ["3", "5", "2"], None),
        (point_gan, {"discriminator_hidden": (3, 5)}, None, ["3", "5", "1"]),
        (upsample_gan, {"width": 16}, ["784", "16", "2", "1"], ["20", "40", "100", "1"]),
        (upsample_gan, {"discriminator_widths": (3, 4, 5)}, None, ["3", "4", "5", "1"]),
        (dcgan_dropout, {"width": 2}, ["392", "4", "2", "1"], ["64", "128", "256", "1"]),
        (dcgan_dropout, {"discriminator_width": 2}, None, ["2", "4", "8", "1"]),
        (wgan, {"width": 4}, ["392", "4", "1"], ["4", "8", "1"]),
        (wgan_gp, {"width": 4}, ["392", "4", "1"], ["4", "8", "1"]),
        (lsgan, {"width": 4}, ["392", "4", "1"], ["4", "8", "1"]),
        (hinge_gan, {"width": 4}, ["392", "4", "1"], ["4", "8", "1"]),
        (acgan, {"width": 4, "classes": 3}, ["392", "4", "1"], ["4", "8", "4"]),
        (cdcgan, {"width": 4}, ["392", "4", "1"], ["4", "8", "1"]),
        (ragan, {"width": 4}, ["392", "4", "1"], ["4", "8", "1"]),
        (dragan, {"width": 4}, ["392", "4", "1"], ["4", "8", "1"]),
        (pacgan, {"width": 4}, ["392", "4", "1"], ["4", "8", "1"]),
        (infogan, {"width": 4}, ["64", "392", "4", "1"], ["4", "8", "64", "1"]),
        (bigan, {"hidden": 4}, ["4", "4", "784"], ["4", "4", "1"]),
        (dcgan_cifar, {"widths": (2, 4)}, ["256", "2", "3"], ["2", "4", "1"]),
        (ttur_cifar, {"widths": (2, 4, 8)}, ["128", "4", "2", "3"], ["2", "4", "8", "1"]),
    ],
)
def test_widths_reach_their_layers(make, parameters, generator, discriminator):
    spec = make(**parameters)

    def widths(player: str) -> list[str]:
        sizes = ((getattr(x, "units", 0) or getattr(x, "filters", 0)) for x in made(player))
        return [str(size) for size in sizes if size]

    def made(player: str) -> tuple[Any, ...]:
        return spec.player(player).layers

    assert generator is None or widths("generator") == generator
    assert discriminator is None or widths("discriminator") == discriminator


@pytest.mark.parametrize(
    ("model", "settings", "line"),
    [
        (
            "dcgan",
            {"image": [28, 28]},
            "image: expected [a whole number, a whole number, a whole number], received [28, 28]; "
            "for example image=[28, 28, 1].",
        ),
        (
            "dcgan",
            {"latent": 2.5},
            "latent: expected a whole number, received 2.5; for example latent=100.",
        ),
        (
            "cgan",
            {"classes": 0},
            "classes=0: generator/concatenate: there is no input 'label'. Set classes to use "
            "labels.",
        ),
        (
            "mlp-gan",
            {"hidden": [0]},
            "hidden=[0]: Dense.units: expected 1 ≤ a number ≤ 2147483647, received 0.",
        ),
        (
            "cgan",
            {"latent": 2_000_000_000},
            "latent=2000000000: Dense.units: expected 1 ≤ a number ≤ 2147483647, received "
            "98000000490.",
        ),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused(model, settings, line):
    with pytest.raises(SpecError) as caught:
        load_spec(model, settings)

    assert str(caught.value) == line
