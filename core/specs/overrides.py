"""Changes of a spec by path, as in ``--set generator.optimizer.learning_rate=1e-4``."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from gandem.core.documents import parse_toml
from gandem.core.errors import SpecError, find_nearest, shown, suggest
from gandem.core.fields import KINDS, encode, hints
from gandem.core.specs.composition import PluginKinds
from gandem.core.specs.gan import Spec
from gandem.core.specs.schedules import Schedule
from gandem.core.specs.serialization import from_data, to_data
from gandem.core.specs.shapes.stages import stage_specs
from gandem.core.specs.validation import list_layers, plan_spec

MAX_SUGGESTIONS = 2
MAX_LITERAL_LENGTH = 1000
"""Characters of a value that is read as Python; its parser has no limit of its own."""


def parse_setting(text: str) -> tuple[str, Any]:
    """Split ``path=value``; the value is written as in TOML or Python (``3``, ``.5``, ``true``,
    ``[1, 2]``), or else plain text.

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
    except ValueError:  # not TOML
        pass
    if re.match(r"[-+.\d(\[]|(True|False)$", value) and len(value) <= MAX_LITERAL_LENGTH:
        try:
            literal = ast.literal_eval(value)
            return path, literal if isinstance(literal, int | float | tuple | list) else value
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            pass
    return path, value


def change(
    spec: Spec,
    settings: Mapping[str, Any],
    parameters: Iterable[str] = (),
    plugins: PluginKinds | None = None,
    options: Iterable[str] = (),
) -> Spec:
    """Return the spec with some of its fields changed.

    Paths name players and layers by name or by index from 0
    (``players.generator.layers.conv2d_1.filters``). The beginning of a path may be left out if the
    rest is unique. A field of the optimizer without a player (``learning_rate``) is changed in all
    players. A changed ``kind`` keeps the fields that the new kind has too, except for defaults.

    Args:
        parameters: of the model, to suggest for an unknown path.
        plugins: layers and schedules that the settings may name beside gandem's own kinds.
        options: settings of the training, which are not fields of the spec.

    Raises:
        SpecError: a path fits no field or several, or the changed spec is not valid.
    """
    data = to_data(spec)
    # kinds first, because they decide which other fields there are
    for path in sorted(settings, key=lambda path: path.rpartition(".")[2] != "kind"):
        value = settings[path]
        for table, key in _find_places(data, path, spec.name, parameters, options):
            is_table = isinstance(table, dict) and isinstance(table.get(key), dict)
            if is_table and Schedule.tag not in table[key]:
                if not isinstance(value, Mapping):
                    field = next(iter(table[key]))
                    is_word = isinstance(value, str) and re.fullmatch(r"[\w-]+", value)
                    example = f"={value}" if is_word else ""
                    raise SpecError(
                        f"{path}: it is a table, received {shown(value)}; set one of its fields, "
                        f"like {path}.{field}{example}."
                    )
            elif key == "kind":
                _remove_other_fields(table, value)
            table[key] = value
    return from_data(data, plugins)


def _find_places(
    data: dict[str, Any],
    path: str,
    name: str,
    parameters: Iterable[str],
    options: Iterable[str],
) -> list[tuple[Any, Any]]:
    """Return the containers and keys of the fields that a setting changes.

    Raises:
        SpecError: there are none, or different ones.
    """
    places = dict(_places(data, ""))
    fits = [path] if path in places else [p for p in places if p.endswith(f".{path}")]
    matches = {(id(places[p][0]), places[p][1]): p for p in fits}
    if not matches:
        hint = _suggest_path(path, places, parameters, options)
        raise SpecError(f"The spec {name!r} has no field {shown(path)}.{hint}")
    fields = {re.sub(r"^players\.\w+\.(?=optimizer\b)", "", p) for p in matches.values()}
    if len(matches) > 1 and not (len(fields) == 1 and min(fields).startswith("optimizer")):
        some = ", ".join(list(matches.values())[:3]) + (", …" if len(matches) > 3 else "")
        raise SpecError(f"{path!r} fits {len(matches)} fields ({some}); write more of the path.")
    return [places[match] for match in matches.values()]


def _suggest_path(
    path: str,
    places: Mapping[str, tuple[Any, Any]],
    parameters: Iterable[str],
    options: Iterable[str],
) -> str:
    """Return a suggestion for a path that fits nothing."""
    if path in options:
        return f" It is a setting of the training: --{path.replace('_', '-')}."
    names = {p.rpartition(".")[2] for p, (table, _) in places.items() if isinstance(table, dict)}
    head, _, leaf = path.rpartition(".")
    named = [p for p in places if not any(part.isdigit() for part in p.split("."))]
    place = next((p for p in (*named, *places) if head and f".{p}".endswith(f".{head}")), None)
    fields = [p.rpartition(".")[2] for p in places if p.rpartition(".")[0] == place]
    if not head:
        near = find_nearest(leaf, {*names, *parameters, *options})
    elif place and not fields:  # a value, which has no fields
        near = [head]
    elif place:  # a table
        near = [f"{head}.{field}" for field in find_nearest(leaf, fields)]
    else:
        depth = path.count(".") + 1
        ends = {".".join(p.split(".")[-depth:]) for p in places if p.endswith(f".{leaf}")}
        near = find_nearest(path, ends)
    if head and not near:  # the same field elsewhere
        same = find_nearest(leaf, names)
        elsewhere = [p for p in named if p.rpartition(".")[2] in same]
        within = [p for p in elsewhere if p.startswith(f"{place}.")]
        near = within or elsewhere
        near = near if len(near) <= MAX_SUGGESTIONS else []
    if near:
        return f" Did you mean {' or '.join(map(repr, near))}?"
    return suggest(leaf, fields or parameters)


def _remove_other_fields(table: dict[str, Any], kind: Any) -> None:
    """Remove from a table the fields that its new kind lacks, and the defaults of its old kind."""
    for members in KINDS.values():
        if (old := members.get(table["kind"])) is None:
            continue
        new = members.get(kind) if isinstance(kind, str) else None
        known = hints(new) if new else {}  # type: ignore[arg-type]  # mypy#11469
        for field in dataclasses.fields(old):
            if field.name not in known or table.get(field.name) == encode(field.default):
                table.pop(field.name, None)


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
    leaves: dict[str, Any] = {}
    for key, value in parts:
        leaves |= _leaves(value, f"{prefix}{key}.")
    return leaves


def _labels(items: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the name of each player or layer; the default is its kind, numbered. A stage has
    neither, but its position.
    """
    counts: dict[str, int] = {}
    for item in items:
        kind = item.get("kind", "")
        count = counts[kind] = counts.get(kind, -1) + 1
        number = f"_{count}" if kind else str(count)
        yield item.get("name") or (f"{kind}{number}" if count or not kind else kind)


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


def freeze_layers(spec: Spec, patterns: Iterable[str]) -> Spec:
    """Return the spec with more layers frozen.

    Args:
        patterns: ``"discriminator.conv2d_1"``; the layers inside a block are frozen with it, and
            all layers with their player; ``*`` stands for any characters.

    Raises:
        SpecError: a pattern fits no layer that has weights, or nothing is left to train.
    """
    plans = [plan_spec(stage) for stage in stage_specs(spec)]
    names = {
        f"{player.name}.{name.replace('/', '.')}": (player.name, name)
        for player in spec.players
        for name, has_weights in list_layers(player, plans).items()
        if has_weights
    }
    frozen = {player.name: {*player.frozen} for player in spec.players}
    for pattern in patterns:
        path = pattern.replace("/", ".")
        matches = [n for n in names if fnmatchcase(n, path) or n.startswith(f"{path}.")]
        if not matches:
            near = suggest(path, (*names, *frozen))
            raise SpecError(f"freeze: no layer with weights fits {shown(pattern)}.{near}")
        for player, name in map(names.__getitem__, matches):
            frozen[player].add(name)
    players = (
        dataclasses.replace(player, frozen=tuple(frozen[player.name])) for player in spec.players
    )
    changed = dataclasses.replace(spec, players=tuple(players))
    plan_spec(changed)
    return changed
