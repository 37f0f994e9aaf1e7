"""The loss of style transfer: content, style and total variation of an image.

Gatys, Ecker & Bethge 2016, "Image style transfer using convolutional neural networks", CVPR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gandem.core.training import FEATURES, Ops, Tensor
from gandem.optimize.engines import Apply, Tensors

LOSSES = ("content", "style", "variation")


@dataclass(frozen=True, slots=True)
class StyleLoss:
    """The layers that the loss compares, and its weights; ``style_weights`` has one per style."""

    content: tuple[str, ...]
    style: tuple[str, ...]
    content_weight: float
    style_weight: float
    variation_weight: float
    style_weights: tuple[float, ...]

    def __call__(
        self, ops: Ops, apply: Apply, variables: Tensors, constants: Tensors
    ) -> tuple[Tensor, dict[str, Tensor]]:
        r"""Compute the loss of an image x; report its three parts without their weights.

        .. math::
            L = \alpha \frac1{|C|} \sum_{l \in C} \frac{\|F_l(x) - F_l(c)\|^2}{\|F_l(c)\|^2}
            + \beta \sum_s w_s \frac1{|S|} \sum_{l \in S}
            \frac{\|G_l(x, m_s) - G_l(s)\|^2}{\|G_l(s)\|^2}
            + \gamma \left( \overline{(\Delta_y x)^2} + \overline{(\Delta_x x)^2} \right)

        F_l are the features of a layer, and G_l the mean over pixels of the products of two of its
        channels, weighted with the mask m of the style. Each term is relative to its target, so
        weights mean the same for all networks.

        Args:
            constants: ``content/LAYER`` and ``style/I/LAYER`` are the targets, with their mean
                squares ``…/square``; ``mask/I/LAYER`` (1, h, w, 1) the roots of the masks, whose
                squares sum to 1; ``rows`` and ``columns`` those of :func:`variation_matrices`.
        """
        image = variables["image"]
        features: dict[str, Tensor] = {}
        apply(FEATURES, features, image=image)

        def compare(received: Tensor, target: str) -> Tensor:
            return (
                ops.mean(ops.square(received - constants[target])) / constants[f"{target}/square"]
            )

        content = sum(compare(features[layer], f"content/{layer}") for layer in self.content)
        style = sum(
            weight
            * compare(
                ops.gram(features[layer] * constants[f"mask/{index}/{layer}"]),
                f"style/{index}/{layer}",
            )
            for index, weight in enumerate(self.style_weights)
            for layer in self.style
        )
        rows, columns = constants["rows"], constants["columns"]
        down = ops.warp(image, rows[:1], columns[1:])
        right = ops.warp(image, rows[1:], columns[:1])
        variation = ops.mean(ops.square(down)) + ops.mean(ops.square(right))
        content, style = content / len(self.content), style / len(self.style)
        total = (
            self.content_weight * content
            + self.style_weight * style
            + self.variation_weight * variation
        )
        return total, dict(zip(LOSSES, (content, style, variation), strict=True))


def variation_matrices(side: int) -> np.ndarray:
    """Return the matrix of the differences of neighbors, the last one 0, and the identity, as
    (2, side, side).
    """
    differences = np.eye(side, k=1) - np.eye(side)
    differences[-1] = 0
    return np.stack([differences, np.eye(side)])
