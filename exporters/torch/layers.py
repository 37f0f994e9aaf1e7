"""Layers as PyTorch code: one expression each, for images (N, C, H, W) in inference mode."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np

from gandem.core import specs as kinds
from gandem.core.rng import dropout_levels
from gandem.core.specs import Node, Pads, crops, filter_matrix, pads
from gandem.exporters.torch.code import Code

PLANES = "[:, :, None, None]"


@singledispatch
def express(layer: kinds.Layer, node: Node, x: str, code: Code) -> str:
    """Return the expression of a layer's output, ``x`` itself for a layer that changes nothing.

    Args:
        x: the variable of its input.
        code: receives modules, tensors, and the lines before the expression.
    """
    raise TypeError(f"{node.path}: PyTorch code cannot express the layer {layer.kind!r}.")


def is_image(node: Node) -> bool:
    """Return True if the input of a layer is an image."""
    return len(node.input_shape) == 3


def read(node: Node, branch: str, code: Code) -> str:
    """Return the variable of a branch on the input that the layer reads."""
    return code.write_branch(node, branch, code.values[node.reads])


def read_planes(node: Node, branch: str, code: Code) -> str:
    """Return the result of a branch with the axes of x: a vector beside an image is spread."""
    value = read(node, branch, code)
    layers = node.branches[branch]
    shape = layers[-1].output_shape if layers else code.shapes[node.reads]
    return value + PLANES if is_image(node) and len(shape) == 1 else value


# --- kernels and tables --------------------------------------------------------------------------


def to_torch(kernel: np.ndarray) -> np.ndarray:
    """Return a canonical kernel in torch's layout: the last two axes first, in reverse."""
    axes = (1, 0) if kernel.ndim == 2 else (3, 2, 0, 1)
    return kernel.transpose(axes)


def list_bias(layer: Any, node: Node, code: Code) -> dict[str, np.ndarray]:
    """Return the bias of a layer, if it has one."""
    return {"bias": code.array(node, "bias")} if layer.bias else {}


@express.register
def _(layer: kinds.Dense, node: Node, x: str, code: Code) -> str:
    bias = list_bias(layer, node, code)
    weight = to_torch(code.array(node, "kernel"))
    module = f"nn.Linear({weight.shape[1]}, {weight.shape[0]}{'' if bias else ', bias=False'})"
    return f"{code.add_module(node, module, weight=weight, **bias)}({x})"


def convolve(layer: kinds.Conv2D, node: Node, x: str, code: Code, *, bias: bool) -> str:
    """Return the expression of a convolution."""
    height, width, channels = node.input_shape
    (top, bottom), (left, right) = pads(layer, height, width)
    even = (top, left) == (bottom, right)
    options = _format_options(
        stride=(layer.stride, (1, 1)),
        padding=((top, left) if even else (0, 0), (0, 0)),
        dilation=(layer.dilation, (1, 1)),
        groups=(layer.groups, 1),
        bias=(bias, True),
    )
    module = f"nn.Conv2d({channels}, {layer.filters}, {_format_pair(layer.kernel)}{options})"
    tensors = {"weight": to_torch(code.array(node, "kernel"))}
    tensors |= list_bias(layer, node, code) if bias else {}
    name = code.add_module(node, module, **tensors)
    return f"{name}({x if even else f'F.pad({x}, {(left, right, top, bottom)})'})"


def convolve_transposed(
    layer: kinds.Conv2DTranspose, node: Node, x: str, code: Code, *, bias: bool
) -> str:
    """Return the expression of a transposed convolution.

    torch crops both sides equally, and extends only the far side, by less than a stride.
    """
    padding, extra, rest = [], [], []
    for (before, after), stride in zip(crops(layer), layer.stride, strict=True):
        even = max(0, min(before, after + stride - 1))
        far = min(max(even - after, 0), stride - 1)
        padding.append(even)
        extra.append(far)
        rest = [even - before, even - far - after, *rest]  # F.pad wants the last axis first
    extends = max(rest) > 0  # rows that see only the bias
    options = _format_options(
        stride=(layer.stride, (1, 1)),
        padding=(tuple(padding), (0, 0)),
        output_padding=(tuple(extra), (0, 0)),
        bias=(bias and not extends, True),
    )
    sizes = f"{node.input_shape[2]}, {layer.filters}, {_format_pair(layer.kernel)}"
    tensors = {"weight": to_torch(code.array(node, "kernel"))}
    own_bias = list_bias(layer, node, code) if bias else {}
    tensors |= {} if extends else own_bias
    output = f"{code.add_module(node, f'nn.ConvTranspose2d({sizes}{options})', **tensors)}({x})"
    if any(rest):
        output = f"F.pad({output}, {tuple(rest)})"
    if extends and own_bias:
        output += f" + {code.add_tensor(node, own_bias['bias'], 'bias')}[:, None, None]"
    return output


def _format_pair(pair: Any) -> str:
    return str(pair[0] if isinstance(pair, tuple) and len(set(pair)) == 1 else pair)


def _format_options(**options: tuple[Any, Any]) -> str:
    """Return the keyword arguments that differ from their defaults."""
    changed = {name: value for name, (value, default) in options.items() if value != default}
    return "".join(f", {name}={_format_pair(value)}" for name, value in changed.items())


@express.register
def _(layer: kinds.Conv2D, node: Node, x: str, code: Code) -> str:
    return convolve(layer, node, x, code, bias=layer.bias)


@express.register
def _(layer: kinds.Conv2DTranspose, node: Node, x: str, code: Code) -> str:
    return convolve_transposed(layer, node, x, code, bias=layer.bias)


@express.register(kinds.ModulatedConv2D)
@express.register(kinds.ModulatedConv2DTranspose)
def _(
    layer: kinds.ModulatedConv2D | kinds.ModulatedConv2DTranspose, node: Node, x: str, code: Code
) -> str:
    style = read(node, "layers", code)
    scaled = f"{x} * {style}{PLANES}"
    if isinstance(layer, kinds.Conv2D):
        output = convolve(layer, node, scaled, code, bias=False)
        squares = np.square(code.array(node, "kernel")).sum((0, 1))  # (in, out)
    else:
        output = convolve_transposed(layer, node, scaled, code, bias=False)
        squares = np.square(code.array(node, "kernel")).sum((0, 1)).T
    if layer.demodulate:
        energy = code.add_tensor(node, squares, "squares", fixed=True)
        root = f"torch.rsqrt({style}.square() @ {energy} + {layer.epsilon!r})"
        output = f"{output} * {root}{PLANES}"
    if layer.bias:
        output += f" + {code.add_tensor(node, code.array(node, 'bias'), 'bias')}[:, None, None]"
    return output


@express.register
def _(layer: kinds.Embedding, node: Node, x: str, code: Code) -> str:
    table = code.array(node, "table")
    module = f"nn.Linear({table.shape[0]}, {table.shape[1]}, bias=False)"
    return f"{code.add_module(node, module, weight=table.T)}({x})"


@express.register
def _(layer: kinds.Constant, node: Node, x: str, code: Code) -> str:
    value = code.add_tensor(node, code.array(node, "value").transpose(2, 0, 1))
    return f"{value}.expand({x}.shape[0], -1, -1, -1)"


@express.register
def _(layer: kinds.PositionEmbedding, node: Node, x: str, code: Code) -> str:
    return f"{x} + {code.add_tensor(node, code.array(node, 'position').transpose(2, 0, 1))}"


@express.register
def _(layer: kinds.Bias, node: Node, x: str, code: Code) -> str:
    axes = "[:, None, None]" if is_image(node) else ""
    return f"{x} + {code.add_tensor(node, code.array(node, 'bias'))}{axes}"


# --- activations ---------------------------------------------------------------------------------


@express.register
def _(layer: kinds.LeakyRelu, node: Node, x: str, code: Code) -> str:
    gain = "" if layer.gain == 1 else f" * {layer.gain!r}"
    return f"F.leaky_relu({x}, {layer.slope!r}){gain}"


@express.register
def _(layer: kinds.Elu, node: Node, x: str, code: Code) -> str:
    return f"F.elu({x}, {layer.alpha!r})"


@express.register
def _(layer: kinds.Gelu, node: Node, x: str, code: Code) -> str:
    return f'F.gelu({x}, approximate="{layer.approximation}")'


@express.register
def _(layer: kinds.Prelu, node: Node, x: str, code: Code) -> str:
    slope = code.array(node, "slope")
    return f"{code.add_module(node, f'nn.PReLU({len(slope)})', weight=slope)}({x})"


@express.register
def _(layer: kinds.Dropout, node: Node, x: str, code: Code) -> str:
    rate = dropout_levels(layer.rate) / 256
    return f"{code.add_module(node, f'nn.Dropout({rate!r})')}({x})"


for kind, function in {
    kinds.Relu: "F.relu",
    kinds.Silu: "F.silu",
    kinds.Selu: "F.selu",
    kinds.Softplus: "F.softplus",
    kinds.Tanh: "torch.tanh",
    kinds.Sigmoid: "torch.sigmoid",
}.items():
    express.register(kind, lambda layer, node, x, code, name=function: f"{name}({x})")


# --- norms ---------------------------------------------------------------------------------------


def list_affine(layer: Any, node: Node, code: Code) -> dict[str, np.ndarray]:
    """Return scale and offset of a norm under torch's names, if it has them."""
    names = {"weight": "scale", "bias": "offset"} if layer.affine else {}
    return {name: code.array(node, short) for name, short in names.items()}


@express.register
def _(layer: kinds.BatchNorm, node: Node, x: str, code: Code) -> str:
    options = _format_options(
        eps=(layer.epsilon, 1e-5),
        momentum=(round(1 - layer.decay, 12), 0.1),
        affine=(layer.affine, True),
    )
    kind = "BatchNorm2d" if is_image(node) else "BatchNorm1d"
    tensors = list_affine(layer, node, code)
    tensors |= {
        "running_mean": code.array(node, "mean"),
        "running_var": code.array(node, "variance"),
        "num_batches_tracked": np.zeros((), np.int64),
    }
    module = f"nn.{kind}({node.input_shape[-1]}{options})"
    return f"{code.add_module(node, module, **tensors)}({x})"


@express.register
def _(layer: kinds.LayerNorm, node: Node, x: str, code: Code) -> str:
    tensors = list_affine(layer, node, code)
    shape, over_all = node.input_shape, layer.over == "all"
    if is_image(node) and over_all:
        shape = (shape[2], *shape[:2])
        tensors = {name: value.transpose(2, 0, 1) for name, value in tensors.items()}
    options = _format_options(eps=(layer.epsilon, 1e-5), elementwise_affine=(layer.affine, True))
    module = f"nn.LayerNorm({shape if over_all else shape[-1]}{options})"
    name = code.add_module(node, module, **tensors)
    if is_image(node) and not over_all:
        return f"{name}({x}.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)"
    return f"{name}({x})"


@express.register(kinds.GroupNorm)
@express.register(kinds.InstanceNorm)
def _(layer: kinds.GroupNorm | kinds.InstanceNorm, node: Node, x: str, code: Code) -> str:
    channels = node.input_shape[-1]
    groups = layer.groups if isinstance(layer, kinds.GroupNorm) else channels
    options = _format_options(eps=(layer.epsilon, 1e-5), affine=(layer.affine, True))
    module = f"nn.GroupNorm({groups}, {channels}{options})"
    return f"{code.add_module(node, module, **list_affine(layer, node, code))}({x})"


@express.register
def _(layer: kinds.PixelNorm, node: Node, x: str, code: Code) -> str:
    return f"{x} * torch.rsqrt({x}.square().mean(1, keepdim=True) + {layer.epsilon!r})"


@express.register
def _(layer: kinds.MinibatchStddev, node: Node, x: str, code: Code) -> str:
    size = code.keep(
        f"max(n for n in range(1, {layer.group_size} + 1) if {x}.shape[0] % n == 0)", node
    )
    height, width, _ = node.input_shape
    groups = code.keep(
        f"{x}.reshape({size}, -1, {layer.features}, "
        f"{node.input_shape[2] // layer.features}, {height}, {width})",
        node,
    )
    variance = f"{groups}.var(0, correction=0)"
    mean = code.keep(f"({variance} + {layer.epsilon!r}).sqrt().mean((2, 3, 4))", node)
    planes = f"{mean}.repeat({size}, 1){PLANES}.expand(-1, -1, {height}, {width})"
    return f"torch.cat([{x}, {planes}], 1)"


# --- pixels and shapes ---------------------------------------------------------------------------


@express.register
def _(layer: kinds.Upsample2D, node: Node, x: str, code: Code) -> str:
    return f'F.interpolate({x}, scale_factor={_format_pair(layer.factor)}, mode="{layer.method}")'


def _pad(x: str, sides: Pads, value: str = "") -> str:
    (top, bottom), (left, right) = sides
    given = f", value={value}" if value else ""
    return f"F.pad({x}, {(left, right, top, bottom)}{given})" if any(map(any, sides)) else x


@express.register
def _(layer: kinds.MaxPool2D, node: Node, x: str, code: Code) -> str:
    padded = _pad(x, pads(layer, *node.input_shape[:2]), "-torch.inf")
    return f"F.max_pool2d({padded}, {_format_pair(layer.size)}, {_format_pair(layer.stride)})"


@express.register
def _(layer: kinds.AveragePool2D, node: Node, x: str, code: Code) -> str:
    sides = pads(layer, *node.input_shape[:2])
    pool = (
        f"F.avg_pool2d({_pad(x, sides)}, {_format_pair(layer.size)}, {_format_pair(layer.stride)})"
    )
    if not any(map(any, sides)):
        return pool
    ones = np.pad(np.ones(node.input_shape[:2]), sides)
    rows, columns = node.output_shape[:2]
    share = np.empty((rows, columns))  # of image pixels in each window
    for row, column in np.ndindex(rows, columns):
        top, left = row * layer.stride[0], column * layer.stride[1]
        share[row, column] = ones[top : top + layer.size[0], left : left + layer.size[1]].mean()
    return f"{pool} / {code.add_tensor(node, share, 'share', fixed=True)}"


@express.register
def _(layer: kinds.Resample2D, node: Node, x: str, code: Code) -> str:
    rows, columns = (filter_matrix(layer, node.input_shape[axis], axis) for axis in (0, 1))
    left = code.add_tensor(node, rows, "rows", fixed=True)
    right = code.add_tensor(node, columns.T, "columns", fixed=True)
    return f"{left} @ {x} @ {right}"


for kind, function in {
    kinds.GlobalMaxPool2D: "amax",
    kinds.GlobalAveragePool2D: "mean",
    kinds.GlobalSumPool2D: "sum",
}.items():
    express.register(kind, lambda layer, node, x, code, name=function: f"{x}.{name}((2, 3))")


@express.register(kinds.Flatten)
@express.register(kinds.Reshape)
def _(layer: kinds.Flatten | kinds.Reshape, node: Node, x: str, code: Code) -> str:
    shape = node.output_shape
    ordered = f"{x}.permute(0, 2, 3, 1)" if is_image(node) else x
    reshaped = f"{ordered}.reshape(-1, {', '.join(map(str, shape))})"
    return f"{reshaped}.permute(0, 3, 1, 2)" if len(shape) == 3 else reshaped


@express.register
def _(layer: kinds.DepthToSpace, node: Node, x: str, code: Code) -> str:
    return f"F.pixel_shuffle({x}, {layer.factor})"


@express.register
def _(layer: kinds.SpaceToDepth, node: Node, x: str, code: Code) -> str:
    return f"F.pixel_unshuffle({x}, {layer.factor})"


@express.register
def _(layer: kinds.Slice, node: Node, x: str, code: Code) -> str:
    return f"{x}[:, {layer.start}:{layer.stop}]"


# --- layers that contain layers or read other inputs ---------------------------------------------


@express.register
def _(layer: kinds.Concatenate, node: Node, x: str, code: Code) -> str:
    other = read(node, "layers", code)
    if layer.planes:
        height, width = node.input_shape[:2]
        other = f"{other}{PLANES}.expand(-1, -1, {height}, {width})"
    return f"torch.cat([{x}, {other}], 1)"


@express.register
def _(layer: kinds.Add, node: Node, x: str, code: Code) -> str:
    return f"{x} + {read(node, 'layers', code)}"


@express.register
def _(layer: kinds.Blend, node: Node, x: str, code: Code) -> str:
    return f"{layer.weight!r} * {x} + {1 - layer.weight!r} * {read(node, 'layers', code)}"


@express.register
def _(layer: kinds.Dot, node: Node, x: str, code: Code) -> str:
    return f"({x} * {read(node, 'layers', code)}).sum(1, keepdim=True)"


@express.register
def _(layer: kinds.Read, node: Node, x: str, code: Code) -> str:
    return code.values[node.reads]


@express.register
def _(layer: kinds.Residual, node: Node, x: str, code: Code) -> str:
    main = code.write_branch(node, "layers", x)
    return f"{main} + {code.write_branch(node, 'shortcut', x)}"


@express.register
def _(layer: kinds.Head, node: Node, x: str, code: Code) -> str:
    return code.write_branch(node, "layers", x)


@express.register
def _(layer: kinds.Modulate, node: Node, x: str, code: Code) -> str:
    scale, offset = (read_planes(node, branch, code) for branch in ("scale", "offset"))
    return f"{x} * (1 + {scale}) + {offset}"


@express.register
def _(layer: kinds.Multiply, node: Node, x: str, code: Code) -> str:
    return f"{x} * {read_planes(node, 'layers', code)}"


@express.register
def _(layer: kinds.Styles, node: Node, x: str, code: Code) -> str:
    return f"{code.write_branch(node, 'layers', x)}.repeat(1, {layer.count})"


@express.register
def _(layer: kinds.PixelNoise, node: Node, x: str, code: Code) -> str:
    return x  # there is none in inference


@express.register
def _(layer: kinds.SelfAttention, node: Node, x: str, code: Code) -> str:
    query, key, value = (
        f"{code.write_branch(node, branch, x)}.flatten(2)" for branch in ("query", "key", "value")
    )  # (N, C, H·W)
    weights = code.keep(f"torch.softmax({query}.mT @ {key}, 2)", node)  # (N, H·W, keys)
    height, width, _ = node.input_shape
    result = code.keep(
        f"({value} @ {weights}.mT).reshape(-1, {_value_channels(node)}, {height}, {width})", node
    )
    gamma = code.add_tensor(node, code.array(node, "gamma"), "gamma")
    return f"{x} + {gamma} * {code.write_branch(node, 'output', result)}"


def _value_channels(node: Node) -> int:
    return int(node.branches["value"][-1].output_shape[2])
