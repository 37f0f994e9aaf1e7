"""The arrays that a training can start from: those of a run, or of a safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gandem.core.documents import parse_json
from gandem.core.errors import RunError, shorten
from gandem.core.runs.checkpoint import Checkpoint, check_header_size, read_checkpoint
from gandem.core.runs.run import Run, open_run
from gandem.core.specs import Spec
from gandem.core.training import averaged_players, network_shapes

SUFFIX = ".safetensors"
READABLE = ("F16", "F32", "F64")
"""The types of the arrays that can be loaded, by their names in safetensors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSource:
    """Arrays of networks, by name.

    Attributes:
        name: of the run or the file, as it was given.
        others: the types of arrays that cannot be loaded, by name, such as counters.
        spec, step: of the run; None for a file of another program.
        averaged: the players whose averaged weights the arrays are.
    """

    name: str
    arrays: Mapping[str, np.ndarray]
    others: Mapping[str, str] = field(default_factory=dict)
    spec: Spec | None = None
    step: int | None = None
    averaged: tuple[str, ...] = ()


def read_source(source: Run | Path | str) -> WeightSource:
    """Read the weights of a run's last checkpoint, or of a ``.safetensors`` file.

    Raises:
        RunError: it is neither, or cannot be read.
    """
    if isinstance(source, Run):
        return _take_networks(str(source.path), source.checkpoint())
    if str(source).lower().endswith(SUFFIX):
        return _read_file(Path(source))
    if Path(source).is_file():
        raise RunError(
            f"{source}: expected the folder of a run, or a file that ends in {SUFFIX}; "
            "safetensors.torch.save_file writes one."
        )
    return _take_networks(str(source), open_run(source).checkpoint())


def _take_networks(name: str, checkpoint: Checkpoint) -> WeightSource:
    """Return the weights and statistics of a checkpoint's networks: the averaged weights, if there
    are any, because they make the images that the run shows. A saved model may lack some networks.
    """
    spec, state = checkpoint.spec, checkpoint.state
    names = [key for key in network_shapes(spec) if key.partition("/")[0] in checkpoint.players]
    arrays = {key: state.get(f"average/{key}", state[key]) for key in names}
    return WeightSource(
        name=name,
        arrays=arrays,
        spec=spec,
        step=checkpoint.step,
        averaged=averaged_players(spec),
    )


def _read_file(path: Path) -> WeightSource:
    from safetensors import SafetensorError, safe_open

    try:
        size = check_header_size(path.resolve())
        with safe_open(path, framework="numpy") as file:
            if _is_checkpoint((file.metadata() or {}).get("gandem", "null")):
                return _take_networks(str(path), read_checkpoint(path.resolve()))
            types = {name: file.get_slice(name).get_dtype() for name in file.keys()}
            np.empty(size, np.uint8)  # raises MemoryError; safetensors would end the process
            arrays = {name: file.get_tensor(name) for name in types if types[name] in READABLE}
    except FileNotFoundError:
        raise RunError(f"{path}: there is no such file.") from None
    except MemoryError:
        raise RunError(f"{path}: there is not enough memory to read it.") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from None
    except RunError as error:  # of another kind of file
        text = str(error)
        raise RunError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    except (SafetensorError, ValueError, TypeError) as error:
        reason = shorten(" ".join(str(error).split()))
        raise RunError(f"{path}: not a safetensors file, or damaged ({reason}).") from None
    others = {name: kind for name, kind in types.items() if kind not in READABLE}
    return WeightSource(name=str(path), arrays=arrays, others=others)


def _is_checkpoint(text: str) -> bool:
    """Return True if the metadata of a file is the header of a checkpoint."""
    header = parse_json(text)
    return isinstance(header, dict) and {"format", "step", "spec"} <= header.keys()
