"""Protection from what third-party code prints and raises."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from gandem.core.errors import printable

MAX_ERROR_LENGTH = 500  # characters


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send printed text to standard error, since standard output may be read as JSON."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def format_error(error: BaseException) -> str:
    r"""Return the type and the text of an exception on one printable line.

    >>> format_error(OSError("no\nspace"))
    'OSError: no space'
    """
    try:
        text = " ".join(str(error).split())
    except Exception:  # __str__ may fail too
        text = ""
    text = printable(text)
    if len(text) > MAX_ERROR_LENGTH:
        text = f"{text[:MAX_ERROR_LENGTH]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
