"""Every error that gandem raises on purpose; the command prints each as one line.

::

    GandemError                what came, what was wanted, what to do            exit 1
    ├── SpecError              a spec that cannot be read, or does not close      exit 1
    ├── NotFoundError          no model, backend, data set … of that name         exit 1
    ├── ClashError             two owners of one name                             exit 1
    ├── BackendError           a framework or device that is not there            exit 1
    ├── DataError              images, labels or files that cannot be used        exit 1
    └── RunError               a run folder or checkpoint that cannot be used     exit 1

Anything else that reaches the user is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "BackendError",
    "ClashError",
    "DataError",
    "GandemError",
    "NotFoundError",
    "RunError",
    "SpecError",
    "printable",
    "shown",
    "suggest",
]


class GandemError(Exception):
    """A mistake that a person can mend; its text is one line that says how."""

    def __str__(self) -> str:
        return printable(super().__str__())


class SpecError(GandemError, ValueError):
    """A spec is not valid: an unknown field, a wrong type, shapes that do not close."""


class NotFoundError(GandemError, LookupError):
    """No row of the registry has the name that was asked for."""


class ClashError(GandemError, LookupError):
    """Two distributions own the same name."""


class BackendError(GandemError, RuntimeError):
    """A framework is missing, cannot be used, or lacks the device that was asked for."""


class DataError(GandemError, ValueError):
    """Images or labels are missing, damaged, or do not fit the spec."""


class RunError(GandemError, RuntimeError):
    """A run folder or one of its files cannot be read or written."""


def printable(text: str, keep: str = "") -> str:
    r"""Return a text whose unprintable characters are escaped, so that none reaches a terminal.

    Names of files may contain line breaks, escape sequences and characters that reverse the
    direction of writing.

    Args:
        keep: characters to leave as they are.

    >>> print(printable("a\nb \x1b[31m.png"))
    a\nb \x1b[31m.png
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in keep else ascii(letter)[1:-1] for letter in text
    )


def shown(value: object) -> str:
    """Return what came as an error quotes it: on one line, and not the whole of a long one.

    >>> shown("dcgan"), shown([1] * 99)
    ("'dcgan'", '[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1…')
    """
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # a number of very many digits, lists without end
        return f"{type(value).__name__} too large to print"
    except Exception:  # a stranger's object
        return f"{type(value).__name__} that cannot be printed"
    return text if len(text) <= 60 else f"{text[:59]}…"


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'dcgan'?"`` for the nearest known name, or a list of a few, or
    ``""``.

    >>> suggest("dcgn", ["dcgan", "cgan", "mlp-gan"])
    " Did you mean 'dcgan'?"
    >>> suggest("zzz", ["torch", "keras"])
    " There are: 'keras', 'torch'."
    """
    import difflib  # most commands suggest nothing

    names = sorted(set(known))
    own = name.rpartition("/")[2]  # without the prefix of a plugin that is not there
    near = [own] if own in names else difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f" Did you mean {near[0]!r}?"
    if 0 < len(names) <= 40:
        return f" There are: {', '.join(repr(n) for n in names)}."
    return ""
