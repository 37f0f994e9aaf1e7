"""Scores as a text table with their protocol and the real baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gandem.metrics.evaluation.protocol import Protocol, Scored, same_protocol
from gandem.metrics.evaluation.suite import MEASURES, all_measures
from gandem.terminal.tables import format_table

MARKS = {"less": "↓", "more": "↑", "as real": "=", "": ""}


def format_scores(scored: Sequence[Scored]) -> str:
    """Return scores as a table with a row per measure and a column per score.

    Raises:
        DataError: they have different protocols.
    """
    protocol = same_protocol(scored)
    real_baseline = scored[0].real_baseline
    numbers = [f"[{number}]" for number in range(1, len(scored) + 1)]
    rows = [("", "", "real", *numbers)]
    for name, measure in all_measures().items():
        if any(name in score.values for score in scored):
            cells = [
                format_value(values, name)
                for values in (real_baseline, *(score.values for score in scored))
            ]
            rows.append((measure.heading, MARKS[measure.better], *cells))
    names = [(number, score.name) for number, score in zip(numbers, scored, strict=True)]
    errors = {text for score in scored for text in score.details.get("errors", {}).values()}
    return "\n\n".join(
        [
            format_protocol(protocol),
            format_table(rows),
            format_table([*names, ("real", f"{protocol.real:,} other images of {protocol.data}")]),
            "↓ less is better, ↑ more is better, = close to real images is better",
            *sorted(errors),
        ]
    )


def format_value(values: Mapping[str, float | None], name: str) -> str:
    """Return a value as text, with its error if it has one.

    >>> format_value({"kernel": 0.01234, "kernel_error": 0.001}, "kernel")
    '0.0123 ± 0.001'
    """
    if name not in values:
        return "–"
    value = values[name]
    if value is None:
        return "not finite"
    error = values.get(MEASURES[name].error) if name in MEASURES else None
    text = f"{value:.0f}" if name in ("modes", "present") else f"{value:.3g}"
    return text if error is None else f"{text} ± {error:.1g}"


def format_protocol(protocol: Protocol) -> str:
    """Return a protocol as one sentence."""
    classifier = f"; trained classifier: {protocol.classifier}" if protocol.classifier else ""
    return (
        f"{protocol.fake:,} images each, against {protocol.real:,} of the {protocol.of:,} of "
        f"{protocol.data}; features of {protocol.extractor} ({protocol.extractor_digest[:8]}), "
        f"seed {protocol.seed}{classifier}."
    )
