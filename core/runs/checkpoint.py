"""Checkpoints: the whole state of a training in one safetensors file, with its spec.

The header contains the step, the seed, the spec, the digest of the data, versions, metrics, and a
SHA-256 of the header and the arrays, which detects a flipped bit. ``docs/runs.md`` lists them.
The file of a saved model has the same form, with the weights of some players alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.documents import parse_json
from gandem.core.errors import RunError, SpecError, shown
from gandem.core.files import make_folder, write_file
from gandem.core.runs.saved.weights import check_weights, complete_weights, weight_shapes
from gandem.core.specs import Spec, from_data, to_data
from gandem.core.specs.serialization import SCHEMA
from gandem.core.training import check_state, list_forms, metric_names, state_shapes

FORMAT = 1
MAX_HEADER_SIZE = 10_000_000
"""Bytes; the headers of gandem's models have about ten thousand."""
TYPES = {"F16": "float16", "F32": "float32", "F64": "float64", "I64": "int64"}
"""The types of a state's arrays, by their names in safetensors."""
MODEL = "model.safetensors"
"""The name of the only checkpoint in the folder of a saved model."""
MAX_MESSAGE = 300
"""Characters of an error's message that are passed on."""
NAME = re.compile(r"step-([0-9]{6}|[1-9][0-9]{6,17})\.safetensors")
"""The names that :func:`checkpoint_path` returns."""


class DamagedError(RunError):
    """A checkpoint is damaged; an older one may be intact."""


class _NewerError(Exception):
    """A checkpoint has the format of a newer gandem."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state read from a file.

    Attributes:
        step: number of steps made.
        seed: of all random numbers.
        precision: ``"float32"`` or ``"float64"``.
        state: every array, by canonical name.
        header: the whole header, with the metrics.
        players: those whose weights the file holds. The weights of others are NaN in the state,
            the rest of it is zero.
    """

    path: Path
    step: int
    seed: int
    precision: str
    spec: Spec
    state: dict[str, np.ndarray]
    header: dict[str, Any]
    players: tuple[str, ...]

    def check_player(self, name: str) -> None:
        """Check that the file holds the weights of a player.

        Raises:
            RunError: it does not.
        """
        if name not in self.players:
            raise RunError(f"{self.path}: it holds no {name}; it holds {', '.join(self.players)}.")


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return the path of the checkpoint after ``step`` steps in a run's folder."""
    return folder / "checkpoints" / f"step-{step:06d}.safetensors"


def parse_step(path: Path) -> int | None:
    """Return the step in a checkpoint's name, None for another name.

    >>> parse_step(Path("step-000938.safetensors"))
    938
    """
    match = NAME.fullmatch(path.name)
    return int(match[1]) if match else None


def list_checkpoints(folder: Path) -> list[Path]:
    """Return a run's checkpoints, oldest first; of a saved model its only file."""
    paths = (folder / "checkpoints").glob("step-*.safetensors")
    steps = {path: step for path in paths if (step := parse_step(path)) is not None}
    model = folder / MODEL
    return sorted(steps, key=lambda path: steps[path]) or [model] * model.is_file()


def read_metrics(header: Mapping[str, Any], spec: Spec) -> dict[str, float]:
    """Return the losses and accuracies in a checkpoint's header."""
    return _numbers(header.get("metrics"), metric_names(spec))


def read_scores(header: Mapping[str, Any]) -> dict[str, float]:
    """Return the scores in a checkpoint's header."""
    scores = header.get("scores")
    return _numbers(scores, scores if isinstance(scores, dict) else ())


def _numbers(table: Any, names: Iterable[str]) -> dict[str, float]:
    numbers = table if isinstance(table, dict) else {}
    return {name: numbers[name] for name in names if isinstance(numbers.get(name), float)}


def write_checkpoint(
    folder: Path,
    step: int,
    state: Mapping[str, np.ndarray],
    spec: Spec,
    seed: int,
    fields: Mapping[str, Any],
) -> Path:
    """Write the state after ``step`` steps into a run's folder, whole or not at all.

    Equal states and fields give equal bytes.

    Args:
        fields: further fields of the header: data, backend, versions, metrics.

    Raises:
        RunError: the disk is full, the folder cannot be written, or the state does not fit the
            spec.
    """
    path = checkpoint_path(folder, step)
    make_folder(path.parent)
    check_state(spec, list_forms(state))  # an error when the file is read would come too late
    header = {**fields, "format": FORMAT, "step": step, "seed": seed, "spec": to_data(spec)}
    write_arrays(path, header, state)
    return path


def write_arrays(path: Path, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays with a header of gandem, to which their SHA-256 is added.

    Raises:
        RunError: the disk is full, or the file cannot be written.
    """
    from safetensors.numpy import save

    plain = {name: _plain(value) for name, value in arrays.items()}
    header = {**header, "sha256": hash_contents(header, plain)}
    # safetensors' own save_file creates a file that only its owner can read
    write_file(path, save(plain, metadata={"gandem": json.dumps(header, sort_keys=True)}))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, and check its bytes against their digest and its arrays against the spec.

    Sizes, types and shapes are checked before any array is read.

    Raises:
        DamagedError: the file is damaged; the message names the first array that does not fit.
        RunError: it cannot be read, memory runs out, or a newer gandem wrote it.
    """
    with _opened(path) as (file, size, header, spec):
        forms = {name: _form(file.get_slice(name)) for name in file.keys()}
        players = tuple(player.name for player in spec.players)
        if is_complete := "players" not in header:
            precision, names = check_state(spec, forms), state_shapes(spec)
        else:
            precision, players = check_weights(spec, header, forms)
            names = weight_shapes(spec, players)
        np.empty(size, np.uint8)  # raises MemoryError; safetensors would end the process
        arrays = {name: file.get_tensor(name) for name in names}
        _check_arrays(header, arrays)
        state = arrays if is_complete else complete_weights(spec, arrays, precision)
    return Checkpoint(path, header["step"], header["seed"], precision, spec, state, header, players)


def read_header(path: Path) -> dict[str, Any]:
    """Read the header of a checkpoint alone; its arrays are not checked.

    Raises:
        RunError: as :func:`read_checkpoint`.
    """
    with _opened(path) as (_, _, header, _):
        return header


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, int, dict[str, Any], Spec]]:
    """Open a checkpoint and check its header; errors inside the block name the path.

    Yields:
        The file, its size in bytes, its header and its spec.
    """
    from safetensors import SafetensorError, safe_open

    try:
        size = check_header_size(path)
        with safe_open(path, framework="numpy") as file:
            header = parse_json((file.metadata() or {}).get("gandem", "null"))
            yield file, size, header, _check_header(header, parse_step(path))
    except _NewerError as error:
        raise RunError(f"{path}: {error}") from None
    except (RunError, SpecError) as error:
        raise DamagedError(f"{path}: {_printable(error)}") from None
    except MemoryError:
        raise RunError(f"{path}: there is not enough memory to read it.") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from None
    except (SafetensorError, ValueError, TypeError) as error:
        raise DamagedError(
            f"{path}: not a checkpoint of gandem, or damaged ({_printable(error)})."
        ) from None


def _printable(error: Exception) -> str:
    """Return the message of an error on one printable line; it may quote parts of the file."""
    text = " ".join(str(error).split())
    text = "".join(letter if letter.isprintable() else "?" for letter in text[:MAX_MESSAGE])
    return text if len(text) < MAX_MESSAGE else f"{text[:-1]}…"


def check_header_size(path: Path) -> int:
    """Check that a path is a plain file, and that its header fits into it; return its size.

    A saved model may be a link: the cache of a hub links its files.
    """
    kind = path.stat() if path.name == MODEL else path.lstat()
    if not stat.S_ISREG(kind.st_mode):
        kind_name = "a symbolic link" if stat.S_ISLNK(kind.st_mode) else "not a file"
        raise DamagedError(f"it is {kind_name}; expected a plain file.")
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if kind.st_size < 8 or size > kind.st_size - 8:
        raise ValueError(f"its header claims {size} bytes, the file has {kind.st_size}")
    if size > MAX_HEADER_SIZE:
        raise ValueError(f"its header has {size} bytes")
    return kind.st_size


def _check_header(header: Any, named: int | None) -> Spec:
    """Check the required fields of a header; return the spec.

    Args:
        named: the step in the file's name, if it has one.
    """
    if not isinstance(header, dict):
        raise ValueError("it has no header of gandem")
    spec = header.get("spec")
    schema = spec.get("schema") if isinstance(spec, dict) else None
    known = {"format": (header.get("format"), FORMAT), "schema": (schema, SCHEMA)}
    for name, (number, newest) in known.items():
        if type(number) is int and number > newest:
            problem = f"written by a newer gandem, {name} {shown(number)}; upgrade gandem."
            raise _NewerError(problem)
    kinds = {"format": int, "step": int, "seed": int, "spec": dict, "sha256": str}
    for name, kind in kinds.items():
        if type(header.get(name)) is not kind:
            raise DamagedError(f"its header has no {name!r}, or a damaged one.")
    limits = {"format": range(1, FORMAT + 1), "step": range(10**18), "seed": range(2**63)}
    for name, limit in limits.items():
        if header[name] not in limit:
            raise DamagedError(
                f"its header has the {name} {shown(header[name])}, which is not valid."
            )
    if named is not None and named != header["step"]:
        raise DamagedError(f"its header says step {header['step']}, its name {named}.")
    return from_data(header["spec"])


def _form(part: Any) -> tuple[tuple[int, ...], str]:
    kind = part.get_dtype()
    return tuple(part.get_shape()), TYPES.get(kind, shown(kind))


def _check_arrays(header: Mapping[str, Any], state: Mapping[str, np.ndarray]) -> None:
    if header["sha256"] != hash_contents(header, state):
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
    return plain.reshape(np.shape(value))  # NumPy has made a scalar one-dimensional


def hash_contents(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of a header without ``sha256``, and of arrays with names and types."""
    fields = {name: value for name, value in header.items() if name != "sha256"}
    hashed = hashlib.sha256(json.dumps(fields, sort_keys=True, allow_nan=False).encode())
    for name in sorted(arrays):
        value = arrays[name]
        hashed.update(f"\n{name} {value.dtype.str} {value.shape}\n".encode())
        hashed.update(np.ascontiguousarray(value).data)
    return hashed.hexdigest()
