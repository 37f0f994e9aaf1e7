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
def test_a_value_is_toml_or_else_plain_text(text, value):
    assert repr(parse_setting(text)) == repr(("a", value))


@pytest.mark.parametrize("text", ["", "=", "a", "a=", "=3", " =3", "a= "])
def test_a_setting_without_path_or_value_is_refused(text):
    assert refusal(parse_setting, text) == (
        f"Expected path=value, received {text!r}; for example latent.size=64."
    )


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 5000], ids=["brackets", "digits"])
def test_a_monstrous_value_is_taken_for_text_and_refused_by_its_field(value):
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
def test_all_these_ways_lead_to_one_field(path):
    assert layer(change(TINY, {path: 0.3}), "discriminator", 1) == LeakyRelu(slope=0.3)


def test_nothing_else_changes():
    assert change(change(TINY, {"slope": 0.3}), {"slope": 0.2}) == TINY


def test_without_settings_the_spec_stays_as_it_is():
    assert change(TINY, {}) == TINY


@pytest.mark.parametrize("path", ["first.bias", "layers.first.bias", "generator.layers.0.bias"])
def test_a_layer_goes_by_its_own_name(path):
    assert not layer(change(TINY, {path: False}), "generator", 0).bias


def test_the_second_layer_of_a_kind_goes_by_its_number():
    changed = change(TINY, {"generator.layers.dense_1.bias": False})

    assert not layer(changed, "generator", 2).bias


def test_a_layer_within_a_layer_is_reached():
    changed = change(TINY, {"residual.layers.conv2d.bias": False})

    assert not layer(changed, "discriminator", 2).layers[0].bias


def test_an_element_of_a_table_is_reached_though_the_rest_has_defaults():
    changed = change(TINY, {"discriminator.layers.0.kernel_init.kind": "glorot_normal"})

    assert layer(changed, "discriminator", 0).kernel_init.kind == "glorot_normal"


def test_a_field_of_the_kind_just_chosen_is_reached():
    path = "discriminator.layers.0.kernel_init"
    changed = change(TINY, {f"{path}.kind": "normal", f"{path}.std": 0.1})

    assert layer(changed, "discriminator", 0).kernel_init == Normal(std=0.1)


def test_a_layer_without_a_name_can_be_given_one():
    changed = change(TINY, {"discriminator.layers.0.name": "eyes"})

    assert layer(changed, "discriminator", 0).name == "eyes"


@pytest.mark.parametrize(
    ("settings", "wanted"),
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
def test_a_whole_table_is_put_in_place_of_another(settings, wanted):
    assert change(TINY, settings) == wanted


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


def test_the_name_of_the_spec_goes_by_name_alone():
    assert change(TINY, {"name": "other"}).name == "other"


# --- slips ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("latent.sise", " Did you mean 'latent.size'?"),
        ("batchsize", " Did you mean 'batch_size'?"),
        ("generater.optimizer.beta1", " Did you mean 'generator.optimizer.beta1'?"),
        ("players.discriminator.layers.9.slope", " Did you mean "),
        ("players.discriminator.layers.-1.slope", " Did you mean "),
        ("layers.0.kernel.0", " Did you mean "),
        ("latent.size.more", " Did you mean 'latent.size'?"),
        (".size", " Did you mean "),
        ("zzzzzzzz", ""),
        ("a\nb", ""),
        ("", ""),
    ],
)
def test_an_unknown_path_is_answered_with_the_nearest(path, near):
    line = refusal(change, TINY, {path: 1})

    assert line.startswith(f"The spec 'tiny' has no field {path!r}.{near}")


def test_the_callers_own_names_are_suggested_too():
    line = refusal(change, TINY, {"widht": 1}, ["width_of_generator", "widths"])

    assert line.endswith("Did you mean 'width'?") or line.endswith("Did you mean 'widths'?")


@pytest.mark.parametrize(
    ("path", "count", "first"),
    [
        ("learning_rate", 2, "players.generator.optimizer.learning_rate"),
        ("kernel_init.kind", 5, "players.generator.layers.first.kernel_init.kind"),
        ("layers.0.bias", 3, "players.generator.layers.0.bias"),
    ],
)
def test_an_ambiguous_path_is_answered_with_what_it_fits(path, count, first):
    line = refusal(change, TINY, {path: 1})

    assert line.startswith(f"{path!r} fits {count} fields ({first}, ")
    assert line.endswith("write more of the path.")


def test_two_fields_that_fit_are_both_named_and_no_third_is_hinted_at():
    assert refusal(change, TINY, {"learning_rate": 1}) == (
        "'learning_rate' fits 2 fields (players.generator.optimizer.learning_rate, "
        "players.discriminator.optimizer.learning_rate); write more of the path."
    )


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"latent.size": "big"}, "latent.size: expected a whole number, received 'big'."),
        ({"latent": 5}, "latent: expected a table (Latent), received 5."),
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
def test_a_changed_spec_is_checked_as_any_other(settings, line):
    assert refusal(change, TINY, settings) == line


def test_a_spec_is_never_changed_in_place():
    before = repr(TINY)

    change(TINY, {"latent.size": 9})

    assert repr(TINY) == before


@pytest.mark.parametrize("model", ["mlp-gan", "dcgan", "cgan"])
def test_settings_reach_a_model_by_parameter_and_by_path(model):
    spec = load_spec(model, {"latent": 9, "training.ema_decay": 0.5})

    assert (spec.latent.size, spec.training.ema_decay) == (9, 0.5)


def test_a_slip_in_a_models_parameter_is_answered_with_the_nearest():
    assert refusal(load_spec, "dcgan", {"widht": 9}) == (
        "The spec 'dcgan' has no field 'widht'. Did you mean 'width'?"
    )
