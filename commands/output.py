"""Printing: JSON, tables, and the lines that end a command."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from gandem.core.plugins.isolation import stdout_to_stderr

__all__ = ["print_json", "print_out", "print_table", "reserve_output"]


STREAM = "gandem.json"
"""The key in the context of a command for the standard output that JSON goes to."""


def reserve_output(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    """Keep standard output for JSON, if that was asked for; all else goes to standard error."""
    if value:
        ctx.meta[STREAM] = sys.stdout
        ctx.with_resource(stdout_to_stderr())
    return value


def print_json(data: Any) -> None:
    """Print data as indented JSON."""
    import json  # most commands print text

    context = click.get_current_context(silent=True)
    stream = (context.meta.get(STREAM) if context else None) or sys.stdout
    text = json.dumps(data, ensure_ascii=False, indent=2)
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(data, indent=2)
    click.echo(text, file=stream)


def print_table(title: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Print a title and rows in columns."""
    from gandem.core.tables import format_table

    click.secho(title, bold=True)
    click.echo(format_table(rows))


def print_out(path: Path, as_json: bool, content: str, **data: Any) -> None:
    """Print where a file was written, and what it holds."""
    if as_json:
        print_json({"out": str(path), **data})
    else:
        click.echo(f"{content} in {path}")
