"""The state of a training: every array it needs, by canonical name.

================================================  =========================================
``generator/dense/kernel``                        a weight
``discriminator/batch_norm/variance``             a running statistic
``discriminator/conv2d/left_vector``              another, of spectral norm
``optimizer/generator/dense/kernel/first_moment`` a slot of the optimizer
``optimizer/generator/updates``                   updates so far, int64, shape ()
``average/generator/dense/kernel``                the weight average
================================================  =========================================
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from gandem.core.errors import RunError, shown
from gandem.core.rng import Purpose, part_of, stream
from gandem.core.specs import Shape, Spec, initial_values, plan_spec

__all__ = [
    "OUTSIDE",
    "averaged_players",
    "check_state",
    "forms_of",
    "initial_state",
    "nudge",
    "state_shapes",
    "statistics",
    "stored",
    "weights",
]


OUTSIDE: Mapping[str, str] = MappingProxyType(
    {
        name: f"{name} is outside the parity promise: it keeps {bits} bits of a number, and each "
        "framework rounds to them at places of its own; choose float32 or float64"
        for name, bits in (("bfloat16", 8), ("tf32", 11))
    }
)
"""The precisions that no two frameworks share, each with the reason: only the factors of products
are rounded to it, and the state is float32.
"""


def stored(precision: str) -> str:
    """Return the type of the arrays of a training in some precision: in mixed precision that of the
    state, which loses nothing.

    >>> stored("bfloat16"), stored("float64")
    ('float32', 'float64')
    """
    return "float32" if precision in OUTSIDE else precision


def averaged_players(spec: Spec) -> tuple[str, ...]:
    """Return the players whose weights are averaged."""
    return ("generator",) if spec.training.ema_decay else ()


def state_shapes(spec: Spec) -> dict[str, Shape]:
    """Return the name and shape of every array of the state, in canonical order."""
    shapes: dict[str, Shape] = {}
    plans = plan_spec(spec)
    for plan in plans.values():
        shapes |= {p.name: p.shape for p in plan.parameters() + plan.statistics()}
    for player in spec.players:
        for p in plans[player.name].parameters():
            shapes |= {f"optimizer/{p.name}/{slot}": p.shape for slot in player.optimizer.slots}
        shapes[f"optimizer/{player.name}/updates"] = ()
    for name in averaged_players(spec):
        shapes |= {f"average/{p.name}": p.shape for p in plans[name].parameters()}
    return shapes


def initial_state(spec: Spec, seed: int, precision: str) -> dict[str, np.ndarray]:
    """Return the state before the first step: the same bytes on every backend."""
    first: dict[str, np.ndarray] = {}
    dtype = stored(precision)
    for plan in plan_spec(spec).values():
        first |= initial_values(plan, seed)
    state = {}
    for name, shape in state_shapes(spec).items():
        if name.endswith("/updates"):
            state[name] = np.zeros((), np.int64)
        elif name.startswith("optimizer/"):
            state[name] = np.zeros(shape, dtype)
        else:
            state[name] = first[name.removeprefix("average/")].astype(dtype)
    return state


def weights(spec: Spec, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the trained parameters of all players out of a state."""
    names = [p.name for plan in plan_spec(spec).values() for p in plan.parameters()]
    return {name: state[name] for name in names}


def statistics(spec: Spec, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the running statistics and averages out of a state: what no loss of a training feels,
    though images are made with them.
    """
    trained = weights(spec, state)
    return {
        name: value
        for name, value in state.items()
        if name not in trained and not name.startswith("optimizer/")
    }


def nudge(spec: Spec, state: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Return the state with every weight moved by one unit in the last place: the 1-ulp baseline.

    Up or down is drawn for each weight, as rounding would have it.  Weights that are exactly 0
    stay, since their last place is no scale of the network's.
    """
    moved = {}
    for name, value in weights(spec, state).items():
        up = stream(seed, Purpose.TWIN, part=part_of(name)).random(value.shape) < 0.5
        aim = np.where(up, np.inf, -np.inf).astype(value.dtype)
        moved[name] = np.where(value == 0, value, np.nextafter(value, aim))
    averages = {f"average/{k}": v for k, v in moved.items() if f"average/{k}" in state}
    return {**state, **moved, **averages}


def forms_of(state: Mapping[str, np.ndarray]) -> dict[str, tuple[Shape, str]]:
    """Return the shape and type of every array of a state."""
    return {name: (value.shape, value.dtype.name) for name, value in state.items()}


def check_state(spec: Spec, forms: Mapping[str, tuple[Shape, str]]) -> str:
    """Hold the arrays of a state, by name with shape and type, to a spec; return the precision.

    Raises:
        RunError: naming the first array that is missing, unknown, or of the wrong shape or type.
    """
    wanted = state_shapes(spec)
    for name, shape in wanted.items():
        if name not in forms:
            raise RunError(f"{name}: the spec wants it, the checkpoint does not hold it.")
        if forms[name][0] != shape:
            held = shown(forms[name][0])
            raise RunError(f"{name}: the checkpoint holds {held}, the spec wants {shape}.")
    for name in forms:
        if name not in wanted:
            raise RunError(f"{shown(name)}: the checkpoint holds it, the spec does not know it.")
    precision = next(forms[name][1] for name in wanted if not name.endswith("/updates"))
    if precision not in ("float32", "float64"):
        raise RunError(f"{next(iter(wanted))}: expected float32 or float64, received {precision}.")
    for name in wanted:
        expected = "int64" if name.endswith("/updates") else precision
        if forms[name][1] != expected:
            raise RunError(f"{name}: expected {expected}, received {forms[name][1]}.")
    return precision
