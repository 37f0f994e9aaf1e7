"""The kernel distance (KID) between two sets of features, unbiased for any number of samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gandem.core.rng import Purpose, part_of, stream
from gandem.metrics.distances import BLOCK_SIZE
from gandem.metrics.validation import as_pair, check_at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelDistance:
    """An estimate of the kernel distance with its standard error.

    Attributes:
        value: the squared distance; its expectation is 0 for equal distributions, so it may be
            negative.
        error: the standard error. With subsets, it is the deviation of the subsets divided by the
            root of their number; many papers state the deviation itself as ±. Without subsets, it
            is the error from the draw of the samples.
        subsets: number of averaged subsets; 0 if all samples were used at once.
        size: samples per subset; without subsets, samples of the smaller set.
    """

    value: float
    error: float
    subsets: int
    size: int


def kernel_distance(
    fake: np.ndarray, real: np.ndarray, *, subsets: int = 100, size: int = 1000, seed: int = 0
) -> KernelDistance:
    r"""Return the unbiased squared maximum mean discrepancy with a cubic kernel.

    With features of Inception v3 it is the KID.

    .. math::
        \frac{\sum_{i \ne j} k(x_i, x_j)}{m (m - 1)} + \frac{\sum_{i \ne j} k(y_i, y_j)}{n (n - 1)}
        - \frac{2}{m n} \sum_{i, j} k(x_i, y_j), \qquad
        k(x, y) = \Bigl(\frac{x \cdot y}{D} + 1\Bigr)^3

    It is the mean over independent random subsets of both sets, each drawn without replacement. If
    a set has no more than ``size`` samples, all samples are used at once. The error is then that of
    the jackknife, which is too large by up to a factor of √2 near a distance of 0. The distance is
    invariant to rotations of both sets, but not to shifts.

    Args:
        fake: (N, D), at least three samples; real: (M, D), the same.
        subsets: number of subsets, at least 2.
        size: samples of each set per subset, at least 3.
        seed: seed of the draws.

    Raises:
        DataError: the features cannot be compared, are too few, or a setting is out of range.

    Reference: Bińkowski et al. 2018, section 4, arXiv:1801.01401; Gretton et al. 2012, equation 3,
    "A kernel two-sample test"; for the jackknife of two samples Arvesen 1969.
    """
    fake, real = as_pair(fake, real, least=3)
    check_at_least("subsets", subsets, 2)
    check_at_least("size", size, 3)
    smaller = min(len(fake), len(real))
    if smaller <= size:
        value, error = _estimate(fake, real)
        return KernelDistance(value=value, error=error, subsets=0, size=smaller)
    estimates = []
    for turn in range(subsets):
        drawn = stream(seed, Purpose.METRICS, step=turn, part=part_of("kernel distance"))
        fakes = drawn.permutation(len(fake))[:size]
        reals = drawn.permutation(len(real))[:size]
        estimates.append(_estimate(fake[fakes], real[reals])[0])
    error = float(np.std(estimates, ddof=1)) / subsets**0.5
    return KernelDistance(value=float(np.mean(estimates)), error=error, subsets=subsets, size=size)


def _estimate(fake: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """Return the estimate from all samples, and its standard error by the jackknife."""
    fakes, reals = fake.astype(np.float64), real.astype(np.float64)
    own, other = _to_others(fakes), _to_others(reals)  # (m,), (n,)
    across, back = _kernel_sums(fakes, reals)  # (m,), (n,)
    m, n = len(fakes), len(reals)
    within = own.sum() / (m * (m - 1)), other.sum() / (n * (n - 1))
    between = across.sum() / (m * n)
    # the estimate without each sample in turn
    less_fake = (own.sum() - 2 * own) / ((m - 1) * (m - 2)) + within[1]
    less_fake -= 2 * (across.sum() - across) / ((m - 1) * n)
    less_real = (other.sum() - 2 * other) / ((n - 1) * (n - 2)) + within[0]
    less_real -= 2 * (back.sum() - back) / (m * (n - 1))
    variance = less_fake.var() * (m - 1) + less_real.var() * (n - 1)
    return float(sum(within) - 2 * between), float(variance) ** 0.5


def _to_others(samples: np.ndarray) -> np.ndarray:
    """Return the sum of the kernel of each sample with all others, (N,)."""
    sums, _ = _kernel_sums(samples, samples)
    to_itself = (np.square(samples).sum(axis=1) / samples.shape[1] + 1) ** 3
    others: np.ndarray = sums - to_itself
    return others


def _kernel_sums(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of the kernel over all columns, (N,), and over all rows, (M,)."""
    over_columns, over_rows = np.empty(len(rows)), np.zeros(len(columns))
    size = max(1, BLOCK_SIZE // len(columns))
    for start in range(0, len(rows), size):
        base = rows[start : start + size] @ columns.T  # (n, M)
        base /= rows.shape[1]
        base += 1
        kernel = base * base
        kernel *= base
        over_columns[start : start + size] = kernel.sum(axis=1)
        over_rows += kernel.sum(axis=0)
    return over_columns, over_rows
