"""Prefetching: the inputs of the next steps are drawn in a background thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

__all__ = ["Prefetcher", "have_equal_shapes"]

Inputs = dict[str, np.ndarray]


def have_equal_shapes(inputs: Sequence[Inputs]) -> bool:
    """Return True if the inputs of all steps have equal shapes; a partial batch differs."""
    shapes = [{name: value.shape for name, value in arrays.items()} for arrays in inputs]
    return all(each == shapes[0] for each in shapes)


class Prefetcher:
    """A feed that draws ahead in a background thread; it returns the same numbers.

    Args:
        feed: returns the inputs of a step, counted from 0; it is called from one thread.
        total: the number of steps; no later step is drawn.
        depth: how many steps are drawn ahead; it bounds the memory.
    """

    def __init__(self, feed: Callable[[int], Inputs], total: int, depth: int = 2) -> None:
        self._feed, self._total, self._depth = feed, total, depth
        self._thread = ThreadPoolExecutor(1, "gandem-feed")
        self._drawn: deque[tuple[int, Future[Inputs]]] = deque()

    def __call__(self, step: int) -> Inputs:
        """Return the inputs of a step, and start drawing those of the next ones.

        Raises:
            Exception: raised by the feed for this step.
        """
        while self._drawn and self._drawn[0][0] != step:
            self._drawn.popleft()[1].cancel()
        if not self._drawn:
            self._draw(step)
        inputs = self._drawn.popleft()[1].result()
        newest = self._drawn[-1][0] if self._drawn else step
        for coming in range(newest + 1, min(step + self._depth, self._total - 1) + 1):
            self._draw(coming)
        return inputs

    def close(self) -> None:
        """Stop drawing."""
        self._thread.shutdown(cancel_futures=True)

    def _draw(self, step: int) -> None:
        self._drawn.append((step, self._thread.submit(self._feed, step)))
