"""The state of a training: every array it needs, by canonical name.

================================================  =========================================
``generator/dense/kernel``                        a weight
``discriminator/batch_norm/variance``             a running statistic
``discriminator/conv2d/left_vector``              a vector of spectral norm
``optimizer/generator/dense/kernel/first_moment`` a slot of the optimizer
``optimizer/generator/updates``                   updates so far, int64, shape ()
``average/generator/dense/kernel``                the weight average
``lookahead/generator/dense/kernel``              the weight to return to, see
                                                  :func:`weight_copies`
``running/real_logits``                           a number that steps keep, see
                                                  :func:`running_numbers`, shape ()
================================================  =========================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from gandem.core.errors import RunError, shown
from gandem.core.rng import Purpose, part_of, stream
from gandem.core.specs import NetworkPlan, Shape, Spec, has_encoder, plan_spec, stage_specs
from gandem.core.specs.shapes.initial_values import first_value

__all__ = [
    "OUTSIDE_PARITY",
    "STAGE",
    "WEIGHT",
    "averaged_players",
    "check_state",
    "copied_name",
    "initial_state",
    "list_forms",
    "list_plans",
    "network_shapes",
    "nudge",
    "planned_memory",
    "replace_weights",
    "running_numbers",
    "state_shapes",
    "statistics",
    "stored",
    "weight_copies",
    "weights",
]

STAGE, WEIGHT = "running/stage", "running/fade_in"
"""The arrays of a training in stages: the index of the stage, and the fade-in weight."""
OUTSIDE_PARITY: Mapping[str, str] = MappingProxyType(
    {
        name: f"{name} is outside the parity promise: it keeps {bits} bits of a number, and "
        "frameworks round at different places; choose float32 or float64"
        for name, bits in (("bfloat16", 8), ("tf32", 11))
    }
)
"""The precisions that differ between frameworks, each with the reason. Only the factors of products
are rounded; the state is float32.
"""


def stored(precision: str) -> str:
    """Return the dtype of the state for a precision.

    >>> stored("bfloat16"), stored("float64")
    ('float32', 'float64')
    """
    return "float32" if precision in OUTSIDE_PARITY else precision


def averaged_players(spec: Spec) -> tuple[str, ...]:
    """Return the players whose weights are averaged."""
    averaged = ("generator", "encoder") if has_encoder(spec) else ("generator",)
    return averaged if spec.training.averages else ()


def weight_copies(spec: Spec) -> dict[str, tuple[str, ...]]:
    """Return the players whose weights have copies in the state, by the kind of the copy: their
    ``average``, and those that ``lookahead`` returns to. All are the initial weights at first.
    """
    looks_ahead = spec.training.lookahead_interval > 0
    players = tuple(player.name for player in spec.players) if looks_ahead else ()
    copies = {"average": averaged_players(spec), "lookahead": players}
    return {kind: names for kind, names in copies.items() if names}


def running_numbers(spec: Spec) -> tuple[str, ...]:
    """Return the names of the numbers that one step leaves to the next, all 0 at first.

    ``real_logits`` and ``fake_logits`` are the moving averages of LeCam; ``penalty`` is the last
    gradient penalty, if it is not computed in each step; ``path_length`` is the average length of
    the generator's paths; ``augment_probability`` is that of
    adaptive augmentation, ``real_signs`` the sum of the mean signs since it was last adapted.
    """
    loss = spec.loss
    names = ["real_logits", "fake_logits"] if loss.lecam else []
    names += ["penalty"] if loss.penalty_interval > 1 else []
    names += ["path_length"] if loss.path_length.weight else []
    adaptive = spec.training.augment.adaptive_target
    return (*names, *(["augment_probability", "real_signs"] if adaptive else []))


def list_plans(spec: Spec) -> list[NetworkPlan]:
    """Return the plan of each network, in each stage."""
    return [plan for stage in stage_specs(spec) for plan in plan_spec(stage).values()]


def network_shapes(spec: Spec) -> dict[str, Shape]:
    """Return the name and shape of every parameter and statistic of the networks."""
    arrays = (p for plan in list_plans(spec) for p in plan.parameters() + plan.statistics())
    return {p.name: p.shape for p in arrays}


def state_shapes(spec: Spec) -> dict[str, Shape]:
    """Return the name and shape of every array of the state, in canonical order.

    Of a training in stages these are the arrays of all stages, then the index of the stage that
    the last step belonged to, and its fade-in weight.
    """
    shapes: dict[str, Shape] = {}
    if spec.training.stages:
        for stage in stage_specs(spec):
            shapes |= state_shapes(stage)
        return shapes | {STAGE: (), WEIGHT: ()}
    plans = plan_spec(spec)
    for plan in plans.values():
        shapes |= {p.name: p.shape for p in plan.parameters() + plan.statistics()}
    for player in spec.players:
        for p in plans[player.name].trained():
            shapes |= {f"optimizer/{p.name}/{slot}": p.shape for slot in player.optimizer.slots}
        shapes[f"optimizer/{player.name}/updates"] = ()
    for kind, names in weight_copies(spec).items():
        for name in names:
            shapes |= {f"{kind}/{p.name}": p.shape for p in plans[name].parameters()}
    return shapes | {f"running/{name}": () for name in running_numbers(spec)}


def initial_state(spec: Spec, seed: int, precision: str) -> dict[str, np.ndarray]:
    """Return the state before the first step: the same bytes on every backend."""
    dtype = stored(precision)
    arrays = {p.name: p for plan in list_plans(spec) for p in plan.parameters() + plan.statistics()}
    first = {name: first_value(parameter, seed) for name, parameter in arrays.items()}
    state = {}
    for name, shape in state_shapes(spec).items():
        if name.endswith("/updates"):
            state[name] = np.zeros((), np.int64)
        elif name.startswith(("optimizer/", "running/")):
            state[name] = np.zeros(shape, dtype)
        else:
            state[name] = first[copied_name(name)].astype(dtype)
    return state


def copied_name(name: str) -> str:
    """Return the name of the weight that an array is a copy of, or its own name."""
    return name.removeprefix("average/").removeprefix("lookahead/")


def planned_memory(spec: Spec, precision: str) -> tuple[int, int]:
    """Return the least bytes that a training takes: for its state, and for a step.

    The state is drawn in double precision. A step reads the inputs of each of its rounds, and keeps
    the outputs of all layers with parameters, and attention weights, for its gradients.
    """
    size = np.dtype(stored(precision)).itemsize
    parameters = {p.name: p.size for plan in list_plans(spec) for p in plan.parameters()}
    drawn = 8 * sum(parameters.values())
    state = size * sum(math.prod(shape) for shape in state_shapes(spec).values())
    numbers = max(map(_count_step_numbers, stage_specs(spec)))
    return drawn + state, numbers * (2 if precision == "bfloat16" else size)


def _count_step_numbers(spec: Spec) -> int:
    """Return how many numbers a step reads and keeps."""
    training, image = spec.training, math.prod(spec.image.shape)
    nodes = [node for plan in plan_spec(spec).values() for node in plan.walk() if node.parameters]
    outputs = sum(math.prod(node.output_shape) + node.kept for node in nodes)
    outputs *= training.generator_batches
    inputs = (image + spec.latent.size) * training.discriminator_steps
    return training.batch_size * (outputs + inputs)


def weights(spec: Spec, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the trained parameters of all players of a state."""
    names = dict.fromkeys(p.name for plan in list_plans(spec) for p in plan.parameters())
    return {name: state[name] for name in names}


def statistics(spec: Spec, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the running statistics and averages, which affect samples but not losses."""
    trained = weights(spec, state)
    return {
        name: value
        for name, value in state.items()
        if name not in trained and not name.startswith("optimizer/")
    }


def nudge(spec: Spec, state: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Return the state with every weight moved by one unit in the last place: the 1-ulp baseline.

    The direction is random for each weight. Weights that are exactly 0 stay, because their last
    place is unrelated to the scale of the network.
    """
    moved = {}
    for name, value in weights(spec, state).items():
        up = stream(seed, Purpose.BASELINE, part=part_of(name)).random(value.shape) < 0.5
        aim = np.where(up, np.inf, -np.inf).astype(value.dtype)
        moved[name] = np.where(value == 0, value, np.nextafter(value, aim))
    return replace_weights(state, moved)


def replace_weights(
    state: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the state with some weights and statistics replaced, and the copies of the weights."""
    return {name: arrays.get(copied_name(name), value) for name, value in state.items()}


def list_forms(state: Mapping[str, np.ndarray]) -> dict[str, tuple[Shape, str]]:
    """Return the shape and dtype of every array of a state."""
    return {name: (value.shape, value.dtype.name) for name, value in state.items()}


def check_state(spec: Spec, forms: Mapping[str, tuple[Shape, str]]) -> str:
    """Check the arrays of a state against a spec, and return the precision.

    Raises:
        RunError: naming the first array that is missing, unknown, or of the wrong shape or type.
    """
    expected_shapes = state_shapes(spec)
    for name, shape in expected_shapes.items():
        if name not in forms:
            raise RunError(f"{name}: the checkpoint lacks this array, which the spec expects.")
        if forms[name][0] != shape:
            received = shown(forms[name][0])
            raise RunError(f"{name}: checkpoint has shape {received}, spec expects {shape}.")
    for name in forms:
        if name not in expected_shapes:
            raise RunError(
                f"{shown(name)}: the checkpoint has this array, which the spec does not know."
            )
    precision = next(forms[name][1] for name in expected_shapes if not name.endswith("/updates"))
    if precision not in ("float32", "float64"):
        raise RunError(
            f"{next(iter(expected_shapes))}: expected float32 or float64, received {precision}."
        )
    for name in expected_shapes:
        expected = "int64" if name.endswith("/updates") else precision
        if forms[name][1] != expected:
            raise RunError(f"{name}: expected {expected}, received {forms[name][1]}.")
    return precision
