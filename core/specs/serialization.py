"""Reading and writing specs as TOML and JSON, and their digests."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from gandem.core.documents import parse_json, parse_toml
from gandem.core.errors import SpecError, shown
from gandem.core.fields import decode, encode
from gandem.core.specs.composition import Expansion, PluginKinds
from gandem.core.specs.gan import Spec
from gandem.core.specs.validation import plan_spec

SCHEMA = 1
LARGEST = 1_000_000
"""Bytes; gandem's largest spec has a few thousand."""


def to_data(spec: Spec) -> dict[str, Any]:
    """Return the spec as plain data with every field written out."""
    return {"schema": SCHEMA, **encode(spec)}


def from_data(data: dict[str, Any], plugins: PluginKinds | None = None) -> Spec:
    """Build a spec from plain data and validate it.

    Args:
        plugins: layers and schedules that the data may name beside gandem's own kinds; the spec
            contains what they are composed of.

    Raises:
        SpecError: see :func:`gandem.core.specs.validation.plan_spec`.
    """
    data = dict(data)
    schema = data.pop("schema", SCHEMA)
    if schema != SCHEMA:
        raise SpecError(
            f"schema: this gandem reads schema {SCHEMA}, received {shown(schema)}; upgrade gandem."
        )
    spec: Spec = decode(Spec, data, expand=Expansion(plugins) if plugins else None)
    plan_spec(spec)
    return spec


def to_toml(spec: Spec) -> str:
    """Return the spec as TOML."""
    import tomli_w

    return tomli_w.dumps(to_data(spec))


def to_json(spec: Spec) -> str:
    """Return the spec as JSON on one line, keys sorted."""
    return json.dumps(to_data(spec), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_toml(text: str, plugins: PluginKinds | None = None) -> Spec:
    """Read a spec from TOML; ``plugins`` as in :func:`from_data`."""
    try:
        data = parse_toml(text)
    except ValueError as error:
        raise SpecError(f"The spec is not TOML: {error}.") from None
    return from_data(data, plugins)


def from_json(text: str, plugins: PluginKinds | None = None) -> Spec:
    """Read a spec from JSON; ``plugins`` as in :func:`from_data`."""
    try:
        data = parse_json(text)
    except ValueError as error:
        raise SpecError(f"The spec is not JSON: {error}.") from None
    if not isinstance(data, dict):
        raise SpecError("The spec is not a JSON object.")
    return from_data(data, plugins)


_parse = functools.lru_cache(maxsize=32)(from_toml)
"""Reads a spec from TOML; many runs in a folder have the same one."""


def read_spec(path: Path, plugins: PluginKinds | None = None) -> Spec:
    """Read a spec from a ``.toml`` or ``.json`` file of at most 1 MB; ``plugins`` as in
    :func:`from_data`.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror}).") from None
    if len(raw) > LARGEST:
        raise SpecError(f"{path}: larger than 1 MB; a spec has a few kilobytes.")
    try:
        text = raw.decode("utf-8-sig")  # Windows editors write a byte order mark
        is_json = path.suffix.lower() == ".json"
        if plugins is None and not is_json:
            return _parse(text)
        return (from_json if is_json else from_toml)(text, plugins)
    except UnicodeDecodeError:
        raise SpecError(f"{path}: not a text file.") from None
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None


def digest(spec: Spec) -> str:
    """Return the SHA-256 of the spec without its name, in hexadecimal.

    Specs with equal digests train identically. Fields with default values are omitted, so a new
    field does not change the digests of existing specs.
    """
    data = encode(spec, defaults=False) | {"schema": SCHEMA}
    del data["name"]
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
