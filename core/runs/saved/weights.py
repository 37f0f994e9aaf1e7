"""The weights of a saved model: those of some players, without what only a training needs.

A file holds one set of weights for each of its players, under their own names: the averages where
the training kept them. Reading it completes the state: averages equal the weights, those of other
players are NaN, so that no use of them passes unnoticed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gandem.core.errors import RunError, SpecError, shown, suggest
from gandem.core.machine import check_memory
from gandem.core.specs import Shape, Spec, has_encoder
from gandem.core.training.state import STAGE, WEIGHT, copied_name, state_shapes

DTYPES = ("float16", "float32", "float64")
"""The types that weights can be stored in, from coarse to fine."""
ALL = "all"


def choose_players(spec: Spec, players: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the players to save, in the order of the spec.

    Args:
        players: names, ``"all"``, or None for those that generate: the generator, and the encoder
            if there is one.

    Raises:
        SpecError: a name is unknown, or the generator is not among them.
    """
    known = [player.name for player in spec.players]
    if players == ALL:
        return tuple(known)
    if players is None:
        players = ["generator", *(["encoder"] if has_encoder(spec) else [])]
    chosen = [players] if isinstance(players, str) else list(players)
    for name in chosen:
        if name not in known:
            raise SpecError(f"players: no player named {name!r}.{suggest(name, [*known, ALL])}")
    if "generator" not in chosen:
        raise SpecError("players: a saved model needs the generator; add it.")
    return tuple(name for name in known if name in chosen)


def weight_shapes(spec: Spec, players: Sequence[str]) -> dict[str, Shape]:
    """Return the name and shape of every array in the file of a saved model, in canonical order."""
    return {
        name: shape
        for name, shape in state_shapes(spec).items()
        if name.partition("/")[0] in players or name in (STAGE, WEIGHT)
    }


def select_weights(
    spec: Spec, state: Mapping[str, np.ndarray], players: Sequence[str], dtype: str | None
) -> dict[str, np.ndarray]:
    """Return the arrays to store: the average of a weight if there is one, or else the weight.

    Args:
        dtype: one of :data:`DTYPES` to round to; None keeps the numbers as they are.

    Raises:
        SpecError: there is no such type.
        RunError: a number is too large for the type.
    """
    if dtype is not None and dtype not in DTYPES:
        raise SpecError(f"dtype: expected one of {', '.join(DTYPES)}, received {shown(dtype)}.")
    arrays = {}
    for name in weight_shapes(spec, players):
        value = state.get(f"average/{name}", state[name])
        with np.errstate(over="ignore"):
            arrays[name] = value if dtype is None else value.astype(dtype)
        if not np.isfinite(arrays[name]).all():
            raise RunError(
                f"{name}: it has numbers too large for {dtype}; save it without a dtype."
            )
    return arrays


def check_weights(
    spec: Spec, header: Mapping[str, Any], forms: Mapping[str, tuple[Shape, str]]
) -> tuple[str, tuple[str, ...]]:
    """Check the arrays of a saved model against its header and its spec.

    Args:
        forms: the shape and dtype of every array.

    Returns:
        The precision of the networks, and the players that the file holds.

    Raises:
        RunError: naming the first field or array that does not fit.
    """
    precision, listed = header.get("precision"), header.get("players")
    if precision not in ("float32", "float64"):
        raise RunError(f"its header has the precision {shown(precision)}, which is not valid.")
    try:
        if not isinstance(listed, list):
            raise SpecError
        players = choose_players(spec, list(map(str, listed)))
    except SpecError:
        raise RunError(
            f"its header has the players {shown(listed)}, which are not valid."
        ) from None
    expected_shapes = weight_shapes(spec, players)
    for name, shape in expected_shapes.items():
        if name not in forms:
            raise RunError(f"{name}: the file lacks this array, which the spec expects.")
        if forms[name][0] != shape:
            received = shown(forms[name][0])
            raise RunError(f"{name}: the file has shape {received}, spec expects {shape}.")
        if forms[name][1] not in DTYPES:
            raise RunError(f"{name}: expected {' or '.join(DTYPES)}, received {forms[name][1]}.")
    for name in forms:
        if name not in expected_shapes:
            raise RunError(f"{shown(name)}: the file has this array, which the spec does not know.")
    return precision, players


def complete_weights(
    spec: Spec, arrays: Mapping[str, np.ndarray], precision: str
) -> dict[str, np.ndarray]:
    """Return a whole state with these weights, their copies among the averages, NaN for weights
    that are missing, and zeros for the rest.

    Raises:
        RunError: the state is larger than the memory, although the file is not.
    """
    numbers = sum(map(math.prod, state_shapes(spec).values()))
    remedy = "use a larger machine, or do not trust the file"
    check_memory(numbers * np.dtype(precision).itemsize, f"The state of {spec.name!r}", remedy)
    state = {}
    for name, shape in state_shapes(spec).items():
        if (source := copied_name(name)) in arrays:
            state[name] = arrays[source].astype(precision)
        elif name.endswith("/updates"):
            state[name] = np.zeros(shape, np.int64)
        else:
            is_rest = name.startswith(("optimizer/", "running/"))
            state[name] = np.full(shape, 0.0 if is_rest else np.nan, precision)
    return state
