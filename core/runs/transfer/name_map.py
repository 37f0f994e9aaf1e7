"""Maps from the arrays of a spec to those of a file of another program, as TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from gandem.core.documents import parse_toml
from gandem.core.errors import SpecError
from gandem.core.fields import Checked, Range, decode

LARGEST = 1_000_000
"""Bytes; a map has some lines for each layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceArray(Checked):
    """An array of the file: its name, and its axes in the order of gandem's."""

    name: str
    axes: tuple[Annotated[int, Range(0, 10)], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NameMap(Checked):
    """Which arrays of a file become those of a spec.

    Attributes:
        layout: of the file's arrays: ``"gandem"``, channels last, which is that of Keras too, or
            ``"torch"``, (out, in, h, w).
        arrays: the names in the file, by the names in the spec: of an array, or of a layer whose
            arrays have the usual names there.
        new: layers, and players, that are not loaded.
    """

    _title: ClassVar[str] = "the name map"

    layout: Literal["gandem", "torch"] = "gandem"
    arrays: dict[str, str | SourceArray] = field(default_factory=dict)
    new: tuple[str, ...] = ()


def read_name_map(source: NameMap | Mapping[str, Any] | Path | str | None) -> NameMap:
    """Read a map from a TOML file, or from the same data.

    Raises:
        SpecError: the file cannot be read, or is not a map.
    """
    if source is None:
        return NameMap()
    if isinstance(source, NameMap):
        return source
    if isinstance(source, Mapping):
        return _decode(dict(source))
    path = Path(source)
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise SpecError("larger than 1 MB; a name map has some lines for each layer.")
        return _decode(parse_toml(raw.decode("utf-8-sig")))
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror}).") from None
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None
    except ValueError as error:
        raise SpecError(f"{path}: the name map is not TOML: {error}.") from None


def _decode(data: dict[str, Any]) -> NameMap:
    names: NameMap = decode(NameMap, data)
    return names
