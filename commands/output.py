"""Printing: JSON, tables, and the lines that end a command."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

__all__ = ["print_json", "print_out", "print_table"]


def print_json(data: Any) -> None:
    """Print data as indented JSON, with null for a number that is not finite."""
    import json  # most commands print text

    from gandem.core.documents import finite

    text = json.dumps(finite(data), ensure_ascii=False, indent=2, allow_nan=False)
    click.echo(text)


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
