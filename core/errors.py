"""Every error that gandem raises on purpose; the command prints each as one line.

::

    GandemError                what was received, expected, and what to do       exit 1
    ├── SpecError              a spec that cannot be read, or does not close      exit 1
    ├── NotFoundError          no model, backend, data set … of that name         exit 1
    ├── ClashError             two owners of one name                             exit 1
    ├── BackendError           a framework or device that is missing              exit 1
    ├── DataError              images, labels or files that cannot be used        exit 1
    └── RunError               a run folder or checkpoint that cannot be used     exit 1

Anything else that reaches the user is a bug and keeps its traceback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = [
    "BackendError",
    "ClashError",
    "DataError",
    "GandemError",
    "NotFoundError",
    "RunError",
    "SpecError",
    "find_nearest",
    "printable",
    "shorten",
    "shown",
    "suggest",
]


MAX_LENGTH = 1000
"""Characters of a message; a damaged file may have names of any length."""


class GandemError(Exception):
    """An error that the user can fix; its text is one line that says how."""

    def __str__(self) -> str:
        return shorten(super().__str__())


class SpecError(GandemError, ValueError):
    """A spec is not valid: an unknown field, a wrong type, shapes that do not close."""


class NotFoundError(GandemError, LookupError):
    """The registry has no entry of that name."""


class ClashError(GandemError, LookupError):
    """Two distributions own the same name."""


class BackendError(GandemError, RuntimeError):
    """A framework is missing, cannot be used, or lacks the requested device."""


class DataError(GandemError, ValueError):
    """Images or labels are missing, damaged, or do not fit the spec."""


class RunError(GandemError, RuntimeError):
    """A run folder or one of its files cannot be read or written."""


def shorten(text: str) -> str:
    """Return a printable message of at most about ``MAX_LENGTH`` characters."""
    text = printable(text)
    if len(text) <= MAX_LENGTH:
        return text
    half = MAX_LENGTH // 2  # a path comes first, the reason last
    return f"{text[:half]} … {text[-half:]}"


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
    """Return the text of a received value for an error: one line of at most 60 characters.

    >>> shown("dcgan"), shown([1] * 99)
    ("'dcgan'", '[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1…')
    """
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # a number of very many digits, lists without end
        return f"{type(value).__name__} too large to print"
    except Exception:  # an object of third-party code
        return f"{type(value).__name__} that cannot be printed"
    return text if len(text) <= 60 else f"{text[:59]}…"


def format_count(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun.

    >>> format_count(1, "step"), format_count(3000, "image"), format_count(2, "class", "classes")
    ('1 step', '3000 images', '2 classes')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {plural or f'{noun}s'}"


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'dcgan'?"`` for the nearest known names, or a list of a few, or
    ``""``.

    >>> suggest("dcgn", ["dcgan", "cgan", "mlp-gan"])
    " Did you mean 'dcgan'?"
    >>> suggest("zzz", ["torch", "keras"])
    " There are: 'keras', 'torch'."
    """
    names = sorted(set(known))
    if near := find_nearest(name, names):
        return f" Did you mean {' or '.join(map(repr, near))}?"
    if 0 < len(names) <= 40:
        return f" There are: {', '.join(repr(n) for n in names)}."
    return ""


def find_nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that a name probably stands for, at most three.

    The nearest are equal but for case, separators and the prefix of a plugin; then come those of
    which it is a word or the initials, and those with a similar spelling.

    >>> find_nearest("MNIST", ["mnist", "fashion-mnist"]), find_nearest("lr", ["learning_rate"])
    (['mnist'], ['learning_rate'])
    >>> find_nearest("beta", ["beta1", "beta2", "decay"])
    ['beta1', 'beta2']
    """
    from difflib import SequenceMatcher  # most commands suggest nothing

    name = name[:200]

    def similarity(other: str) -> float:
        parts = re.split(r"[\W_]+", other.casefold())
        key, end = _fold(name.rpartition("/")[2]), _fold(other.rpartition("/")[2])
        if _fold(other) in (key, _fold(name)) or key == end:
            return 3.0 if name.count("/") == other.count("/") else 2.0
        if len(key) > 1 and key in (*parts, "".join(part[:1] for part in parts)):
            return 0.85  # above most names with one letter changed, below those with one added
        return SequenceMatcher(None, key, end).ratio()

    scores = {other: similarity(other) for other in sorted(set(known))}
    best = max(0.6, *scores.values(), 0.0)
    return [other for other, score in scores.items() if score == best][:3]


def _fold(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
