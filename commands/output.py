"""Output of the command: printing, and standard streams that never fail a command whose work is
done.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from gandem.core.machine import are_process_effects_allowed
from gandem.core.plugins.isolation import stdout_to_stderr

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers for a full disk, an exceeded quota and an exceeded file size limit."""
STREAM = "gandem.json"
"""The key in the context of a command for the standard output that JSON goes to."""


def reserve_output(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    """Keep standard output for JSON, if that was asked for; all else goes to standard error."""
    if value:
        ctx.meta[STREAM] = sys.stdout
        ctx.with_resource(stdout_to_stderr())
    return value


def print_json(data: Any) -> None:
    """Print data as indented JSON, with null for a number that is not finite."""
    import json  # most commands print text

    from gandem.core.documents import finite

    context = click.get_current_context(silent=True)
    stream = (context.meta.get(STREAM) if context else None) or sys.stdout
    content = finite(data)
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(content, indent=2)
    click.echo(text, file=stream)


def print_table(title: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Print a title and rows in columns."""
    from gandem.terminal.tables import format_table

    click.secho(title, bold=True)
    click.echo(format_table(rows))


def print_out(path: Path, as_json: bool, content: str, **data: Any) -> None:
    """Print where a file was written, and what it holds."""
    if as_json:
        print_json({"out": str(path), **data})
    else:
        click.echo(f"{content} in {path}")


# --- standard streams ----------------------------------------------------------------------------


class StandardFile(io.FileIO):
    """A file that discards what cannot be written: its reader, terminal or connection has gone.

    Attributes:
        problem: why output was lost although somebody waits for it: the disk is full.
    """

    problem = ""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno in DISK_FULL:
                self.problem = os.strerror(error.errno)
            return memoryview(data).nbytes


def prepare_streams() -> None:
    """Replace the standard streams of this process by ones that never raise an error.

    Characters that they cannot encode become ``?``. What C libraries and child processes of
    plugins write to file descriptor 1 goes to standard error, since standard output may be JSON.
    Streams that somebody else has replaced, such as a test, are left alone.
    """
    is_prepared = isinstance(
        getattr(getattr(sys.stdout, "buffer", None), "raw", None), StandardFile
    )
    if is_prepared or sys.stdout is not sys.__stdout__ or sys.stderr is not sys.__stderr__:
        return
    if os.name == "nt":  # its terminals are no files
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        return
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # closed; else the next file would get its number, and strange output
            os.open(os.devnull, os.O_RDWR)
    output = 1
    if are_process_effects_allowed():
        output = os.dup(1)
        os.dup2(2, 1)
    sys.stdout = sys.__stdout__ = _open(output, sys.stdout)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _open(2, sys.stderr)  # type: ignore[misc]


def _open(number: int, stream: Any) -> io.TextIOWrapper:
    """Return a stream for a file descriptor, with the encoding and buffering of another one."""
    if stream is not None:
        stream.flush()
    file = StandardFile(number, "w", closefd=False)
    encoding = getattr(stream, "encoding", "utf-8")
    keeps_bytes = getattr(stream, "errors", "") == "surrogateescape" and encoding == "utf-8"
    is_unbuffered = getattr(stream, "write_through", False)  # PYTHONUNBUFFERED
    return io.TextIOWrapper(
        io.BufferedWriter(file),
        encoding=encoding,
        errors="surrogateescape" if keeps_bytes else "replace",
        line_buffering=is_unbuffered or getattr(stream, "line_buffering", True),
        write_through=is_unbuffered,
    )


def find_lost_output() -> str:
    """Return why a part of standard output was lost on a full disk; empty if none was."""
    file = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return file.problem if isinstance(file, StandardFile) else ""
