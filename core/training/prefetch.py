"""Drawing the inputs of the steps to come in a thread of its own, so that training waits for none.

The numbers are those that the feed would give: what a step reads depends on the step alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

__all__ = ["Ahead", "alike"]

Inputs = dict[str, np.ndarray]


def alike(inputs: Sequence[Inputs]) -> bool:
    """Say whether the inputs of several steps have the same shapes: the last batch may not."""
    shapes = [{name: value.shape for name, value in one.items()} for one in inputs]
    return all(found == shapes[0] for found in shapes)


class Ahead:
    """A feed that is ahead of who asks.

    Args:
        feed: gives a step's inputs, by the step's number from 0; it is called from one thread.
        total: the steps to make; none behind them is drawn.
        depth: how many are drawn ahead: one that is ready and one on its way, so that memory is
            bounded.
    """

    def __init__(self, feed: Callable[[int], Inputs], total: int, depth: int = 2) -> None:
        self._feed, self._total, self._depth = feed, total, depth
        self._thread = ThreadPoolExecutor(1, "gandem-feed")
        self._drawn: deque[tuple[int, Future[Inputs]]] = deque()

    def __call__(self, step: int) -> Inputs:
        """Return the inputs of a step, and have those of the next ones drawn.

        Raises:
            Exception: what the feed raised for this step.
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
        """Draw no more."""
        self._thread.shutdown(cancel_futures=True)

    def _draw(self, step: int) -> None:
        self._drawn.append((step, self._thread.submit(self._feed, step)))
