"""Training: the protocols of backends and losses, the training step, and its inputs.

Names are loaded when they are used: commands that show a spec check its loss without NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gandem.core.training.backends import (
        find_backend,
        installed_backends,
        load_backend,
        pick_backend,
        pick_device,
        set_threads,
    )
    from gandem.core.training.capabilities import (
        CAPABILITIES,
        check_capabilities,
        list_needs,
        list_network_needs,
    )
    from gandem.core.training.costs import StepCost, estimate_cost
    from gandem.core.training.dry_run import (
        DRAW_KINDS,
        DrawFeed,
        NumpyOps,
        passes_of_step,
        step_inputs,
    )
    from gandem.core.training.feature_networks import (
        FEATURES,
        DifferentiableExtractor,
        FeatureNetwork,
        add_features,
        complete_state,
        hollow_spec,
    )
    from gandem.core.training.feed.device_rng import KEY, Draw, list_draws, make_key
    from gandem.core.training.feed.draws import draw_noise, one_hot
    from gandem.core.training.feed.fixed_inputs import fixed_inputs, fixed_parts
    from gandem.core.training.feed.inputs import Feed
    from gandem.core.training.feed.pixels import as_read
    from gandem.core.training.feed.prefetch import Prefetcher, have_equal_shapes
    from gandem.core.training.losses import (
        AdversarialLoss,
        AuxiliaryLoss,
        PairedLoss,
        check_loss,
        is_paired,
        load_loss,
        resolve_loss,
    )
    from gandem.core.training.ops import Arrays, Images, Ops, Tensor
    from gandem.core.training.protocols import (
        ArithmeticReporter,
        Backend,
        DataHolder,
        Differentiator,
        Engine,
        Evaluation,
        Loss,
        MultiStep,
        Objective,
        Played,
        Players,
        ThreadSetter,
        Tracer,
        name_outputs,
        run_resolutions,
    )
    from gandem.core.training.stages.engine import make_engine
    from gandem.core.training.stages.feed import make_feed
    from gandem.core.training.state import (
        OUTSIDE_PARITY,
        averaged_players,
        check_state,
        initial_state,
        list_forms,
        list_plans,
        network_shapes,
        nudge,
        planned_memory,
        replace_weights,
        running_numbers,
        state_shapes,
        statistics,
        stored,
        weight_copies,
        weights,
    )
    from gandem.core.training.step import METRICS, metric_names, train_step

__all__ = [
    "CAPABILITIES",
    "DRAW_KINDS",
    "FEATURES",
    "KEY",
    "METRICS",
    "OUTSIDE_PARITY",
    "AdversarialLoss",
    "ArithmeticReporter",
    "Arrays",
    "AuxiliaryLoss",
    "Backend",
    "DataHolder",
    "DifferentiableExtractor",
    "Differentiator",
    "Draw",
    "DrawFeed",
    "Engine",
    "Evaluation",
    "FeatureNetwork",
    "Feed",
    "Images",
    "Loss",
    "MultiStep",
    "NumpyOps",
    "Objective",
    "Ops",
    "PairedLoss",
    "Played",
    "Players",
    "Prefetcher",
    "StepCost",
    "Tensor",
    "ThreadSetter",
    "Tracer",
    "add_features",
    "as_read",
    "averaged_players",
    "check_capabilities",
    "check_loss",
    "check_state",
    "complete_state",
    "draw_noise",
    "estimate_cost",
    "find_backend",
    "fixed_inputs",
    "fixed_parts",
    "have_equal_shapes",
    "hollow_spec",
    "initial_state",
    "installed_backends",
    "is_paired",
    "list_draws",
    "list_forms",
    "list_needs",
    "list_network_needs",
    "list_plans",
    "load_backend",
    "load_loss",
    "make_engine",
    "make_feed",
    "make_key",
    "metric_names",
    "name_outputs",
    "network_shapes",
    "nudge",
    "one_hot",
    "passes_of_step",
    "pick_backend",
    "pick_device",
    "planned_memory",
    "replace_weights",
    "resolve_loss",
    "run_resolutions",
    "running_numbers",
    "set_threads",
    "state_shapes",
    "statistics",
    "step_inputs",
    "stored",
    "train_step",
    "weight_copies",
    "weights",
]

_MODULES = (
    *("ops", "losses", "protocols", "backends", "capabilities", "state", "step", "dry_run"),
    *("feature_networks", "costs"),
    *("feed.device_rng", "feed.draws", "feed.fixed_inputs", "feed.inputs", "feed.pixels"),
    *("feed.prefetch", "stages.feed", "stages.engine"),
)
"""Where the names are looked up, in this order; the first two import no NumPy."""


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    for module in _MODULES if name in __all__ else ():
        home = import_module(f"{__name__}.{module}")
        if name in home.__all__:
            value = globals()[name] = getattr(home, name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
