"""The truncation trick: noise, or styles, near their mean, for more typical and less varied images.

A model with styles is truncated in them, with ``truncation`` ψ (N, 1) among the generator's inputs;
see :func:`gandem.core.runs.generation.styles.compute_styles`. Of other models the noise is
truncated.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from gandem.core.errors import SpecError
from gandem.core.specs import Latent, Spec, plan_spec

__all__ = ["TRUNCATION", "check_truncation", "has_styles", "truncate_noise"]

TRUNCATION = "truncation"
"""The name of ψ among the inputs for samples."""
_NORMAL = NormalDist()
_BELOW_ONE = math.nextafter(1.0, 0.0)


def check_truncation(spec: Spec, limit: float | None) -> None:
    """Check that the styles of a spec, or else its noise, can be truncated; None truncates nothing.

    Raises:
        SpecError: the value is not positive, or the noise is not normal.
    """
    if limit is None:
        return
    if not limit > 0:
        raise SpecError(f"truncation: expected a number above 0, received {limit}.")
    if has_styles(spec):
        return
    if spec.latent.distribution != "normal":
        raise SpecError(
            f"The noise of the model {spec.name!r} is {spec.latent.distribution}, and only normal "
            "noise can be truncated; leave the truncation out."
        )


def has_styles(spec: Spec) -> bool:
    """Return True if the generator computes styles from its noise."""
    return plan_spec(spec)["generator"].find_styles() is not None


def truncate_noise(latent: Latent, noise: np.ndarray, limit: float) -> np.ndarray:
    r"""Return noise (N, latent.size) with the normal distribution truncated at ``limit``; a latent
    code keeps its values.

    .. math:: z' = \operatorname{sgn}(z) \, \Phi^{-1}\bigl(\tfrac12 + \tfrac12 \operatorname{erf}
        (|z|/\sqrt2) \operatorname{erf}(\psi/\sqrt2)\bigr)

    Here Φ is the standard normal distribution function. Drawing numbers beyond ψ again, as the
    paper does, gives the same distribution. This map also keeps the order of the numbers, so that
    one seed gives similar images for all ψ.

    Args:
        noise: :math:`z`, drawn by :func:`gandem.core.training.feed.inputs.draw_noise`.
        limit: :math:`\psi`, above 0.

    Returns:
        float64, at most ``limit`` in absolute value.

    Reference: Brock et al. 2019, section 3.1, arXiv:1809.11096.
    """
    share = math.erf(limit / math.sqrt(2.0))

    def truncate(number: float) -> float:
        upper = 0.5 + 0.5 * share * math.erf(abs(number) / math.sqrt(2.0))
        size = _NORMAL.inv_cdf(min(upper, _BELOW_ONE))
        return math.copysign(min(size, limit), number)

    first = max((part.stop for part in latent.parts.values()), default=0)
    rest = noise[:, first:]
    numbers = np.fromiter(map(truncate, rest.ravel().tolist()), np.float64, rest.size)
    return np.concatenate([noise[:, :first], numbers.reshape(rest.shape)], axis=1)
