"""Training: the contract of a backend, the losses, the step written once, and the numbers that
enter it.

Everything the other rooms and the backends may use is listed here.
"""

from gandem.core.training.capabilities import (
    CAPABILITIES,
    check_able,
    needs_of,
    needs_of_network,
    unknown_capabilities,
)
from gandem.core.training.device_rng import KEY, Draw, draws_of, key_of, rows_of_step
from gandem.core.training.dry_run import MaskFeed, NumpyOps, passes_of_step, step_inputs
from gandem.core.training.inputs import Feed, as_read, fixed_inputs, fixed_parts, one_hot
from gandem.core.training.losses import (
    AdversarialLoss,
    AuxiliaryLoss,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Wasserstein,
)
from gandem.core.training.prefetch import Ahead, alike
from gandem.core.training.protocols import (
    Arrays,
    Backend,
    Derivatives,
    Engine,
    Loss,
    Ops,
    Played,
    Players,
    Profiled,
    Resident,
    Several,
    Stage,
    Tensor,
)
from gandem.core.training.state import (
    OUTSIDE,
    averaged_players,
    check_state,
    forms_of,
    initial_state,
    nudge,
    state_shapes,
    statistics,
    stored,
    weights,
)
from gandem.core.training.step import METRICS, metric_names, train_step

__all__ = [
    "CAPABILITIES",
    "KEY",
    "METRICS",
    "OUTSIDE",
    "AdversarialLoss",
    "Ahead",
    "Arrays",
    "AuxiliaryLoss",
    "Backend",
    "Derivatives",
    "Draw",
    "Engine",
    "Feed",
    "Hinge",
    "LeastSquares",
    "Loss",
    "MaskFeed",
    "Minimax",
    "NonSaturating",
    "NumpyOps",
    "Ops",
    "Played",
    "Players",
    "Profiled",
    "Resident",
    "Several",
    "Stage",
    "Tensor",
    "Wasserstein",
    "alike",
    "as_read",
    "averaged_players",
    "check_able",
    "check_state",
    "draws_of",
    "fixed_inputs",
    "fixed_parts",
    "forms_of",
    "initial_state",
    "key_of",
    "metric_names",
    "needs_of",
    "needs_of_network",
    "nudge",
    "one_hot",
    "passes_of_step",
    "rows_of_step",
    "state_shapes",
    "statistics",
    "step_inputs",
    "stored",
    "train_step",
    "unknown_capabilities",
    "weights",
]
