"""Layers that read earlier layers, and the limits of attention and modulation: one clear line."""

from dataclasses import replace

import pytest

from gandem.commands.render import describe_layers, format_spec
from gandem.core.errors import SpecError
from gandem.core.specs import (
    Add,
    BatchNorm,
    Concatenate,
    Conv2D,
    Dense,
    Dot,
    Flatten,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Modulate,
    ModulatedConv2D,
    PixelNoise,
    Relu,
    Residual,
    SelfAttention,
    change,
    from_toml,
    load_spec,
    plan_network,
    plan_spec,
    to_toml,
)
from gandem.core.training import planned_memory
from gandem.testing.trajectories import find_trajectory

IMAGE, VECTOR = (4, 6, 8), (5,)
STEM = Conv2D(filters=8, kernel=3, name="stem")


def plan(*layers, shape=IMAGE, outputs=()):
    inputs = {"it": shape, "label": (3,)}
    return plan_network("net", "it", layers, inputs, outputs=outputs, others=("discriminator",))


def refusal(*layers, **named):
    with pytest.raises(SpecError) as caught:
        plan(*layers, **named)
    return str(caught.value)


# --- what can be read ----------------------------------------------------------------------------


def test_an_earlier_layer_is_read_by_its_name():
    network = plan(STEM, Relu(), Concatenate(input="layer:stem"))

    assert network.output_shape == (4, 6, 16)
    assert list(network.inputs) == ["it"]


def test_only_layers_that_are_read_elsewhere_keep_their_output():
    block = Residual(name="block", layers=(Conv2D(filters=8, kernel=1, name="inner"), Relu()))
    network = plan(STEM, block, Add(input="layer:block/inner"), outputs=("block",))

    read = [node.path for node in network.walk() if node.is_read]
    assert read == ["net/block/inner", "net/block"]


def test_a_shortcut_reads_what_the_layers_of_its_block_computed():
    block = Residual(layers=(STEM,), shortcut=(Add(input="layer:residual/stem"),))

    assert plan(block).output_shape == IMAGE


def test_a_layer_is_looked_up_in_its_block_and_then_in_those_around_it():
    inner = Residual(layers=(Relu(name="a"), Add(input="layer:a"), Add(input="layer:stem")))
    network = plan(STEM, Relu(name="a"), inner, Residual(layers=(Add(input="layer:a"),)))

    assert {node.path: node.reads for node in network.walk() if node.reads} == {
        "net/residual/add": "layer:residual/a",
        "net/residual/add_1": "layer:stem",
        "net/residual_1/add": "layer:a",
    }


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("layer:stm", "there is no earlier layer 'layer:stm'. Did you mean 'layer:stem'?"),
        ("stem", "there is no input 'stem'. There are: 'it', 'label'."),
        (
            "layer:later",
            "its input 'layer:later' is not computed before it, so reading it would be a cycle; "
            "read an earlier layer.",
        ),
        (
            "layer:add",
            "its input 'layer:add' is not computed before it, so reading it would be a cycle; "
            "read an earlier layer.",
        ),
        (
            "layer:discriminator/conv2d",
            "its input 'layer:discriminator/conv2d' is a layer of another player; read a layer of "
            "net, or one of the inputs noise, image and label.",
        ),
    ],
)
def test_an_input_that_cannot_be_read_is_named_with_the_remedy(name, line):
    assert refusal(STEM, Add(input=name), Relu(name="later")) == f"net/add: {line}"


def test_a_layer_cannot_read_the_block_that_contains_it():
    line = refusal(STEM, Residual(layers=(Add(input="layer:residual"),)))

    assert line.startswith("net/residual/add: its input 'layer:residual' is not computed before it")


def test_an_output_that_does_not_exist_is_named():
    line = "net.outputs: there is no earlier layer 'layer:stm'. Did you mean 'layer:stem'?"

    assert refusal(STEM, outputs=("stm",)) == line


def test_the_players_of_a_spec_do_not_read_each_other():
    add = Add(input="layer:discriminator/conv2d")
    layers = (*load_spec("dcgan").player("generator").layers, add)

    with pytest.raises(SpecError, match=r"generator/add: its input .* is a layer of another"):
        change(load_spec("dcgan"), {"generator.layers": layers})


def test_references_and_outputs_survive_toml():
    spec = load_spec("dcgan", {"discriminator.outputs": ["flatten"]})

    assert from_toml(to_toml(spec)) == spec
    assert plan_spec(spec)["discriminator"].outputs == ("flatten",)


# --- a bias that cannot change the function ------------------------------------------------------


def test_a_bias_before_a_norm_is_refused_also_behind_an_addition():
    line = refusal(STEM, Add(input="it", layers=(Relu(),)), BatchNorm(affine=False))

    assert line.startswith("net/stem: a bias in front of batch_norm cannot change the function")


def test_a_bias_before_a_norm_counts_where_another_layer_reads_it():
    assert plan(STEM, BatchNorm(), Add(input="layer:stem")).output_shape == IMAGE


# --- layers that do not close ---------------------------------------------------------------------


@pytest.mark.parametrize("norm", [BatchNorm(), LayerNorm(), GroupNorm(groups=2), InstanceNorm()])
def test_a_norm_that_is_not_affine_has_no_parameters(norm):
    names = [p.name.rpartition("/")[2] for p in plan(norm).parameters()]

    assert names == ["scale", "offset"]
    assert plan(replace(norm, affine=False)).parameters() == []


@pytest.mark.parametrize(
    ("layer", "shape", "line"),
    [
        (
            Add(input="label"),
            VECTOR,
            "(3,) cannot be added to (5,); give the other input layers that bring it to that "
            "shape.",
        ),
        (
            Dot(layers=(Dense(units=4),)),
            VECTOR,
            "(4,) has no inner product with (5,); end the layers of the other input with 5 "
            "features, as of an embedding.",
        ),
        (
            Dot(),
            IMAGE,
            "expected a vector (features,), received (4, 6, 8); put a flatten or a global pooling "
            "layer before it.",
        ),
        (
            Modulate(scale=(Dense(units=8),), offset=(Dense(units=7),)),
            IMAGE,
            "its offset layers give (7,), expected (8,), one number for each channel; end them "
            "with dense units = 8.",
        ),
        (
            ModulatedConv2D(filters=2, kernel=3, input="label"),
            IMAGE,
            "its style is (3,), expected one number for each input channel, (8,); end its layers "
            "with dense units = 8.",
        ),
        (
            SelfAttention(reduction=9),
            IMAGE,
            "reduction = 9 leaves none of 8 channels; choose 8 at most.",
        ),
        (
            SelfAttention(value_reduction=16),
            IMAGE,
            "value_reduction = 16 leaves none of 8 channels; choose 8 at most.",
        ),
        (
            SelfAttention(),
            (512, 512, 8),
            "262144 pixels that read 262144 each take 68719476736 attention weights per image, "
            "more than fits in memory; attend at 128×128 pixels or fewer, after downsampling.",
        ),
        (
            PixelNoise(),
            VECTOR,
            "expected an image (height, width, channels), received (5,); put a reshape layer "
            "before it.",
        ),
    ],
)
def test_a_layer_that_does_not_close_is_named_with_the_remedy(layer, shape, line):
    assert refusal(layer, shape=shape) == f"net/{layer.kind}: {line}"


def test_attention_fits_at_128_pixels():
    assert plan(SelfAttention(), shape=(128, 128, 8)).nodes[0].kept == 2**28


def test_attention_weights_count_in_the_memory_of_a_step():
    layers = load_spec("dcgan").player("discriminator").layers
    at = next(i for i, layer in enumerate(layers) if isinstance(layer, Flatten))
    attending = (*layers[:at], SelfAttention(), *layers[at:])  # 7×7 pixels, 128 channels
    plain = load_spec("dcgan")
    spec = change(plain, {"discriminator.layers": attending})

    more = planned_memory(spec, "float32")[1] - planned_memory(plain, "float32")[1]
    outputs = 7 * 7 * (16 + 16 + 16 + 128 + 128)  # of the four convolutions and the layer
    assert more == 4 * plain.training.batch_size * (outputs + 49 * 49)


# --- show ----------------------------------------------------------------------------------------


def test_show_names_what_a_layer_reads():
    spec = find_trajectory("attention, projection, conditional").spec

    facts = {line.split()[0]: line for line in format_spec(spec).splitlines() if "reads " in line}

    assert facts["code"].endswith("  reads label")
    assert facts["modulate"].endswith("  reads layer:code; spectral norm")
    assert facts["add"].endswith("  reads label, layer:features; spectral norm")
    assert describe_layers(spec)["discriminator"][-1]["reads"] == ["label", "layer:features"]
