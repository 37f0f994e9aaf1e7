"""How a score was measured, which belongs to the score: numbers of different protocols say nothing
about each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from gandem.core.errors import DataError

__all__ = ["FORMULAS", "Protocol", "Scored", "same_protocol"]

FORMULAS = 1
"""The edition of the formulas of ``gandem.metrics``: raised when one gives other numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What decides a score beside the images that are scored.

    Attributes:
        data: the real images' set, with the part or classes taken of it: ``"mnist:test"``.
        data_digest: SHA-256 of its images and labels.
        of: how many images it has.
        real: images drawn from it to compare with, and as many others for the floor.
        fake: images that are scored.
        extractor: whose features; ``extractor_digest``: a hash of it.
        seed: of the draw, of the noise of generated images, and of the metrics' subsets.
        formulas: the edition of the formulas.
    """

    data: str
    data_digest: str
    of: int
    real: int
    fake: int
    extractor: str
    extractor_digest: str
    seed: int
    formulas: int = FORMULAS

    def to_data(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)

    def differs(self, other: Protocol) -> dict[str, tuple[Any, Any]]:
        """Return the fields that tell two protocols apart, each with both values; names do not
        count where digests are the same.
        """
        names = [f.name for f in fields(self) if f.name not in ("data", "extractor")]
        both = {name: (getattr(self, name), getattr(other, name)) for name in names}
        return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The scores of some images.

    Attributes:
        name: of what was scored.
        values: by the name of the measure; None where it has no finite value.
        details: counts of classes, the confusion matrix, and the like.
        floor: what real images get, as many others of the same set, by the same protocol.
    """

    name: str
    protocol: Protocol
    values: Mapping[str, float | None]
    floor: Mapping[str, float | None]
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_data(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return {
            "name": self.name,
            "protocol": self.protocol.to_data(),
            "values": dict(self.values),
            "floor": dict(self.floor),
            "details": dict(self.details),
        }


_WORDS = {
    "data_digest": "real images",
    "of": "size of the real set",
    "real": "number of real images",
    "fake": "number of images",
    "extractor_digest": "extractor",
    "seed": "seed",
    "formulas": "edition of the formulas",
}


def same_protocol(scored: Sequence[Scored]) -> Protocol:
    """Return the one protocol of several scores.

    Raises:
        DataError: they have not the same; the text says in what they differ.
    """
    first = scored[0]
    for other in scored[1:]:
        if apart := first.protocol.differs(other.protocol):
            name, (here, there) = next(iter(apart.items()))
            if name.endswith("_digest"):
                named = name.removesuffix("_digest")
                names = [str(getattr(one.protocol, named)) for one in (first, other)]
                marks = (f" ({here:.8})", f" ({there:.8})") if names[0] == names[1] else ("", "")
                here, there = (word + mark for word, mark in zip(names, marks, strict=True))
            raise DataError(
                f"{first.name} and {other.name} were scored by different protocols and stand in no "
                f"table together: {_WORDS[name]} {here} and {there}."
            )
    return first.protocol
