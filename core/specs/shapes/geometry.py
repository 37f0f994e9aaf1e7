"""Padding, cropping and output sizes of convolutions, transposed convolutions and pools.

Per axis, n is the input size, k the rows or columns that a kernel spans, s the stride. ``"same"``
is TensorFlow's rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gandem.core.specs.layers import (
    AveragePool2D,
    Conv2D,
    Conv2DTranspose,
    MaxPool2D,
    Pads,
    Resample2D,
)

if TYPE_CHECKING:  # commands that show a spec do not import NumPy
    import numpy as np


def pads(layer: Conv2D | MaxPool2D | AveragePool2D, height: int, width: int) -> Pads:
    """Return the explicit padding ((top, bottom), (left, right)) of a convolution or pool."""
    if not isinstance(layer.padding, str):
        return layer.padding
    if layer.padding == "valid":
        return ((0, 0), (0, 0))
    window = span(layer) if isinstance(layer, Conv2D) else layer.size

    def same(n: int, k: int, s: int) -> tuple[int, int]:
        total = max((-(-n // s) - 1) * s + k - n, 0)
        return (total // 2, total - total // 2)

    return (
        same(height, window[0], layer.stride[0]),
        same(width, window[1], layer.stride[1]),
    )


def span(layer: Conv2D) -> tuple[int, int]:
    """Return the rows and columns from the first to the last pixel that a kernel reads."""
    (kh, kw), (dh, dw) = layer.kernel, layer.dilation
    return ((kh - 1) * dh + 1, (kw - 1) * dw + 1)


def window_size(n: int, k: int, s: int, pad: tuple[int, int]) -> int:
    """Return the number of windows; 0 or less if none fits.

    >>> window_size(28, 4, 2, (1, 1))
    14
    """
    return (n + pad[0] + pad[1] - k) // s + 1


def crops(layer: Conv2DTranspose) -> Pads:
    """Return the crop of the full result of a transposed convolution; negative numbers extend."""
    if not isinstance(layer.padding, str):
        return layer.padding
    if layer.padding == "valid":
        return ((0, 0), (0, 0))

    def same(k: int, s: int) -> tuple[int, int]:
        left = max(k - s, 0) // 2
        return (left, k - s - left)

    return (same(layer.kernel[0], layer.stride[0]), same(layer.kernel[1], layer.stride[1]))


def transposed_size(n: int, k: int, s: int, crop: tuple[int, int]) -> int:
    """Return the output size of a transposed convolution.

    >>> transposed_size(7, 4, 2, (1, 1))
    14
    """
    return (n - 1) * s + k - crop[0] - crop[1]


def interpolation(n: int, factor: int) -> np.ndarray:
    """Return the matrix (n·factor, n) of linear interpolation with half-pixel centers, clamped at
    the edges.

    Two such matrices, one per axis, give a bilinear resize; frameworks compute theirs in float32.
    """
    import numpy as np

    centers = np.clip((np.arange(n * factor) + 0.5) / factor - 0.5, 0, n - 1)
    low = np.floor(centers).astype(int)
    high = np.minimum(low + 1, n - 1)
    share = centers - low
    matrix = np.zeros((n * factor, n))
    rows = np.arange(n * factor)
    matrix[rows, low] += 1 - share
    matrix[rows, high] += share
    return matrix


def resampled_size(layer: Resample2D, n: int, axis: int) -> tuple[int, int]:
    """Return the pixels that a filter leaves of an axis, 0 or 1, of n pixels, and the taps before
    the first of them.
    """
    taps, up, down = len(layer.filter), layer.up[axis], layer.down[axis]
    if isinstance(layer.padding, str):
        return n * up // down, (taps + up - down) // 2
    before, after = layer.padding[axis]
    return window_size(n * up, taps, down, (before, after)), before


def filter_matrix(layer: Resample2D, n: int, axis: int) -> np.ndarray:
    """Return the matrix (pixels left, n) that a filter applies to an axis, 0 or 1, of n pixels.

    The matrices of both axes compute the layer; ``gain`` is in the first.
    """
    import numpy as np

    taps, up, down = np.array(layer.filter), layer.up[axis], layer.down[axis]
    taps = taps[::-1] * (up / taps.sum() * (layer.gain if axis == 0 else 1.0))
    size, before = resampled_size(layer, n, axis)
    matrix = np.zeros((size, n))
    for row, tap in np.ndindex(len(matrix), len(taps)):
        pixel, between = divmod(row * down + tap - before, up)
        if layer.padding == "reflect":
            pixel = n - 1 - abs(n - 1 - abs(pixel))
        if not between and 0 <= pixel < n:
            matrix[row, pixel] += taps[tap]
    return matrix
