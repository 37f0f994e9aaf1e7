"""CSV files as tables of named columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gandem.core.errors import DataError
from gandem.core.files import write_file

MAX_NAMES = 9
"""Names of columns that an error shows."""

Row = TypeVar("Row")


def read_table(
    path: Path, columns: Sequence[str], convert: Callable[[dict[str, str]], Row]
) -> list[Row]:
    """Return the rows of a CSV file; none if there is no file.

    Args:
        columns: those that the file must have; it may have others.
        convert: makes a row of its cells; it may raise a ValueError or a TypeError.

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            missing = [name for name in columns if name not in (table.fieldnames or ())]
            rows = [] if missing else [convert(row) for row in table]
    except (OSError, ValueError, csv.Error, TypeError) as error:
        raise DataError(f"{path}: cannot be read as a table ({error}).") from None
    if missing:
        more = ", …" if len(columns) > MAX_NAMES else ""
        raise DataError(
            f"{path}: expected the columns {', '.join(columns[:MAX_NAMES])}{more}; "
            f"{missing[0]} is missing."
        )
    return rows


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows to a CSV file.

    Raises:
        RunError: the file cannot be written.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_file(path, text.getvalue().encode())
