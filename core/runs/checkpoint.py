"""Checkpoints: a whole state in one safetensors file, by canonical names and layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.errors import RunError
from gandem.core.files import fill_file, make_folder
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

    Raises:
        RunError: the disk is full or the folder cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    path = checkpoint_path(folder, step)
    make_folder(path.parent)
    # safetensors 0.8.0 silently writes wrong values for arrays that are not contiguous
    # (safetensors#825)
    arrays = {name: _contiguous(value) for name, value in state.items()}
    header = {"format": 1, "step": step, "spec": digest(spec), **facts}

    def fill(temporary: Path) -> None:
        try:
            save_file(arrays, temporary, metadata={"gandem": json.dumps(header)})
        except SafetensorError as error:
            raise OSError(0, str(error)) from None

    fill_file(path, fill)
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
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path}: not a checkpoint of gandem, or damaged ({error}).") from None
    if not isinstance(header, dict) or not isinstance(header.get("step"), int):
        raise RunError(f"{path}: not a checkpoint of gandem (its header has no step).")
    try:
        check_state(spec, arrays)
    except RunError as error:
        raise RunError(f"{path}: {error}") from None
    for name, value in arrays.items():
        if not np.isfinite(value).all():
            raise RunError(f"{path}: {name} holds numbers that are not finite.")
    return arrays, header


def _contiguous(value: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(value).reshape(np.shape(value))  # a scalar stays one
