"""The references of layers, held against functions of PyTorch and their derivatives."""

import numpy as np
import pytest

from gandem.core.specs import (
    Conv2D,
    DepthToSpace,
    Gelu,
    PixelNorm,
    Prelu,
    Selu,
    Softplus,
    SpaceToDepth,
)
from gandem.testing.case_types import Case
from gandem.testing.references import networks

torch = pytest.importorskip("torch")
F = torch.nn.functional


def convolve(**options):
    """Return a function of canonical arrays: kernel (kh, kw, in, out)."""
    return lambda x, kernel, bias: F.conv2d(x, kernel.permute(3, 2, 0, 1), bias, **options)


def normalize_pixels(x):
    return F.rms_norm(x.permute(0, 2, 3, 1), x.shape[1:2], eps=1e-8).permute(0, 3, 1, 2)


PADS = ((2, 2), (2, 2))
ORACLES = {
    "groups and dilation": (
        Conv2D(filters=6, kernel=3, stride=2, groups=2, dilation=2, padding=PADS),
        convolve(stride=2, groups=2, dilation=2, padding=2),
    ),
    "unequal dilation": (
        Conv2D(filters=2, kernel=(2, 3), dilation=(3, 2), padding=PADS),
        convolve(dilation=(3, 2), padding=2),
    ),
    "depthwise": (
        Conv2D(filters=8, kernel=4, groups=4, padding=PADS),
        convolve(groups=4, padding=2),
    ),
    "gelu": (Gelu(), F.gelu),
    "gelu tanh": (Gelu(approximation="tanh"), lambda x: F.gelu(x, approximate="tanh")),
    "selu": (Selu(), F.selu),
    "softplus": (Softplus(), F.softplus),
    "prelu": (Prelu(), F.prelu),
    "pixel shuffle": (DepthToSpace(), lambda x: F.pixel_shuffle(x, 2)),
    "pixel unshuffle": (SpaceToDepth(), lambda x: F.pixel_unshuffle(x, 2)),
    "pixel norm": (PixelNorm(), normalize_pixels),
    "equalized": (
        Conv2D(filters=3, kernel=1, equalized_gain=2.0, learning_rate_multiplier=0.5),
        lambda x, kernel, bias: convolve()(x, kernel * (2 / 4**0.5 * 0.5), bias * 0.5),
    ),
}


@pytest.mark.parametrize("name", ORACLES)
def test_a_layer_and_its_derivatives_are_those_of_pytorch(name):
    layer, function = ORACLES[name]
    case = Case(name=name, layers=(layer,), inputs={"image": (6, 8, 4)})
    arrays, (image,) = case.arrays(), case.values().values()
    cotangent = case.cotangent()
    x = torch.as_tensor(image).permute(0, 3, 1, 2).requires_grad_()
    leaves = [torch.as_tensor(array).requires_grad_() for array in arrays.values()]

    value = function(x, *leaves)
    s = (value.permute(0, 2, 3, 1) * torch.as_tensor(cotangent)).sum()
    first = torch.autograd.grad(s, [x, *leaves], create_graph=True)
    h = first[0].square().sum() / 2 + 0 * s
    second = torch.autograd.grad(h, [x, *leaves], allow_unused=True, materialize_grads=True)

    stored = networks.differentiate(case.plan, arrays, case.values(), cotangent, {})
    names = ["image", *arrays]
    torch_arrays = {"value": value} | {
        f"{order}/{key}": gradient
        for order, gradients in (("first", first), ("second", second))
        for key, gradient in zip(names, gradients, strict=True)
    }
    for key, tensor in torch_arrays.items():
        array = tensor.detach()
        array = array.permute(0, 2, 3, 1) if key == "value" or key.endswith("/image") else array
        np.testing.assert_allclose(stored[key], array.numpy(), rtol=0, atol=1e-12, err_msg=key)
