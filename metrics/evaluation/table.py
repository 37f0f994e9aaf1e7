"""Scores in words: one table, its protocol above it, what real images get beside each number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gandem.commands.tables_ import aligned
from gandem.metrics.evaluation.protocol import Protocol, Scored, same_protocol
from gandem.metrics.evaluation.suite import MEASURES

__all__ = ["figure", "protocol_in_words", "scores_in_words"]

MARKS = {"less": "↓", "more": "↑", "as real": "="}


def scores_in_words(scored: Sequence[Scored]) -> str:
    """Return scores as a table: a line for each measure, a column for each thing that was scored.

    Raises:
        DataError: they were scored by different protocols.
    """
    protocol = same_protocol(scored)
    floor = scored[0].floor
    numbers = [f"[{number}]" for number in range(1, len(scored) + 1)]
    rows = [("", "", "real", *numbers)]
    for name, measure in MEASURES.items():
        if any(name in one.values for one in scored):
            cells = [figure(values, name) for values in (floor, *(one.values for one in scored))]
            rows.append((measure.title, MARKS[measure.better], *cells))
    names = [(number, one.name) for number, one in zip(numbers, scored, strict=True)]
    return "\n\n".join(
        [
            protocol_in_words(protocol),
            aligned(rows),
            aligned([*names, ("real", f"{protocol.real:,} other images of {protocol.data}")]),
            "↓ less is better, ↑ more, = as real images have it",
        ]
    )


def figure(values: Mapping[str, float | None], name: str) -> str:
    """Return a value for people, with its error where it has one.

    >>> figure({"kernel": 0.01234, "kernel_error": 0.001}, "kernel")
    '0.0123 ± 0.001'
    """
    if name not in values:
        return "–"
    value = values[name]
    if value is None:
        return "not finite"
    error = values.get(MEASURES[name].error)
    words = f"{value:.0f}" if name in ("modes", "present") else f"{value:.3g}"
    return words if error is None else f"{words} ± {error:.1g}"


def protocol_in_words(protocol: Protocol) -> str:
    """Return a protocol as a sentence or two."""
    return (
        f"{protocol.fake:,} images each, against {protocol.real:,} of the {protocol.of:,} of "
        f"{protocol.data}; features of {protocol.extractor} ({protocol.extractor_digest[:8]}), "
        f"seed {protocol.seed}."
    )
