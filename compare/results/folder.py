"""The folder of results: ``results.csv``, ``results.md``, and the ``published.csv`` of others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from gandem.compare.results.markdown import read_published, write_markdown
from gandem.compare.results.rows import Result, read_results, write_results
from gandem.core.errors import RunError
from gandem.core.files import check_folder

TABLE, PAGE, PUBLISHED = "results.csv", "results.md", "published.csv"


def read_folder(folder: Path) -> list[Result]:
    """Return the rows of a folder of results; check, before any training, that it can be written.

    Raises:
        RunError: it does not exist, or cannot be written.
        DataError: one of its files holds something else.
    """
    if not os.path.isdir(folder):
        raise RunError(f"{folder}: no such folder; create it, or choose another --results.")
    for name in (TABLE, PAGE):
        if (folder / name).is_dir():
            raise RunError(f"{folder / name}: expected a file, found a folder.")
    check_folder(folder)
    rows = read_results(folder / TABLE)
    read_published(folder / PUBLISHED)
    return rows


def write_folder(folder: Path, rows: Sequence[Result], *, markdown: bool = True) -> None:
    """Write the CSV file, and the Markdown page.

    Raises:
        RunError: a file cannot be written.
        DataError: the file of published results holds something else.
    """
    write_results(folder / TABLE, rows)
    if markdown:
        write_markdown(folder / PAGE, rows, folder / PUBLISHED)
