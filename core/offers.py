"""What installed distributions offer: which plugins are chosen, and which fit this gandem."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import (
    Distribution,
    EntryPoint,
    PackageNotFoundError,
    distribution,
    distributions,
)
from typing import Any

from gandem.core.errors import suggest

__all__ = [
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


@dataclass(frozen=True, slots=True)
class Offer:
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
        return {_spelling(self.point.name), _spelling(self.distribution)}


# --- finding -------------------------------------------------------------------------------------


def entry_points(group: str) -> list[EntryPoint | Unreadable]:
    """Return the entry points of a group, of every distribution on ``sys.path``.

    ``importlib.metadata.entry_points`` would parse those of all groups, and one damaged file among
    them would take down everything.
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
            found += each.entry_points.select(group=group)
        except Exception as error:
            found.append(Unreadable(each, error))
    return found


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for the entry points of a distribution whose list of them is damaged."""

    dist: Distribution
    error: Exception

    @property
    def name(self) -> str:
        """The distribution's, for the plugin's is unknown."""
        return _folder_name(self.dist)

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
        or first.setdefault(_spelling(offer.distribution), offer.point.dist) is offer.point.dist
    ]


def _read_offer(point: EntryPoint | Unreadable) -> Offer:
    if point.dist is None:
        return Offer(point)
    try:
        fields = _metadata(point.dist)
    except Exception:  # a distribution without metadata; what comes then depends on Python
        return Offer(point, _folder_name(point.dist))
    (name, *_), (release, *_) = fields.get("name", [""]), fields.get("version", [""])
    return Offer(
        point, name or _folder_name(point.dist), release, tuple(fields.get("requires-dist", ()))
    )


def _metadata(source: Distribution) -> dict[str, list[str]]:
    """Return the fields of a distribution's metadata, without the description below them, which
    takes a while to parse and may be a whole README.
    """
    text = source.read_text("METADATA") or source.read_text("PKG-INFO") or ""
    fields: dict[str, list[str]] = {}
    for line in text.partition("\n\n")[0].splitlines():
        name, colon, value = line.partition(":")
        if colon and not name[:1].isspace():
            fields.setdefault(name.lower(), []).append(value.strip())
    return fields


def _folder_name(source: Distribution) -> str:
    """Return the name that a distribution's folder has, for one that does not say."""
    folder = os.path.basename(os.fspath(getattr(source, "_path", "")))
    return folder.partition("-")[0].removesuffix(".egg") or "?"


def own_version() -> str:
    """Return gandem's own version, or nothing in a checkout that is not installed."""
    try:
        (release,) = _metadata(distribution(GANDEM)).get("version", [""])
    except PackageNotFoundError:
        return ""
    return release


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
        name: said + suggest(spelling, known - {GANDEM})
        for spelling, name in (_wanted() or {}).items()
        if spelling not in known
    }


def _wanted() -> dict[str, str] | None:
    """Return what ``GANDEM_PLUGINS`` names, by one spelling of each; None where it is unset."""
    text = os.environ.get("GANDEM_PLUGINS")
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    return {_spelling(name): name for name in names if name}


def _spelling(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()  # as pip takes a distribution's name


# --- fitting -------------------------------------------------------------------------------------


def misfit(offer: Offer, release: str) -> str:
    """Say which gandem an offer's distribution requires, if it is not this one; otherwise nothing.

    pip sees to that when the plugin is installed, and not when gandem is upgraded later.

    Args:
        release: this gandem's version; empty where nobody knows.
    """
    for text in offer.requires:
        if release and _NAMES_A_VERSION.match(text) and not _admits(text, release):
            wanted = text.partition(";")[0].strip()
            return (
                f"is not loaded: it requires {wanted}, and this is gandem {release}; "
                "upgrade the older of the two."
            )
    return ""


_NAMES_A_VERSION = re.compile(r"gandem\b(?![-.])[^;]*[<>=~!]", re.IGNORECASE)


_PLAIN = re.compile(
    r"gandem\s*(\[[^]]*\])?\s*(?P<clauses>[<>]=?\s*[\d.]+(\s*,\s*[<>]=?\s*[\d.]+)*)"
)


def _admits(requirement: str, release: str) -> bool:
    plain = _PLAIN.fullmatch(requirement.strip())
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
