"""The Fréchet distance between two sets of features, from their means and covariances."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gandem.core.errors import DataError
from gandem.metrics.validation import MAX_FEATURE, as_features, check_at_least, check_sizes

CHUNK_SIZE = 1024
"""Samples summed at a time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    r"""Count, mean and scatter of samples; the moments of parts can be added.

    The sum of two parts:

    .. math::
        \mu = \mu_a + \frac{n_b}{n} \delta, \qquad
        S = S_a + S_b + \frac{n_a n_b}{n} \delta \delta^\top, \qquad
        \delta = \mu_b - \mu_a, \quad n = n_a + n_b

    No large squares are subtracted, so features far from 0 lose no accuracy.

    Attributes:
        count: :math:`n`, the number of samples.
        mean: :math:`\mu`, float64 (D,).
        scatter: :math:`S = \sum (x - \mu)(x - \mu)^\top`, float64 (D, D).

    Raises:
        DataError: the shapes do not match, or a value is not finite.

    Reference: Chan, Golub and LeVeque 1983, "Algorithms for computing the sample variance",
    The American Statistician 37.

    >>> features = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 7.0]])
    >>> total = Moments.of(features[:2]) + Moments.of(features[2:])
    >>> total.count, total.mean, total.covariance.round(12)
    (3, array([2., 3.]), array([[ 4.,  6.],
           [ 6., 12.]]))
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    def __post_init__(self) -> None:
        check_at_least("moments: count", self.count, 1)
        size = len(self.mean) if np.ndim(self.mean) == 1 else 0
        if not size or self.scatter.shape != (size, size):
            raise DataError(
                "moments: expected a mean (D,) and a scatter (D, D), received "
                f"{np.shape(self.mean)} and {np.shape(self.scatter)}."
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.scatter).all()):
            raise DataError(f"moments: expected finite numbers, of features up to {MAX_FEATURE:g}.")

    @classmethod
    def of(cls, features: np.ndarray) -> Moments:
        """Return the moments of features (N, D), float32 or float64.

        Raises:
            DataError: the features cannot be scored.
        """
        features = as_features(features, "features")
        return cls.over(
            features[start : start + CHUNK_SIZE] for start in range(0, len(features), CHUNK_SIZE)
        )

    @classmethod
    def over(cls, chunks: Iterable[np.ndarray]) -> Moments:
        """Return the moments of features that come in chunks (n, D).

        Raises:
            DataError: there are no chunks, they cannot be scored, or differ in D.
        """
        total: Moments | None = None
        for chunk in chunks:
            chunk = as_features(chunk, "features").astype(np.float64)
            mean = chunk.mean(axis=0)
            chunk -= mean
            part = cls(count=len(chunk), mean=mean, scatter=chunk.T @ chunk)
            total = part if total is None else total + part
        if total is None:
            raise DataError("features: expected at least 1 sample, received none.")
        return total

    def __add__(self, other: Moments) -> Moments:
        check_sizes(len(self.mean), len(other.mean), ("features", "others"))
        count = self.count + other.count
        shift = other.mean - self.mean
        return Moments(
            count=count,
            mean=self.mean + shift * (other.count / count),
            scatter=self.scatter
            + other.scatter
            + np.outer(shift, shift) * (self.count * other.count / count),
        )

    @property
    def covariance(self) -> np.ndarray:
        r""":math:`S / (n - 1)`, float64 (D, D).

        Raises:
            DataError: there is a single sample.
        """
        if self.count < 2:
            raise DataError("features: expected at least 2 samples, received 1.")
        return self.scatter / (self.count - 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Normal:
    r"""A normal distribution with its covariance factored, ready to be compared.

    The factorization is most of the work, so it is worth keeping if one side is reused.

    Attributes:
        mean: :math:`\mu`, float64 (D,).
        factor: :math:`A`, float64 (D, R), with :math:`\Sigma = A A^\top`.
        trace: of :math:`\Sigma`.
    """

    mean: np.ndarray
    factor: np.ndarray
    trace: float

    @classmethod
    def of(cls, features: np.ndarray) -> Normal:
        r"""Return the normal distribution of features (N, D), float32 or float64.

        With no more samples than features, the centered features are the factor:
        :math:`A = (X - \mu)^\top / \sqrt{N - 1}`, (D, N); no (D, D) array is needed.

        Raises:
            DataError: the features cannot be scored, or there is a single sample.
        """
        features = as_features(features, "features", least=2)
        count, size = features.shape
        if count > size:
            return cls.with_moments(Moments.of(features))
        centered = features.astype(np.float64)
        mean = centered.mean(axis=0)
        centered -= mean
        centered /= (count - 1) ** 0.5
        return cls(mean=mean, factor=centered.T, trace=float(np.square(centered).sum()))

    @classmethod
    def with_moments(cls, moments: Moments) -> Normal:
        """Return the normal distribution with given moments.

        Eigenvalues of the covariance within rounding of 0 count as 0.

        Raises:
            DataError: the moments are of a single sample.
        """
        covariance = moments.covariance
        values, vectors = np.linalg.eigh(covariance)
        rounding = values[-1] * len(values) * float(np.finfo(np.float64).eps)
        kept = values > max(rounding, 0.0)
        return cls(
            mean=moments.mean,
            factor=vectors[:, kept] * np.sqrt(values[kept]),
            trace=float(np.trace(covariance)),
        )


def frechet_distance(fake: Moments | Normal, real: Moments | Normal) -> float:
    r"""Return the squared Fréchet distance of two normal distributions.

    With features of Inception v3 it is the FID.

    .. math::
        d^2 = \lVert \mu_f - \mu_r \rVert^2
            + \operatorname{tr}\bigl(\Sigma_f + \Sigma_r - 2 (\Sigma_f \Sigma_r)^{1/2}\bigr)

    With :math:`\Sigma = A A^\top`, from an eigendecomposition or from the samples, the trace of the
    root is the sum of the singular values of :math:`A_f^\top A_r`. This avoids the root of an
    asymmetric matrix and complex numbers.

    The distance is at least 0, in the unit of a squared feature. It is biased: fewer samples give
    a larger distance, so compare only equal counts. With no more samples than features the
    covariances are singular; the formula still holds, but most of the distance may be bias.

    Args:
        fake: of at least two generated samples; real: of at least two real samples.

    Raises:
        DataError: they differ in D, or one has a single sample.

    Reference: Heusel et al. 2017, equation 6, arXiv:1706.08500; Dowson and Landau 1982, "The
    Fréchet distance between multivariate normal distributions".

    >>> features = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 7.0]])
    >>> round(frechet_distance(Moments.of(features + [3, 4]), Moments.of(features)), 9)
    25.0
    """
    check_sizes(len(fake.mean), len(real.mean))
    fakes, reals = (
        Normal.with_moments(side) if isinstance(side, Moments) else side for side in (fake, real)
    )
    shift = float(np.square(fakes.mean - reals.mean).sum())
    common = float(np.linalg.norm(fakes.factor.T @ reals.factor, ord="nuc"))
    return max(0.0, shift + fakes.trace + reals.trace - 2 * common)
