"""Changes of a spec by path, as in ``--set generator.optimizer.learning_rate=1e-4``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gandem.core.documents import parse_toml
from gandem.core.errors import SpecError, shown, suggest
from gandem.core.fields import KINDS, hints
from gandem.core.specs.composition import Layers
from gandem.core.specs.gan import Spec
from gandem.core.specs.serialization import from_data, to_data

__all__ = ["change", "differences", "field_paths", "parse_setting"]


def parse_setting(text: str) -> tuple[str, Any]:
    """Split ``path=value``; the value is TOML (``3``, ``1e-4``, ``true``, ``[1, 2]``), or else
    plain text.

    >>> parse_setting("training.batch_size=32")
    ('training.batch_size', 32)
    >>> parse_setting("loss.name=hinge")
    ('loss.name', 'hinge')
    """
    path, equals, value = text.partition("=")
    path, value = path.strip(), value.strip()
    if not equals or not path or not value:
        raise SpecError(f"Expected path=value, received {shown(text)}; for example latent.size=64.")
    try:
        match parse_toml(f"value = {value}"):
            case {"value": parsed, **others} if not others:
                return path, parsed
    except ValueError:  # not TOML: plain text
        pass
    return path, value


def change(
    spec: Spec,
    settings: Mapping[str, Any],
    also: Iterable[str] = (),
    layers: Layers | None = None,
) -> Spec:
    """Return the spec with some of its fields changed.

    Paths name players and layers by name or by index from 0
    (``players.generator.layers.conv2d_1.filters``). The beginning of a path may be left out if the
    rest is unique.

    Args:
        also: further names to suggest for an unknown path.
        layers: named layers that the settings may use beside gandem's own kinds.

    Raises:
        SpecError: a path fits no field or several, or the changed spec is not valid.
    """
    data = to_data(spec)
    for path, value in settings.items():
        places = dict(_places(data, ""))
        fits = [path] if path in places else [p for p in places if p.endswith(f".{path}")]
        matches = {(id(places[p][0]), places[p][1]): p for p in fits}
        if not matches:
            ends = {".".join(p.split(".")[i:]) for p in places for i in range(p.count(".") + 1)}
            near = suggest(path, ends | set(also))
            raise SpecError(f"The spec {spec.name!r} has no field {shown(path)}.{near}")
        if len(matches) > 1:
            some = ", ".join(list(matches.values())[:3]) + (", …" if len(matches) > 3 else "")
            raise SpecError(
                f"{path!r} fits {len(matches)} fields ({some}); write more of the path."
            )
        container, key = places[fits[0]]
        container[key] = value
    return from_data(data, layers)


def differences(one: Spec, other: Spec) -> dict[str, tuple[Any, Any]]:
    """Return every field in which two specs differ, by path, with both values; names are ignored.

    A field that only one of them has is ``None`` in the other.
    """
    ours, theirs = _leaves(to_data(one)), _leaves(to_data(other))
    paths = {**ours, **theirs}
    pairs = {path: (ours.get(path), theirs.get(path)) for path in paths if path != "name"}
    return {path: pair for path, pair in pairs.items() if pair[0] != pair[1]}


def field_paths(spec: Spec) -> list[str]:
    """Return the path of every field that holds a value."""
    return list(_leaves(to_data(spec)))


def _leaves(data: Any, prefix: str = "") -> dict[str, Any]:
    """Return the plain values of nested data by path, with layers by name."""
    if isinstance(data, dict):
        parts = [*data.items(), *((name, None) for name in _left_out(data))]
    elif isinstance(data, list) and data and isinstance(data[0], dict):
        parts = list(zip(_labels(data), data, strict=True))
    else:
        return {prefix.removesuffix("."): data}
    found: dict[str, Any] = {}
    for key, value in parts:
        found |= _leaves(value, f"{prefix}{key}.")
    return found


def _labels(items: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the name of each player or layer; the default is its kind, numbered."""
    counts: dict[str, int] = {}
    for item in items:
        kind = item.get("kind", "")
        count = counts[kind] = counts.get(kind, -1) + 1
        yield item.get("name") or (f"{kind}_{count}" if count else kind)


def _places(data: Any, prefix: str) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield every path of nested data with its container and key."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield f"{prefix}{key}", (data, key)
            yield from _places(value, f"{prefix}{key}.")
        for key in _left_out(data):
            yield f"{prefix}{key}", (data, key)
    elif isinstance(data, list) and data and isinstance(data[0], dict):
        for index, (name, value) in enumerate(zip(_labels(data), data, strict=True)):
            for label in (str(index), name):
                yield f"{prefix}{label}", (data, index)
                yield from _places(value, f"{prefix}{label}.")


def _left_out(data: dict[str, Any]) -> list[str]:
    """Return the fields of a layer, optimizer or initializer that its data omits."""
    for members in KINDS.values():
        if isinstance(kind := data.get("kind"), str) and kind in members:
            known = hints(members[kind])  # type: ignore[arg-type]  # mypy#11469
            return [name for name in known if name not in data]
    return []
