"""Standard output and standard error of the command: they never fail a command that has done its
work, and only the command itself writes to standard output.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

from gandem.core.machine import are_process_effects_allowed

__all__ = ["DISK_FULL", "find_lost_output", "prepare_streams"]

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers for a full disk, an exceeded quota and an exceeded file size limit."""


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
    return io.TextIOWrapper(
        io.BufferedWriter(file),
        encoding=encoding,
        errors="surrogateescape" if keeps_bytes else "replace",
        line_buffering=getattr(stream, "line_buffering", True),
        write_through=getattr(stream, "write_through", False),
    )


def find_lost_output() -> str:
    """Return why a part of standard output was lost on a full disk; empty if none was."""
    file = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return file.problem if isinstance(file, StandardFile) else ""
