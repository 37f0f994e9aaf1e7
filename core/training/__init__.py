"""Training: the contract of a backend, the objectives, the step written once, and the numbers that
enter it.

Everything the other rooms and the backends may use is listed here.
"""

from gandem.core.objectives import (
    FurtherRule,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    ObjectiveRule,
    Wasserstein,
)
from gandem.core.training.contract import (
    Arrays,
    Backend,
    Derivatives,
    Engine,
    Loss,
    Ops,
    Played,
    Players,
    Tensor,
)
from gandem.core.training.feed import Feed, as_read, fixed_inputs, one_hot
from gandem.core.training.needs import (
    CAPABILITIES,
    check_able,
    needs_of,
    needs_of_network,
    unknown_capabilities,
)
from gandem.core.training.passes import MaskFeed, NumpyOps, passes_of_step, step_inputs
from gandem.core.training.state import (
    averaged_players,
    check_state,
    forms_of,
    initial_state,
    nudge,
    state_shapes,
    statistics,
    weights,
)
from gandem.core.training.step import METRICS, metric_names, train_step

__all__ = [
    "CAPABILITIES",
    "METRICS",
    "Arrays",
    "Backend",
    "Derivatives",
    "Engine",
    "Feed",
    "FurtherRule",
    "Hinge",
    "LeastSquares",
    "Loss",
    "MaskFeed",
    "Minimax",
    "NonSaturating",
    "NumpyOps",
    "ObjectiveRule",
    "Ops",
    "Played",
    "Players",
    "Tensor",
    "Wasserstein",
    "as_read",
    "averaged_players",
    "check_able",
    "check_state",
    "fixed_inputs",
    "forms_of",
    "initial_state",
    "metric_names",
    "needs_of",
    "needs_of_network",
    "nudge",
    "one_hot",
    "passes_of_step",
    "state_shapes",
    "statistics",
    "step_inputs",
    "train_step",
    "unknown_capabilities",
    "weights",
]
