"""The entries of lessons B and D and those made from papers, against what each says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from gandem.core.specs import (
    Adam,
    BatchNorm,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Image,
    Latent,
    LayerNorm,
    LeakyRelu,
    Loss,
    MaxPool2D,
    Normal,
    Player,
    Relu,
    Reshape,
    RMSprop,
    Sigmoid,
    Spec,
    Tanh,
    Training,
    Upsample2D,
    plan_spec,
)
from gandem.core.specs.loading import load_spec
from gandem.models.dcgan import dcgan
from gandem.models.dcgan_cifar import dcgan_cifar
from gandem.models.dcgan_dropout import dcgan_dropout
from gandem.models.upsample_gan import upsample_gan

LEAKY = LeakyRelu(slope=0.2)


def layers(model: str, player: str) -> tuple[Any, ...]:
    return load_spec(model).player(player).layers


def shapes(model: str, player: str) -> list[tuple[int, ...]]:
    return [node.output_shape for node in plan_spec(load_spec(model))[player].nodes]


# --- lesson B ------------------------------------------------------------------------------------


def test_upsample_gan_is_the_lessons():
    adam = Adam(learning_rate=2e-4, beta1=0.5, beta2=0.999, epsilon=1e-7, weight_decay=0.0)

    assert upsample_gan() == Spec(
        name="upsample-gan",
        image=Image(height=28, width=28, channels=1, low=0.0, high=1.0),
        latent=Latent(size=10, distribution="normal"),
        loss=Loss(name="non-saturating", halves="mean"),
        training=Training(
            batch_size=50,
            epochs=100,
            noise="fresh",
            passes="joint",
            sampling="replacement",
            batches_per_epoch=62,
            generator_batches=2,  # 100 fresh latents
        ),
        players=(
            Player(
                name="generator",
                input="noise",
                optimizer=adam,
                layers=(
                    Dense(units=64 * 7 * 7),
                    Relu(),
                    Reshape(shape=(7, 7, 64)),
                    Upsample2D(factor=(2, 2), method="nearest"),
                    Conv2D(filters=64, kernel=(2, 2), padding="same"),
                    Relu(),
                    Upsample2D(factor=(2, 2), method="nearest"),
                    Conv2D(filters=8, kernel=(2, 2), padding="same"),
                    Relu(),
                    Conv2D(filters=1, kernel=(1, 1)),
                    Sigmoid(),
                ),
            ),
            Player(
                name="discriminator",
                input="image",
                optimizer=adam,
                layers=(
                    Conv2D(filters=20, kernel=(5, 5), padding="valid"),
                    Relu(),
                    MaxPool2D(size=(2, 2), stride=(2, 2)),
                    Conv2D(filters=40, kernel=(5, 5), padding="valid"),
                    Relu(),
                    MaxPool2D(size=(2, 2), stride=(2, 2)),
                    Flatten(),
                    Dense(units=100),
                    Relu(),
                    Dense(units=1),
                ),
            ),
        ),
    )


def test_the_discriminator_of_upsample_gan_flattens_640_numbers():
    assert (640,) in shapes("upsample-gan", "discriminator")


# --- lesson D ------------------------------------------------------------------------------------


def test_dcgan_dropout_is_the_lessons():
    adam = Adam(learning_rate=5e-4, beta1=0.5, beta2=0.999, epsilon=1e-7, weight_decay=0.0)
    norm = BatchNorm(epsilon=1e-3, decay=0.99)
    double = {"kernel": (4, 4), "stride": (2, 2), "padding": "same", "bias": False}
    drop = Dropout(rate=0.3)

    assert dcgan_dropout() == Spec(
        name="dcgan-dropout",
        image=Image(height=28, width=28, channels=1, low=-1.0, high=1.0),
        latent=Latent(size=100, distribution="normal"),
        loss=Loss(name="non-saturating", halves="sum"),
        training=Training(batch_size=64, epochs=50, noise="reused", passes="separate"),
        players=(
            Player(
                name="generator",
                input="noise",
                optimizer=adam,
                layers=(
                    Dense(units=7 * 7 * 128),
                    Relu(),
                    Reshape(shape=(7, 7, 128)),
                    norm,
                    Conv2DTranspose(filters=64, **double),
                    norm,
                    Relu(),
                    Conv2DTranspose(filters=32, **double),
                    norm,
                    Relu(),
                    Conv2DTranspose(filters=1, kernel=(3, 3), stride=(1, 1), padding="same"),
                    Tanh(),
                ),
            ),
            Player(
                name="discriminator",
                input="image",
                optimizer=adam,
                layers=(
                    *(Conv2D(filters=64, kernel=(3, 3), stride=(2, 2)), LEAKY, drop),
                    *(Conv2D(filters=128, kernel=(3, 3), stride=(2, 2)), LEAKY, drop),
                    *(Conv2D(filters=256, kernel=(3, 3), stride=(1, 1)), LEAKY, drop),
                    Flatten(),
                    Dense(units=1),
                ),
            ),
        ),
    )


# --- the others ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "generator", "discriminator"),
    [
        # 10·3136+3136, 2·2·64·64+64, 2·2·64·8+8, 8+1;
        # 5·5·20+20, 5·5·20·40+40, 640·100+100, 100+1
        ("upsample-gan", 34_496 + 16_448 + 2_056 + 9, 520 + 20_040 + 64_100 + 101),
        # 100·6272+6272, 2·128, 4·4·128·64, 2·64, 4·4·64·32, 2·32, 3·3·32+1;
        # 3·3·64+64, 3·3·64·128+128, 3·3·128·256+256, 7·7·256+1
        (
            "dcgan-dropout",
            633_472 + 256 + 131_072 + 128 + 32_768 + 64 + 289,
            640 + 73_856 + 295_168 + 12_545,
        ),
        ("wgan", 771_969, 138_689),  # dcgan's
        # in the critic 2·7·7·128 for layer norm, where dcgan has 2·128
        ("wgan-gp", 771_969, 138_689 - 256 + 12_544),
        ("lsgan", 771_969, 138_689),
        # 128 biases, where dcgan has 2·128
        ("hinge-gan", 771_969, 138_689 - 256 + 128),
        # 10 more inputs of 6272 units; 4·4·64+64, 4·4·64·128+128, 6272·11+11
        ("acgan", 771_969 + 62_720, 1_088 + 131_200 + 69_003),
        # a table 10·50, and 50 more inputs; a table 10·784, and 4·4·64 more in the first kernel
        ("cdcgan", 771_969 + 500 + 313_600, 138_689 + 7_840 + 1_024),
        # 100·4096, 2·4096, 4·4·256·128, 2·128, 4·4·128·64, 2·64, 4·4·64·3+3;
        # 4·4·3·64+64, 4·4·64·128, 2·128, 4·4·128·256, 2·256, 4096+1
        (
            "dcgan-cifar",
            409_600 + 8_192 + 524_288 + 256 + 131_072 + 128 + 3_075,
            3_136 + 131_072 + 256 + 524_288 + 512 + 4_097,
        ),
        ("ttur-cifar", 1_076_611, 663_361),
        ("ragan", 771_969, 138_689 - 1),  # no last bias
        ("dragan", 771_969, 138_689 - 256 + 12_544),  # wgan-gp's
        ("pacgan", 771_969, 138_689 + 4 * 4 * 64),  # two channels
        # 128·4096+4096, 3·(2·512 + 2·9·256² + 256²), 2·256, 9·256·3+3; 27·128+128, 9·128²+128,
        # 3·128+128, then three times two kernels, and one of 1×1; 128
        (
            "sngan",
            528_384 + 3 * 1_246_208 + 512 + 6_915,
            3_584 + 147_584 + 512 + 3 * 2 * 147_584 + 16_512 + 128,
        ),
        # 10·256 instead of 256 for each of 12 vectors; a table 10·128
        ("sngan-projection", 4_274_435 + 12 * 9 * 256, 1_053_824 + 1_280),
        ("lecam-gan", 4_302_083, 1_055_104),
        # C·C/8 twice, C·C/2 twice, 1, for 256 and 128 channels
        ("sagan", 4_302_083 + 16_384 + 65_536 + 1, 1_055_104 + 4_096 + 16_384 + 1),
        # 10·128, 30·4096+4096, 3·(2·9·256² + 256²), 12·(30+128)·256, C·C/8 twice, C·C/2 twice, 1,
        # 2·256, 9·256·3+3; 27·256+256, 9·256²+256, 3·256+256, 3·2·(9·256²+256), 256²+256, as
        # above, 10·256, 256
        (
            "biggan",
            1_280 + 126_976 + 3 * 1_245_184 + 485_376 + 81_921 + 512 + 6_915,
            7_168 + 590_080 + 1_024 + 6 * 590_080 + 65_792 + 81_921 + 2_560 + 256,
        ),
        # 8·(768·1536+1536 + 9·16·1536+1536 + 1536·768), 16·768, 64·768, 768·3; 3·768, 16·768, 768
        (
            "r3gan",
            8 * 2_583_552 + 12_288 + 49_152 + 2_304,
            8 * 2_583_552 + 2_304 + 12_288 + 768,
        ),
        # 128·16·64+64, 7 times 9·64²+64, 4 times 64·3+3; 3·64+64, 4 times two kernels, the second
        # of the last 4×4, 65 or 68 channels in the first, 64+1
        (
            "msg-gan",
            131_136 + 7 * 36_928 + 4 * 195,
            256 + 37_504 + 3 * 39_232 + 3 * 36_928 + 65_600 + 65,
        ),
        # 4·4·512²+512, 7·(9·512²+512), 512·3+3; 3·512+512, 6·(9·512²+512), 9·513·512+512,
        # 8192·512+512, 513
        (
            "progan",
            4_194_816 + 7 * 2_359_808 + 1_539,
            2_048 + 6 * 2_359_808 + 2_364_416 + 4_194_816 + 513,
        ),
        # 2·256+256, 256·128+128, 128·128+128, 128·2+2; 2·128+128, twice 128·128+128, 128+1
        ("point-gan", 768 + 32_896 + 16_512 + 258, 384 + 33_024 + 129),
    ],
)
def test_an_entry_has_the_parameters_counted_by_hand(model, generator, discriminator):
    counts = {n: p.parameter_count for n, p in plan_spec(load_spec(model)).items()}

    assert counts == {"generator": generator, "discriminator": discriminator}


def test_msg_gan_at_the_width_of_the_paper_has_the_networks_of_progan():
    settings = {"image": [1024, 1024, 3], "width": 512, "latent": 512}
    plans = plan_spec(load_spec("msg-gan", settings))
    # the discriminator of ProGAN has a layer from RGB at each resolution, and deviations in the
    # last block only; here each block reads 3 colors and deviations too
    rgb = 4 * (16 + 32 + 64 + 128 + 256 + 4 * 512) - 4 * 16
    extra = 9 * 16 + 9 * 4 * (32 + 64 + 128 + 256 + 3 * 512) + 9 * 3 * 512

    # both 23.1 million in table 2 of Karras et al. 2018, arXiv:1710.10196
    assert plans["generator"].parameter_count == 23_079_115
    assert plans["discriminator"].parameter_count == 23_087_249 - rgb + extra


ADAM = {"beta1": 0.5, "beta2": 0.999, "epsilon": 1e-8}


@pytest.mark.parametrize(
    ("model", "loss", "training", "optimizer"),
    [
        (
            "wgan",
            Loss(name="wasserstein"),
            Training(batch_size=64, epochs=100, discriminator_steps=5, weight_clip=0.01),
            RMSprop(learning_rate=5e-5, decay=0.99),
        ),
        (
            "wgan-gp",
            Loss(name="wasserstein", gradient_penalty=10.0),
            Training(batch_size=64, epochs=100, discriminator_steps=5),
            Adam(learning_rate=1e-4, beta1=0.0, beta2=0.9),
        ),
        (
            "lsgan",
            Loss(name="least-squares"),
            Training(batch_size=64, epochs=20),
            Adam(learning_rate=2e-4, **ADAM),
        ),
        (
            "hinge-gan",
            Loss(name="hinge"),
            Training(batch_size=64, epochs=20),
            Adam(learning_rate=2e-4, **ADAM),
        ),
        (
            "acgan",
            Loss(name="non-saturating", class_weight=1.0),
            Training(batch_size=64, epochs=20),
            Adam(learning_rate=2e-4, **ADAM),
        ),
        (
            "cdcgan",
            Loss(name="non-saturating"),
            Training(batch_size=64, epochs=20),
            Adam(learning_rate=2e-4, **ADAM),
        ),
        (
            "dcgan-cifar",
            Loss(name="non-saturating"),
            Training(batch_size=64, epochs=100),
            Adam(learning_rate=2e-4, **ADAM),
        ),
    ],
)
def test_an_entry_is_trained_as_its_paper_says(model, loss, training, optimizer):
    spec = load_spec(model)

    assert (spec.loss, spec.training) == (loss, training)
    assert {player.optimizer for player in spec.players} == {optimizer}


@pytest.mark.parametrize("model", ["wgan", "wgan-gp", "lsgan", "hinge-gan"])
def test_what_stays_the_same_is_the_dcgan(model):
    spec, plain = load_spec(model), dcgan()

    assert spec.player("generator").layers == plain.player("generator").layers
    assert (spec.image, spec.latent, spec.classes) == (plain.image, plain.latent, 0)
    if model in ("wgan", "lsgan"):
        assert spec.player("discriminator").layers == plain.player("discriminator").layers


@pytest.mark.parametrize(("model", "player"), [("wgan-gp", "critic"), ("hinge-gan", "judge")])
def test_a_discriminator_that_is_held_smooth_has_no_batch_norm(model, player):
    kinds = {type(layer) for layer in layers(model, "discriminator")}

    assert BatchNorm not in kinds
    assert (LayerNorm in kinds) == (player == "critic")


def test_spectral_norm_is_on_every_layer_of_the_discriminator_of_hinge_gan():
    weighted = [x for x in layers("hinge-gan", "discriminator") if isinstance(x, Conv2D | Dense)]

    assert len(weighted) >= 3
    assert all(layer.spectral_norm for layer in weighted)


def test_acgan_tells_the_class_that_its_generator_reads():
    plans = plan_spec(load_spec("acgan"))

    assert tuple(plans["generator"].inputs) == ("noise", "label")
    assert tuple(plans["discriminator"].inputs) == ("image",)
    assert plans["discriminator"].output_shape == (1 + 10,)


def test_cdcgan_learns_a_vector_for_one_player_and_a_plane_for_the_other():
    def first(player: str) -> Any:
        return layers("cdcgan", player)[0]

    assert [type(layer) for layer in first("generator").layers] == [Embedding]
    assert isinstance(first("discriminator"), Concatenate)
    assert shapes("cdcgan", "generator")[0] == (100 + 50,)
    assert shapes("cdcgan", "discriminator")[0] == (28, 28, 1 + 1)


# --- CIFAR-10 ------------------------------------------------------------------------------------


def test_dcgan_cifar_halves_and_doubles_down_to_4_x_4():
    up = [shape for shape in shapes("dcgan-cifar", "generator") if len(shape) == 3]
    down = [shape for shape in shapes("dcgan-cifar", "discriminator") if len(shape) == 3]

    assert list(dict.fromkeys(up)) == [(4, 4, 256), (8, 8, 128), (16, 16, 64), (32, 32, 3)]
    assert list(dict.fromkeys(down)) == [(16, 16, 64), (8, 8, 128), (4, 4, 256)]


def test_ttur_cifar_changes_the_three_things_it_names():
    spec, plain = load_spec("ttur-cifar"), dcgan_cifar()
    rates = [player.optimizer.learning_rate for player in spec.players]

    assert rates == [4e-4, 2e-4]
    assert (spec.training.ema_decay, spec.training.flip) == (0.95, True)
    assert (spec.loss, spec.image) == (plain.loss, plain.image)
    assert [p.layers for p in spec.players] == [p.layers for p in plain.players]


def test_the_two_learning_rates_of_ttur_cifar_are_separate():
    spec = load_spec("ttur-cifar", {"learning_rate": 0.1, "discriminator_learning_rate": 0.2})

    assert [player.optimizer.learning_rate for player in spec.players] == [0.1, 0.2]


@pytest.mark.parametrize("image", [2, [4, 4, 1]])
def test_the_first_layers_of_point_gan_have_large_initial_weights(image):
    settings = {
        "sharpness": 3.0,
        "r1": 0.5,
        "hidden": [5, 6],
        "discriminator_hidden": [7],
        "image": image,
    }
    spec = load_spec("point-gan", settings)
    generator = spec.player("generator").layers
    steep = Normal(std=3.0)
    leading = Dense(units=7, kernel_init=Normal(std=1.0), bias_init=Normal(std=4.0))

    assert generator[:2] == (Dense(units=5, kernel_init=steep, bias_init=steep), Tanh())
    assert generator[2:4] == (Dense(units=6), LEAKY)
    assert next(x for x in spec.player("discriminator").layers if isinstance(x, Dense)) == leading
    assert spec.loss == Loss(name="non-saturating", r1=0.5)


@pytest.mark.parametrize("model", ["dcgan-cifar", "ttur-cifar"])
def test_more_widths_make_deeper_networks_for_larger_images(model):
    spec = load_spec(model, {"image": [64, 64, 3], "widths": [8, 16, 32, 64]})

    assert plan_spec(spec)["generator"].output_shape == (64, 64, 3)
    assert plan_spec(spec)["discriminator"].output_shape == (1,)
