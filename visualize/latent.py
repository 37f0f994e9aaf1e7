"""What walks through a generator's inputs have in common: which generator, which class, and the way
on a sphere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gandem.core.errors import SpecError
from gandem.core.runs.run import LAST
from gandem.core.specs import Spec, plan_spec
from gandem.core.training import one_hot

__all__ = ["Using", "class_of", "hold_category", "is_conditional", "slerp"]


@dataclass(frozen=True, slots=True)
class Using:
    """Which of a run's generators, and where it comes to life: see :meth:`Run.generate`."""

    backend: str | None = None
    device: str = "auto"
    which: int | str = LAST
    raw: bool = False


def slerp(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    r"""Return points on the great circle between vectors, at some shares of the way.

    .. math:: \frac{\sin((1-t)\Omega)}{\sin\Omega} a + \frac{\sin(t\Omega)}{\sin\Omega} b

    Normal noise of many dimensions lies near a sphere; a straight line would cut through its
    inside, where the generator never was.  Where two vectors point the same way or opposite ones,
    or one is 0, no circle is told from others, and the line is straight.

    Args:
        start: :math:`a`, (N, D); end: :math:`b`, likewise.
        shares: :math:`t` from 0 to 1, (K,).

    Returns:
        (K, N, D), float64.

    Reference: White 2016, arXiv:1609.04468.

    >>> slerp(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([0.5])).round(4)
    array([[[0.7071, 0.7071]]])
    """
    start, end = start.astype(np.float64), end.astype(np.float64)
    lengths = np.linalg.norm(start, axis=1) * np.linalg.norm(end, axis=1)
    cosine = (start * end).sum(1) / np.where(lengths > 0, lengths, 1.0)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))  # (N,)
    round_way = (np.sin(angle) > 1e-6) & (lengths > 0)
    sine = np.where(round_way, np.sin(angle), 1.0)
    share = shares[:, None]  # (K, 1)
    first = np.where(round_way, np.sin((1 - share) * angle) / sine, 1 - share)
    second = np.where(round_way, np.sin(share * angle) / sine, share)
    points: np.ndarray = first[..., None] * start + second[..., None] * end
    return points


def is_conditional(spec: Spec) -> bool:
    """Say whether the generator reads a label."""
    return "label" in plan_spec(spec)["generator"].inputs


def class_of(spec: Spec, label: int, what: str = "class") -> int:
    """Return a label, or with ``what="category"`` a category of the latent code.

    Raises:
        SpecError: there is none such.
    """
    most = spec.latent.categories if what == "category" else spec.classes
    if not what or (what == "class" and not is_conditional(spec)):
        raise SpecError(
            f"The model {spec.name!r} has no classes; leave the label out, or move the noise."
        )
    if not 0 <= label < most:
        raise SpecError(f"There is no {what} {label}; expected 0 to {most - 1}.")
    return label


def hold_category(spec: Spec, noise: np.ndarray, category: int) -> None:
    """Let all rows of noise (N, latent.size) have one category of the latent code."""
    part = spec.latent.parts["category"]
    chosen = np.array([class_of(spec, category, "category")])
    noise[:, part] = one_hot(chosen, spec.latent.categories, "float64")
