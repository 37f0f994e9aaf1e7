"""What installed distributions offer: which plugins are chosen, and which fit this gandem."""

from __future__ import annotations

import functools
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from gandem.core.errors import suggest
from gandem.core.plugins.distributions import (
    Distribution,
    distributions,
    fields_of,
    folder_name,
    spelling,
    version_of,
)

__all__ = [
    "EntryPoint",
    "Offer",
    "Unreadable",
    "chosen",
    "entry_points",
    "misfit",
    "not_there",
    "own_version",
    "read_offers",
]

GANDEM = "gandem"


class Offer(NamedTuple):
    """An entry point, with what its distribution says of itself.

    Attributes:
        requires: the distribution's requirements as they stand in its metadata.
    """

    point: EntryPoint | Unreadable
    distribution: str = "?"
    version: str = ""
    requires: tuple[str, ...] = ()

    @property
    def spellings(self) -> set[str]:
        """The names by which ``GANDEM_PLUGINS`` may choose it."""
        return {spelling(self.point.name), spelling(self.distribution)}


# --- finding -------------------------------------------------------------------------------------


class EntryPoint(NamedTuple):
    """A line of a distribution's ``entry_points.txt``.

    Attributes:
        value: ``"package.module"`` or ``"package.module:attribute"``.
    """

    name: str
    value: str
    dist: Distribution | None

    def load(self) -> Any:
        """Import what it leads to; whatever a stranger's module raises is raised."""
        module, _, attributes = self.value.partition("[")[0].partition(":")
        names = filter(None, attributes.strip().split("."))
        return functools.reduce(getattr, names, import_module(module.strip()))


def entry_points(group: str) -> list[EntryPoint | Unreadable]:
    """Return the entry points of a group, of every distribution; what is wrong in other groups is
    none of ours.
    """
    found: list[EntryPoint | Unreadable] = []
    for each in distributions():
        try:
            text = each.read_text("entry_points.txt") or ""
        except Exception:  # damaged, or the work of a stranger's finder; most are none of ours
            continue
        if f"[{group}]" not in text:
            continue
        try:
            found += [EntryPoint(name, value, each) for name, value in _lines_of(group, text)]
        except ValueError as error:
            found.append(Unreadable(each, error))
    return found


def _lines_of(group: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a group.

    Raises:
        ValueError: one of its lines is neither.
    """
    section = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == group and not line.startswith("#"):
            name, equals, value = map(str.strip, line.partition("="))
            if not equals:
                raise ValueError(f"expected 'name = module', received {line!r:.80}")
            yield name, value


class Unreadable(NamedTuple):
    """Stands for the entry points of a distribution whose list of them is damaged."""

    dist: Distribution
    error: Exception

    @property
    def name(self) -> str:
        """The distribution's, for the plugin's is unknown."""
        return folder_name(self.dist)

    def load(self) -> Any:
        """Raise a ``ValueError`` that says so."""
        raise ValueError(f"its entry_points.txt cannot be read ({self.error})")


def read_offers(points: Iterable[EntryPoint | Unreadable]) -> list[Offer]:
    """Return entry points with what their distributions say of themselves.

    Of a distribution that lies on the path more than once, the first counts, as it does for Python.
    """
    first: dict[str, Distribution | None] = {}
    offers = [_read_offer(point) for point in points]
    return [
        offer
        for offer in offers
        if offer.distribution == "?"
        or first.setdefault(spelling(offer.distribution), offer.point.dist) is offer.point.dist
    ]


def _read_offer(point: EntryPoint | Unreadable) -> Offer:
    if point.dist is None:
        return Offer(point)
    try:
        fields = fields_of(point.dist)
    except Exception:  # a distribution without metadata; what comes then depends on Python
        return Offer(point, folder_name(point.dist))
    (name, *_), (release, *_) = fields.get("name", [""]), fields.get("version", [""])
    return Offer(
        point, name or folder_name(point.dist), release, tuple(fields.get("requires-dist", ()))
    )


def own_version() -> str:
    """Return gandem's own version, or nothing in a checkout that is not installed."""
    return version_of(GANDEM) or ""


# --- choosing ------------------------------------------------------------------------------------


def chosen(offers: Iterable[Offer]) -> list[Offer]:
    """Return the offers that ``GANDEM_PLUGINS`` lets load, by name."""
    wanted = _wanted()
    offers = sorted(offers, key=lambda o: (o.point.name, o.distribution, o.version))
    if wanted is None:
        return offers
    return [offer for offer in offers if wanted.keys() & offer.spellings]


def not_there(offers: Sequence[Offer]) -> dict[str, str]:
    """Return each name in ``GANDEM_PLUGINS`` that nothing answers to, with a sentence about it."""
    known = {GANDEM}.union(*(offer.spellings for offer in offers))
    said = "GANDEM_PLUGINS names it, but no such plugin is installed."
    return {
        name: said + suggest(key, known - {GANDEM})
        for key, name in (_wanted() or {}).items()
        if key not in known
    }


def _wanted() -> dict[str, str] | None:
    """Return what ``GANDEM_PLUGINS`` names, by one spelling of each; None where it is unset."""
    text = os.environ.get("GANDEM_PLUGINS")
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    return {spelling(name): name for name in names if name}


# --- fitting -------------------------------------------------------------------------------------


def misfit(offer: Offer, release: str) -> str:
    """Say which gandem an offer's distribution requires, if it is not this one; otherwise nothing.

    pip sees to that when the plugin is installed, and not when gandem is upgraded later.

    Args:
        release: this gandem's version; empty where nobody knows.
    """
    for text in offer.requires:
        if release and re.match(_NAMES_A_VERSION, text) and not _admits(text, release):
            wanted = text.partition(";")[0].strip()
            return (
                f"is not loaded: it requires {wanted}, and this is gandem {release}; "
                "upgrade the older of the two."
            )
    return ""


_NAMES_A_VERSION = r"(?i:gandem)\b(?![-.])[^;]*[<>=~!]"
_PLAIN = r"gandem\s*(\[[^]]*\])?\s*(?P<clauses>[<>]=?\s*[\d.]+(\s*,\s*[<>]=?\s*[\d.]+)*)"


def _admits(requirement: str, release: str) -> bool:
    plain = re.fullmatch(_PLAIN, requirement.strip())
    if plain and re.fullmatch(r"\d+(\.\d+)*", release):  # what nearly all write
        return all(map(_holds, plain["clauses"].split(","), itertools.repeat(release)))
    from packaging.requirements import InvalidRequirement, Requirement  # takes 20 ms

    try:
        wanted = Requirement(requirement)
        applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
    except InvalidRequirement:  # pip has let it pass
        return True
    return not applies or wanted.specifier.contains(release, prereleases=True)


def _holds(clause: str, release: str) -> bool:
    """Say whether a release of numbers only fits one of ``>=0.1``, ``<1``, ``>0.1``, ``<=1``."""
    sign, bound = clause.strip().rstrip("0123456789. "), clause.strip(" <>=")
    ours, theirs = _numbers(release), _numbers(bound)
    return {"<": ours < theirs, "<=": ours <= theirs, ">": ours > theirs, ">=": ours >= theirs}[
        sign
    ]


def _numbers(text: str) -> list[int]:
    """Return a version to compare by: 1, 1.0 and 1.0.0 are one."""
    numbers = [int(part) for part in text.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers
