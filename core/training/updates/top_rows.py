"""Tensor functions for the generator's loss on the fake images with the highest logits."""

from __future__ import annotations

from typing import Any

from gandem.core.training.ops import Ops, Tensor


class TopOps:
    """The functions of :class:`Ops` with a mean over the rows with the highest logits only.

    The loss still gets all rows, so the share may change from step to step without changing a
    shape. Sinha et al. 2020, arXiv:2002.06224.
    """

    def __init__(self, ops: Ops, logits: Tensor, share: float | Tensor) -> None:
        """Rank the logits (N, 1) and choose the highest share of them, at least one."""
        self._ops = ops
        ranks = ops.ranks(logits)
        excluded = ops.positive(ranks + 0.5 - share * logits.shape[0]) * ops.positive(ranks)
        self._weights = (1.0 - excluded) / ops.mean(1.0 - excluded)  # (N, 1), of mean 1

    def __getattr__(self, name: str) -> Any:
        """Return any other function."""
        return getattr(self._ops, name)

    def mean(self, x: Tensor) -> Tensor:
        """Return the mean over the chosen rows of x, (N,) or (N, 1)."""
        weights = self._weights if len(x.shape) == 2 else self._weights[:, 0]
        return self._ops.mean(weights * x)
