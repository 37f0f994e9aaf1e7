"""Checked dataclasses: every field of a spec is checked against its annotation."""

from gandem.core.fields.checking import (
    Checked,
    InvalidValue,
    can_check,
    coerce,
    decode,
    encode,
    hints,
    unknown_kind,
)
from gandem.core.fields.types import KINDS, Count, Fraction, Pair, Range

__all__ = [
    "KINDS",
    "Checked",
    "Count",
    "Fraction",
    "InvalidValue",
    "Pair",
    "Range",
    "can_check",
    "coerce",
    "decode",
    "encode",
    "hints",
    "unknown_kind",
]
