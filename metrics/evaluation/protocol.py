"""Protocols of scores: only scores with equal protocols can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from gandem.core.errors import DataError

FORMULAS = 1
"""The version of the formulas of ``gandem.metrics``; a change of their values increments it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Everything that determines a score besides the scored images.

    Attributes:
        data: the real data set with its part or classes: ``"mnist:test"``.
        data_digest: SHA-256 of its images and labels.
        of: number of images in it.
        real: real images drawn to compare with; as many others give the real baseline.
        fake: images that are scored.
        extractor: name of the feature extractor; ``extractor_digest``: its hash.
        seed: of the draw, the noise of generated images, and the subsets of the metrics.
        formulas: the version of the formulas.
        classifier: how a classifier was trained on the images; empty if none was.
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
    classifier: str = ""

    def to_data(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)

    def differs(self, other: Protocol) -> dict[str, tuple[Any, Any]]:
        """Return the fields that differ, with both values; names are ignored, digests count.

        Scores with and without a trained classifier can be compared.
        """
        names = [f.name for f in fields(self) if f.name not in ("data", "extractor")]
        both = {name: (getattr(self, name), getattr(other, name)) for name in names}
        return {name: pair for name, pair in both.items() if pair[0] != pair[1] and "" not in pair}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The scores of some images.

    Attributes:
        name: the name of the scored images.
        values: values by the name of the measure; None if not finite.
        details: class counts, the confusion matrix, and so on.
        real_baseline: the values of other real images of the same data set.
    """

    name: str
    protocol: Protocol
    values: Mapping[str, float | None]
    real_baseline: Mapping[str, float | None]
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_data(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return {
            "name": self.name,
            "protocol": self.protocol.to_data(),
            "values": dict(self.values),
            "real_baseline": dict(self.real_baseline),
            "details": dict(self.details),
        }


_LABELS = {
    "data_digest": "real images",
    "of": "size of the real set",
    "real": "number of real images",
    "fake": "number of images",
    "extractor_digest": "extractor",
    "seed": "seed",
    "formulas": "version of the formulas",
    "classifier": "trained classifier",
}


def same_protocol(scored: Sequence[Scored]) -> Protocol:
    """Return the common protocol of several scores.

    Raises:
        DataError: the protocols differ; the message names the difference.
    """
    first = scored[0]
    for other in scored[1:]:
        if differences := first.protocol.differs(other.protocol):
            name, values = next(iter(differences.items()))
            if name.endswith("_digest"):
                field_name = name.removesuffix("_digest")
                names = [str(getattr(score.protocol, field_name)) for score in (first, other)]
                if names[0] == names[1]:
                    names = [f"{names[0]} ({digest:.8})" for digest in values]
                values = (names[0], names[1])
            raise DataError(
                f"{first.name} and {other.name} cannot be compared: they were scored with "
                f"different protocols ({_LABELS[name]} {values[0]} and {values[1]})."
            )
    return first.protocol
