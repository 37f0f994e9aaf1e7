"""Distances between many samples, a few rows at a time, so that memory does not grow with the
square of their number.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["SLACK", "distances_to_others", "middle_of", "nearest", "squared_distances"]

CELLS = 2_000_000
"""Distances in memory at once: 16 MB of float64."""
SLACK = 1e-12
"""Of a squared distance, in shares of both squared lengths: more than rounding takes, and less than
anything that is measured.
"""


def squared_distances(
    rows: np.ndarray, columns: np.ndarray, middle: np.ndarray, slack: float = 0.0
) -> Iterator[tuple[slice, np.ndarray]]:
    r"""Yield which rows, and their squared distances to all columns, float64 (n, M).

    .. math:: \lVert x - y \rVert^2 = \lVert x \rVert^2 + \lVert y \rVert^2 - 2 x \cdot y

    Args:
        rows: (N, D); columns: (M, D).
        middle: (D,), what both are measured from: where the samples lie, since a distance that is
            small beside the lengths loses digits.
        slack: what share of both squared lengths is taken off, so that samples which are as far
            apart as others, but for rounding, count as no farther.
    """
    there = columns - middle  # (M, D)
    squares = np.einsum("md,md->m", there, there) * (1 - slack)
    size = max(1, CELLS // len(columns))
    for at in range(0, len(rows), size):
        part = slice(at, min(at + size, len(rows)))
        here = rows[part] - middle  # (n, D)
        apart = here @ there.T  # (n, M)
        apart *= -2
        apart += (np.einsum("nd,nd->n", here, here) * (1 - slack))[:, None]
        apart += squares
        yield part, np.maximum(apart, 0, out=apart)


def nearest(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of the column nearest to each row, int64 (N,), and its distance (N,).

    Distances are those of the differences: exactly 0 for a copy.
    """
    indices = np.empty(len(rows), np.int64)
    distances = np.empty(len(rows))
    for part, apart in squared_distances(rows, columns, middle_of(columns)):
        indices[part] = apart.argmin(axis=1)
        between = rows[part].astype(np.float64) - columns[indices[part]]  # (n, D)
        distances[part] = np.sqrt(np.square(between).sum(axis=1))
    return indices, distances


def distances_to_others(
    samples: np.ndarray, k: int, chosen: np.ndarray | None = None
) -> np.ndarray:
    """Return the squared distance of samples to the k-th nearest of the others, (n,).

    Args:
        samples: (N, D), more than ``k`` of them.
        chosen: of which to say it, indices (n,); None: of all.
    """
    chosen = np.arange(len(samples)) if chosen is None else chosen
    found = np.empty(len(chosen))
    for part, apart in squared_distances(samples[chosen], samples, middle_of(samples)):
        apart[np.arange(len(apart)), chosen[part]] = np.inf  # itself
        apart.partition(k - 1, axis=1)
        found[part] = apart[:, k - 1]
    return found


def middle_of(samples: np.ndarray) -> np.ndarray:
    """Return the median of each feature, float64 (D,), which a few that are far off do not move."""
    return np.asarray(np.median(samples, axis=0), np.float64)
