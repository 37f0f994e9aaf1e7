"""Invalid specs: an error of one line that names the place and the fix, before anything runs."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gandem.core.errors import NotFoundError, SpecError
from gandem.core.fields import KINDS, hints
from gandem.core.specs import (
    Adam,
    AveragePool2D,
    BatchNorm,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthToSpace,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool2D,
    GlobalMaxPool2D,
    GlobalSumPool2D,
    GroupNorm,
    Image,
    InstanceNorm,
    Latent,
    Layer,
    LayerNorm,
    LeakyRelu,
    Loss,
    MaxPool2D,
    MinibatchStddev,
    Normal,
    Player,
    PositionEmbedding,
    Relu,
    Resample2D,
    Reshape,
    Residual,
    Shape,
    Sigmoid,
    Slice,
    SpaceToDepth,
    Spec,
    Tanh,
    Training,
    Upsample2D,
    from_data,
    from_json,
    from_toml,
    plan_network,
    plan_spec,
    read_spec,
    to_data,
    to_json,
    to_toml,
)
from gandem.core.specs.loading import load_spec

DCGAN = to_data(load_spec("dcgan"))
VECTOR, IMAGE = (6,), (7, 8, 2)


def refusal(call: Any, *arguments: Any, **named: Any) -> str:
    """Return the one line with which a call is refused."""
    with pytest.raises(SpecError) as caught:
        call(*arguments, **named)
    line = str(caught.value)
    assert line.splitlines() == [line]
    assert len(line) < 400
    return line


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return DCGAN as data, with one place of it changed; ``None`` takes the place out."""
    data = json.loads(json.dumps(DCGAN))
    container: Any = data
    *route, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    for key in route:
        container = container[key]
    if value is None:
        del container[last]
    else:
        container[last] = value
    return data


def plan(shape: Shape, *layers: Layer) -> Any:
    return plan_network("net", "it", layers, {"it": shape, "label": (4,)})


def made_of(cls: Any) -> st.SearchStrategy[Any]:
    """Return instances of a layer with small numbers."""
    small = st.integers(1, 5)
    fields = {
        "units": small,
        "filters": small,
        "kernel": st.tuples(small, small),
        "stride": st.tuples(small, small),
        "padding": st.sampled_from(["same", "valid"]),
        "bias": st.booleans(),
        "factor": small,
        "start": st.integers(0, 4),
        "stop": small,
        "size": small,
        "shape": st.lists(small, max_size=3),
        "groups": small,
        "rate": st.just(0.5),
        "weight": st.just(0.5),
        "count": small,
        "resolution": small,
        "mixing": st.just(0.5),
        "slope": st.just(0.2),
        "planes": st.booleans(),
        "layers": st.just((Relu(),)),
    }
    own = {
        "constant": {"shape": st.tuples(small, small, small)},
        "resample2d": {"padding": st.sampled_from(["zero", "reflect"])},
    }
    fields |= own.get(cls.kind, {})
    return st.builds(cls, **{name: fields[name] for name in hints(cls) if name in fields})


# --- fields --------------------------------------------------------------------------------------

CONV = "players.1.layers.0"
FIELDS = [
    (
        "trainning",
        {},
        "the spec: unknown field 'trainning'. Did you mean 'training'?",
    ),
    (
        "training.batchsize",
        3,
        "training: unknown field 'batchsize'. Did you mean 'batch_size'?",
    ),
    (
        f"{CONV}.filter",
        3,
        "players[discriminator].layers[0: conv2d]: unknown field 'filter'. Did you mean 'filters'?",
    ),
    (
        f"{CONV}.kernel_init.sdt",
        3,
        "players[discriminator].layers[0: conv2d].kernel_init: unknown field 'sdt'. "
        "Did you mean 'std'?",
    ),
    (
        "players.0.optimizer.slots",
        [],
        "players[generator].optimizer: unknown field 'slots'. There are: 'beta1', 'beta2', "
        "'clip_norm', 'epsilon', 'epsilon_placement', 'learning_rate', 'weight_decay'.",
    ),
    # kinds
    (
        f"{CONV}.kind",
        "conv2",
        "players[discriminator].layers[0: conv2]: no layer is of kind 'conv2'. "
        "Did you mean 'conv2d'?",
    ),
    (
        "players.0.optimizer.kind",
        "adma",
        "players[generator].optimizer: no optimizer is of kind 'adma'. Did you mean 'adam'?",
    ),
    (
        f"{CONV}.kernel_init.kind",
        "nromal",
        "players[discriminator].layers[0: conv2d].kernel_init: no initializer is of kind "
        "'nromal'. Did you mean 'normal'?",
    ),
    (f"{CONV}.kind", 3, "players[discriminator].layers[0]: no layer is of kind 3."),
    (f"{CONV}.kind", None, "players[discriminator].layers[0]: the field 'kind' is missing."),
    # missing
    ("players", None, "the spec: the field 'players' is missing."),
    ("latent.size", None, "latent: the field 'size' is missing."),
    (
        f"{CONV}.filters",
        None,
        "players[discriminator].layers[0: conv2d]: the field 'filters' is missing.",
    ),
    # types
    ("latent.size", "100", "latent.size: expected a whole number, received '100'."),
    ("latent.size", 100.0, "latent.size: expected a whole number, received 100.0."),
    ("latent.size", True, "latent.size: expected a whole number, received True."),
    ("name", 3, "name: expected a text, received 3."),
    (
        "image",
        [28, 28, 1],
        "image: expected a table (Image) or a table (Points), received [28, 28, 1].",
    ),
    ("image.low", "0", "image.low: expected a number, received '0'."),
    ("image.low", False, "image.low: expected a number, received False."),
    (
        f"{CONV}.bias",
        1,
        "players[discriminator].layers[0: conv2d].bias: expected true or false, received 1.",
    ),
    ("players", {}, "players: expected a list of tables (Player), received {}."),
    (
        "players.0.layers",
        3,
        "players[generator].layers: expected a list of tables (Layer), received 3.",
    ),
    (
        "players.0.layers.0",
        "dense",
        "players[generator].layers[0]: expected a table (Layer), received 'dense'.",
    ),
    (
        f"{CONV}.kernel",
        [4, 4, 4],
        "players[discriminator].layers[0: conv2d].kernel: expected "
        "[a whole number, a whole number], received [4, 4, 4].",
    ),
    (
        f"{CONV}.kernel",
        [4, 4.5],
        "players[discriminator].layers[0: conv2d].kernel[1]: expected a whole number, "
        "received 4.5.",
    ),
    (
        f"{CONV}.padding",
        "sane",
        "players[discriminator].layers[0: conv2d].padding: expected 'same' or 'valid' or "
        "[[a whole number, a whole number], [a whole number, a whole number]], received 'sane'.",
    ),
    (
        f"{CONV}.padding",
        [[1, 1], [1]],
        "players[discriminator].layers[0: conv2d].padding: expected 'same' or 'valid' or "
        "[[a whole number, a whole number], [a whole number, a whole number]], "
        "received [[1, 1], [1]].",
    ),
    (
        "training.noise",
        "frsh",
        "training.noise: expected 'fresh' or 'reused', received 'frsh'. Did you mean 'fresh'?",
    ),
    ("training.noise", 3, "training.noise: expected 'fresh' or 'reused', received 3."),
    # ranges
    (
        "latent.size",
        0,
        "latent.size: expected 1 ≤ a number ≤ 2147483647, received 0.",
    ),
    (
        "latent.size",
        2**31,
        "latent.size: expected 1 ≤ a number ≤ 2147483647, received 2147483648.",
    ),
    (
        f"{CONV}.stride",
        0,
        "players[discriminator].layers[0: conv2d].stride[0]: expected "
        "1 ≤ a number ≤ 2147483647, received 0.",
    ),
    ("classes", -1, "classes: expected 0 ≤ a number ≤ 100000, received -1."),
    (
        "loss.label_smoothing",
        1,
        "loss.label_smoothing: expected 0 ≤ a number < 1, received 1.0.",
    ),
    (
        "players.0.optimizer.learning_rate",
        -1e-3,
        "players[generator].optimizer.learning_rate: expected 0 ≤ a number, received -0.001.",
    ),
    (
        "players.0.optimizer.epsilon",
        0,
        "players[generator].optimizer.epsilon: expected 0 < a number, received 0.0.",
    ),
    ("image.low", math.nan, "image.low: expected a finite number, received nan."),
    ("image.high", math.inf, "image.high: expected a finite number, received inf."),
    (
        f"{CONV}.kernel_init.std",
        -0.02,
        "players[discriminator].layers[0: conv2d].kernel_init.std: expected 0 ≤ a number, "
        "received -0.02.",
    ),
]


@pytest.mark.parametrize(("path", "value", "line"), FIELDS)
def test_a_field_that_does_not_fit_is_named_with_what_is_expected(path, value, line):
    assert refusal(from_data, changed(path, value)) == line


@pytest.mark.parametrize(
    ("cls", "fields", "line"),
    [
        (Dense, {"units": 0}, "Dense.units: expected 1 ≤ a number ≤ 2147483647, received 0."),
        (
            Conv2D,
            {"filters": 1, "kernel": "4"},
            "Conv2D.kernel: expected [a whole number, a whole number], received '4'.",
        ),
        (
            LeakyRelu,
            {"slope": math.nan},
            "LeakyRelu.slope: expected a finite number, received nan.",
        ),
        (
            Latent,
            {"size": 1, "distribution": "gauss"},
            "Latent.distribution: expected 'normal' or "
            "'uniform', received 'gauss'. There are: 'normal', 'uniform'.",
        ),
    ],
)
def test_fields_given_in_python_are_checked_too(cls, fields, line):
    assert refusal(cls, **fields) == line


def test_a_dropout_that_would_drop_everything_is_refused():
    """A rate is kept to 1/256: from 255.5/256 on nothing would be left to scale up."""
    line = "Dropout.rate: expected 0 ≤ a number ≤ 0.99609375, received 0.999."

    assert refusal(Dropout, rate=0.999) == line


@pytest.mark.parametrize("value", [10**400, -(10**400)], ids=["10^400", "-10^400"])
def test_a_whole_number_too_large_for_a_float_is_refused(value):
    assert refusal(from_data, changed("image.low", value)).startswith(
        "image.low: expected a finite number, received "
    )


@pytest.mark.parametrize("path", ["latent.size", "image.low", "training.noise", f"{CONV}.padding"])
@pytest.mark.parametrize(
    "value",
    [16**5000, [16**5000], "x" * 10**6, ["x\n" * 10**6], "a\nb", "\x85", "\u2028", np.eye(3)],
    ids=["digits", "digits in a list", "long", "long in a list", "line", "NEL", "LS", "array"],
)
def test_a_received_value_is_quoted_on_one_short_line(path, value):
    assert f"{path.rpartition('.')[2]}: expected " in refusal(from_data, changed(path, value))


@pytest.mark.parametrize(
    "path", [f"{CONV}.kind", f"{CONV}.name", "players.0.name", "players.0.optimizer.kind"]
)
@pytest.mark.parametrize("name", ["a\nb", "x" * 10**6, "\u2028", "a] b: c"])
def test_an_unprintable_name_is_not_part_of_the_path_in_an_error(path, name):
    data = changed(path, name)
    data["players"][0]["layers"][0]["units"] = "x"

    refusal(from_data, data)


@pytest.mark.parametrize("key", ["a\nb", "x" * 10**6, 3, None])
def test_an_unknown_field_is_quoted_on_one_short_line(key):
    assert "unknown field" in refusal(from_data, DCGAN | {key: 1})


# --- files ---------------------------------------------------------------------------------------


def test_a_text_that_is_not_toml_is_refused_with_its_line():
    line = refusal(from_toml, "name = 'mine'\nimage =\n")

    assert line == "The spec is not TOML: Invalid value (at line 2, column 8)."


def test_a_text_that_is_not_json_is_refused_with_its_line():
    line = refusal(from_json, '{"name":\n}')

    assert line == "The spec is not JSON: Expecting value: line 2 column 1 (char 9)."


@pytest.mark.parametrize("text", ["[]", "3", "null", '"dcgan"'])
def test_json_that_is_no_object_is_refused(text):
    assert refusal(from_json, text) == "The spec is not a JSON object."


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (from_toml, "a = " + "[" * 100_000),
        (from_toml, "a = " + "{a=" * 100_000),
        (from_json, "[" * 100_000),
        (from_json, '{"a":' * 100_000),
    ],
    ids=["toml lists", "toml tables", "json lists", "json objects"],
)
def test_a_hundred_thousand_brackets_are_refused(read, text):
    assert refusal(read, text).endswith(": it is nested too deeply.")


@pytest.mark.parametrize(
    ("read", "text"),
    [(from_toml, f"classes = {'9' * 5000}"), (from_json, f'{{"classes": {"9" * 5000}}}')],
    ids=["toml", "json"],
)
def test_a_number_of_five_thousand_digits_is_refused(read, text):
    assert "digits" in refusal(read, text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_json_numbers_that_are_not_finite_are_refused(number):
    text = json.dumps(DCGAN).replace('"low": -1.0', f'"low": {number}')

    assert refusal(from_json, text).startswith("The spec is not JSON: expected finite numbers, ")


@pytest.mark.parametrize("number", ["nan", "-inf", "1e999"])
def test_toml_numbers_that_are_not_finite_are_refused(number):
    text = to_toml(from_data(DCGAN)).replace("low = -1.0", f"low = {number}")

    assert refusal(from_toml, text).startswith("image.low: expected a finite number, received ")


def test_a_date_is_no_number():
    text = to_toml(from_data(DCGAN)).replace("size = 100", "size = 2026-11-21")

    assert refusal(from_toml, text).startswith("latent.size: expected a whole number, received ")


def broken_file(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("big.toml", b"#" * 10_000_000, "larger than 1 MB; a spec has a few kilobytes."),
        ("big.json", b" " * 10_000_000, "larger than 1 MB; a spec has a few kilobytes."),
        ("photo.toml", b"\x89PNG\r\n\xff\xd8", "not a text file."),
        ("photo.json", b"\x89PNG\r\n\xff\xd8", "not a text file."),
        ("nul.toml", b"a = \x00", "The spec is not TOML: Invalid value (at line 1, column 5)."),
        (
            "empty.toml",
            b"",
            "the spec: the fields 'name', 'image', 'latent', 'loss', 'training', 'players' are "
            "missing.",
        ),
        ("empty.json", b"", "The spec is not JSON: Expecting value: line 1 column 1 (char 0)."),
    ],
)
def test_a_file_that_is_no_spec_is_named(tmp_path, name, content, line):
    path = broken_file(tmp_path, name, content)

    assert refusal(read_spec, path) == f"{path}: {line}"


HANDWRITTEN = """
name = "mine"
image = { width = 28 }
latent = {}

[[players]]
name = "generator"
input = "noise"
optimizer = { kind = "adam" }
layers = [{ kind = "dense" }, { units = 3 }, { kind = "conv2d", filters = 3 }]
"""


def test_all_missing_fields_of_a_spec_are_named_at_once():
    assert refusal(from_toml, HANDWRITTEN) == (
        "the spec: the fields 'loss', 'training', 'image.height', 'latent.size', "
        "'players[generator].optimizer.learning_rate', "
        "'players[generator].layers[0: dense].units', 'players[generator].layers[1].kind', "
        "'players[generator].layers[2: conv2d].kernel' are missing."
    )


def test_of_very_many_missing_fields_ten_are_named():
    data = {**DCGAN, "players": [{"name": "generator"}] * 100}

    line = refusal(from_data, data)

    assert line.endswith("290 more are missing.")


def test_a_file_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "none.toml"

    assert refusal(read_spec, path) == f"{path}: cannot be read (No such file or directory)."


def test_a_folder_is_no_spec(tmp_path):
    assert refusal(read_spec, tmp_path) == f"{tmp_path}: cannot be read (Is a directory)."


def test_a_network_in_a_file_that_does_not_close_is_named_with_the_file(tmp_path):
    text = to_toml(from_data(DCGAN)).replace("height = 28", "height = 30")
    path = broken_file(tmp_path, "mine.toml", text.encode())

    assert refusal(read_spec, path) == (
        f"{path}: generator/tanh: the generator ends in (28, 28, 1), the spec's image is "
        "(30, 28, 1); change the layers or the image."
    )


# --- anything at all -----------------------------------------------------------------------------

briefly = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
NUMBERS = st.one_of(st.integers(-3, 9), st.integers(), st.floats())
WORDS = st.one_of(st.text(max_size=5), st.sampled_from(["dense", "relu", "adam", "zeros", "noise"]))
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(WORDS, st.just("kind")), inner)
    ),
    max_leaves=9,
)


def places(data: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to everything in nested data."""
    inside = data.items() if isinstance(data, dict) else enumerate(data)
    results = []
    for key, value in inside:
        results.append((*way, key))
        if isinstance(value, dict | list):
            results += places(value, (*way, key))
    return results


def lines(call: Any, *arguments: Any) -> int:
    """Return with how many lines a call is refused; 0 where it is not."""
    try:
        call(*arguments)
    except SpecError as error:
        return len(str(error).splitlines())
    return 0


@briefly
@given(place=st.sampled_from(places(DCGAN)), value=ANYTHING)
def test_anything_in_place_of_a_field_is_read_or_refused_in_one_line(place, value):
    data = json.loads(json.dumps(DCGAN))
    container = data
    for key in place[:-1]:
        container = container[key]
    container[place[-1]] = value

    assert lines(from_data, data) <= 1


@briefly
@given(st.dictionaries(st.text(max_size=5), ANYTHING, max_size=3))
def test_anything_beside_the_fields_is_read_or_refused_in_one_line(more):
    assert lines(from_data, DCGAN | more) <= 1


@briefly
@given(st.text())
@pytest.mark.parametrize("read", [from_toml, from_json])
def test_any_text_is_read_or_refused_in_one_line(read, text):
    assert lines(read, text) <= 1


@briefly
@given(st.binary())
@pytest.mark.parametrize("name", ["it.toml", "it.json"])
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path, name, content):
    assert lines(read_spec, broken_file(tmp_path, name, content)) <= 1


LAYERS_AT_RANDOM = st.lists(st.one_of(*map(made_of, KINDS[Layer].values())), max_size=4)


@settings(briefly, max_examples=300)
@given(LAYERS_AT_RANDOM, st.sampled_from([VECTOR, IMAGE, (1,), (1, 1, 1)]))
def test_random_layers_have_a_shape_or_are_refused_in_one_line(layers, shape):
    assert lines(plan, shape, *layers) <= 1


# --- deep nesting --------------------------------------------------------------------------------


def nested(depth: int) -> dict[str, Any]:
    layer: dict[str, Any] = {"kind": "relu"}
    for _ in range(depth):
        layer = {"kind": "residual", "layers": [layer]}
    return layer


@pytest.mark.parametrize("depth", [100, 300])
def test_a_file_of_layers_within_layers_within_layers_is_refused(depth):
    data = changed("players.0.layers", [nested(depth)])

    assert refusal(from_data, data) == (
        "players[generator].layers[0: residual].layers[0: residual].l…: it is nested too deeply."
    )


@pytest.mark.parametrize("depth", [100, 10_000])
def test_layers_within_layers_are_refused_from_python_too(depth):
    layer: Layer = Relu()
    for _ in range(depth):
        layer = Residual(layers=(layer,))

    line = refusal(
        Player, name="it", input="noise", optimizer=Adam(learning_rate=1), layers=(layer,)
    )

    assert line == "'it': layers are nested more than 32 deep."


def test_as_deep_as_is_allowed_can_be_read_and_written():
    layers = [nested(31), *DCGAN["players"][0]["layers"]]
    spec = from_data(changed("players.0.layers", layers))

    assert from_json(to_json(spec)) == spec


# --- a network that does not close ---------------------------------------------------------------

NEEDS_AN_IMAGE = "expected an image (height, width, channels), received (6,); put a reshape layer "
NEEDS_AN_IMAGE += "before it."
NEEDS_A_VECTOR = "expected a vector (features,), received (7, 8, 2); put a flatten or a global "
NEEDS_A_VECTOR += "pooling layer before it."
ONE_NUMBER = "it would normalize single numbers, which leaves only the offset; leave it out, or "
ONE_NUMBER += "choose another norm."
TOO_SMALL = "use padding 'same' or a smaller kernel."


@pytest.mark.parametrize(
    "layer",
    [
        Conv2D(filters=1, kernel=1),
        Conv2DTranspose(filters=1, kernel=1),
        Upsample2D(),
        MaxPool2D(),
        AveragePool2D(),
        GlobalMaxPool2D(),
        GlobalAveragePool2D(),
        GlobalSumPool2D(),
        InstanceNorm(),
        Concatenate(planes=True),
        DepthToSpace(),
        SpaceToDepth(),
        Resample2D(),
        MinibatchStddev(),
        PositionEmbedding(),
    ],
    ids=lambda layer: layer.kind,
)
def test_a_layer_for_images_wants_an_image(layer):
    assert refusal(plan, VECTOR, layer) == f"net/{layer.kind}: {NEEDS_AN_IMAGE}"


@pytest.mark.parametrize(
    "layer", [Dense(units=1), Embedding(units=1)], ids=lambda layer: layer.kind
)
def test_a_layer_for_vectors_wants_a_vector(layer):
    assert refusal(plan, IMAGE, layer) == f"net/{layer.kind}: {NEEDS_A_VECTOR}"


def valid(kernel: Any, padding: Any = "valid") -> Conv2D:
    return Conv2D(filters=1, kernel=kernel, padding=padding)


@pytest.mark.parametrize(
    ("layer", "shape", "line"),
    [
        (valid((8, 1)), IMAGE, f"its window of 8 does not fit a height of 7; {TOO_SMALL}"),
        (valid((1, 9)), IMAGE, f"its window of 9 does not fit a width of 8; {TOO_SMALL}"),
        (valid(9, 0), IMAGE, f"its window of 9 does not fit a height of 7; {TOO_SMALL}"),
        (valid(1, -1), IMAGE, "padding cannot be negative, received ((-1, -1), (-1, -1))."),
        (
            Conv2DTranspose(filters=1, kernel=2, padding=4),
            IMAGE,
            "its padding crops the height of 8 by 4 and 4; crop less.",
        ),
        (
            MaxPool2D(size=8),
            IMAGE,
            "its window of 8 does not fit a height of 7; use padding 'same' or a smaller size.",
        ),
        (
            AveragePool2D(size=(1, 9)),
            IMAGE,
            "its window of 9 does not fit a width of 8; use padding 'same' or a smaller size.",
        ),
        (
            Reshape(shape=(7, 7, 2)),
            IMAGE,
            "112 features (7, 8, 2) do not fill (7, 7, 2), which takes 98; change the reshape or "
            "the layer before it.",
        ),
        (
            Reshape(shape=(8, 14)),
            IMAGE,
            "a shape is [features] or [height, width, channels], received [8, 14].",
        ),
        (
            Reshape(shape=()),
            (1,),
            "a shape is [features] or [height, width, channels], received [].",
        ),
        (
            Conv2D(filters=6, kernel=3, groups=4),
            (7, 8, 12),
            "groups = 4 does not divide its 12 channels and 6 filters; choose a divisor of both "
            "(1, 2, 3, 6).",
        ),
        (
            Conv2D(filters=1, kernel=4, dilation=3, padding="valid"),
            IMAGE,
            f"its window of 10 does not fit a height of 7; {TOO_SMALL}",
        ),
        (
            DepthToSpace(factor=3),
            IMAGE,
            "2 channels do not divide into blocks of 3 × 3 pixels; give the layer before it a "
            "multiple of 9.",
        ),
        (
            SpaceToDepth(),
            IMAGE,
            "7 × 8 pixels do not divide into blocks of 2 × 2; choose a factor that divides both.",
        ),
        (
            Slice(start=1, stop=3),
            IMAGE,
            "it slices from 1 to 3 of 2 channels; choose 0 ≤ start < stop ≤ 2.",
        ),
        (
            Slice(start=2, stop=2),
            (5,),
            "it slices from 2 to 2 of 5 channels; choose 0 ≤ start < stop ≤ 5.",
        ),
        (
            MinibatchStddev(features=3),
            IMAGE,
            "features = 3 does not divide its 2 channels; choose a divisor.",
        ),
        (
            Resample2D(filter=(1, -2, 1)),
            IMAGE,
            "the taps of its filter have the sum 0, by which they are divided; choose others.",
        ),
        (
            Resample2D(filter=()),
            IMAGE,
            "the taps of its filter have the sum 0, by which they are divided; choose others.",
        ),
        (Resample2D(down=8), IMAGE, "nothing is left of a height of 7; choose down below 8."),
        (
            Resample2D(filter=(1,) * 6, padding="reflect"),
            (3, 8, 2),
            "its filter reads 3 pixels beyond a height of 3, whose mirror image has 2; use padding "
            "'zero' or a shorter filter.",
        ),
        (GroupNorm(groups=3), IMAGE, "2 channels do not divide into 3 groups; choose a divisor."),
        (GroupNorm(groups=4), VECTOR, "6 channels do not divide into 4 groups; choose a divisor."),
        (
            GroupNorm(groups=99),
            VECTOR,
            "6 channels do not divide into 99 groups; choose a divisor.",
        ),
        (GroupNorm(groups=6), VECTOR, ONE_NUMBER),
        (GroupNorm(groups=2), (1, 1, 2), ONE_NUMBER),
        (InstanceNorm(), (1, 1, 6), ONE_NUMBER),
        (LayerNorm(), (1,), ONE_NUMBER),
        (LayerNorm(over="channels"), (7, 8, 1), ONE_NUMBER),
        (
            Concatenate(),
            IMAGE,
            "(4,) cannot stand beside (7, 8, 2); give the other input layers that bring it to that "
            "size, or set planes = true for a vector beside an image.",
        ),
        (Concatenate(input="lable"), VECTOR, "there is no input 'lable'. Did you mean 'label'?"),
        (
            Concatenate(planes=True, layers=(Reshape(shape=(2, 2, 1)),)),
            IMAGE,
            "expected a vector (features,), received (2, 2, 1); put a flatten or a global pooling "
            "layer before it.",
        ),
        (Residual(layers=()), IMAGE, "a residual block needs at least one layer."),
        (
            Residual(layers=(Dense(units=3),)),
            VECTOR,
            "its layers give (3,), its shortcut (6,); put a layer into the shortcut that brings "
            "both to one shape.",
        ),
        (
            Residual(layers=(Relu(),), shortcut=(Dense(units=5),)),
            VECTOR,
            "its layers give (6,), its shortcut (5,); put a layer into the shortcut that brings "
            "both to one shape.",
        ),
    ],
)
def test_a_layer_that_does_not_close_is_named_with_the_remedy(layer, shape, line):
    assert refusal(plan, shape, layer) == f"net/{layer.kind}: {line}"


def test_the_place_of_a_layer_within_a_layer_is_named():
    block = Residual(layers=(Relu(),), shortcut=(Relu(), Dense(units=5)), name="block")

    assert refusal(plan, IMAGE, block).startswith("net/block/shortcut/dense: expected a vector")


def test_the_second_layer_of_a_kind_is_named_as_such():
    assert refusal(plan, IMAGE, valid(5), valid(5)).startswith("net/conv2d_1: its window of 5")


def test_a_network_needs_a_layer():
    assert refusal(plan, IMAGE) == "net: a network needs at least one layer."


@pytest.mark.parametrize("name", ["dense-1", "a/b", "a b", "ä", "", "_", "1", "a\nb", "shortcut"])
def test_a_layer_name_that_would_not_do_in_a_parameter_is_refused(name):
    line = f"net: a layer cannot be called {name!r}; use letters, digits and '_', a letter first."

    assert refusal(plan, VECTOR, Dense(units=1, name=name)) == line


@pytest.mark.parametrize(
    "layers",
    [
        (Relu(name="it"), Tanh(name="it")),
        (Relu(name="tanh"), Tanh()),
        (Dense(units=2, name="dense_1"), Dense(units=2)),
    ],
)
def test_two_layers_of_one_name_are_refused(layers):
    assert "two layers are called" in refusal(plan, VECTOR, *layers)


def test_layers_of_one_name_in_different_places_are_two_layers():
    network = plan(VECTOR, Relu(name="it"), Residual(layers=(Relu(name="it"),)))

    assert [n.path for n in network.walk()] == ["net/it", "net/residual/it", "net/residual"]


@pytest.mark.parametrize(
    "layers",
    [
        (Dense(units=2**31 - 1), Dense(units=2**31 - 1, name="large")),
        (Reshape(shape=(1, 1, 6)), Upsample2D(factor=2**31 - 1, name="large")),
        (Reshape(shape=(1, 1, 6)), Conv2D(filters=1, kernel=2**31 - 1, name="large")),
        (Reshape(shape=(1, 1, 6)), Conv2DTranspose(filters=1, kernel=1, padding=-(2**31))),
    ],
    ids=["kernel", "features", "area", "crop"],
)
def test_a_layer_larger_than_any_machine_is_refused(layers):
    line = refusal(plan, VECTOR, *layers)

    assert line.endswith("numbers, more than any machine holds; make the layer smaller.")


def test_padding_larger_than_any_machine_is_refused():
    assert refusal(valid, 1, 2**31).startswith("Conv2D.padding: expected 'same' or 'valid' or ")


# --- a bias that cannot change the function ------------------------------------------------------

AFFINE = [
    (Dense(units=6), VECTOR),
    (Conv2D(filters=6, kernel=3), IMAGE),
    (Conv2DTranspose(filters=6, kernel=3), IMAGE),
]


def idle(*layers: Layer, shape: Shape = IMAGE) -> str:
    line = refusal(plan, shape, *layers)
    path, _, rest = line.partition(": a bias in front of ")
    assert rest.endswith(
        " cannot change the function and only drifts with rounding noise; set bias = false."
    )
    return f"{path} before {rest.split()[0]}"


@pytest.mark.parametrize(("layer", "shape"), AFFINE, ids=lambda x: getattr(x, "kind", ""))
def test_a_bias_in_front_of_batch_norm_is_refused(layer, shape):
    assert idle(layer, BatchNorm(), shape=shape) == f"net/{layer.kind} before batch_norm"


@pytest.mark.parametrize(("layer", "shape"), AFFINE, ids=lambda x: getattr(x, "kind", ""))
def test_batch_norm_after_a_layer_without_bias_is_right(layer, shape):
    assert plan(shape, replace(layer, bias=False), BatchNorm()).output_shape[-1] == 6


BIASED = Conv2D(filters=6, kernel=3)


@pytest.mark.parametrize(
    "between",
    [
        (Upsample2D(),),
        (Upsample2D(method="bilinear"),),
        (MaxPool2D(),),
        (AveragePool2D(padding="same"),),
        (GlobalMaxPool2D(),),
        (GlobalAveragePool2D(),),
        (Flatten(),),
        (Reshape(shape=(7 * 8 * 6,)),),
        (MaxPool2D(), Upsample2D(), Flatten()),
        (Concatenate(planes=True),),
    ],
    ids=lambda layers: "+".join(layer.kind for layer in layers),
)
def test_a_bias_is_idle_through_layers_that_keep_a_constant(between):
    assert idle(BIASED, *between, BatchNorm()) == "net/conv2d before batch_norm"


@pytest.mark.parametrize("norm", [InstanceNorm(), GroupNorm(groups=6)], ids=lambda x: x.kind)
def test_a_bias_in_front_of_a_norm_of_single_channels_is_refused(norm):
    assert idle(BIASED, norm) == f"net/conv2d before {norm.kind}"


@pytest.mark.parametrize(
    "between",
    [
        (Relu(),),
        (LeakyRelu(slope=0.2),),
        (Dropout(rate=0.5),),
        (Reshape(shape=(8, 7, 6)),),
        (Conv2D(filters=6, kernel=3, bias=False),),
        (Residual(layers=(Relu(),)),),
        (MaxPool2D(), Relu()),
    ],
    ids=lambda layers: "+".join(layer.kind for layer in layers),
)
def test_a_bias_behind_a_layer_that_bends_or_mixes_is_right(between):
    assert plan(IMAGE, BIASED, *between, BatchNorm()).nodes


def test_a_bias_that_differs_from_pixel_to_pixel_is_right():
    layers = (Dense(units=18), Reshape(shape=(3, 3, 2)), BatchNorm())

    assert plan(VECTOR, *layers).output_shape == (3, 3, 2)


@pytest.mark.parametrize(
    "norm", [LayerNorm(), LayerNorm(over="channels"), GroupNorm(groups=2)], ids=repr
)
def test_a_bias_in_front_of_a_norm_over_channels_is_right(norm):
    assert plan(IMAGE, BIASED, norm).output_shape == (7, 8, 6)


@pytest.mark.parametrize(
    ("block", "path"),
    [
        (Residual(layers=(BIASED, BatchNorm(), Conv2D(filters=2, kernel=1))), "residual/conv2d"),
        (
            Residual(
                layers=(Conv2D(filters=6, kernel=1, bias=False), BatchNorm()),
                shortcut=(BIASED, BatchNorm()),
            ),
            "residual/shortcut/conv2d",
        ),
        (Concatenate(planes=True, layers=(Dense(units=3), BatchNorm())), "concatenate/dense"),
        (
            Residual(layers=(Residual(layers=(BIASED, BatchNorm(), Conv2D(filters=2, kernel=1))),)),
            "residual/residual/conv2d",
        ),
    ],
    ids=["layers", "shortcut", "label", "residual in a residual"],
)
def test_a_bias_in_front_of_batch_norm_inside_a_layer_is_refused(block, path):
    assert idle(block) == f"net/{path} before batch_norm"


@pytest.mark.parametrize(
    ("block", "path"),
    [
        (Residual(layers=(Relu(), Conv2D(filters=2, kernel=3))), "residual/conv2d"),
        (
            Residual(layers=(BIASED, Relu()), shortcut=(Conv2D(filters=6, kernel=1),)),
            "residual/shortcut/conv2d",
        ),
        (Concatenate(planes=True, layers=(Dense(units=3),)), "concatenate/dense"),
    ],
    ids=["layers", "shortcut", "label"],
)
def test_a_bias_at_the_end_of_a_block_in_front_of_batch_norm_is_refused(block, path):
    """The sum and the join only add the constant to a channel, which batch norm takes away."""
    assert idle(block, BatchNorm()) == f"net/{path} before batch_norm"


def test_a_bias_in_front_of_a_block_that_begins_with_batch_norm_reaches_the_shortcut():
    block = Residual(layers=(BatchNorm(), Relu(), Conv2D(filters=6, kernel=3)))

    assert plan(IMAGE, BIASED, block).output_shape == (7, 8, 6)


# --- a whole spec --------------------------------------------------------------------------------


def spec(*layers: Layer, discriminator: tuple[Layer, ...] = (), **fields: Any) -> Spec:
    """Return a spec of 4 x 4 pixels; layers given take the place of a player's last ones."""
    first = (Dense(units=16), Reshape(shape=(4, 4, 1)))
    discriminator = discriminator or (Flatten(), Dense(units=1))
    adam = Adam(learning_rate=1e-3)
    given: dict[str, Any] = {
        "name": "tiny",
        "image": Image(height=4, width=4),
        "latent": Latent(size=3),
        "loss": Loss(),
        "training": Training(),
        "players": (
            Player(name="generator", input="noise", optimizer=adam, layers=(*first, *layers)),
            Player(name="discriminator", input="image", optimizer=adam, layers=discriminator),
        ),
    }
    return Spec(**(given | fields))


def renamed(*names: str) -> Spec:
    players = spec().players
    extra = [replace(players[0], name=name) for name in names[2:]]
    return spec(
        players=(*(replace(p, name=n) for p, n in zip(players, names, strict=False)), *extra)
    )


def reading(player: int, **fields: Any) -> Spec:
    players = list(spec().players)
    players[player] = replace(players[player], **fields)
    return spec(players=tuple(players))


RANGE = "set image.low and image.high to match."
TANH = "tanh makes pixels from -1 to 1, the image of the spec has"
SIGMOID = "sigmoid makes pixels from 0 to 1, the image of the spec has"
LOGITS = "a discriminator returns logits; leave the last sigmoid out, the loss contains it."
UNIT = Image(height=4, width=4, low=0.0)


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (spec(Sigmoid()), f"generator/sigmoid: {SIGMOID} -1 to 1; {RANGE}"),
        (spec(Tanh(), image=UNIT), f"generator/tanh: {TANH} 0 to 1; {RANGE}"),
        (
            spec(Tanh(), Flatten(), Reshape(shape=(4, 4, 1)), image=UNIT),
            f"generator/tanh: {TANH} 0 to 1; {RANGE}",
        ),
        (
            spec(Tanh(), Upsample2D(), MaxPool2D(), image=UNIT),
            f"generator/tanh: {TANH} 0 to 1; {RANGE}",
        ),
        (
            spec(Tanh(), image=Image(height=4, width=4, low=-2)),
            f"generator/tanh: {TANH} -2 to 1; {RANGE}",
        ),
        (
            spec(image=Image(height=4, width=4, low=1, high=1)),
            "image: low (1) must be below high (1).",
        ),
        (
            spec(image=Image(height=4, width=5)),
            "generator/reshape: the generator ends in (4, 4, 1), the spec's image is (4, 5, 1); "
            "change the layers or the image.",
        ),
        (
            spec(discriminator=(Flatten(), Dense(units=1), Sigmoid())),
            f"discriminator/sigmoid: {LOGITS}",
        ),
        (
            spec(discriminator=(Conv2D(filters=1, kernel=4), Sigmoid(), GlobalAveragePool2D())),
            f"discriminator/sigmoid: {LOGITS}",
        ),
        (
            spec(discriminator=(Flatten(), Dense(units=1), Sigmoid(), Reshape(shape=(1,)))),
            f"discriminator/sigmoid: {LOGITS}",
        ),
        (
            spec(discriminator=(Flatten(), Dense(units=2))),
            "discriminator/dense: the discriminator ends in (2,), expected one logit (1,); "
            "end it with dense units = 1.",
        ),
        (
            reading(0, input="image", layers=(Relu(),)),
            "generator: it cannot read the real image; its inputs are noise and label.",
        ),
        (
            spec(Concatenate(input="image"), Conv2D(filters=1, kernel=1)),
            "generator: it cannot read the real image; its inputs are noise and label.",
        ),
        (
            reading(1, input="noise", layers=(Dense(units=1),)),
            "discriminator: it does not read the image; set input = 'image'.",
        ),
        (
            spec(discriminator=(Flatten(), Concatenate(input="noise"), Dense(units=1))),
            "discriminator: it reads the noise, which real images do not have; add a player "
            "'encoder' with input = 'image', or read only image and label.",
        ),
        (
            reading(0, input="nois"),
            "generator: there is no input 'nois'. Did you mean 'noise'?",
        ),
        (
            reading(0, input="label"),
            "generator: there is no input 'label'. Set classes to use labels.",
        ),
        (
            spec(discriminator=(Flatten(), Concatenate(), Dense(units=1))),
            "discriminator/concatenate: there is no input 'label'. Set classes to use labels.",
        ),
        (
            renamed("maker", "discriminator"),
            "The spec has no player 'generator'; every GAN needs one.",
        ),
        (
            renamed("generator", "judge"),
            "The spec has no player 'discriminator'; every GAN needs one.",
        ),
        (spec(players=()), "The spec has no player 'generator'; every GAN needs one."),
        (
            renamed("generator", "discriminator", "generator"),
            "Two players are called 'generator'; rename one of them.",
        ),
        *(
            (
                renamed("generator", "discriminator", name),
                f"A player cannot be called {name!r}; use letters, digits and '_', a letter first.",
            )
            for name in ("a/b", "", "a\nb", "ä", "1")
        ),
        *(
            (
                renamed("generator", "discriminator", name),
                f"{name!r} is reserved (a part of the state); choose another name for the player.",
            )
            for name in ("optimizer", "average")
        ),
        *(
            (
                spec(name=name),
                f"The spec cannot be called {name!r}; use up to 100 printable characters.",
            )
            for name in ("", " ", "a\nb", "\ud800", "\0")
        ),
    ],
)
def test_a_spec_that_does_not_hold_is_refused(made, line):
    assert refusal(plan_spec, made) == line


def test_a_very_long_name_is_refused():
    assert refusal(plan_spec, spec(name="x" * 101)).endswith("use up to 100 printable characters.")


@pytest.mark.parametrize(
    "made",
    [
        spec(Tanh()),
        spec(Sigmoid(), image=UNIT),
        spec(image=Image(height=4, width=4, low=-7, high=9)),
        spec(Sigmoid(), Conv2D(filters=1, kernel=1)),
        spec(discriminator=(Flatten(), Dense(units=3), Sigmoid(), Dense(units=1))),
        spec(discriminator=(Flatten(), Concatenate(), Dense(units=1)), classes=2),
    ],
    ids=["tanh", "sigmoid", "free range", "sigmoid inside", "sigmoid inside D", "label"],
)
def test_a_spec_that_holds_is_planned(made):
    assert set(plan_spec(made)) == {"generator", "discriminator"}


def test_an_unknown_player_suggests_the_nearest():
    with pytest.raises(NotFoundError) as caught:
        spec().player("genrator")

    assert str(caught.value) == (
        "The spec 'tiny' has no player 'genrator'. Did you mean 'generator'?"
    )


def test_a_file_of_very_many_layers_is_read_in_a_moment():
    """The largest file that is read holds some 70,000 layers."""
    layers = [{"kind": "relu"}] * 20_000 + DCGAN["players"][0]["layers"]

    assert len(from_data(changed("players.0.layers", layers)).players[0].layers) > 20_000


def test_an_initializer_has_no_negative_spread():
    assert refusal(Normal, std=-1) == "Normal.std: expected 0 ≤ a number, received -1.0."


@pytest.mark.parametrize("crop", [(10, -10), (-10, 10), (2, 2), (4, 0)])
def test_a_transposed_convolution_that_crops_all_of_its_result_is_refused(crop):
    layer = Conv2DTranspose(filters=1, kernel=3, padding=(crop, (0, 0)))

    line = refusal(plan_network, "g", "image", (layer,), {"image": (2, 2, 1)})

    assert line == (
        f"g/conv2d_transpose: its padding crops the height of 4 by {crop[0]} and {crop[1]}; "
        "crop less."
    )


def test_a_player_without_parameters_is_refused():
    layers = [{"kind": "reshape", "shape": [28, 28, 1]}]
    players = [DCGAN["players"][0] | {"layers": layers}, DCGAN["players"][1]]
    data = changed("players", players) | {"latent": {"size": 784}}

    assert refusal(from_data, data) == (
        "generator: none of its layers has parameters, so there is nothing to train; "
        "add a dense layer or a convolution."
    )
