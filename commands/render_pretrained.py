"""The list of pretrained models, from their records."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any

import click

from gandem.commands.output import print_json
from gandem.core.errors import suggest
from gandem.core.machine import format_size
from gandem.core.plugins.entry import Entry
from gandem.core.plugins.registry import registry
from gandem.core.runs import open_run
from gandem.core.runs.checkpoint import MODEL
from gandem.core.runs.saved.card import describe_protocol
from gandem.core.runs.saved.targets import KIND
from gandem.terminal.tables import format_table


def print_pretrained(pattern: str, as_json: bool) -> None:
    """Print the facts of the pretrained models whose names match a pattern."""
    entries = registry().entries(KIND)
    rows = [_describe(entry) for entry in entries if fnmatch(entry.id.lower(), pattern.lower())]
    if as_json:
        print_json(rows)
        return
    if not rows:
        near = suggest(pattern, [entry.id for entry in entries])
        click.echo(f"No pretrained model matches {pattern!r}.{near}")
        return
    table = [("", "data", "steps", "fréchet (real)", "license", "size", "")]
    for row in rows:
        table.append(
            (
                row["id"],
                row["data"],
                f"{row['steps']:,}",
                _format_score(row["scores"], row["real_baseline"], "frechet"),
                row["license"] or "–",
                format_size(row["bytes"]),
                row["title"],
            )
        )
    click.echo(format_table(table))
    protocols = {describe_protocol(row["protocol"]) for row in rows if row["protocol"]}
    click.echo("\n" + "\n".join(f"scores: {text}" for text in sorted(protocols)))


def _describe(entry: Entry) -> dict[str, Any]:
    """Return the facts of a pretrained model as data."""
    run = open_run(entry.id)
    record, evaluation = run.record, run.record.evaluation or {}
    last = evaluation.get("last") or {}
    return {
        "id": entry.id,
        "title": entry.title,
        "provider": entry.provider,
        "model": record.model,
        "data": record.data.name,
        "data_license": record.data.license,
        "classes": list(record.data.class_names) if run.spec.classes else [],
        "steps": record.steps,
        "scores": {name: value for name, value in last.items() if name != "step"},
        "real_baseline": evaluation.get("real_baseline"),
        "protocol": evaluation.get("protocol"),
        "license": record.license,
        "bytes": (run.path / MODEL).stat().st_size,
        "sha256": entry.sha256,
        "spec_digest": record.spec_digest,
        "command": record.command,
        "seed": record.seed,
        "versions": record.versions,
    }


def _format_score(scores: dict[str, Any], real: dict[str, Any] | None, name: str) -> str:
    value, baseline = scores.get(name), (real or {}).get(name)
    if not isinstance(value, int | float):
        return "–"
    return f"{value:.3g}" + (f" ({baseline:.2g})" if isinstance(baseline, int | float) else "")
