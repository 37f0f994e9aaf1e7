"""Checkpoints: a whole state in one safetensors file, by canonical names and layout, with the spec
it is of.

Beside the arrays lies a header: the step, the seed, the spec, the data's identity, versions, the
metrics, and a SHA-256 over all of that, so that one flipped bit is noticed.  A checkpoint says
everything needed to go on with it; docs/runs.md has its fields.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.errors import RunError, SpecError, shown
from gandem.core.files import make_folder, write_file
from gandem.core.specs import Spec, from_data, to_data
from gandem.core.specs.serialization import SCHEMA
from gandem.core.training import check_state, forms_of, metric_names, state_shapes

__all__ = [
    "Checkpoint",
    "DamagedError",
    "checkpoint_path",
    "checkpoints_in",
    "metrics_of",
    "read_checkpoint",
    "scores_of",
    "step_of",
    "write_checkpoint",
]

FORMAT = 1
LARGEST_HEADER = 10_000_000
"""Bytes; the headers of the catalog have some ten thousand."""
TYPES = {"F32": "float32", "F64": "float64", "I64": "int64"}
"""What a state is made of, by safetensors' names."""
MOST_WORDS = 300
"""Letters of an error's text that are passed on."""
NAME = re.compile(r"step-([0-9]{6}|[1-9][0-9]{6,17})\.safetensors")
"""What :func:`checkpoint_path` makes: a step has one name."""


class DamagedError(RunError):
    """A checkpoint whose bytes cannot be what was written: the one before it may be good."""


class _NewerError(Exception):
    """A checkpoint in a format of the future."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state as it was kept.

    Attributes:
        path: the file.
        step: steps made.
        seed: of everything random.
        precision: ``"float32"`` or ``"float64"``.
        spec: what was being trained.
        state: every array, by canonical name.
        header: the whole header, with the metrics and where the state comes from.
    """

    path: Path
    step: int
    seed: int
    precision: str
    spec: Spec
    state: dict[str, np.ndarray]
    header: dict[str, Any]


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return where the checkpoint after ``step`` steps lies in a run."""
    return folder / "checkpoints" / f"step-{step:06d}.safetensors"


def step_of(path: Path) -> int | None:
    """Return the step in a checkpoint's name.

    >>> step_of(Path("step-000938.safetensors"))
    938
    """
    found = NAME.fullmatch(path.name)
    return int(found[1]) if found else None


def checkpoints_in(folder: Path) -> list[Path]:
    """Return a run's checkpoints, oldest first."""
    found = [(step_of(path), path) for path in (folder / "checkpoints").glob("step-*.safetensors")]
    return [path for step, path in sorted((step, path) for step, path in found if step is not None)]


def metrics_of(checkpoint: Checkpoint) -> dict[str, float]:
    """Return the losses and accuracies of a checkpoint's step, as far as its header has them."""
    found = checkpoint.header.get("metrics")
    if not isinstance(found, dict):
        return {}
    names = metric_names(checkpoint.spec)
    return {name: found[name] for name in names if isinstance(found.get(name), float)}


def scores_of(checkpoint: Checkpoint) -> dict[str, float]:
    """Return the scores taken after a checkpoint's step, where they were."""
    found = checkpoint.header.get("scores")
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, float)}


def write_checkpoint(
    folder: Path,
    step: int,
    state: Mapping[str, np.ndarray],
    spec: Spec,
    seed: int,
    facts: Mapping[str, Any],
) -> Path:
    """Write the state after ``step`` steps into a run's folder, whole or not at all.

    The same state and facts make the same bytes.

    Args:
        facts: what else the header shall say: data, backend, versions, metrics.

    Raises:
        RunError: the disk is full, the folder cannot be written, or the state is not the spec's.
    """
    from safetensors.numpy import save

    path = checkpoint_path(folder, step)
    make_folder(path.parent)
    arrays = {name: _plain(value) for name, value in state.items()}
    check_state(spec, forms_of(arrays))  # a file that nobody can read would be found out too late
    header = {**facts, "format": FORMAT, "step": step, "seed": seed, "spec": to_data(spec)}
    header["sha256"] = _seal(header, arrays)
    # not save_file: it writes under a name of its own, readable by the owner alone
    write_file(path, save(arrays, metadata={"gandem": json.dumps(header, sort_keys=True)}))
    return path


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and hold it to itself: its bytes to their digest, its arrays to its spec.

    Nothing is read into memory before its size, type and shape are those the spec asks for.

    Raises:
        DamagedError: it is not what was written; the text names the first array that does not fit.
        RunError: it cannot be read, there is no memory for it, or a newer gandem wrote it.
    """
    from safetensors import SafetensorError, safe_open

    try:
        size = _check_file(path)
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get("gandem", "null"))
            spec = _check_header(header, step_of(path))
            forms = {name: _form(file.get_slice(name)) for name in file.keys()}
            precision = check_state(spec, forms)
            np.empty(size, np.uint8)  # where memory runs out safetensors panics, past every except
            state = {name: file.get_tensor(name) for name in state_shapes(spec)}
        _check_arrays(header, state)
    except _NewerError as error:
        raise RunError(f"{path}: {error}") from None
    except (RunError, SpecError) as error:
        raise DamagedError(f"{path}: {_printable(error)}") from None
    except MemoryError:
        raise RunError(f"{path}: there is not enough memory to read it.") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from None
    except (SafetensorError, ValueError, TypeError, RecursionError) as error:
        raise DamagedError(
            f"{path}: not a checkpoint of gandem, or damaged ({_printable(error)})."
        ) from None
    return Checkpoint(path, header["step"], header["seed"], precision, spec, state, header)


def _printable(error: Exception) -> str:
    """Return an error's text on one line, which may quote what a stranger wrote into a file."""
    text = " ".join(str(error).split())
    text = "".join(letter if letter.isprintable() else "?" for letter in text[:MOST_WORDS])
    return text if len(text) < MOST_WORDS else f"{text[:-1]}…"


def _check_file(path: Path) -> int:
    """Look at a file before anything trusts it: a plain one, whose header is no larger than it;
    return its size in bytes.
    """
    kind = path.lstat()
    if not stat.S_ISREG(kind.st_mode):
        word = "a symbolic link" if stat.S_ISLNK(kind.st_mode) else "not a file"
        raise DamagedError(f"it is {word}; expected a plain file.")
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if kind.st_size < 8 or size > kind.st_size - 8:
        raise ValueError(f"its header claims {size} bytes, the file has {kind.st_size}")
    if size > LARGEST_HEADER:
        raise ValueError(f"its header has {size} bytes")
    return kind.st_size


def _check_header(header: Any, named: int | None) -> Spec:
    """Check the fields of a header that others rely on, and the step against the one in the file's
    name; return the spec.
    """
    if not isinstance(header, dict):
        raise ValueError("it has no header of gandem's")
    spec = header.get("spec")
    schema = spec.get("schema") if isinstance(spec, dict) else None
    known = {"format": (header.get("format"), FORMAT), "schema": (schema, SCHEMA)}
    for name, (found, newest) in known.items():
        if type(found) is int and found > newest:
            raise _NewerError(f"written by a newer gandem, {name} {shown(found)}; upgrade gandem.")
    kinds = {"format": int, "step": int, "seed": int, "spec": dict, "sha256": str}
    for name, kind in kinds.items():
        if type(header.get(name)) is not kind:
            raise DamagedError(f"its header has no {name!r}, or a damaged one.")
    limits = {"format": range(1, FORMAT + 1), "step": range(10**18), "seed": range(2**63)}
    for name, limit in limits.items():
        if header[name] not in limit:
            raise DamagedError(f"its header has the {name} {shown(header[name])}, which cannot be.")
    if named is not None and named != header["step"]:
        raise DamagedError(f"its header says step {header['step']}, its name {named}.")
    return from_data(header["spec"])


def _form(part: Any) -> tuple[tuple[int, ...], str]:
    kind = part.get_dtype()
    return tuple(part.get_shape()), TYPES.get(kind, shown(kind))


def _check_arrays(header: Mapping[str, Any], state: Mapping[str, np.ndarray]) -> None:
    if header["sha256"] != _seal(header, state):
        raise DamagedError("damaged; its bytes are not those that were written.")
    for name, value in state.items():
        if not np.isfinite(value).all():
            raise DamagedError(f"{name} holds numbers that are not finite.")


def _plain(value: np.ndarray) -> np.ndarray:
    """Return the array in C order and little-endian.

    safetensors 0.8.0 silently writes wrong values for arrays that are not contiguous
    (safetensors#825).
    """
    plain = np.ascontiguousarray(value, np.dtype(value.dtype).newbyteorder("<"))
    return plain.reshape(np.shape(value))  # a scalar stays one


def _seal(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of a header, itself left out, and of arrays with names and types."""
    facts = {name: value for name, value in header.items() if name != "sha256"}
    hashed = hashlib.sha256(json.dumps(facts, sort_keys=True, allow_nan=False).encode())
    for name in sorted(arrays):
        value = arrays[name]
        hashed.update(f"\n{name} {value.dtype.str} {value.shape}\n".encode())
        hashed.update(np.ascontiguousarray(value).data)
    return hashed.hexdigest()
