"""Cases of one input, and of an input and a label."""

from __future__ import annotations

from gandem.core.specs import Layer, Shape
from gandem.testing.case_types import Case, Special

IMAGE = (7, 8, 2)
SMALL = (3, 4, 2)
VECTOR = (5,)
LABEL = (4,)


def image_case(name: str, *layers: Layer, shape: Shape = IMAGE, **special: Special) -> Case:
    """Return a case whose layers read an image."""
    return Case(name=name, layers=layers, inputs={"image": shape}, special=special)


def vector_case(name: str, *layers: Layer, batch: int = 3, **special: Special) -> Case:
    """Return a case whose layers read a vector."""
    return Case(name=name, layers=layers, inputs={"noise": VECTOR}, batch=batch, special=special)


def labeled_case(
    name: str, first: str, shape: Shape, *layers: Layer, label: Special | None = "one hot"
) -> Case:
    """Return a case whose layers read an input and a label."""
    special: dict[str, Special] = {} if label is None else {"label": label}
    inputs = {first: shape, "label": LABEL}
    return Case(name=name, layers=layers, inputs=inputs, special=special)
