"""Text for the memory and the multiply-adds of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gandem.core.errors import GandemError

if TYPE_CHECKING:
    from gandem.core.specs import Spec
    from gandem.core.training import StepCost

MIB = 1 << 20
"""Bytes."""


def find_cost(spec: Spec, precision: str) -> StepCost | str:
    """Return the cost of a training step, or the reason why it is unknown."""
    from gandem.core.training import estimate_cost, resolve_loss

    try:
        return estimate_cost(spec, resolve_loss(spec), precision)
    except GandemError as error:  # too large, or the plugin of its loss is not installed
        return str(error)


def describe_cost(cost: StepCost | str) -> dict[str, Any]:
    """Return the cost of a training step as plain data, memory in MiB."""
    if isinstance(cost, str):
        return {"problem": cost}
    sizes = {name: getattr(cost, name) for name in ("weights", "optimizer", "activations")}
    memory = {name: round(size / MIB, 1) for name, size in sizes.items()}
    shortage = cost.describe_shortage()
    return {
        "batch_size": cost.batch_size,
        "multiply_adds": cost.multiply_adds,
        "memory_mib": memory | {"total": round(cost.memory / MIB, 1)},
        **({"problem": shortage} if shortage else {}),
    }


def format_cost(cost: StepCost | str) -> str:
    """Return the cost of a training step as two lines, and a third if it is too large."""
    if isinstance(cost, str):
        return f"! {cost}"
    weights, optimizer, activations, total = (
        f"{size / MIB:,.1f} MiB"
        for size in (cost.weights, cost.optimizer, cost.activations, cost.memory)
    )
    billions = cost.multiply_adds / 1e9
    work = f"{billions:,.0f}" if billions >= 100 else f"{billions:.3g}"
    lines = [
        f"memory     about {total}: weights {weights}, optimizers {optimizer}, step {activations}",
        f"work       {work} billion multiply-adds per step",
    ]
    shortage = cost.describe_shortage()
    return "\n".join([*lines, *([f"! {shortage}"] if shortage else [])])
