"""Dense layers, convolutions, embeddings and spectral norm."""

import jax.numpy as jnp
from jax import Array, lax

from gandem.core import specs as kinds
from gandem.core.specs import crops, pads
from gandem_jax.layers.base import LAYERS, Context

Affine = kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose


def kernel_of(layer: Affine, at: Context) -> Array:
    """Return the kernel times its multiplier; with spectral norm, over σ. Miyato et al. 2018,
    arXiv:1802.05957.
    """
    kernel, multiplier = at["kernel"], at.node.parameters[0].multiplier
    if not layer.spectral_norm:
        return multiplier * kernel
    swapped = isinstance(layer, kinds.Conv2DTranspose)  # (kh, kw, out, in)
    matrix = kernel.swapaxes(-1, -2) if swapped else kernel
    matrix = matrix.reshape(-1, at.node.output_shape[-1])  # (kh·kw·in, out)
    if at.training:
        fixed = lax.stop_gradient(matrix)
        at["left_vector"] = unit(at["right_vector"] @ fixed)  # (out,)
        at["right_vector"] = unit(fixed @ at["left_vector"])  # (kh·kw·in,)
    return multiplier * kernel / (at["right_vector"] @ matrix @ at["left_vector"])


def unit(vector: Array) -> Array:
    return vector / jnp.maximum(jnp.linalg.norm(vector), 1e-12)


def biased(layer: Affine, x: Array, at: Context) -> Array:
    return x + layer.learning_rate_multiplier * at["bias"] if layer.bias else x


def conv2d(layer: kinds.Conv2D, x: Array, at: Context) -> Array:
    return biased(layer, convolve(layer, x, kernel_of(layer, at)), at)


def convolve(layer: kinds.Conv2D, x: Array, kernel: Array) -> Array:
    return lax.conv_general_dilated(  # (N, H', W', filters)
        x,
        kernel,
        layer.stride,
        pads(layer, *x.shape[1:3]),
        rhs_dilation=layer.dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=layer.groups,
    )


def conv2d_transpose(layer: kinds.Conv2DTranspose, x: Array, at: Context) -> Array:
    return biased(layer, convolve_transposed(layer, x, kernel_of(layer, at)), at)


def convolve_transposed(layer: kinds.Conv2DTranspose, x: Array, kernel: Array) -> Array:
    # the flipped kernel slides over pixels that lie a stride apart. Padded by kernel - 1 they give
    # the full result; less padding crops it, and negative padding crops more
    kernel, order = jnp.flip(kernel, (0, 1)), ("NHWC", "HWOI", "NHWC")
    cropped = zip(layer.kernel, crops(layer), strict=True)
    sides = [(k - 1 - before, k - 1 - after) for k, (before, after) in cropped]
    return lax.conv_general_dilated(  # (N, H', W', filters)
        x, kernel, (1, 1), sides, layer.stride, dimension_numbers=order
    )


LAYERS |= {
    kinds.Dense: lambda layer, x, at: biased(layer, x @ kernel_of(layer, at), at),  # (N, units)
    kinds.Embedding: lambda layer, x, at: x @ at["table"],  # a label may lie between two classes
    kinds.Constant: lambda layer, x, at: jnp.repeat(at["value"][None], len(x), axis=0),
    kinds.Bias: lambda layer, x, at: x + at["bias"],
    kinds.PositionEmbedding: lambda layer, x, at: x + at["position"],
    kinds.Conv2D: conv2d,
    kinds.Conv2DTranspose: conv2d_transpose,
}
