"""Specs as data: reading what was written, normalized spellings, defaults and digests."""

from __future__ import annotations

import dataclasses
import json
import math
import types
from copy import deepcopy
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gandem.core.errors import SpecError
from gandem.core.fields import KINDS, Range, decode, encode, hints
from gandem.core.plugins.registry import registry
from gandem.core.specs import (
    Adam,
    Augment,
    BatchNorm,
    Consistency,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    GlorotUniform,
    GroupNorm,
    Image,
    Initializer,
    InstanceNorm,
    Latent,
    Layer,
    LayerNorm,
    LeakyRelu,
    Linear,
    Loss,
    MaxPool2D,
    Normal,
    Number,
    Ones,
    Optimizer,
    PathLength,
    Player,
    Points,
    Relu,
    Reshape,
    Residual,
    Spec,
    Stage,
    Tanh,
    Training,
    Upsample2D,
    Zeros,
    change,
    digest,
    draw_initial_values,
    from_data,
    from_json,
    from_toml,
    plan_spec,
    read_spec,
    to_data,
    to_json,
    to_toml,
)
from gandem.core.specs.loading import load_spec

quickly = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))

KINDS_OF_DATA = [
    cls for family in (Layer, Optimizer, Initializer) for cls in KINDS[family].values()
]
TABLES = [Augment, Consistency, Image, Latent, Loss, Points, Stage, Training]

tiny_noise = Player(
    name="generator",
    input="noise",
    optimizer=Adam(learning_rate=1e-3),
    layers=(Dense(units=16), Reshape(shape=(4, 4, 1)), Tanh()),
)
tiny_image = Player(
    name="discriminator",
    input="image",
    optimizer=Adam(learning_rate=1e-3),
    layers=(Flatten(), Dense(units=1)),
)


def tiny(generator: Player = tiny_noise, discriminator: Player = tiny_image, **fields: Any) -> Spec:
    """Return a spec of 4 x 4 pixels, with some fields changed."""
    given = {
        "name": "tiny",
        "image": Image(height=4, width=4),
        "latent": Latent(size=3),
        "loss": Loss(),
        "training": Training(),
        "players": (generator, discriminator),
    }
    return Spec(**(given | fields))


# --- anything a field admits ---------------------------------------------------------------------


def admitted(hint: Any, depth: int = 1) -> st.SearchStrategy[Any]:
    """Return the values that a field with this annotation takes."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        limit = next((a for a in args[1:] if isinstance(a, Range)), Range())
        values = numbers(float if args[0] == Number else args[0], limit)
        if args[0] != Number:
            return values
        ramps = st.builds(Linear, from_=values, to=values, end=st.floats(1, 1e6))
        return st.one_of(values, ramps)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of(*(admitted(option, depth) for option in args))
    if origin is tuple and args[1:] == (Ellipsis,):
        if args[0] is Layer and depth == 0:
            return st.just(())
        return st.lists(admitted(args[0], depth - 1), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*(admitted(a, depth) for a in args))
    if hint in KINDS:
        return st.sampled_from(list(KINDS[hint].values())).flatmap(lambda c: made(c, depth))
    if dataclasses.is_dataclass(hint):
        return made(hint, depth)
    plain = {str: st.text(max_size=9), bool: st.booleans(), type(None): st.none()}
    return plain[hint] if hint in plain else numbers(hint, Range())


def numbers(kind: type, limit: Range) -> st.SearchStrategy[Any]:
    """Return the numbers in a range."""
    if kind is int:
        low, high = max(limit.low, -(2**20)), min(limit.high, 2**20)
        return st.integers(int(low), int(high))
    return st.floats(
        min_value=limit.low if limit.low > -math.inf else None,
        max_value=limit.high if limit.high < math.inf else None,
        exclude_min=limit.open_low,
        exclude_max=limit.open_high,
        allow_nan=False,
        allow_infinity=False,
    )


def made(cls: type, depth: int = 1) -> st.SearchStrategy[Any]:
    """Return instances of a spec dataclass."""
    fields = {n: admitted(h, depth) for n, h in hints(cls).items()}
    if cls is Latent:  # its code has to fit into its size
        fields |= {"categories": st.integers(0, 3), "codes": st.integers(0, 3)}
        fields |= {"size": st.integers(6, 200)}
    if cls is Training:  # either a decay or a half-life
        fields |= {"ema_half_life": st.just(0.0)}
    return st.fixed_dictionaries(fields).map(lambda values: cls(**values))


@quickly
@pytest.mark.parametrize("cls", KINDS_OF_DATA + TABLES, ids=lambda cls: cls.__name__)
@given(data=st.data())
def test_data_of_every_kind_is_read_back_as_it_was(cls, data):
    value = data.draw(made(cls))
    family = next((base for base, members in KINDS.items() if cls in members.values()), cls)

    assert decode(family, encode(value)) == value


@pytest.mark.parametrize("family", [Layer, Optimizer, Initializer], ids=lambda f: f.__name__)
def test_the_members_of_a_family_are_filed_under_their_own_kind(family):
    assert {kind: cls.kind for kind, cls in KINDS[family].items()} == {k: k for k in KINDS[family]}


@pytest.mark.parametrize("cls", KINDS_OF_DATA + TABLES + [Player, Spec], ids=lambda c: c.__name__)
def test_spec_data_cannot_be_changed_in_place(cls):
    assert cls.__dataclass_params__.frozen


# --- random specs that close ---------------------------------------------------------------------

ACTIVATION = st.one_of(st.just(Relu()), st.floats(0, 1).map(lambda s: LeakyRelu(slope=s)))
NORM = st.sampled_from([BatchNorm(), BatchNorm(decay=0.5), LayerNorm(over="all")])
IMAGE_NORM = st.one_of(NORM, st.just(InstanceNorm()), st.just(GroupNorm(groups=1)))
INIT = st.sampled_from([GlorotUniform(), Normal(std=0.1)])


@st.composite
def blocks(draw: st.DrawFn, first: st.SearchStrategy[Any], norm: Any, most: int) -> list[Layer]:
    """Draw layers, each affine with or without a norm, and an activation."""
    layers: list[Layer] = []
    for _ in range(draw(st.integers(0, most))):
        normed = draw(st.booleans())
        layers.append(dataclasses.replace(draw(first), bias=not normed, kernel_init=draw(INIT)))
        layers += [draw(norm)] if normed else []
        layers.append(draw(ACTIVATION))
    return layers


DENSE = st.builds(Dense, units=st.integers(2, 5), spectral_norm=st.booleans())
CONVOLUTION = st.builds(
    lambda cls, filters, kernel, stride: cls(filters=filters, kernel=kernel, stride=stride),
    st.sampled_from([Conv2D, Conv2DTranspose]),
    st.integers(1, 3),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.integers(1, 1),  # the size stays, so that the generator's image is what the spec says
)


@st.composite
def whole_specs(draw: st.DrawFn) -> Spec:
    """Draw specs that hold."""
    height, width, channels = draw(st.tuples(*[st.integers(2, 6)] * 2, st.sampled_from([1, 3])))
    generator = draw(blocks(DENSE, NORM, 2))
    generator += [Dense(units=height * width * 2), Reshape(shape=(height, width, 2))]
    inner = tuple(draw(blocks(CONVOLUTION, IMAGE_NORM, 2)))
    shortcut = (Conv2D(filters=2, kernel=1),)
    residual = Residual(layers=(*inner, Conv2D(filters=2, kernel=1)), shortcut=shortcut)
    generator += [residual] if draw(st.booleans()) else []
    generator += [Upsample2D(), MaxPool2D()] if draw(st.booleans()) else []
    generator += [Conv2D(filters=channels, kernel=3), Tanh()]
    discriminator = [*draw(blocks(CONVOLUTION, IMAGE_NORM, 2)), Flatten(), Dense(units=1)]
    players = [
        Player(name=name, input=enters, optimizer=draw(admitted(Optimizer)), layers=tuple(layers))
        for name, enters, layers in (
            ("generator", "noise", generator),
            ("discriminator", "image", discriminator),
        )
    ]
    return tiny(
        name=draw(st.from_regex(r"[a-zé][ -~]{0,20}", fullmatch=True)),
        image=Image(height=height, width=width, channels=channels),
        latent=draw(made(Latent)),
        classes=draw(st.integers(0, 3)),
        loss=draw(made(Loss).map(effective)),
        training=draw(made(Training).map(agreeing)),
        players=tuple(players),
    )


def effective(loss: Loss) -> Loss:
    """Return a loss without classes all of whose settings have an effect."""
    consistency = loss.consistency
    if not consistency.changes:
        consistency = Consistency()
    interval = loss.penalty_interval if loss.penalizes_gradients else 1
    return dataclasses.replace(
        loss,
        class_weight=0.0,
        consistency=consistency,
        feature_matching=0.0,
        adversarial_weight=1.0,
        penalty_interval=interval,
        path_length=PathLength(),
    )


def agreeing(training: Training) -> Training:
    """Return a protocol whose parts do not contradict each other."""
    augment = training.augment if training.augment.changes else Augment()
    training = dataclasses.replace(training, pac=1, augment=augment, stages=())
    if training.sampling == "shuffled":
        training = dataclasses.replace(training, batches_per_epoch=0)
    if training.noise == "reused":
        training = dataclasses.replace(training, generator_batches=1)
    return training


@quickly
@given(whole_specs())
def test_a_spec_comes_back_from_toml(spec):
    assert from_toml(to_toml(spec)) == spec


@quickly
@given(whole_specs())
def test_a_spec_comes_back_from_json(spec):
    assert from_json(to_json(spec)) == spec


@quickly
@given(whole_specs())
def test_every_parameter_of_a_spec_has_a_name_of_its_own(spec):
    names = [p.name for plan in plan_spec(spec).values() for p in plan.parameters()]

    assert len(set(names)) == len(names)


@settings(quickly, max_examples=15)
@given(whole_specs())
def test_initial_values_have_the_shapes_of_the_plan(spec):
    for plan in plan_spec(spec).values():
        expected = {p.name: p.shape for p in plan.parameters() + plan.statistics()}

        assert {k: v.shape for k, v in draw_initial_values(plan, seed=1).items()} == expected


@pytest.mark.parametrize("model", ["mlp-gan", "dcgan", "cgan"])
@pytest.mark.parametrize("small", [False, True], ids=["full", "small"])
@pytest.mark.parametrize(("write", "read"), [(to_toml, from_toml), (to_json, from_json)])
def test_the_models_come_back_from_text(model, small, write, read):
    spec = load_spec(model, small=small)

    assert read(write(spec)) == spec


@pytest.mark.parametrize(("suffix", "write"), [(".toml", to_toml), (".json", to_json)])
def test_a_spec_comes_back_from_a_file(suffix, write, tmp_path):
    path = tmp_path / f"mine{suffix}"
    path.write_text(write(tiny(name="größer")), encoding="utf-8")

    assert read_spec(path) == tiny(name="größer")


def test_a_file_from_a_windows_editor_is_read_with_its_byte_order_mark_and_line_ends(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + to_toml(tiny()).replace("\n", "\r\n").encode())

    assert read_spec(path) == tiny()


def test_a_field_left_out_has_its_default():
    data = to_data(tiny())
    del data["training"]["epochs"]

    assert from_data(data) == tiny()


WINDOW = {"stride": (1, 1), "padding": "same"}
GROUPS = {"dilation": (1, 1), "groups": 1}
AFFINE = {
    "bias": True,
    "spectral_norm": False,
    "learning_rate_multiplier": 1.0,
    "kernel_init": GlorotUniform(),
    "bias_init": Zeros(),
}
POOL = {"size": (2, 2), "stride": (2, 2), "padding": "valid"}
NORMED = {"epsilon": 1e-5, "affine": True, "scale_init": Ones(), "offset_init": Zeros()}
CLIP = {"clip_norm": 0.0}
ADAM = CLIP | {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "epsilon_placement": "corrected"}
TRANSFORMS = {
    "flip": False,
    "translation": 0.0,
    "cutout": 0.0,
    "brightness": 0.0,
    "saturation": 0.0,
    "contrast": 0.0,
}
DEFAULTS = {
    "dense": AFFINE,
    "conv2d": WINDOW | GROUPS | AFFINE,
    "conv2d_transpose": WINDOW | AFFINE,
    "upsample2d": {"factor": (2, 2), "method": "nearest"},
    "max_pool2d": POOL,
    "average_pool2d": POOL,
    "batch_norm": NORMED | {"decay": 0.9, "running_variance": "unbiased"},
    "layer_norm": NORMED | {"over": "all"},
    "group_norm": NORMED,
    "instance_norm": NORMED,
    "elu": {"alpha": 1.0},
    "embedding": {"table_init": GlorotUniform()},
    "constant": {"value_init": Normal(mean=0.0, std=1.0)},
    "position_embedding": {"position_init": Normal(mean=0.0, std=0.02)},
    "resample2d": {
        "filter": (1.0, 3.0, 3.0, 1.0),
        "up": (1, 1),
        "down": (1, 1),
        "padding": "zero",
        "gain": 1.0,
    },
    "leaky_relu": {"gain": 1.0},
    "bias": {"bias_init": Zeros()},
    "depth_to_space": {"factor": 2},
    "space_to_depth": {"factor": 2},
    "slice": {"start": 0},
    "pixel_norm": {"epsilon": 1e-8},
    "minibatch_stddev": {"group_size": 4, "features": 1, "epsilon": 1e-8},
    "gelu": {"approximation": "none"},
    "prelu": {"slope_init": Normal(mean=0.25, std=0.0)},
    "concatenate": {"input": "label", "planes": False, "layers": ()},
    "add": {"layers": ()},
    "blend": {"layers": ()},
    "dot": {"input": "label", "layers": ()},
    "multiply": {"layers": ()},
    "self_attention": {
        "reduction": 8,
        "value_reduction": 8,
        "pool": False,
        "spectral_norm": False,
        "kernel_init": GlorotUniform(),
        "gamma_init": Zeros(),
    },
    "modulate": {"input": "label"},
    "modulated_conv2d": WINDOW
    | GROUPS
    | AFFINE
    | {"layers": (), "demodulate": True, "epsilon": 1e-8},
    "modulated_conv2d_transpose": WINDOW
    | AFFINE
    | {"layers": (), "demodulate": True, "epsilon": 1e-8},
    "styles": {"mixing": 0.0, "decay": 0.995},
    "pixel_noise": {"strength_init": Zeros()},
    "residual": {"shortcut": ()},
    "adam": ADAM | {"weight_decay": 0.0},
    "adamw": ADAM | {"weight_decay": 0.01},
    "rmsprop": CLIP | {"decay": 0.9, "epsilon": 1e-8, "weight_decay": 0.0},
    "sgd": CLIP | {"momentum": 0.0, "weight_decay": 0.0},
    "kaiming_uniform": {"slope": 0.0},
    "kaiming_normal": {"slope": 0.0},
    "normal": {"mean": 0.0, "std": 0.02},
    "orthogonal": {"gain": 1.0},
    "Image": {"channels": 1, "low": -1.0, "high": 1.0},
    "Latent": {"distribution": "normal", "categories": 0, "codes": 0},
    "Points": {"size": 2, "low": -5.0, "high": 5.0},
    "Loss": {
        "name": "non-saturating",
        "halves": "sum",
        "label_smoothing": 0.0,
        "gradient_penalty": 0.0,
        "gradient_penalty_norm": 1.0,
        "gradient_penalty_points": "between",
        "r1": 0.0,
        "r2": 0.0,
        "penalty_interval": 1,
        "lecam": 0.0,
        "lecam_decay": 0.99,
        "drift": 0.0,
        "consistency": Consistency(),
        "path_length": PathLength(),
        "orthogonal": 0.0,
        "feature_matching": 0.0,
        "adversarial_weight": 1.0,
        "top_k": 1.0,
        "class_weight": 0.0,
    },
    "Augment": TRANSFORMS
    | {"probability": 1.0, "adaptive_target": 0.0, "adaptive_images": 500_000},
    "Consistency": TRANSFORMS | {"real": 0.0, "fake": 0.0},
    "PathLength": {"weight": 0.0, "layer": "", "interval": 1, "decay": 0.99, "shrink": 1},
    "Training": {
        "batch_size": 64,
        "epochs": 20,
        "discriminator_steps": 1,
        "noise": "fresh",
        "passes": "separate",
        "partial_batch": "keep",
        "ema_decay": 0.0,
        "ema_half_life": 0.0,
        "lookahead_interval": 0,
        "lookahead_share": 0.5,
        "sampling": "shuffled",
        "batches_per_epoch": 0,
        "flip": False,
        "generator_batches": 1,
        "discriminator_skip_below": 0.0,
        "weight_clip": 0.0,
        "pac": 1,
        "instance_noise": 0.0,
        "augment": Augment(),
        "stages": (),
    },
    "Stage": {"fade_in": 0.0, "unit": "images"},
}


@pytest.mark.parametrize("cls", KINDS_OF_DATA + TABLES, ids=lambda cls: cls.__name__)
def test_defaults_of_fields_never_change(cls):
    result = {
        field.name: field.default
        for field in dataclasses.fields(cls)
        if field.default is not dataclasses.MISSING and field.default is not None
    }

    assert result == DEFAULTS.get(getattr(cls, "kind", cls.__name__), {})


def test_every_field_is_written_out_even_where_it_has_a_default():
    assert to_data(tiny())["training"] == DEFAULTS["Training"] | {
        "augment": DEFAULTS["Augment"],
        "stages": [],
    }


def test_reading_does_not_change_its_argument():
    data = to_data(tiny())
    before = deepcopy(data)

    from_data(data)

    assert data == before


def test_a_newer_schema_is_refused():
    with pytest.raises(
        SpecError, match=r"^schema: this gandem reads schema 1, received 2; upgrade"
    ):
        from_data(to_data(tiny()) | {"schema": 2})


# --- one thing has one spelling ------------------------------------------------------------------

CONV = {"filters": 3, "kernel": 4}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Conv2D(**CONV), Conv2D(filters=3, kernel=(4, 4))),
        (Conv2D(**CONV), Conv2D(filters=3, kernel=[4, 4])),
        (Conv2D(**CONV, stride=2), Conv2D(**CONV, stride=(2, 2))),
        (Conv2D(**CONV, padding=1), Conv2D(**CONV, padding=((1, 1), (1, 1)))),
        (
            Conv2DTranspose(**CONV, padding=[1, 2]),
            Conv2DTranspose(**CONV, padding=((1, 1), (2, 2))),
        ),
        (LeakyRelu(slope=1), LeakyRelu(slope=1.0)),
        (Upsample2D(factor=3), Upsample2D(factor=(3, 3))),
        (Image(height=4, width=4, low=-0.0), Image(height=4, width=4, low=0.0)),
        (Dense(units=1, kernel_init={"kind": "zeros"}), Dense(units=1, kernel_init=Zeros())),
        (Dense(units=np.int64(3)), Dense(units=3)),
        (LeakyRelu(slope=np.float32(0.5)), LeakyRelu(slope=0.5)),
        (Reshape(shape=[4, 4, 1]), Reshape(shape=(4, 4, 1))),
    ],
    ids=repr,
)
def test_two_spellings_of_one_thing_are_written_alike(one, other):
    assert repr(encode(one)) == repr(encode(other))  # repr tells 1 from 1.0 and -0.0 from 0.0


def test_specs_spelt_in_two_ways_have_one_digest():
    def spec(**spelling: Any) -> Spec:
        layers = (Conv2D(filters=3, **spelling), Flatten(), Dense(units=1))
        return tiny(discriminator=dataclasses.replace(tiny_image, layers=layers))

    assert digest(spec(kernel=4, stride=1)) == digest(spec(kernel=(4, 4), stride=(1, 1)))


def test_a_whole_number_in_a_file_stands_for_a_fraction():
    text = to_toml(tiny()).replace("low = -1.0", "low = -1").replace("high = 1.0", "high = 1")

    assert digest(from_toml(text)) == digest(tiny())


# --- the digest ----------------------------------------------------------------------------------


PUBLISHED = {
    "mlp-gan": "a798d021ac0133acc2af4fc75bccbecf59081e511ca6c8616a7403b3d929c3a1",
    "dcgan": "1371f395c9e25cca0242c7de2c0d0487c0e1c046469c7d5c09edf492a5b6b4d0",
    "cgan": "254915a2b229ce1a6af845399f157a443916555c0ad7589506292c49bce3529a",
    "upsample-gan": "90f1ad24ce8b06482f930b3a89507c2d5763a188dfe29e33bc64a30885871911",
    "dcgan-dropout": "38bfac7d2034bf7c1a5fd21e0c8faed1beaed1bd37f98bbdefe6c05842243f31",
    "wgan": "0bf631851b0b8919f05dcf8476c218203015f71bd66a3de773b0ad0433690bc2",
    "wgan-gp": "58cd3aa1e545f008fb9b9b8d4a4759bddfff2fd854e5f9bf5f60387f51f17e61",
    "lsgan": "455da7f1823fc59095dccd8c101a88e7d4e2bf04043042604ccbf7df07cfd4f6",
    "hinge-gan": "273ff92efc4263df0816950384e70b6dfce60cd2de9521ddd1395483bc9494fd",
    "acgan": "e88b76180d80d037d8bbf2ceb97adc42e64d210ed77edec5602061e2a987ed3b",
    "cdcgan": "2ba7b31ea0d98f87f174c332a7d45cb97583e0c05a339a4f05928a5dad6a0097",
    "bigan": "696702d3458762937ca613c3b6a98d46557ca02372b76523951d37c3f9124129",
    "dcgan-cifar": "0e2cb071ba9fba3ab82c279bebf86d1c39c91faaa6a2fe23d11fda5a4c441947",
    "ttur-cifar": "4e46ab423856b39399e93c046207a510f0e0654a6be89a75b380f28add72cc29",
    "progan": "428a51037465c88a67980e7c44012fe5d64354f3985e3c4850c1be5fa838c53b",
    "msg-gan": "1a41de88693e8df5db8e9ffdd4a71cf952d83a490641732206c895513ccb6eb6",
    "stylegan2": "c42351d6ab0a16dc88745a6e53026ad48d46c8232b8c1f5aebbacf5ee25737f6",
    "ragan": "4db76a83c8d660d59a06fed23a78e75d66ded5f7a10dc57ce05ac47a12136782",
    "dragan": "caec9529725564fca91423abc660088a142889822aff7d0e6563f4cdc989014f",
    "pacgan": "32cdf6be4ea51ec6da83ff18ad80c78eae3059c4d92b3eee1dabd956607c4ca9",
    "sngan": "ebe428d16716c0d870d9b24799f1d7388c4ee32dfcc1428c9aa250c0a1619232",
    "sngan-projection": "b5e88a68c47f5254c3ad4363702308c56fec2f648dcf27265fc03030c0c91dc2",
    "sagan": "6c60396d93317dd8a768f74dee8a6584655a1e47bd3d75d607bf08911505e3a5",
    "biggan": "37de15bdb94dcaf52a49ca1ef99dbd79c14a4f43309cd5e1787a361308281a6e",
    "lecam-gan": "755799a6435e45abfd8f1cb1274d038c035ed3067b73829e87748a23c9166d9b",
    "r3gan": "9799f4806b5c6df76ea78ee9951ad1966837187897843111336804402eedccde",
    "infogan": "7c3389f2eb543cacd2fa8663deffd3d565dc0f11b2ab6aa27009d53ffd052828",
    "point-gan": "6bcb2b37766e3e1ea209a493daeb66b91de1aeb1a819775a6e395c7bed137ceb",
}
"""Digests of the built-in models."""


@pytest.mark.parametrize("model", PUBLISHED)
def test_a_published_model_never_changes_its_meaning(model):
    """A run, a checkpoint and a paper name a model by its digest.

    Where this fails, some number of the model has changed: give the changed model a new name
    instead.
    """
    assert digest(load_spec(model)) == PUBLISHED[model]


def test_the_digest_of_every_model_is_published():
    assert PUBLISHED.keys() == {entry.id for entry in registry().entries("models")}


def test_the_digest_leaves_out_what_is_at_its_default():
    spec = tiny()
    text = json.dumps(encode(spec, defaults=False))

    assert "ema_decay" not in text
    assert digest(from_json(to_json(spec))) == digest(spec)
    assert digest(change(spec, {"training.ema_decay": 0.9})) != digest(spec)


def test_the_digest_ignores_the_name():
    assert digest(tiny(name="mine")) == digest(tiny(name="yours"))


def leaves(data: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of every number, text and truth value in nested data."""
    inside = data.items() if isinstance(data, dict) else enumerate(data)
    results = []
    for key, value in inside:
        deeper = isinstance(value, dict | list)
        results += leaves(value, (*place, key)) if deeper else [(*place, key)]
    return results


def otherwise(value: Any) -> Any:
    """Return a value that means something else."""
    others = {
        "normal": "uniform",
        "non-saturating": "hinge",
        "sum": "mean",
        "mean": "sum",
        "fresh": "reused",
        "reused": "fresh",
        "separate": "joint",
        "keep": "drop",
        "shuffled": "replacement",
        "same": "valid",
        "generator": "maker",
        "discriminator": "judge",
        "noise": "label",
        "image": "noise",
        "label": "noise",
        "corrected": "uncorrected",
        "between": "near-real",
        "unbiased": "biased",
        "": "styles",
    }
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return others[value]
    return value + 1 if isinstance(value, int) else value / 2 + 0.125


MEANINGFUL = [
    pytest.param(model, place, id=f"{model}: {'.'.join(map(str, place))}")
    for model in ("dcgan", "cgan")
    for place in leaves(encode(load_spec(model)))
    if place != ("name",) and place[-1] != "kind"
]


@pytest.mark.parametrize(("model", "place"), MEANINGFUL)
def test_the_digest_depends_on_every_other_field(model, place):
    data = encode(load_spec(model))
    container = data
    for key in place[:-1]:
        container = container[key]
    container[place[-1]] = otherwise(container[place[-1]])

    assert digest(decode(Spec, data)) != digest(load_spec(model))


def test_the_digest_depends_on_the_kind_of_a_layer():
    leaky = (Flatten(), LeakyRelu(slope=0.0), Dense(units=1))
    plain = (Flatten(), Relu(), Dense(units=1))

    assert digest(tiny(discriminator=dataclasses.replace(tiny_image, layers=leaky))) != digest(
        tiny(discriminator=dataclasses.replace(tiny_image, layers=plain))
    )


def test_the_digest_depends_on_the_order_of_the_layers():
    one = (Flatten(), Relu(), Dense(units=1))
    other = (Relu(), Flatten(), Dense(units=1))

    assert digest(tiny(discriminator=dataclasses.replace(tiny_image, layers=one))) != digest(
        tiny(discriminator=dataclasses.replace(tiny_image, layers=other))
    )
