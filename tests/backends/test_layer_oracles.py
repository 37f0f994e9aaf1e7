"""Attention, conditional norms, projection and modulated convolution equal those written with
torch's own functions, forward and gradient.
"""

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch.nn.utils import parametrizations  # noqa: E402

from gandem.backends.torch.layers import inward  # noqa: E402
from gandem.backends.torch.network import Network  # noqa: E402
from gandem.core.specs import (  # noqa: E402
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    Dot,
    Embedding,
    GlobalAveragePool2D,
    InstanceNorm,
    Modulate,
    ModulatedConv2D,
    Ones,
    PixelNoise,
    Relu,
    Resample2D,
    SelfAttention,
    plan_network,
)

CHANNELS, STYLE = 8, 5
SHAPES = {"image": (6, 4, CHANNELS), "label": (3,), "style": (STYLE,)}
MAPS = {"scale": (Dense(units=CHANNELS),), "offset": (Dense(units=CHANNELS),)}


def build(*layers):
    """Return a network in float64 with random weights, and random inputs (N, C, H, W)."""
    torch.manual_seed(1)
    network = Network(plan_network("net", "image", layers, SHAPES)).double()
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_()
    shapes = (inward(torch.empty(1, *s)).shape[1:] for s in network.plan.inputs.values())
    inputs = [torch.randn(3, *shape, dtype=torch.float64) for shape in shapes]
    return network, [x.requires_grad_() for x in inputs]


def assert_equal_gradients(network, inputs, received, expected):
    """Assert that two results have equal values and gradients by inputs and weights."""
    leaves = [*inputs, *network.parameters()]
    weights = torch.randn_like(received)
    torch.testing.assert_close(received, expected, rtol=1e-12, atol=1e-12)
    for ours, theirs in zip(
        torch.autograd.grad((received * weights).sum(), leaves, retain_graph=True),
        torch.autograd.grad((expected * weights).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("pool", [False, True])
def test_self_attention_equals_scaled_dot_product_attention(pool):
    network, (image,) = build(SelfAttention(reduction=4, value_reduction=2, pool=pool))
    layer = network.self_attention

    def convolve(branch, image, *, pooled=False):
        image = F.conv2d(image, branch.conv2d.weight)
        image = F.max_pool2d(image, 2) if pooled else image
        return image.flatten(2).mT  # (N, pixels, C)

    read = F.scaled_dot_product_attention(
        convolve(layer.query, image),
        convolve(layer.key, image, pooled=pool),
        convolve(layer.value, image, pooled=pool),
        scale=1.0,
    )
    read = F.conv2d(read.mT.unflatten(2, image.shape[2:]), layer.output.conv2d.weight)
    assert_equal_gradients(network, [image], network(image), image + layer.gamma * read)


def test_spectral_norm_of_attention_equals_that_of_torch():
    network, (image,) = build(SelfAttention(reduction=2, value_reduction=2, spectral_norm=True))
    layer = network.self_attention
    normed = {}
    for name in ("query", "key", "value", "output"):
        ours = getattr(layer, name).conv2d
        theirs = torch.nn.Conv2d(ours.in_channels, ours.out_channels, 1, bias=False).double()
        theirs.weight.data.copy_(ours.weight.data)
        parametrizations.spectral_norm(theirs, eps=1e-12)
        state = theirs.parametrizations.weight[0]
        state._u.copy_(ours.spectral_norm.left_vector)
        state._v.copy_(ours.spectral_norm.right_vector)
        normed[name] = theirs

    received = network(image)

    query, key, value = (normed[n](image).flatten(2).mT for n in ("query", "key", "value"))
    read = F.scaled_dot_product_attention(query, key, value, scale=1.0)
    expected = image + layer.gamma * normed["output"](read.mT.unflatten(2, image.shape[2:]))
    torch.testing.assert_close(received, expected, rtol=1e-12, atol=1e-12)
    for name, theirs in normed.items():
        weight = getattr(layer, name).conv2d.weight
        (ours,) = torch.autograd.grad(received.sum(), weight, retain_graph=True)
        original = theirs.parametrizations.weight.original
        (other,) = torch.autograd.grad(expected.sum(), original, retain_graph=True)
        torch.testing.assert_close(ours, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("norm", "reads", "function"),
    [
        (BatchNorm, "label", lambda x: F.batch_norm(x, None, None, training=True, eps=1e-5)),
        (InstanceNorm, "style", lambda x: F.instance_norm(x, eps=1e-5)),
    ],
)
def test_a_norm_and_a_modulation_are_a_conditional_norm(norm, reads, function):
    network, (image, vector) = build(norm(affine=False), Modulate(input=reads, **MAPS))
    maps = network.modulate.scale.dense, network.modulate.offset.dense

    scale, offset = (F.linear(vector, m.weight, m.bias)[:, :, None, None] for m in maps)
    expected = function(image) * (1 + scale) + offset
    assert_equal_gradients(network, [image, vector], network(image, vector), expected)


def test_modulated_convolution_equals_one_grouped_convolution_of_all_samples():
    """Karras et al. 2019: each sample has a kernel of its own, and its channels are a group."""
    style = (Dense(units=CHANNELS, bias_init=Ones()),)
    layer = ModulatedConv2D(filters=5, kernel=3, input="style", layers=style)
    network, (image, vector) = build(layer)
    conv, dense = network.modulated_conv2d.conv, network.modulated_conv2d.layers.dense

    scale = F.linear(vector, dense.weight, dense.bias)
    kernels = conv.weight * scale[:, None, :, None, None]  # (N, out, in, kh, kw)
    kernels = kernels * (kernels.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    grouped = F.conv2d(image.flatten(0, 1)[None], kernels.flatten(0, 1), padding=1, groups=3)
    expected = grouped.view(3, 5, *image.shape[2:]) + conv.bias[:, None, None]
    assert_equal_gradients(network, [image, vector], network(image, vector), expected)


def test_an_added_inner_product_is_a_projection_head():
    """Miyato & Koyama 2018: D(x, y) = yᵀVφ(x) + ψ(φ(x))."""
    network, (image, label) = build(
        Conv2D(filters=4, kernel=3),
        GlobalAveragePool2D(name="features"),
        Dense(units=1),
        Add(input="layer:features", layers=(Dot(layers=(Embedding(units=4),)),)),
    )
    classes = torch.tensor([2, 0, 1])
    label = F.one_hot(classes, 3).double().requires_grad_()

    features = network.conv2d(image).mean((2, 3))
    table = network.add.layers.dot.layers.embedding.weight
    projected = (F.embedding(classes, table) * features).sum(1, keepdim=True)
    expected = F.linear(features, network.dense.weight, network.dense.bias) + projected
    assert_equal_gradients(network, [image], network(image, label), expected)


def test_an_observed_layer_has_its_output_and_its_gradient():
    layers = (Conv2D(filters=4, kernel=3, name="stem"), GlobalAveragePool2D(), Dense(units=1))
    network, (image,) = build(*layers)
    plan = plan_network("net", "image", layers, SHAPES, outputs=("stem",))
    observing, observed = Network(plan).double(), {}
    observing.load_state_dict(network.state_dict())

    output = observing(image, observed=observed)

    torch.testing.assert_close(output, network(image), rtol=0, atol=0)
    expected = network.stem(image)
    torch.testing.assert_close(observed["stem"], expected, rtol=0, atol=0)
    (ours,) = torch.autograd.grad(observed["stem"].square().sum(), observing.stem.weight)
    (theirs,) = torch.autograd.grad(expected.square().sum(), network.stem.weight)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_noise_on_pixels_is_drawn_in_training_and_left_out_in_inference():
    network, (image,) = build(PixelNoise())

    torch.testing.assert_close(network.eval()(image), image, rtol=0, atol=0)
    noise = torch.randn(len(image), 1, *image.shape[2:], dtype=torch.float64)
    received = network.train()(image, draws={"net/pixel_noise": noise})
    assert_equal_gradients(network, [image], received, image + network.pixel_noise.strength * noise)


def test_the_output_of_a_layer_that_is_read_is_not_overwritten():
    """A relu computes in place after a convolution, unless another layer reads it."""
    network, (image,) = build(
        Conv2D(filters=CHANNELS, kernel=3, name="stem"), Relu(), Add(input="layer:stem")
    )

    stem = network.stem(image)
    assert_equal_gradients(network, [image], network(image), stem.relu() + stem)


@pytest.mark.parametrize("channels", [2, 16])
@pytest.mark.parametrize("up", [False, True])
def test_a_filter_equals_a_depthwise_convolution(channels, up):
    layer = Resample2D(up=2) if up else Resample2D(padding=((1, 2), (0, 1)), gain=3.0)
    network = Network(plan_network("net", "image", (layer,), {"image": (6, 5, channels)}))
    x = torch.randn(3, channels, 6, 5, dtype=torch.float64, requires_grad=True)
    taps = torch.tensor([1, 3, 3, 1], dtype=torch.float64) / (4 if up else 8)
    kernel = torch.outer(taps, taps).repeat(channels, 1, 1, 1)

    received = network(x)

    if up:
        expected = F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=channels)
    else:
        expected = 3 * F.conv2d(F.pad(x, (0, 1, 1, 2)), kernel, groups=channels)
    assert_equal_gradients(network, [x], received, expected)
