"""The tensor functions that losses and the training step are written with.

``Tensor`` is whatever the framework computes with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Arrays", "Images", "Ops", "Tensor"]

Tensor = Any
Arrays = Mapping[str, "np.ndarray"]
Images = Mapping[str, Tensor]
"""Images (N, H, W, C), or points (N, D), by their names: ``"image"`` and, in a lower resolution,
``"image:8"``.
"""


class Ops(Protocol):
    """The functions beside ``+ - * /`` and slices of rows and columns."""

    def mean(self, x: Tensor) -> Tensor:
        """Return the mean of all elements, a scalar."""

    def square(self, x: Tensor) -> Tensor:
        """Return x², elementwise."""

    def sqrt(self, x: Tensor) -> Tensor:
        """Return √x, elementwise, for x > 0."""

    def sum_rows(self, x: Tensor) -> Tensor:
        """Return the sum of each row's elements, (N,), for x (N, …)."""

    def relu(self, x: Tensor) -> Tensor:
        """Return max(x, 0), elementwise, with derivative 0 at 0."""

    def softplus(self, x: Tensor) -> Tensor:
        """Return log(1 + exp(x)), elementwise, exact for every x (never a shortcut above some
        threshold).
        """

    def cross_entropy(self, logits: Tensor, weights: Tensor) -> Tensor:
        """Return the mean over rows of -Σ weights·log softmax(logits), in nats, for logits and
        class weights (N, K), whose rows sum to 1.
        """

    def positive(self, x: Tensor) -> Tensor:
        """Return 1 where x > 0 and 0 elsewhere, elementwise, with no gradient."""

    def join(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the rows of ``first`` followed by those of ``second``."""

    def ranks(self, x: Tensor) -> Tensor:
        """Return the rank of each row by its first element, (N, 1), with no gradient: 0 for the
        largest, and of equal ones the earlier first.
        """

    def column_products(self, x: Tensor) -> Tensor:
        """Return the inner product of each column with each other column, (D, D), zeros on the
        diagonal, for x (N, D).
        """

    def pack(self, images: Tensor, count: int) -> Tensor:
        """Return images, or points, in groups of ``count`` neighbors: (N, H, W, C) in the
        framework's own order becomes (N / count, H, W, count · C), the channels of the first image
        first, and (N, D) becomes (N / count, count · D).
        """

    def batch_mean(self, x: Tensor) -> Tensor:
        """Return the mean over rows, (1, …), for x (N, …)."""

    def channel_mean(self, images: Tensor) -> Tensor:
        """Return the mean over the channels, (N, H, W, 1) in the framework's own order."""

    def image_mean(self, images: Tensor) -> Tensor:
        """Return the mean of each image over pixels and channels, (N, 1, 1, 1)."""

    def warp(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return images whose rows and columns are mixtures of the old: Σₕ Σᵥ rows[n, a, h] ·
        images[n, h, v, c] · columns[n, b, v], for images (N, H, W, C) in the framework's own order,
        rows (N, H, H) and columns (N, W, W).
        """

    def gram(self, images: Tensor) -> Tensor:
        """Return the inner products of the channels of each image, (N, C, C), summed over pixels,
        for images (N, H, W, C) in the framework's own order.
        """
