"""Mutated files: bytes and values of good files, changed at random."""

import contextlib
import copy
import functools
import json
import math
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from gandem.core.runs import write_checkpoint
from gandem.core.runs.checkpoint import hash_contents
from gandem.core.specs.loading import load_spec
from gandem.core.training import initial_state
from support.commands import TINY

Change = Callable[[dict], object]
SPEC = load_spec("dcgan", TINY["dcgan"])
BELL, RED = "\x07", "\x1b[31m"


@dataclass(frozen=True)
class CheckpointBytes:
    """The bytes of a checkpoint, and copies of it with changes; a change edits what it is given."""

    raw: bytes

    @property
    def size(self) -> int:
        """Bytes of safetensors' table, which has gandem's header in it."""
        return int.from_bytes(self.raw[:8], "little")

    @property
    def body(self) -> bytes:
        return self.raw[8 + self.size :]

    @property
    def table(self) -> dict:
        return json.loads(self.raw[8 : 8 + self.size])

    @property
    def header(self) -> dict:
        return json.loads(self.table["__metadata__"]["gandem"])

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return {name: a.copy() for name, a in safetensors.numpy.load(self.raw).items()}

    def with_table(self, change: Change) -> bytes:
        """Return the checkpoint with another table over the same bytes."""
        return pack(apply(change, self.table), self.body)

    def with_text(self, text: str | None) -> bytes:
        """Return the checkpoint with another text as its header."""
        return pack(self.table | {"__metadata__": {"gandem": text} if text else {}}, self.body)

    def sealed(self, header: Change = bool, arrays: Change = bool) -> bytes:
        """Return a changed checkpoint with the digest of its changed content."""
        fields, values = apply(header, self.header), apply(arrays, self.arrays)
        with contextlib.suppress(ValueError):  # NaN has no digest
            fields |= {"sha256": hash_contents(fields, values)}
        return safetensors.numpy.save(values, {"gandem": json.dumps(fields)})


def apply(change: Change, data: dict) -> dict:
    change(data)
    return data


def pack(table: dict | bytes, body: bytes) -> bytes:
    """Return a safetensors file, its length that of its table."""
    head = table if isinstance(table, bytes) else json.dumps(table).encode()
    return len(head).to_bytes(8, "little") + head + body


def make_checkpoint(folder: Path, step: int) -> CheckpointBytes:
    """Return a checkpoint of a network whose numbers are all different."""
    numbers = np.random.default_rng(step)
    state = {
        name: value if value.ndim == 0 else numbers.normal(size=value.shape).astype(value.dtype)
        for name, value in initial_state(SPEC, 0, "float32").items()
    }
    facts = {"metrics": {"generator": 0.75}, "versions": {"torch": "2.6"}, "data": {"count": 40}}
    return CheckpointBytes(write_checkpoint(folder, step, state, SPEC, 3, facts).read_bytes())


ODD_VALUES = [
    *(None, True, False, 0, -1, 1, 7, 0.5, -0.0, 1e308, math.nan, math.inf, -math.inf),
    *(2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**64, 10**30, 10**4000),
    *("", "x", "generator", "F64", f"{RED}{BELL}\n", "\0", "9" * 5000, "../" * 99),
    *([], [0], [1, 1], [-1, 2**63], [[]], [None], {}, {"kind": "relu"}, {"kind": "dense"}),
]


def list_places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the container and key of everything in JSON data."""
    for key in data if isinstance(data, dict) else range(len(data)):
        yield data, key
        if isinstance(data[key], dict | list):
            yield from list_places(data[key])


def mutate_data(rng: random.Random, data: dict) -> dict:
    """Return the data with a few values replaced, dropped, doubled or swapped, and keys renamed."""
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        if not (spots := list(list_places(data))):
            break
        (container, key), (other, baseline) = rng.choice(spots), rng.choice(spots)
        match rng.randrange(6):
            case 0 | 1:
                container[key] = copy.deepcopy(rng.choice(ODD_VALUES))
            case 2:
                del container[key]
            case 3:
                container[key] = copy.deepcopy(other[baseline])
            case 4 if isinstance(container, list):
                container.insert(key, copy.deepcopy(container[key]))
            case 5 if isinstance(container, dict):
                container[rng.choice([f"{key}s", f"{RED}{key}", "name"])] = container.pop(key)
    return data


def mutate_bytes(rng: random.Random, raw: bytes, other: bytes) -> bytes:
    """Return bytes with a few of them flipped, lost, moved, doubled, or taken from another file."""
    changed = bytearray(raw)
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        end = rng.choice([8, len(changed), len(changed)])  # the length comes in for its share
        a, b = (rng.randrange(min(end, len(changed)) + 1) for _ in range(2))
        size = rng.choice([1, 2, 8, 100, 1000])
        match rng.randrange(8):
            case 0 if a < len(changed):
                changed[a] ^= 1 << rng.randrange(8)
            case 1:
                changed[a : a + size] = rng.randbytes(len(changed[a : a + size]))
            case 2:
                del changed[a:]
            case 3:
                changed[a:a] = rng.randbytes(size)
            case 4:
                del changed[a : a + size]
            case 5:
                changed[a:a] = changed[b : b + size]
            case 6:
                changed[a : a + size], changed[b : b + size] = (
                    changed[b : b + size],
                    changed[a : a + size],
                )
            case 7:
                changed[a:] = other[b if rng.random() < 0.3 else a :]
    return bytes(changed)


def mutate_arrays(rng: random.Random, arrays: dict[str, np.ndarray]) -> None:
    """Change a byte in a few arrays, now and then with their type."""
    for name in rng.sample(sorted(arrays), rng.choice([1, 1, 3])):
        raw, dtype, shape = (
            bytearray(arrays[name].tobytes()),
            arrays[name].dtype,
            arrays[name].shape,
        )
        raw[rng.randrange(len(raw))] = rng.choice([0, 0x7F, 0x80, 0xFF])
        if rng.random() < 0.1:
            dtype, shape = np.dtype(rng.choice(["<f2", "<i4", "|u1"])), -1
        arrays[name] = np.frombuffer(raw, dtype).reshape(shape)


def forge_checkpoint(
    rng: random.Random, kept: CheckpointBytes, other: CheckpointBytes
) -> tuple[bytes, bool]:
    """Return the bytes of a mutated checkpoint, and whether its digest is that of its content."""
    mutate = functools.partial(mutate_data, rng)
    match rng.randrange(6):
        case 0 | 1:
            return mutate_bytes(rng, kept.raw, other.raw), False
        case 2:
            return kept.with_table(mutate), False
        case 3:
            return kept.with_text(json.dumps(mutate(kept.header))), False
        case 4:
            return kept.sealed(header=mutate), True
        case _:
            return kept.sealed(arrays=functools.partial(mutate_arrays, rng)), True


def mutate_json(rng: random.Random, raw: bytes) -> bytes:
    """Return a JSON text, or one of several lines, with its bytes or its data changed."""
    lines = raw.splitlines(keepends=True)
    if rng.random() < 0.3:
        return mutate_bytes(rng, raw, raw[::-1])
    whole = len(lines) > 1 and not raw.startswith(b'{"')  # indented
    place = rng.randrange(len(lines))
    text = raw if whole else lines[place]
    data = mutate_data(rng, {"": json.loads(text)}).get("")
    changed = nest_deeply(rng, json.dumps(data)).encode()
    return changed if whole else b"".join([*lines[:place], changed, b"\n", *lines[place + 1 :]])


DEEP = "[" * 3000 + "]" * 3000
"""Lists in lists, deeper than Python's stack."""


def nest_deeply(rng: random.Random, text: str) -> str:
    """Return a text of JSON or TOML, in some cases with :data:`DEEP` instead of a string."""
    strings = list(re.finditer(r'"[^"\\\n]*"(?!\s*[:=])', text))
    if not strings or rng.random() > 0.05:
        return text
    place = rng.choice(strings)
    return text[: place.start()] + DEEP + text[place.end() :]
