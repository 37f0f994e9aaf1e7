"""Distances between many samples in blocks of rows, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

BLOCK_SIZE = 2_000_000
"""Distances in memory at a time: 16 MB of float64."""
SLACK = 1e-12
"""Tolerance of a squared distance relative to both squared lengths, above the rounding error."""


def squared_distances(
    rows: np.ndarray, columns: np.ndarray, origin: np.ndarray, slack: float = 0.0
) -> Iterator[tuple[slice, np.ndarray]]:
    r"""Yield slices of rows with their squared distances to all columns, float64 (n, M).

    .. math:: \lVert x - y \rVert^2 = \lVert x \rVert^2 + \lVert y \rVert^2 - 2 x \cdot y

    Args:
        rows: (N, D); columns: (M, D).
        origin: (D,), subtracted from both; a point near the samples keeps small distances
            accurate.
        slack: share of both squared lengths that is subtracted, so that distances that are equal
            except for rounding count as equal.
    """
    others = columns - origin  # (M, D)
    squares = np.einsum("md,md->m", others, others) * (1 - slack)
    size = max(1, BLOCK_SIZE // len(columns))
    for start in range(0, len(rows), size):
        part = slice(start, min(start + size, len(rows)))
        block = rows[part] - origin  # (n, D)
        distances = block @ others.T  # (n, M)
        distances *= -2
        distances += (np.einsum("nd,nd->n", block, block) * (1 - slack))[:, None]
        distances += squares
        yield part, np.maximum(distances, 0, out=distances)


def nearest(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of the column nearest to each row, int64 (N,), and its distance (N,).

    Distances are computed from the differences, so that of a copy is exactly 0.
    """
    indices = np.empty(len(rows), np.int64)
    distances = np.empty(len(rows))
    for part, squares in squared_distances(rows, columns, center(columns)):
        indices[part] = squares.argmin(axis=1)
        differences = rows[part].astype(np.float64) - columns[indices[part]]  # (n, D)
        distances[part] = np.sqrt(np.square(differences).sum(axis=1))
    return indices, distances


def distances_to_others(
    samples: np.ndarray, k: int, chosen: np.ndarray | None = None
) -> np.ndarray:
    """Return the squared distance of samples to their k-th nearest neighbor, (n,).

    Args:
        samples: (N, D), more than ``k`` of them.
        chosen: indices (n,) of the samples; all by default.
    """
    chosen = np.arange(len(samples)) if chosen is None else chosen
    result = np.empty(len(chosen))
    for part, distances in squared_distances(samples[chosen], samples, center(samples)):
        distances[np.arange(len(distances)), chosen[part]] = np.inf  # the sample itself
        distances.partition(k - 1, axis=1)
        result[part] = distances[:, k - 1]
    return result


def center(samples: np.ndarray) -> np.ndarray:
    """Return the median of each feature, float64 (D,), which is robust to outliers."""
    return np.asarray(np.median(samples, axis=0), np.float64)
