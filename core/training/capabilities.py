"""Optional capabilities of backends, and which of them a training needs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gandem.core.errors import BackendError
from gandem.core.specs import NetworkPlan, Spec, plan_spec
from gandem.core.training.protocols import Backend

__all__ = [
    "CAPABILITIES",
    "check_capabilities",
    "list_needs",
    "list_network_needs",
]

CAPABILITIES: Mapping[str, str] = MappingProxyType(
    {
        "conditional": "a network that reads labels beside its first input",
        "spectral-norm": "dense layers and convolutions with spectral norm",
        "second-order": "second derivatives, for penalties on gradients",
        "float64": "double precision",
        "resume": "resuming from the state of any step",
        "gpu": "training on a GPU",
        "bfloat16": "mixed precision",
        "tf32": "TensorFloat-32 products on a GPU",
        "device-randomness": "random numbers drawn by the framework",
    }
)
"""Descriptions of the capabilities that a backend may lack, by name."""


def list_network_needs(plan: NetworkPlan) -> dict[str, str]:
    """Return the capabilities that a network needs, each with the reason."""
    needs = {}
    if "label" in plan.inputs:
        needs["conditional"] = f"{plan.name} reads the label"
    for node in plan.walk():
        if node.layer.has_spectral_norm:
            needs.setdefault("spectral-norm", f"{node.path} asks for it")
    return needs


def list_needs(
    spec: Spec,
    precision: str = "float32",
    *,
    resumed: bool = False,
    randomness: str = "portable",
) -> dict[str, str]:
    """Return the capabilities that a training needs, each with the reason."""
    needs: dict[str, str] = {}
    for plan in plan_spec(spec).values():
        needs = list_network_needs(plan) | needs
    for penalty in ("gradient_penalty", "r1", "r2"):
        if getattr(spec.loss, penalty):
            needs["second-order"] = f"loss.{penalty} is {getattr(spec.loss, penalty)}"
    if spec.loss.path_length.weight:
        needs["second-order"] = f"loss.path_length.weight is {spec.loss.path_length.weight}"
    if precision != "float32":
        needs[precision] = f"the precision is {precision}"
    if randomness == "device":
        needs["device-randomness"] = "the randomness is device"
    if resumed:
        needs["resume"] = "the training begins at a checkpoint"
    return needs


def check_capabilities(
    name: str,
    backend: Backend,
    spec: Spec,
    precision: str,
    *,
    resumed: bool = False,
    randomness: str = "portable",
) -> None:
    """Check that a backend has the capabilities that a training needs.

    Args:
        name: of the backend, for the message.

    Raises:
        BackendError: naming the missing capability.
    """
    needs = list_needs(spec, precision, resumed=resumed, randomness=randomness)
    for capability, place in needs.items():
        if capability not in backend.capabilities:
            raise BackendError(
                f"Backend {name!r} cannot run {spec.name!r}: it lacks {capability!r} "
                f"({CAPABILITIES[capability]}), and {place}; choose another backend."
            )
