"""The styles of a generator with a ``styles`` layer: computed from noise, truncated, and mixed."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from gandem.core.errors import SpecError, shown
from gandem.core.specs import REFERENCE, Node, Spec, plan_spec
from gandem.core.training import Engine
from gandem.core.training.feed.truncation import TRUNCATION

__all__ = ["compute_styles", "find_styles", "parse_layers", "style_inputs", "to_styles"]

THIRDS = ("coarse", "middle", "fine")


def find_styles(spec: Spec) -> Node:
    """Return the layer of the generator that gives styles.

    Raises:
        SpecError: there is none.
    """
    node = plan_spec(spec)["generator"].find_styles()
    if node is None:
        raise SpecError(
            f"The model {spec.name!r} has no styles; choose a model whose generator has a 'styles' "
            "layer, like stylegan2."
        )
    return node


def compute_styles(
    spec: Spec, engine: Engine, inputs: Mapping[str, np.ndarray], *, ema: bool = True
) -> np.ndarray:
    r"""Return the styles w (N, copies, D) that the generator makes of its inputs.

    .. math:: w' = \bar w + \psi (w - \bar w)

    With ``truncation`` ψ (N, 1) among the inputs these are the truncated styles w'; the mean w̄ is
    the running one of the layer. Karras et al. 2019, arXiv:1812.04948.

    Args:
        inputs: of :func:`gandem.core.training.fixed_inputs`.
        ema: use the moving average of the weights, if there is one.
    """
    node = find_styles(spec)
    read = {name: value for name, value in inputs.items() if name != TRUNCATION}
    average, name = spec.training.averages and ema, node.reference.removeprefix(REFERENCE)
    flat = engine.forward("generator", read, average=average, layer=name)
    styles = flat.reshape(len(flat), -1, *node.statistics[0].shape)
    if TRUNCATION in inputs:
        mean = engine.export()[f"{node.path}/mean"]
        styles = mean + inputs[TRUNCATION][:, None] * (styles - mean)
    return styles


def style_inputs(
    spec: Spec, styles: np.ndarray, label: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return the generator's inputs for styles (N, copies, D), in place of its noise.

    Args:
        label: class weights (N, classes), for a generator that reads them.
    """
    labels = {} if label is None else {"label": label}
    return {find_styles(spec).reference: styles.reshape(len(styles), -1), **labels}


def to_styles(
    spec: Spec, engine: Engine, inputs: Mapping[str, np.ndarray], *, ema: bool = True
) -> dict[str, np.ndarray]:
    """Return inputs with styles, truncated if ``truncation`` is among them, in place of noise."""
    styles = compute_styles(spec, engine, inputs, ema=ema)
    return style_inputs(spec, styles, inputs.get("label"))


def parse_layers(text: str, copies: int) -> slice:
    """Parse which copies of the style a mix takes: ``coarse``, ``middle`` or ``fine``, a third of
    them each, or ``FIRST:END`` from 0.

    >>> parse_layers("coarse", 8), parse_layers("fine", 8), parse_layers("2:4", 8)
    (slice(0, 3, None), slice(5, 8, None), slice(2, 4, None))

    Raises:
        SpecError: it is none of these, or beyond the copies.
    """
    if text in THIRDS:
        third = THIRDS.index(text)
        return slice(round(copies * third / 3), round(copies * (third + 1) / 3))
    match = re.fullmatch(r"([0-9]{1,6}):([0-9]{1,6})", text)
    if not match or not int(match[1]) < int(match[2]) <= copies:
        raise SpecError(
            f"layers: expected coarse, middle or fine, or FIRST:END from 0 to {copies}, like 0:2; "
            f"received {shown(text)}."
        )
    return slice(int(match[1]), int(match[2]))
