"""Shapes, names and parameter counts, compared with numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gandem.core.specs import (
    Add,
    AveragePool2D,
    BatchNorm,
    Bias,
    Blend,
    Concatenate,
    Constant,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthToSpace,
    Dot,
    Dropout,
    Elu,
    Embedding,
    Flatten,
    Gelu,
    GlobalAveragePool2D,
    GlobalMaxPool2D,
    GlobalSumPool2D,
    GroupNorm,
    Head,
    InstanceNorm,
    Layer,
    LayerNorm,
    LeakyRelu,
    MaxPool2D,
    MinibatchStddev,
    Modulate,
    ModulatedConv2D,
    ModulatedConv2DTranspose,
    Multiply,
    NetworkPlan,
    PixelNoise,
    PixelNorm,
    PositionEmbedding,
    Prelu,
    Read,
    Relu,
    Resample2D,
    Reshape,
    Residual,
    SelfAttention,
    Selu,
    Shape,
    Sigmoid,
    Silu,
    Slice,
    Softplus,
    SpaceToDepth,
    Styles,
    Tanh,
    Upsample2D,
    crops,
    filter_matrix,
    input_shapes,
    interpolation,
    pads,
    plan_network,
    plan_spec,
)
from gandem.core.specs.layers import LAYERS
from gandem.core.specs.loading import load_spec
from gandem.core.specs.shapes.geometry import window_size


def plan(shape: Shape, *layers: Layer) -> NetworkPlan:
    """Plan a network ``net`` that reads an input of ``shape`` and a label of four classes."""
    return plan_network("net", "it", layers, {"it": shape, "label": (4,), "noise": (6,)})


VECTOR, IMAGE, SMALL = (6,), (7, 8, 2), (3, 4, 2)


def conv(kernel, stride=1, padding="same") -> Conv2D:
    return Conv2D(filters=5, kernel=kernel, stride=stride, padding=padding)


def up(kernel, stride=1, padding="same") -> Conv2DTranspose:
    return Conv2DTranspose(filters=5, kernel=kernel, stride=stride, padding=padding)


SHAPES = [
    (Dense(units=3), VECTOR, (3,)),
    # ⌈n / stride⌉
    (conv(1), IMAGE, (7, 8, 5)),
    (conv(3), IMAGE, (7, 8, 5)),
    (conv(4), IMAGE, (7, 8, 5)),
    (conv(7), SMALL, (3, 4, 5)),
    (conv(3, 2), IMAGE, (4, 4, 5)),
    (conv(4, 2), (28, 28, 1), (14, 14, 5)),
    (conv(2, 2), (5, 9, 1), (3, 5, 5)),
    (conv(1, 3), IMAGE, (3, 3, 5)),
    (conv(5, 3), IMAGE, (3, 3, 5)),
    (conv((3, 2), (1, 2)), IMAGE, (7, 4, 5)),
    # ⌊(n - kernel) / stride⌋ + 1
    (conv(1, 1, "valid"), IMAGE, (7, 8, 5)),
    (conv(3, 1, "valid"), IMAGE, (5, 6, 5)),
    (conv(3, 2, "valid"), IMAGE, (3, 3, 5)),
    (conv(3, 3, "valid"), IMAGE, (2, 2, 5)),
    (conv(5, 3, "valid"), IMAGE, (1, 2, 5)),
    (conv((7, 8), 1, "valid"), IMAGE, (1, 1, 5)),
    (conv((3, 2), (1, 2), "valid"), IMAGE, (5, 4, 5)),
    # ⌊(n + before + after - kernel) / stride⌋ + 1
    (conv(4, 2, 1), (28, 28, 1), (14, 14, 5)),
    (conv(3, 2, ((1, 2), (0, 3))), IMAGE, (4, 5, 5)),
    (conv(5, 3, ((4, 0), (1, 2))), IMAGE, (3, 3, 5)),
    (conv(9, 1, ((1, 1), (0, 1))), IMAGE, (1, 1, 5)),
    # n · stride
    (up(1), SMALL, (3, 4, 5)),
    (up(4), SMALL, (3, 4, 5)),
    (up(4, 2), (7, 7, 2), (14, 14, 5)),
    (up(3, 2), SMALL, (6, 8, 5)),
    (up(1, 2), SMALL, (6, 8, 5)),
    (up(5, 3), SMALL, (9, 12, 5)),
    (up((3, 2), (1, 2)), SMALL, (3, 8, 5)),
    # (n - 1) · stride + kernel
    (up(1, 1, "valid"), SMALL, (3, 4, 5)),
    (up(4, 2, "valid"), SMALL, (8, 10, 5)),
    (up(1, 2, "valid"), SMALL, (5, 7, 5)),
    (up(3, 3, "valid"), SMALL, (9, 12, 5)),
    (up((2, 5), (3, 1), "valid"), SMALL, (8, 8, 5)),
    # (n - 1) · stride + kernel - before - after
    (up(4, 2, 1), (7, 7, 2), (14, 14, 5)),
    (up(3, 2, ((1, 0), (1, 0))), (7, 7, 2), (14, 14, 5)),  # PyTorch's padding 1, output_padding 1
    (up(5, 3, ((1, 0), (0, 2))), SMALL, (10, 12, 5)),
    (up(2, 3, ((-1, 0), (0, -1))), SMALL, (9, 12, 5)),
    (up(3, 1, ((-1, -2), (1, -1))), SMALL, (8, 6, 5)),
    (Upsample2D(), SMALL, (6, 8, 2)),
    (Upsample2D(factor=(1, 3), method="bilinear"), SMALL, (3, 12, 2)),
    (Upsample2D(factor=1), SMALL, SMALL),
    *(
        row
        for pool in (MaxPool2D, AveragePool2D)
        for row in (
            (pool(), IMAGE, (3, 4, 2)),
            (pool(padding="same"), IMAGE, (4, 4, 2)),
            (pool(size=3), IMAGE, (3, 3, 2)),
            (pool(size=3, stride=1, padding="same"), IMAGE, IMAGE),
            (pool(size=3, stride=3), IMAGE, (2, 2, 2)),
            (pool(size=3, stride=3, padding="same"), IMAGE, (3, 3, 2)),
            (pool(size=(2, 3), stride=(3, 1)), IMAGE, (2, 6, 2)),
        )
    ),
    (GlobalMaxPool2D(), IMAGE, (2,)),
    (GlobalAveragePool2D(), IMAGE, (2,)),
    (GlobalSumPool2D(), IMAGE, (2,)),
    (Flatten(), IMAGE, (112,)),
    (Flatten(), VECTOR, VECTOR),
    (Reshape(shape=(3, 2, 1)), VECTOR, (3, 2, 1)),
    (Reshape(shape=(4, 4, 7)), IMAGE, (4, 4, 7)),
    (Reshape(shape=(112,)), IMAGE, (112,)),
    *((layer, VECTOR, VECTOR) for layer in (BatchNorm(), LayerNorm(), GroupNorm(groups=2))),
    *(
        (layer, IMAGE, IMAGE)
        for layer in (
            BatchNorm(),
            LayerNorm(),
            LayerNorm(over="channels"),
            GroupNorm(groups=2),
            InstanceNorm(),
        )
    ),
    *(
        (layer, shape, shape)
        for layer in (
            Dropout(rate=0.3),
            Relu(),
            LeakyRelu(slope=0.2),
            Elu(),
            Silu(),
            Tanh(),
            Sigmoid(),
        )
        for shape in (VECTOR, IMAGE)
    ),
    (Embedding(units=3), VECTOR, (3,)),
    (Concatenate(), VECTOR, (10,)),
    (Concatenate(input="noise"), VECTOR, (12,)),
    (Concatenate(planes=True), IMAGE, (7, 8, 6)),
    (Concatenate(layers=(Embedding(units=9),)), VECTOR, (15,)),
    (Concatenate(planes=True, layers=(Dense(units=1),)), IMAGE, (7, 8, 3)),
    (Concatenate(layers=(Dense(units=168), Reshape(shape=(7, 8, 3)))), IMAGE, (7, 8, 5)),
    (Residual(layers=(conv(3), Relu(), Conv2D(filters=2, kernel=1))), IMAGE, IMAGE),
    (Residual(layers=(conv(3, 2),), shortcut=(MaxPool2D(), up(2))), (6, 8, 2), (3, 4, 5)),
    (Residual(layers=(Dense(units=6),)), VECTOR, VECTOR),
    # a kernel of 3 spans 5 pixels with dilation 2
    (Conv2D(filters=5, kernel=3, dilation=2), IMAGE, (7, 8, 5)),
    (Conv2D(filters=5, kernel=3, dilation=2, padding="valid"), IMAGE, (3, 4, 5)),
    (Conv2D(filters=4, kernel=3, stride=2, groups=2), IMAGE, (4, 4, 4)),
    (DepthToSpace(), (3, 4, 8), (6, 8, 2)),
    (SpaceToDepth(factor=3), (3, 6, 2), (1, 2, 18)),
    (Slice(start=1, stop=2), IMAGE, (7, 8, 1)),
    (Slice(start=1, stop=4), (5,), (3,)),
    (Resample2D(up=2), SMALL, (6, 8, 2)),
    (Resample2D(filter=(1, 2, 1), down=2, padding="reflect"), IMAGE, (3, 4, 2)),
    (Resample2D(up=(3, 1), down=(2, 2)), SMALL, (4, 2, 2)),
    (Resample2D(filter=(1,)), SMALL, SMALL),
    (Resample2D(padding=1), (5, 5, 2), (4, 4, 2)),  # as StyleGAN2 after a transposed convolution
    (Resample2D(padding=2), (8, 8, 2), (9, 9, 2)),
    (MinibatchStddev(), IMAGE, (7, 8, 3)),
    (MinibatchStddev(features=2), IMAGE, (7, 8, 4)),
    (Constant(shape=(4, 4, 8)), VECTOR, (4, 4, 8)),
    (PositionEmbedding(), IMAGE, IMAGE),
    *((layer, IMAGE, IMAGE) for layer in (PixelNorm(), Gelu(), Selu(), Softplus(), Prelu())),
    (PixelNorm(), VECTOR, VECTOR),
    (Prelu(), VECTOR, VECTOR),
    (Add(input="noise"), VECTOR, VECTOR),
    (Add(input="label", layers=(Dense(units=112), Reshape(shape=IMAGE))), IMAGE, IMAGE),
    (Blend(input="noise", weight=0.5), VECTOR, VECTOR),
    (Head(resolution=7, layers=(conv(3), Relu())), IMAGE, (7, 8, 5)),
    (Dot(input="noise"), VECTOR, (1,)),
    (Multiply(input="noise"), VECTOR, VECTOR),
    (Read(input="label"), IMAGE, (4,)),
    (Multiply(input="label", layers=(Dense(units=2),)), IMAGE, IMAGE),
    (SelfAttention(reduction=2, value_reduction=1), IMAGE, IMAGE),
    (SelfAttention(reduction=2, value_reduction=1, pool=True), IMAGE, IMAGE),
    (Modulate(scale=(Dense(units=2),), offset=(Embedding(units=2),)), IMAGE, IMAGE),
    (
        ModulatedConv2D(filters=5, kernel=3, stride=2, input="label", layers=(Dense(units=2),)),
        IMAGE,
        (4, 4, 5),
    ),
    (
        ModulatedConv2DTranspose(
            filters=5, kernel=3, stride=2, padding="valid", input="label", layers=(Dense(units=2),)
        ),
        SMALL,
        (7, 9, 5),
    ),
    (Styles(layers=(Dense(units=4),), count=3), VECTOR, (12,)),
    (Bias(), IMAGE, IMAGE),
    (Multiply(input="label", layers=(Dense(units=2),)), IMAGE, IMAGE),
    (PixelNoise(), IMAGE, IMAGE),
]


@pytest.mark.parametrize(("layer", "shape", "expected"), SHAPES)
def test_a_layer_gives_the_shape_worked_out_by_hand(layer, shape, expected):
    assert plan(shape, layer).output_shape == expected


def test_the_shapes_worked_out_by_hand_leave_no_layer_out():
    assert {type(layer) for layer, _, _ in SHAPES} == set(LAYERS.values())


def test_shapes_follow_one_another_through_a_network():
    nodes = plan(VECTOR, Dense(units=18), Reshape(shape=(3, 3, 2)), up(4, 2), Flatten()).nodes

    assert [n.output_shape for n in nodes] == [(18,), (3, 3, 2), (6, 6, 5), (180,)]
    assert [n.input_shape for n in nodes] == [VECTOR, (18,), (3, 3, 2), (6, 6, 5)]


# --- windows -------------------------------------------------------------------------------------


@given(st.integers(1, 20), st.integers(1, 7), st.integers(1, 4), st.integers(0, 3))
def test_the_number_of_windows_is_right(n, k, s, pad):
    laid = len(range(0, n + 2 * pad - k + 1, s))

    assert max(window_size(n, k, s, (pad, pad)), 0) == laid


@given(st.integers(1, 20), st.integers(1, 7), st.integers(1, 4))
def test_same_padding_lets_a_window_begin_at_every_stride(n, k, s):
    (pad, _) = pads(conv(k, s), n, 1)

    assert window_size(n, k, s, pad) == -(-n // s)


@given(st.integers(1, 20), st.integers(1, 7), st.integers(1, 4))
def test_the_odd_pixel_of_same_padding_goes_to_the_end(n, k, s):
    ((before, after), _) = pads(conv(k, s), n, 1)

    assert 0 <= after - before <= 1


@pytest.mark.parametrize(
    ("n", "kernel", "stride", "expected"),
    [
        (28, 4, 2, (1, 1)),
        (7, 3, 2, (1, 1)),
        (8, 3, 2, (0, 1)),
        (5, 2, 1, (0, 1)),
        (5, 2, 2, (0, 1)),
        (6, 2, 2, (0, 0)),
        (6, 4, 1, (1, 2)),
        (7, 1, 3, (0, 0)),
        (7, 7, 2, (3, 3)),
        (8, 5, 3, (1, 2)),
    ],
)
def test_same_padding_is_tensorflows(n, kernel, stride, expected):
    assert pads(conv(kernel, stride), n, n) == (expected, expected)


def test_pools_pad_by_the_same_rule():
    assert pads(MaxPool2D(size=3, padding="same"), 8, 7) == ((0, 1), (1, 1))


@pytest.mark.parametrize(
    ("kernel", "stride", "expected"),
    [
        (4, 2, (1, 1)),
        (3, 2, (0, 1)),
        (5, 1, (2, 2)),
        (4, 1, (1, 2)),
        (3, 3, (0, 0)),
        (1, 2, (0, -1)),
        (2, 3, (0, -1)),
        (5, 2, (1, 2)),
    ],
)
def test_same_cropping_of_a_transposed_convolution_is_tensorflows(kernel, stride, expected):
    assert crops(up(kernel, stride)) == (expected, expected)


def test_the_two_axes_of_a_window_are_not_exchanged():
    assert pads(conv((3, 4), (2, 1)), 8, 8) == ((0, 1), (1, 2))
    assert crops(up((3, 4), (2, 1))) == ((0, 1), (1, 2))


def test_interpolation_puts_new_pixels_at_half_pixel_centres():
    expected = [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]

    np.testing.assert_array_equal(interpolation(2, 2), expected)


def test_interpolation_of_a_single_pixel_repeats_it():
    np.testing.assert_array_equal(interpolation(1, 3), np.ones((3, 1)))


@pytest.mark.parametrize(("n", "factor"), [(2, 3), (5, 2), (4, 5)])
def test_interpolation_keeps_a_constant_image(n, factor):
    np.testing.assert_allclose(interpolation(n, factor) @ np.ones(n), np.ones(n * factor))


def test_interpolation_by_1_changes_nothing():
    np.testing.assert_array_equal(interpolation(4, 1), np.eye(4))


@pytest.mark.parametrize("padding", ["zero", "reflect"])
@pytest.mark.parametrize(
    ("taps", "up", "down"),
    [((1, 3, 3, 1), 2, 1), ((1, 3, 3, 1), 1, 2), ((1, 2, -0.5), 3, 2), ((1, 2, 1), 1, 1)],
)
def test_a_filter_matrix_is_scipys_filter(taps, up, down, padding):
    signal = pytest.importorskip("scipy.signal")
    layer = Resample2D(filter=taps, up=up, down=down, padding=padding, gain=1.5)
    line = np.random.default_rng(0).normal(size=9)
    longer = np.pad(line, 5, mode="reflect" if padding == "reflect" else "constant")
    before = (len(taps) + up - down) // 2

    filtered = signal.upfirdn(np.array(taps) * up / sum(taps), longer, up=up)
    expected = filtered[5 * up + len(taps) - 1 - before :][::down][: 9 * up // down]

    np.testing.assert_allclose(filter_matrix(layer, 9, 1) @ line, expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(filter_matrix(layer, 9, 0) @ line, 1.5 * expected, atol=1e-14)


# --- parameters ----------------------------------------------------------------------------------

PARAMETERS = [
    (Dense(units=3), VECTOR, {"kernel": (6, 3), "bias": (3,)}),
    (Dense(units=3, bias=False), VECTOR, {"kernel": (6, 3)}),
    (conv((3, 4)), IMAGE, {"kernel": (3, 4, 2, 5), "bias": (5,)}),
    (up((3, 4)), IMAGE, {"kernel": (3, 4, 5, 2), "bias": (5,)}),
    (BatchNorm(), IMAGE, {"scale": (2,), "offset": (2,)}),
    (BatchNorm(), VECTOR, {"scale": (6,), "offset": (6,)}),
    (LayerNorm(), IMAGE, {"scale": IMAGE, "offset": IMAGE}),
    (LayerNorm(over="channels"), IMAGE, {"scale": (2,), "offset": (2,)}),
    (GroupNorm(groups=2), IMAGE, {"scale": (2,), "offset": (2,)}),
    (InstanceNorm(), IMAGE, {"scale": (2,), "offset": (2,)}),
    (Embedding(units=3), VECTOR, {"table": (6, 3)}),
    (
        Conv2D(filters=4, kernel=(3, 4), groups=2, dilation=2),
        IMAGE,
        {"kernel": (3, 4, 1, 4), "bias": (4,)},
    ),
    (Constant(shape=(4, 4, 8)), VECTOR, {"value": (4, 4, 8)}),
    (PositionEmbedding(), IMAGE, {"position": IMAGE}),
    (Prelu(), IMAGE, {"slope": (2,)}),
    (Relu(), IMAGE, {}),
    (Dropout(rate=0.5), IMAGE, {}),
    (Concatenate(planes=True), IMAGE, {}),
]


@pytest.mark.parametrize(("layer", "shape", "expected"), PARAMETERS)
def test_a_layer_owns_these_parameters(layer, shape, expected):
    result = {p.name: p.shape for p in plan(shape, layer).parameters()}

    assert result == {f"net/{layer.kind}/{name}": size for name, size in expected.items()}


def test_batch_norm_alone_keeps_running_statistics():
    layers = (BatchNorm(), LayerNorm(), GroupNorm(groups=1), InstanceNorm(), Dropout(rate=0.1))

    assert [p.name for p in plan(IMAGE, *layers).statistics()] == [
        "net/batch_norm/mean",
        "net/batch_norm/variance",
    ]


def test_layers_of_one_kind_are_numbered_from_the_second_on():
    layers = (Dense(units=2), Relu(), Dense(units=2), Relu(), Dense(units=2))

    assert [node.path for node in plan(VECTOR, *layers).nodes] == [
        "net/dense",
        "net/relu",
        "net/dense_1",
        "net/relu_1",
        "net/dense_2",
    ]


def test_a_layer_of_its_own_name_still_counts_among_its_kind():
    layers = (Dense(units=2, name="first"), Dense(units=2))

    assert [node.path for node in plan(VECTOR, *layers).nodes] == ["net/first", "net/dense_1"]


def test_layers_inside_a_layer_carry_its_name():
    block = Residual(layers=(conv(3), conv(3)), shortcut=(conv(1),), name="block")
    output = Concatenate(planes=True, layers=(Dense(units=2),))

    assert [p.name for p in plan(IMAGE, block, output).parameters()] == [
        "net/block/conv2d/kernel",
        "net/block/conv2d/bias",
        "net/block/conv2d_1/kernel",
        "net/block/conv2d_1/bias",
        "net/block/shortcut/conv2d/kernel",
        "net/block/shortcut/conv2d/bias",
        "net/concatenate/dense/kernel",
        "net/concatenate/dense/bias",
    ]


def test_nodes_are_walked_in_the_order_they_compute():
    block = Residual(layers=(Dropout(rate=0.1), Dense(units=6)), shortcut=(Dense(units=6),))
    network = plan(VECTOR, Relu(), block, Dropout(rate=0.2))

    assert [node.path for node in network.walk()] == [
        "net/relu",
        "net/residual/dropout",
        "net/residual/dense",
        "net/residual/shortcut/dense",
        "net/residual",
        "net/dropout",
    ]
    assert [n.path for n in network.drawing_nodes()] == ["net/residual/dropout", "net/dropout"]


def test_a_plan_lists_only_the_inputs_that_the_network_reads():
    assert plan(VECTOR, Relu()).inputs == {"it": VECTOR}


def test_an_input_of_a_nested_layer_is_listed():
    inner = Concatenate(layers=(Residual(layers=(Concatenate(input="noise"), Dense(units=4))),))

    assert set(plan(VECTOR, inner).inputs) == {"it", "label", "noise"}


@pytest.mark.parametrize(
    ("layer", "shape", "fans"),
    [
        (Dense(units=3), VECTOR, (6, 3)),
        (conv((3, 4)), IMAGE, (3 * 4 * 2, 3 * 4 * 5)),
        (up((3, 4)), IMAGE, (3 * 4 * 2, 3 * 4 * 5)),
        (Embedding(units=3), VECTOR, (6, 3)),
        (Conv2D(filters=6, kernel=(3, 4), groups=2), IMAGE, (3 * 4 * 1, 3 * 4 * 3)),
    ],
)
def test_fans_count_what_one_output_reads_and_one_input_reaches(layer, shape, fans):
    kernel = plan(shape, layer).parameters()[0]

    assert (kernel.fan_in, kernel.fan_out) == fans


@pytest.mark.parametrize(
    ("layer", "shape", "multipliers"),
    [
        (Dense(units=3), VECTOR, [1, 1]),
        (Dense(units=3, equalized_gain=1.5), VECTOR, [1.5 / 6**0.5, 1]),
        (Dense(units=3, learning_rate_multiplier=0.01), VECTOR, [0.01, 0.01]),
        (
            Conv2D(
                filters=6,
                kernel=(3, 4),
                groups=2,
                equalized_gain=2.0,
                learning_rate_multiplier=0.01,
                bias=False,
            ),
            IMAGE,
            [0.02 / 12**0.5],
        ),
        (
            Conv2DTranspose(filters=6, kernel=(3, 4), equalized_gain=1.0),
            IMAGE,
            [1 / 24**0.5, 1],
        ),
    ],
)
def test_an_equalized_layer_multiplies_its_arrays(layer, shape, multipliers):
    parameters = plan(shape, layer).parameters()

    assert [p.multiplier for p in parameters] == pytest.approx(multipliers, rel=1e-15)


@pytest.mark.parametrize(
    ("model", "generator", "discriminator"),
    [
        # 100·128+128, 128·256+2·256, 256·512+2·512, 512·1024+2·1024, 1024·784+784;
        # 784·512+512, 512·256+256, 256+1
        ("mlp-gan", 1_508_240, 533_505),
        # 100·6272, 2·6272, 4·4·64·128, 2·64, 4·4·64+1; 4·4·64+64, 4·4·64·128, 2·128, 6272+1
        ("dcgan", 771_969, 138_689),
        ("cgan", 1_491_215, 80_385),  # as the lesson prints them
    ],
)
def test_a_model_has_the_parameters_counted_by_hand(model, generator, discriminator):
    counts = {n: p.parameter_count for n, p in plan_spec(load_spec(model)).items()}

    assert counts == {"generator": generator, "discriminator": discriminator}


def test_a_network_may_read_the_label_only_where_there_are_classes():
    assert input_shapes(load_spec("dcgan")) == {"noise": (100,), "image": (28, 28, 1)}
    assert input_shapes(load_spec("cgan"))["label"] == (10,)
