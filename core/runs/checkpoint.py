"""Checkpoints: a whole state in one safetensors file, by canonical names and layout.

Beside the arrays lies a header: the step, the spec's digest, the facts of the run, and a SHA-256
over all of that, so that one flipped bit is noticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.errors import RunError
from gandem.core.files import make_folder, write_file
from gandem.core.spec import Spec, digest
from gandem.core.training import check_state

__all__ = ["checkpoint_path", "read_checkpoint", "write_checkpoint"]


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return where the checkpoint after ``step`` steps lies in a run; names sort by step."""
    return folder / "checkpoints" / f"step-{step:08d}.safetensors"


def write_checkpoint(
    folder: Path, step: int, state: Mapping[str, np.ndarray], spec: Spec, facts: Mapping[str, Any]
) -> Path:
    """Write the state after ``step`` steps into a run's folder, whole or not at all.

    The same state and facts make the same bytes.

    Raises:
        RunError: the disk is full or the folder cannot be written.
    """
    from safetensors.numpy import save

    path = checkpoint_path(folder, step)
    make_folder(path.parent)
    arrays = {name: _plain(value) for name, value in state.items()}
    header = {"format": 1, "step": step, "spec": digest(spec), **facts}
    header["sha256"] = _seal(header, arrays)
    # not save_file: it writes under a name of its own, readable by the owner alone
    write_file(path, save(arrays, metadata={"gandem": json.dumps(header, sort_keys=True)}))
    return path


def read_checkpoint(path: Path, spec: Spec) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a state and its header, and check it against the spec.

    Raises:
        RunError: the file is damaged, or is of another spec; the text names the first array that
            does not fit.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})["gandem"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from None
    except (SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise RunError(f"{path}: not a checkpoint of gandem, or damaged ({error}).") from None
    if not isinstance(header, dict) or not isinstance(header.get("step"), int):
        raise RunError(f"{path}: not a checkpoint of gandem (its header has no step).")
    if header.get("sha256") != _seal(header, arrays):
        raise RunError(f"{path}: damaged; its bytes are not those that were written.")
    try:
        check_state(spec, arrays)
    except RunError as error:
        raise RunError(f"{path}: {error}") from None
    if header.get("spec") != digest(spec):
        raise RunError(f"{path}: of another spec than the spec.toml beside it.")
    for name, value in arrays.items():
        if not np.isfinite(value).all():
            raise RunError(f"{path}: {name} holds numbers that are not finite.")
    return arrays, header


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
    hashed = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(arrays):
        value = arrays[name]
        hashed.update(f"\n{name} {value.dtype.str} {value.shape}\n".encode())
        hashed.update(np.ascontiguousarray(value).data)
    return hashed.hexdigest()
