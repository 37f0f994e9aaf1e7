"""Layers and schedules of plugins: functions that compose gandem's own, called to read a spec."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from gandem.core.errors import SpecError
from gandem.core.fields import coerce, encode, unknown_kind
from gandem.core.specs.layers import LAYERS, Layer
from gandem.core.specs.schedules import Number, Schedule

MOST_LAYERS = 1000
"""The largest number of layers of one composition, inner ones included."""


GROUPS: Mapping[type, str] = {Layer: "layers", Schedule: "schedules"}
"""The families that a plugin can add kinds to, each with the kind of its entries."""


class PluginKinds(Protocol):
    """Named layers and schedules beside gandem's own kinds."""

    def kinds(self, group: str) -> list[str]:
        """Return the names; a spec may leave out the prefix of ``"acme/res-block"``.

        Args:
            group: ``"layers"`` or ``"schedules"``.
        """

    def make(self, group: str, kind: str, arguments: Mapping[str, Any]) -> object:
        """Return the result of a composition, which should be a layer or a sequence of layers, or a
        schedule or a number.

        Raises:
            GandemError: it cannot be created.
        """


class Expansion:
    """Replaces compositions in a spec by layers and schedules of gandem's own kinds."""

    def __init__(self, plugins: PluginKinds) -> None:
        self._plugins = plugins

    def __call__(
        self, family: type, kind: str, fields: Mapping[str, Any], path: str
    ) -> tuple[Any, ...]:
        """Return the layers, or the one schedule, of a table whose kind is not one of gandem's own.

        Args:
            family: the expected family.
            fields: the table, without its kind.
            path: the place in the spec, for errors.

        Raises:
            SpecError: no such kind, fields that do not fit, or a result of another type.
        """
        group = GROUPS.get(family, "")
        kinds = self._plugins.kinds(group) if group else []
        if kind not in {*kinds, *(known.rpartition("/")[2] for known in kinds)}:
            raise unknown_kind(family, kind, path, kinds)
        arguments = {name: self._decoded(value, f"{path}.{name}") for name, value in fields.items()}
        try:
            result = self._plugins.make(group, kind, arguments)
        except SpecError as error:
            raise SpecError(f"{path}: {error}") from error
        return _checked(kind, result, path) if family is Layer else _schedule(kind, result, path)

    def _decoded(self, value: Any, path: str) -> Any:
        """Decode a list of layers or a schedule, for nested compositions; return other values
        unchanged.
        """
        if isinstance(value, dict) and Schedule.tag in value:
            return coerce(Number, value, path, self)
        if isinstance(value, list) and any(isinstance(v, dict) and "kind" in v for v in value):
            return coerce(tuple[Layer, ...], value, path, self)
        return value


def _checked(kind: str, result: object, path: str) -> tuple[Layer, ...]:
    layers = (result,) if isinstance(result, Layer) else result
    if not isinstance(layers, list | tuple):
        raise SpecError(
            f"{path}: {kind!r} returned {type(result).__name__}, expected a layer of "
            "gandem.core.specs, or a sequence of them."
        )
    for count, layer in enumerate(_walk(layers), 1):
        if count > MOST_LAYERS:
            raise SpecError(f"{path}: {kind!r} makes more than {MOST_LAYERS} layers.")
        if type(layer) not in LAYERS.values():
            raise SpecError(
                f"{path}: {kind!r} returned {type(layer).__name__}, which is no layer of "
                "gandem.core.specs."
            )
    return tuple(layers)


def _schedule(kind: str, result: object, path: str) -> tuple[Schedule | float]:
    if isinstance(result, bool) or not isinstance(result, int | float | Schedule):
        raise SpecError(
            f"{path}: {kind!r} returned {type(result).__name__}, expected a schedule of "
            "gandem.core.specs, or a number."
        )
    return (coerce(Number, encode(result), path),)  # refuses schedules that are not gandem's


def _walk(layers: list[Any] | tuple[Any, ...]) -> Iterator[object]:
    """Yield layers and inner layers, without recursion, because third-party code made them."""
    waiting: list[Any] = list(layers)
    while waiting:
        layer = waiting.pop()
        yield layer
        if isinstance(layer, Layer):
            for field in dataclasses.fields(layer):
                value = getattr(layer, field.name)
                within = value if isinstance(value, tuple) else (value,)
                waiting += [inner for inner in within if isinstance(inner, Layer)]
