"""`--set path=value`: paths to every field of a spec, and suggestions for misspelled ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gandem.core.errors import SpecError
from gandem.core.specs import (
    SGD,
    Adam,
    AdamW,
    Conv2D,
    Dense,
    Flatten,
    GlorotUniform,
    Image,
    Latent,
    LeakyRelu,
    Loss,
    Normal,
    Player,
    Relu,
    Reshape,
    Residual,
    Spec,
    Training,
    change,
    parse_setting,
    to_data,
)
from gandem.core.specs.loading import load_spec

generator = Player(
    name="generator",
    input="noise",
    optimizer=Adam(learning_rate=1e-3),
    layers=(Dense(units=16, name="first"), Relu(), Dense(units=16), Reshape(shape=(4, 4, 1))),
)
discriminator = Player(
    name="discriminator",
    input="image",
    optimizer=SGD(learning_rate=1e-2),
    layers=(
        Conv2D(filters=2, kernel=3),
        LeakyRelu(slope=0.2),
        Residual(layers=(Conv2D(filters=2, kernel=1),)),
        Flatten(),
        Dense(units=1),
    ),
)
TINY = Spec(
    name="tiny",
    image=Image(height=4, width=4),
    latent=Latent(size=3),
    loss=Loss(),
    training=Training(),
    players=(generator, discriminator),
)


def layer(spec: Spec, player: str, place: int) -> Any:
    return spec.player(player).layers[place]


def refusal(call: Any, *arguments: Any) -> str:
    """Return the one line with which a call is refused."""
    with pytest.raises(SpecError) as caught:
        call(*arguments)
    line = str(caught.value)
    assert line.splitlines() == [line]
    return line


# --- reading `path=value` ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=3", 3),
        ("a=-3", -3),
        ("a=1_000", 1000),
        ("a=1e-4", 1e-4),
        ("a=0.5", 0.5),
        ("a=.0002", 0.0002),
        ("a=-.5", -0.5),
        ("a=5.", 5.0),
        ("a=[.5, 1]", [0.5, 1]),
        ("a=(64, 64, 3)", (64, 64, 3)),
        ("a=64,64,3", (64, 64, 3)),
        ("a=True", True),
        ("a=False", False),
        ("a=Falsehood", "Falsehood"),
        ("a=1-2", "1-2"),
        ("a=1+2j", "1+2j"),
        ("a=(1", "(1"),
        ("a=true", True),
        ("a=false", False),
        ("a=hinge", "hinge"),
        ("a='hinge'", "hinge"),
        ('a="3"', "3"),
        ("a=[1, 2]", [1, 2]),
        ("a=[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
        ("a={size = 3}", {"size": 3}),
        ("a = 3 ", 3),
        ("a=b=c", "b=c"),
        ("a=[1, 2", "[1, 2"),
        ("a=3\nb=4", "3\nb=4"),
        ("a=npz:/tmp/x.npz", "npz:/tmp/x.npz"),
    ],
)
def test_a_value_is_toml_or_python_or_else_plain_text(text, value):
    assert repr(parse_setting(text)) == repr(("a", value))


@pytest.mark.parametrize("text", ["", "=", "a", "a=", "=3", " =3", "a= "])
def test_a_setting_without_path_or_value_is_refused(text):
    assert refusal(parse_setting, text) == (
        f"Expected path=value, received {text!r}; for example latent.size=64."
    )


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 5000], ids=["brackets", "digits"])
def test_a_huge_value_is_read_as_text_and_refused_by_its_field(value):
    line = refusal(change, TINY, dict([parse_setting(f"latent.size={value}")]))

    assert line.startswith("latent.size: expected a whole number, received ")
    assert len(line) < 200


# --- ways to a field -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "players.discriminator.layers.leaky_relu.slope",
        "players.discriminator.layers.1.slope",
        "players.1.layers.1.slope",
        "players.1.layers.leaky_relu.slope",
        "discriminator.layers.leaky_relu.slope",
        "layers.leaky_relu.slope",
        "leaky_relu.slope",
        "slope",
    ],
)
def test_a_field_has_several_paths(path):
    assert layer(change(TINY, {path: 0.3}), "discriminator", 1) == LeakyRelu(slope=0.3)


def test_nothing_else_changes():
    assert change(change(TINY, {"slope": 0.3}), {"slope": 0.2}) == TINY


def test_without_settings_the_spec_is_unchanged():
    assert change(TINY, {}) == TINY


@pytest.mark.parametrize("path", ["first.bias", "layers.first.bias", "generator.layers.0.bias"])
def test_a_layer_is_found_by_its_name(path):
    assert not layer(change(TINY, {path: False}), "generator", 0).bias


def test_the_second_layer_of_a_kind_is_found_by_its_number():
    changed = change(TINY, {"generator.layers.dense_1.bias": False})

    assert not layer(changed, "generator", 2).bias


def test_a_layer_within_a_layer_is_reached():
    changed = change(TINY, {"residual.layers.conv2d.bias": False})

    assert not layer(changed, "discriminator", 2).layers[0].bias


def test_a_field_of_a_table_can_be_set_when_the_others_are_defaults():
    changed = change(TINY, {"discriminator.layers.0.kernel_init.kind": "glorot_normal"})

    assert layer(changed, "discriminator", 0).kernel_init.kind == "glorot_normal"


def test_a_field_of_a_new_kind_can_be_set():
    path = "discriminator.layers.0.kernel_init"
    changed = change(TINY, {f"{path}.kind": "normal", f"{path}.std": 0.1})

    assert layer(changed, "discriminator", 0).kernel_init == Normal(std=0.1)


def test_a_layer_without_a_name_can_be_given_one():
    changed = change(TINY, {"discriminator.layers.0.name": "eyes"})

    assert layer(changed, "discriminator", 0).name == "eyes"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"latent": {"size": 5}}, replace(TINY, latent=Latent(size=5))),
        (
            {"training": {"batch_size": 2}},
            replace(TINY, training=Training(batch_size=2)),
        ),
        (
            {"discriminator.optimizer": {"kind": "adamw", "learning_rate": 1}},
            replace(
                TINY, players=(generator, replace(discriminator, optimizer=AdamW(learning_rate=1)))
            ),
        ),
        (
            {"discriminator.layers": [{"kind": "flatten"}, {"kind": "dense", "units": 1}]},
            replace(
                TINY,
                players=(generator, replace(discriminator, layers=(Flatten(), Dense(units=1)))),
            ),
        ),
        (
            {"discriminator.layers.1": {"kind": "relu"}},
            replace(
                TINY,
                players=(
                    generator,
                    replace(
                        discriminator,
                        layers=(discriminator.layers[0], Relu(), *discriminator.layers[2:]),
                    ),
                ),
            ),
        ),
    ],
    ids=["latent", "training", "optimizer", "layers", "a layer"],
)
def test_a_table_can_be_replaced(settings, expected):
    assert change(TINY, settings) == expected


def test_several_settings_may_hold_only_together():
    changed = change(TINY, {"image.height": 2, "image.width": 8, "reshape.shape": [2, 8, 1]})

    assert changed.image.shape == (2, 8, 1)


@pytest.mark.parametrize(
    ("path", "value", "stored"),
    [
        ("latent.size", 5, 5),
        ("ema_decay", 0.5, 0.5),
        ("label_smoothing", 0, 0.0),
        ("latent.distribution", "uniform", "uniform"),
        ("first.bias", False, False),
        ("discriminator.layers.0.kernel", [3, 5], (3, 5)),
        ("discriminator.layers.0.kernel", 5, (5, 5)),
        ("discriminator.layers.0.padding", [[1, 1], [2, 0]], ((1, 1), (2, 0))),
        ("first.kernel_init", {"kind": "glorot_uniform"}, GlorotUniform()),
    ],
)
def test_values_of_every_type_are_stored(path, value, stored):
    changed: Any = change(TINY, {path: value})
    places = {
        "latent.size": lambda s: s.latent.size,
        "ema_decay": lambda s: s.training.ema_decay,
        "label_smoothing": lambda s: s.loss.label_smoothing,
        "latent.distribution": lambda s: s.latent.distribution,
        "first.bias": lambda s: layer(s, "generator", 0).bias,
        "first.kernel_init": lambda s: layer(s, "generator", 0).kernel_init,
        "discriminator.layers.0.kernel": lambda s: layer(s, "discriminator", 0).kernel,
        "discriminator.layers.0.padding": lambda s: layer(s, "discriminator", 0).padding,
    }

    assert repr(places[path](changed)) == repr(stored)


def test_the_name_of_the_spec_can_be_set():
    assert change(TINY, {"name": "other"}).name == "other"


# --- slips ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("latent.sise", " Did you mean 'latent.size'?"),
        ("batchsize", " Did you mean 'batch_size'?"),
        ("lr", " Did you mean 'learning_rate'?"),
        ("beta", " Did you mean 'beta1' or 'beta2'?"),
        ("training.smoothing", " Did you mean 'loss.label_smoothing'?"),
        ("generator.beta1", " Did you mean 'players.generator.optimizer.beta1'?"),
        ("latent.name", " There are: 'categories', 'codes', 'distribution', 'size'."),
        ("generator.optimizer.decay", " Did you mean 'generator.optimizer.weight_decay'?"),
        ("latent.xyzw", " There are: 'categories', 'codes', 'distribution', 'size'."),
        ("generater.optimizer.beta1", " Did you mean 'generator.optimizer.beta1'?"),
        (
            "players.discriminator.layers.9.slope",
            " Did you mean 'players.discriminator.layers.1.slope'",
        ),
        ("players.discriminator.layers.-1.slope", " Did you mean 'players.discriminator.layers.1"),
        ("layers.0.kernel.0", " Did you mean 'layers.0.kernel'?"),
        ("latent.size.more", " Did you mean 'latent.size'?"),
        (".size", " Did you mean "),
        ("zzzzzzzz", ""),
        ("a\nb", ""),
        ("", ""),
    ],
)
def test_an_unknown_path_suggests_the_nearest(path, near):
    line = refusal(change, TINY, {path: 1})

    assert line.startswith(f"The spec 'tiny' has no field {path!r}.{near}")


def test_names_of_the_caller_are_suggested():
    line = refusal(change, TINY, {"widht": 1}, ["width_of_generator", "widths"])

    assert line.endswith("Did you mean 'width'?")


def test_a_setting_of_the_training_is_named_as_an_option():
    line = refusal(change, TINY, {"log_every": 1}, (), None, ["log_every", "steps"])

    assert line.endswith("no field 'log_every'. It is a setting of the training: --log-every.")


@pytest.mark.parametrize(
    ("path", "count", "first"),
    [
        ("conv2d.bias", 2, "players.discriminator.layers.conv2d.bias"),
        ("kernel_init.kind", 5, "players.generator.layers.first.kernel_init.kind"),
        ("layers.0.bias", 3, "players.generator.layers.0.bias"),
    ],
)
def test_an_ambiguous_path_lists_the_matching_fields(path, count, first):
    line = refusal(change, TINY, {path: 1})

    assert line.startswith(f"{path!r} fits {count} fields ({first}, ")
    assert line.endswith("write more of the path.")


def test_two_matching_fields_are_both_named():
    assert refusal(change, TINY, {"conv2d.bias": 1}) == (
        "'conv2d.bias' fits 2 fields (players.discriminator.layers.conv2d.bias, "
        "players.discriminator.layers.residual.layers.conv2d.bias); write more of the path."
    )


@pytest.mark.parametrize("path", ["learning_rate", "optimizer.learning_rate"])
def test_a_field_of_the_optimizer_without_a_player_changes_all_players(path):
    changed = change(TINY, {path: 0.5})

    assert [player.optimizer.learning_rate for player in changed.players] == [0.5, 0.5]


def test_a_changed_kind_keeps_shared_fields_and_drops_the_others():
    spec = change(TINY, {"generator.optimizer.beta1": 0.5})

    changed = change(spec, {"generator.optimizer.kind": "sgd"})

    assert changed.player("generator").optimizer == SGD(learning_rate=1e-3)


def test_a_changed_kind_gets_its_own_defaults():
    spec = change(TINY, {"generator.optimizer.beta1": 0.5})

    changed = change(spec, {"generator.optimizer.kind": "adamw"})

    assert changed.player("generator").optimizer == AdamW(learning_rate=1e-3, beta1=0.5)


def test_a_kind_is_changed_before_its_fields_whatever_the_order():
    changed = change(TINY, {"optimizer.decay": 0.5, "optimizer.kind": "rmsprop"})

    assert [player.optimizer.decay for player in changed.players] == [0.5, 0.5]


def test_an_unknown_kind_is_answered_with_the_nearest():
    assert refusal(change, TINY, {"optimizer.kind": "adma"}) == (
        "players[generator].optimizer: no optimizer is of kind 'adma'. Did you mean 'adam'?"
    )


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"latent.size": "big"}, "latent.size: expected a whole number, received 'big'."),
        (
            {"latent": 5},
            "latent: it is a table, received 5; set one of its fields, like latent.size.",
        ),
        (
            {"loss": "hinge"},
            "loss: it is a table, received 'hinge'; set one of its fields, like loss.name=hinge.",
        ),
        ({"latent": {"size": 5, "sise": 5}}, "latent: unknown field 'sise'. Did you mean 'size'?"),
        (
            {"image.height": 5},
            "generator/reshape: the generator ends in (4, 4, 1), the spec's image is (5, 4, 1); "
            "change the layers or the image.",
        ),
        ({"schema": 2}, "schema: this gandem reads schema 1, received 2; upgrade gandem."),
        ({"discriminator.layers": []}, "discriminator: a network needs at least one layer."),
    ],
)
def test_a_changed_spec_is_validated(settings, line):
    assert refusal(change, TINY, settings) == line


def test_a_spec_is_never_changed_in_place():
    before = to_data(TINY)

    change(TINY, {"latent.size": 9})

    assert to_data(TINY) == before


def test_the_repr_of_a_spec_is_short():
    text = "<Spec tiny: noise (3,), image (4, 4, 1), generator, discriminator>"
    assert repr(TINY) == text


@pytest.mark.parametrize("model", ["mlp-gan", "dcgan", "cgan"])
def test_settings_reach_a_model_by_parameter_and_by_path(model):
    spec = load_spec(model, {"latent": 9, "training.ema_decay": 0.5})

    assert (spec.latent.size, spec.training.ema_decay) == (9, 0.5)


def test_a_misspelled_parameter_of_a_model_suggests_the_nearest():
    assert refusal(load_spec, "dcgan", {"widht": 9}) == (
        "The spec 'dcgan' has no field 'widht'. Did you mean 'width'?"
    )


@pytest.mark.parametrize(
    ("model", "settings", "line"),
    [
        (
            "mlp-gan",
            {"hidden": 16},
            "hidden: expected a list of whole numbers, received 16; for example "
            "hidden=[128, 256, 512, 1024].",
        ),
        (
            "dcgan",
            {"image": 64},
            "image: expected [a whole number, a whole number, a whole number], received 64; for "
            "example image=[28, 28, 1].",
        ),
        (
            "dcgan",
            {"width": "abc"},
            "width: expected a whole number, received 'abc'; for example width=64.",
        ),
        (
            "dcgan",
            {"learning_rate": {"schedule": "cosine", "form": 1, "to": 0, "end": 5}},
            "learning_rate: unknown field 'form'. Did you mean 'from'? "
            "For example learning_rate=0.0002.",
        ),
        (
            "dcgan",
            {"learning_rate": "fast"},
            "learning_rate: expected a number or a schedule, like cosine(2e-4, 0, 20 epochs); "
            "received 'fast'; for example learning_rate=0.0002.",
        ),
        (
            "dcgan",
            {"width": -3},
            "width=-3: Dense.units: expected 1 ≤ a number ≤ 2147483647, received -294.",
        ),
        (
            "dcgan",
            {"image": [30, 30, 1]},
            "image=[30, 30, 1]: generator/tanh: the generator ends in (28, 28, 1), the spec's "
            "image is (30, 30, 1); change the layers or the image.",
        ),
        (
            "dcgan",
            {"image.height": 64, "image.width": 64},
            "generator/tanh: the generator ends in (28, 28, 1), the spec's image is (64, 64, 1); "
            "change the layers or the image. Set the parameter of the model instead: "
            "image=[64, 64, 1].",
        ),
    ],
)
def test_a_wrong_parameter_of_a_model_is_named_with_an_example(model, settings, line):
    assert refusal(load_spec, model, settings) == line


@pytest.mark.parametrize("image", [(64, 64, 3), [64, 64, 3]])
def test_a_parameter_takes_a_tuple_or_a_list(image):
    assert load_spec("dcgan", {"image": image}).image.shape == (64, 64, 3)
