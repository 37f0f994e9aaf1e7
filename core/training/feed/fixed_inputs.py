"""The fixed noise and labels from which a generator makes samples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gandem.core.errors import shown
from gandem.core.machine import check_memory
from gandem.core.rng import Purpose, stream
from gandem.core.specs import Spec, plan_spec
from gandem.core.training.feed.draws import draw_noise, one_hot
from gandem.core.training.feed.truncation import (
    TRUNCATION,
    check_truncation,
    has_styles,
    truncate_noise,
)
from gandem.core.training.state import stored

__all__ = ["fixed_inputs", "fixed_parts"]

FEWER = "ask for fewer"


def fixed_inputs(
    spec: Spec,
    seed: int,
    rows: int,
    precision: str,
    labels: np.ndarray | None = None,
    *,
    truncation: float | None = None,
) -> dict[str, np.ndarray]:
    """Return the generator's inputs for samples: the same noise for the same seed on any backend.

    Categories of the latent code are cycled (0, 1, 2, …); the rest of the noise is random.

    Args:
        labels: (rows,) classes. By default the classes are cycled, and the category changes after
            each cycle.
        truncation: of the styles or the noise; see :mod:`gandem.core.training.feed.truncation`.

    Raises:
        SpecError: the noise cannot be truncated.
    """
    number = np.dtype(stored(precision)).itemsize + 8  # noise is drawn in double precision
    check_memory(rows * spec.latent.size * number, f"The noise of {shown(rows)} samples", FEWER)
    parts = fixed_parts(spec, seed, rows, precision, labels, size=rows, truncation=truncation)
    return next(parts)


def fixed_parts(
    spec: Spec,
    seed: int,
    rows: int,
    precision: str,
    labels: np.ndarray | None = None,
    *,
    size: int,
    truncation: float | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """Return the result of :func:`fixed_inputs` in parts of ``size`` rows."""
    check_truncation(spec, truncation)
    return _draw_parts(spec, seed, rows, precision, labels, size, truncation)


def _draw_parts(
    spec: Spec,
    seed: int,
    rows: int,
    precision: str,
    labels: np.ndarray | None,
    size: int,
    truncation: float | None,
) -> Iterator[dict[str, np.ndarray]]:
    drawn, coded = stream(seed, Purpose.SAMPLES), bool(spec.latent.parts)
    if coded:  # codes are drawn after all noise
        check_memory(rows * spec.latent.size * 8, f"The noise of {shown(rows)} samples", FEWER)
    whole = draw_noise(spec.latent, drawn, rows) if coded else None
    for start in range(0, rows, size):
        turn = np.arange(start, min(start + size, rows))
        noise = draw_noise(spec.latent, drawn, len(turn)) if whole is None else whole[turn]
        inputs = {}
        if truncation is not None and has_styles(spec):
            inputs[TRUNCATION] = np.full((len(turn), 1), truncation, stored(precision))
        elif truncation is not None:
            noise = truncate_noise(spec.latent, noise, truncation)
        if "label" in plan_spec(spec)["generator"].inputs:
            chosen = turn % spec.classes if labels is None else labels[turn]
            inputs["label"] = one_hot(chosen, spec.classes, precision)
            turn = turn // spec.classes if labels is None else turn
        if spec.latent.categories:
            taken = one_hot(turn % spec.latent.categories, spec.latent.categories, precision)
            noise[:, spec.latent.parts["category"]] = taken
        yield {"noise": noise.astype(stored(precision)), **inputs}
