"""Layers of plugins: a spec names a composition, and holds what it is composed of."""

from __future__ import annotations

import itertools
import json
import sys
from types import ModuleType
from typing import Any

import pytest
import tomli_w
from support.commands import HOME, needs_a_backend, said

import gandem
from gandem.core.errors import ClashError, GandemError, NotFoundError, SpecError
from gandem.core.plugins.entry import Entry
from gandem.core.specs import (
    MOST_LAYERS,
    Conv2D,
    Layer,
    Relu,
    Residual,
    change,
    digest,
    from_data,
    from_json,
    from_toml,
    plan_spec,
    read_spec,
    to_data,
    to_json,
    to_toml,
)
from gandem.core.specs.loading import PLUGIN_KINDS, load_spec

SPEC = to_data(load_spec("dcgan", small=True))
PLACE = "players[discriminator].layers[2: acme/block]"


def block(*, filters: int = 8, depth: int = 2) -> Residual:
    """Return a residual block, with a shortcut that has as many filters."""
    layers = [layer for _ in range(depth) for layer in (Relu(), Conv2D(filters=filters, kernel=3))]
    return Residual(layers=layers, shortcut=(Conv2D(filters=filters, kernel=1),))


@pytest.fixture
def layers(monkeypatch: pytest.MonkeyPatch, replace_entries: Any) -> Any:
    """Return a function that installs layers of a distribution ``acme-gans``."""

    def put(*providers: str, **functions: Any) -> None:
        theirs = ModuleType("theirs")
        vars(theirs).update(functions)
        monkeypatch.setitem(sys.modules, "theirs", theirs)
        entries = [
            Entry(id=f"acme/{name}", target=f"theirs:{name}", kind="layers", provider=provider)
            for provider in providers or ("acme-gans",)
            for name in functions
        ]
        replace_entries("layers", entries)

    put(block=block)
    return put


def spec_with(*tables: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a spec whose discriminator has some more layers after its second."""
    data: dict[str, Any] = json.loads(json.dumps(SPEC))
    data["players"][1]["layers"][2:2] = tables
    return data


def refusal(data: dict[str, Any], error: type[Exception] = SpecError) -> str:
    """Return the one line with which a spec is refused."""
    with pytest.raises(error) as caught:
        from_data(data, PLUGIN_KINDS)
    line = str(caught.value)
    assert line.splitlines() == [line]
    assert len(line) < 600
    return line


# --- compositions in specs -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["acme/block", "block"])
def test_a_composition_is_a_layer_of_a_spec(layers, kind):
    spec = from_data(spec_with({"kind": kind, "filters": 4}), PLUGIN_KINDS)

    assert spec.player("discriminator").layers[2] == block(filters=4)
    plan_spec(spec)


def test_the_spec_holds_own_kinds_only_and_needs_no_plugin_afterwards(layers):
    spec = from_data(spec_with({"kind": "acme/block"}), PLUGIN_KINDS)

    assert "acme" not in to_json(spec)
    assert from_toml(to_toml(spec)) == spec
    written_out = spec_with(to_data(spec)["players"][1]["layers"][2])
    assert digest(from_data(written_out)) == digest(spec)


def test_a_composition_of_several_layers_takes_the_place_of_one(layers):
    layers(pair=lambda: [Relu(), Relu()])

    spec = from_data(spec_with({"kind": "acme/pair"}), PLUGIN_KINDS)

    kinds = [layer.kind for layer in spec.player("discriminator").layers]
    before = [layer["kind"] for layer in SPEC["players"][1]["layers"]]
    assert kinds == [*before[:2], "relu", "relu", *before[2:]]


@pytest.mark.parametrize(
    "made",
    [
        lambda: (Relu(),),
        lambda: [Relu()],
        lambda: (Relu() for _ in range(1)),
        lambda: map(lambda _: Relu(), "x"),
        Relu,
    ],
    ids=["tuple", "list", "generator", "map", "class"],
)
def test_any_sequence_of_layers_is_accepted(layers, made):
    layers(it=made)

    spec = from_data(spec_with({"kind": "acme/it"}), PLUGIN_KINDS)

    assert spec.player("discriminator").layers[2] == Relu()


def test_no_layers_are_accepted(layers):
    layers(nothing=lambda: ())

    assert from_data(spec_with({"kind": "acme/nothing"}), PLUGIN_KINDS) == from_data(SPEC)


@pytest.mark.parametrize("part", ["layers", "shortcut"])
def test_a_composition_may_be_inside_a_layer(layers, part):
    residual = {"kind": "residual", "layers": [{"kind": "relu"}], part: [{"kind": "acme/block"}]}

    (residual,) = [
        layer
        for layer in from_data(spec_with(residual), PLUGIN_KINDS).player("discriminator").layers
        if isinstance(layer, Residual)
    ]
    assert getattr(residual, part) == (block(),)


def test_compositions_may_be_nested(layers):
    layers(block=block, twice=lambda *, layers: [*layers, *layers])

    within = {"kind": "twice", "layers": [{"kind": "acme/block"}, {"kind": "relu"}]}
    spec = from_data(spec_with({"kind": "acme/twice", "layers": [within]}), PLUGIN_KINDS)

    result = spec.player("discriminator").layers[2:10]
    assert result == (block(), Relu()) * 4


def test_other_tables_and_lists_are_passed_unchanged(layers):
    seen = []

    def conv(*, kernel, kernel_init):
        seen.append((kernel, kernel_init))
        return Conv2D(filters=8, kernel=kernel, kernel_init=kernel_init)

    layers(conv=conv)
    table = {"kind": "acme/conv", "kernel": [3, 3], "kernel_init": {"kind": "normal", "std": 0.1}}
    from_data(spec_with(table), PLUGIN_KINDS)

    assert seen == [([3, 3], {"kind": "normal", "std": 0.1})]


def test_an_own_kind_is_never_a_plugins(layers):
    layers(relu=lambda: 1 / 0)

    assert from_data(spec_with({"kind": "relu"}), PLUGIN_KINDS)


def test_a_function_with_open_keywords_receives_all_parameters(layers):
    layers(conv=lambda **given: Conv2D(**given))

    spec = from_data(spec_with({"kind": "acme/conv", "filters": 3, "kernel": 1}), PLUGIN_KINDS)
    assert spec.player("discriminator").layers[2] == Conv2D(filters=3, kernel=1)


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "written"), [(".toml", tomli_w.dumps), (".json", json.dumps)])
def test_a_spec_file_may_name_a_composition(layers, tmp_path, suffix, written):
    path = tmp_path / f"mine{suffix}"
    path.write_text(written(spec_with({"kind": "acme/block", "filters": 4})))

    assert block(filters=4) in load_spec(path).player("discriminator").layers


def test_a_setting_may_name_a_composition(layers):
    spec = load_spec(
        "dcgan", {"discriminator.layers.1": {"kind": "acme/block", "filters": 4}}, small=True
    )

    assert spec.player("discriminator").layers[1] == block(filters=4)


@needs_a_backend
def test_a_change_of_a_spec_to_train_may_name_a_composition(layers, data, tmp_path):
    small = load_spec("dcgan", {"image": [8, 8, 1], "latent": 4, "width": 2, "batch_size": 16})
    changes = {"discriminator.layers.1": {"kind": "acme/block", "filters": 4}}
    out = tmp_path / "run"

    run = gandem.train(small, backend=HOME, data=data, steps=1, changes=changes, out=out)

    assert run.spec.player("discriminator").layers[1] == block(filters=4)


def test_a_setting_changes_the_parameter_of_an_earlier_one(layers):
    spec = load_spec(
        "dcgan",
        {
            "discriminator.layers.1": {"kind": "acme/block", "filters": 3},
            "discriminator.layers.1.filters": 4,
        },
        small=True,
    )

    assert spec.player("discriminator").layers[1] == block(filters=4)


def test_a_setting_changes_a_composition_of_a_file(layers, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(tomli_w.dumps(spec_with({"kind": "acme/block"})))

    spec = load_spec(path, {"discriminator.layers.residual.shortcut.conv2d.bias": False})

    assert spec.player("discriminator").layers[2].shortcut[0].bias is False


def test_the_command_shows_the_layers_of_a_composition(layers):
    shown = said(
        *("show", "dcgan", "--size", "small", "--toml"),
        *("--set", 'discriminator.layers.1={kind = "acme/block", filters = 4}'),
    )

    assert 'kind = "residual"' in shown
    assert "acme" not in shown


def test_reading_without_plugins_refuses_compositions(layers, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(tomli_w.dumps(spec_with({"kind": "acme/block"})))
    place = f"{PLACE}: no layer is of kind 'acme/block'."

    for read in (
        lambda: read_spec(path),
        lambda: from_toml(path.read_text()),
        lambda: from_json(json.dumps(spec_with({"kind": "acme/block"}))),
        lambda: change(from_data(SPEC), {"discriminator.layers.2": {"kind": "acme/block"}}),
    ):
        with pytest.raises(SpecError) as caught:
            read()
        assert str(caught.value).removeprefix(f"{path}: ").startswith(place)


def test_a_spec_of_own_kinds_loads_no_plugin(monkeypatch):
    class Layers:
        def kinds(self):
            raise AssertionError

        make = kinds

    assert from_data(SPEC, Layers()) == from_data(SPEC)


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "near"),
    [
        ("acme/blok", "Did you mean 'acme/block'?"),
        ("emca/block", "Did you mean 'acme/block'?"),
        ("conv2", "Did you mean 'conv2d'?"),
    ],
)
def test_an_unknown_kind_is_refused_with_the_nearest(layers, kind, near):
    line = refusal(spec_with({"kind": kind}))

    assert line == f"players[discriminator].layers[2: {kind}]: no layer is of kind {kind!r}. {near}"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"filtres": 3}, "'acme/block' has no parameter 'filtres'. Did you mean 'filters'?"),
        ({"x": 3}, "'acme/block' has no parameter 'x'. There are: 'depth', 'filters'."),
        (
            {"filters": -1},
            "Conv2D.filters: expected 1 ≤ a number ≤ 2147483647, received -1.",
        ),
        (
            {"depth": "a"},
            "depth: expected a whole number, received 'a'; for example depth=2.",
        ),
    ],
)
def test_the_error_of_an_invalid_parameter_names_the_place(layers, table, words):
    assert refusal(spec_with({"kind": "acme/block"} | table)) == f"{PLACE}: {words}"


def test_a_missing_parameter_is_named(layers):
    layers(block=lambda *, filters, depth=1: Relu())

    words = "'acme/block' needs its parameter 'filters'."
    assert refusal(spec_with({"kind": "acme/block"})) == f"{PLACE}: {words}"


def loop(**given: Any) -> Any:
    return loop(**given)


def yields_and_raises() -> Any:
    yield Relu()
    raise OSError("no disk")


class Own(Layer):
    kind = "own"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (
            lambda: None,
            "'acme/block' returned NoneType, expected a layer of gandem.core.specs, or a",
        ),
        (lambda: "relu", "'acme/block' returned str, expected a layer"),
        (lambda: {"kind": "relu"}, "'acme/block' returned dict, expected a layer"),
        (lambda: [{"kind": "relu"}], "'acme/block' returned dict, which is no layer of gandem."),
        (lambda: [Relu], "'acme/block' returned ABCMeta, which is no layer"),
        (lambda: [Relu(), None], "'acme/block' returned NoneType, which is no layer"),
        (lambda: Own(), "'acme/block' returned Own, which is no layer"),
        (
            lambda: Residual(layers=(Residual(layers=(Own(),)),)),
            "'acme/block' returned Own, which is no layer",
        ),
        (
            loop,
            "The layer 'acme/block' of acme-gans could not be created with its defaults: Recursion",
        ),
        (lambda: itertools.repeat(Relu()), f"'acme/block' makes more than {MOST_LAYERS} layers."),
        (lambda: [Relu()] * 1001, f"'acme/block' makes more than {MOST_LAYERS} layers."),
        (
            yields_and_raises,
            "The layer 'acme/block' of acme-gans "
            "could not be created with its defaults: OSError: no d",
        ),
        (
            lambda: sys.exit(3),
            "The layer 'acme/block' of acme-gans "
            "could not be created with its defaults: SystemExit: 3",
        ),
        (3, "The layer 'acme/block' of acme-gans is not a function: theirs:block is of type int."),
    ],
)
def test_a_function_that_returns_no_layers_is_one_line(layers, function, words):
    layers(block=function)

    line = refusal(spec_with({"kind": "acme/block"}))
    assert line.startswith(f"{PLACE}: {words.replace('ABCMeta', type(Relu).__name__)}")


def test_layers_that_are_nested_too_deeply_are_refused(layers):
    def deep():
        layer = Relu()
        for _ in range(40):
            layer = Residual(layers=(layer,))
        return layer

    layers(deep=deep)

    assert "layers are nested more than 32 deep" in refusal(spec_with({"kind": "acme/deep"}))


def test_a_composition_that_grows_exponentially_is_refused(layers):
    layers(twice=lambda *, layers: Residual(layers=[*layers, Residual(layers=layers)]))

    table: dict[str, Any] = {"kind": "relu"}
    for _ in range(30):
        table = {"kind": "acme/twice", "layers": [table]}
    assert f"makes more than {MOST_LAYERS} layers" in refusal(spec_with(table))


def test_tables_that_are_nested_too_deeply_are_refused(layers):
    layers(same=lambda *, layers: layers)

    table: dict[str, Any] = {"kind": "relu"}
    for _ in range(90):
        table = {"kind": "acme/same", "layers": [table]}
    assert "it is nested too deeply" in refusal(spec_with(table))


def test_a_name_with_two_owners_is_a_clash(layers):
    layers("acme-gans", "emca-gans", block=block)

    line = refusal(spec_with({"kind": "acme/block"}), ClashError)
    assert line.startswith("The layer name 'acme/block' has several owners: ")


def test_a_module_that_cannot_be_imported_is_one_line(layers, monkeypatch):
    monkeypatch.delitem(sys.modules, "theirs")

    line = refusal(spec_with({"kind": "acme/block"}), NotFoundError)
    assert line.startswith("The layer 'acme/block' of acme-gans could not be loaded: ModuleNot")


@pytest.mark.parametrize("family", ["optimizer", "kernel_init"])
def test_only_layers_can_be_composed(layers, family):
    data = spec_with()
    if family == "optimizer":
        data["players"][0]["optimizer"] = {"kind": "acme/block"}
    else:
        data["players"][0]["layers"][0]["kernel_init"] = {"kind": "acme/block"}

    assert "is of kind 'acme/block'" in refusal(data, GandemError)


def test_an_interrupt_in_a_layer_is_raised(layers):
    def stop():
        raise KeyboardInterrupt

    layers(block=stop)

    with pytest.raises(KeyboardInterrupt):
        from_data(spec_with({"kind": "acme/block"}), PLUGIN_KINDS)


def test_output_of_a_function_goes_to_standard_error(layers, capsys):
    layers(block=lambda: print("hello") or Relu())

    from_data(spec_with({"kind": "acme/block"}), PLUGIN_KINDS)

    assert capsys.readouterr() == ("", "hello\n")
