"""Mode coverage of mixtures with known components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gandem.core.errors import DataError, shown
from gandem.metrics.class_accuracy import divergence
from gandem.metrics.distances import nearest
from gandem.metrics.validation import as_pair


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeCoverage:
    r"""Coverage of the components of a mixture.

    Attributes:
        modes: number of modes with a point within reach, 0 to K.
        of: K, the number of modes.
        high_quality: share of points within reach of their nearest mean, 0 to 1; for the
            two-dimensional mixture itself :math:`1 - e^{-9/2}`, 0.989, at three deviations.
        counts: points within reach per nearest mode.
        divergence: reverse KL divergence of all points over modes from the real shares, in nats,
            at least 0.
    """

    modes: int
    of: int
    high_quality: float
    counts: tuple[int, ...]
    divergence: float


def mode_coverage(
    points: np.ndarray,
    means: np.ndarray,
    deviation: float,
    *,
    within: float = 3.0,
    shares: np.ndarray | None = None,
) -> ModeCoverage:
    r"""Return the mode coverage of generated points.

    A point belongs to the nearest mean, and is of high quality if

    .. math:: \lVert x - \mu_c \rVert \le 3 \sigma

    A mode is found if it has one such point. The divergence counts all points.

    Args:
        points: generated points, (N, D).
        means: :math:`\mu`, (K, D).
        deviation: :math:`\sigma` of each component along each axis.
        within: the reach, in deviations.
        shares: weights of the components, (K,), in any unit; equal by default.

    Raises:
        DataError: points and means cannot be compared, or a setting is out of range.

    Reference: Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761, for modes and quality; Lin et al.
    2018 (PacGAN), arXiv:1712.04086, for the divergence; Metz et al. 2017 (Unrolled GAN),
    arXiv:1611.02163, for the divergence over classes of digits.

    >>> means = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> mode_coverage(np.array([[0.0, 0.1], [0.02, 0.0]]), means, 0.01).modes
    1
    """
    points, means = as_pair(points, means, names=("points", "means"))
    for name, value in {"deviation": deviation, "within": within}.items():
        if not 0 < value < np.inf:
            raise DataError(f"{name}: expected a number above 0, received {shown(value)}.")
    count = len(means)
    real = np.ones(count) if shares is None else np.asarray(shares, np.float64)
    if real.shape != (count,) or not (real >= 0).all() or not 0 < real.sum() < np.inf:
        raise DataError(f"shares: expected {count} of at least 0, received {shown(shares)}.")
    indices, distances = nearest(points, means)
    close = distances <= within * deviation
    hits = np.bincount(indices[close], minlength=count)
    return ModeCoverage(
        modes=int((hits > 0).sum()),
        of=count,
        high_quality=float(close.mean()),
        counts=tuple(hits.tolist()),
        divergence=divergence(np.bincount(indices, minlength=count), real),
    )
