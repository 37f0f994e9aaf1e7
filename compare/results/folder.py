"""The folder of results: a table, the page made of it, and what others have published."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from gandem.compare.results.markdown import read_published, write_page
from gandem.compare.results.rows import Result, read_results, write_results
from gandem.core.errors import RunError

__all__ = ["PAGE", "TABLE", "read_folder", "write_folder"]

TABLE, PAGE, PUBLISHED = "results.csv", "results.md", "published.csv"


def read_folder(folder: Path) -> list[Result]:
    """Return the rows of a folder of results, if more can be written there: whoever trains for
    hours shall not find out at the end.

    Raises:
        RunError: it is not there, or cannot be written.
        DataError: one of its files is none of ours.
    """
    if not folder.is_dir():
        raise RunError(f"{folder}: there is no such folder; make it, or choose another --results.")
    for name in (TABLE, PAGE):
        if (folder / name).is_dir():
            raise RunError(f"{folder / name}: it is a folder, where a file is to be written.")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({error.strerror or error}).") from None
    rows = read_results(folder / TABLE)
    read_published(folder / PUBLISHED)
    return rows


def write_folder(folder: Path, rows: Sequence[Result]) -> None:
    """Write the table, and the page made of it.

    Raises:
        RunError: the place cannot be written.
        DataError: the file of published results is none.
    """
    write_results(folder / TABLE, rows)
    write_page(folder / PAGE, rows, folder / PUBLISHED)
