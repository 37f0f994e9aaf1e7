"""Shared parts of interpolation and traversal: generator options, classes, spherical paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from gandem.core.errors import SpecError
from gandem.core.runs.generation.styles import find_styles
from gandem.core.runs.run import LAST
from gandem.core.specs import Spec, Styles, plan_spec
from gandem.core.training import one_hot


@dataclass(frozen=True, slots=True)
class GeneratorOptions:
    """Which of a run's generators to use, on what device and noise; see :meth:`Run.generate`."""

    backend: str | None = None
    device: str = "auto"
    checkpoint: int | str = LAST
    ema: bool = True
    truncation: float | None = None


def slerp(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    r"""Return points on the great circle between vectors, at fractions of the way.

    .. math:: \frac{\sin((1-t)\Omega)}{\sin\Omega} a + \frac{\sin(t\Omega)}{\sin\Omega} b

    Normal noise of many dimensions lies near a sphere; a straight line leads through its inside,
    where the generator was not trained. Between parallel, opposite or zero vectors, the great
    circle is not unique, and the line is straight.

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
    is_circle = (np.sin(angle) > 1e-6) & (lengths > 0)
    sine = np.where(is_circle, np.sin(angle), 1.0)
    share = shares[:, None]  # (K, 1)
    first = np.where(is_circle, np.sin((1 - share) * angle) / sine, 1 - share)
    second = np.where(is_circle, np.sin(share * angle) / sine, share)
    points: np.ndarray = first[..., None] * start + second[..., None] * end
    return points


def is_conditional(spec: Spec) -> bool:
    """Return True if the generator reads a label."""
    return "label" in plan_spec(spec)["generator"].inputs


def check_class(spec: Spec, label: int, what: str = "class") -> int:
    """Return a label, or with ``what="category"`` a category of the latent code, if it exists.

    Raises:
        SpecError: it does not exist.
    """
    most = spec.latent.categories if what == "category" else spec.classes
    if not what or (what == "class" and not is_conditional(spec)):
        raise SpecError(
            f"The model {spec.name!r} has no classes; leave the label out, or choose the noise."
        )
    if not 0 <= label < most:
        raise SpecError(f"No {what} {label}; expected 0 to {most - 1}.")
    return label


def hold_category(spec: Spec, noise: np.ndarray, category: int) -> None:
    """Set the category of the latent code in all rows of noise (N, latent.size)."""
    part = spec.latent.parts["category"]
    chosen = np.array([check_class(spec, category, "category")])
    noise[:, part] = one_hot(chosen, spec.latent.categories, "float64")


def move_styles(
    spec: Spec,
    inputs: dict[str, np.ndarray],
    rows: Sequence[tuple[int, int | None]],
    values: Sequence[float],
) -> dict[str, np.ndarray]:
    """Return style inputs (rows × values, …) with the values added to the dimension of each row."""
    node = find_styles(spec)
    styles = inputs[node.reference].copy()
    moved = styles.reshape(len(rows), len(values), cast(Styles, node.layer).count, -1)  # a view
    for row, (_, dimension) in enumerate(rows):
        where = slice(None) if dimension is None else slice(dimension, dimension + 1)
        moved[row, :, :, where] += np.asarray(values, styles.dtype)[:, None, None]
    return inputs | {node.reference: styles}
