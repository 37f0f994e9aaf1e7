"""What a spec asks of a backend beyond the common, and what a backend says it can."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gandem.core.errors import BackendError, suggest
from gandem.core.specs import NetworkPlan, Spec, plan_spec
from gandem.core.training.protocols import Backend

__all__ = ["CAPABILITIES", "check_able", "needs_of", "needs_of_network", "unknown_capabilities"]

CAPABILITIES: Mapping[str, str] = MappingProxyType(
    {
        "conditional": "a network that reads labels beside its first input",
        "spectral-norm": "dense layers and convolutions under spectral norm",
        "second-order": "second derivatives, which a penalty on gradients follows",
        "float64": "double precision",
        "resume": "going on from the state of any step",
        "gpu": "training on a GPU",
        "bfloat16": "mixed precision",
        "tf32": "products of shorter factors on a GPU",
        "device-randomness": "random numbers drawn by the framework",
    }
)
"""What a backend may lack and still be one, by the name under which it declares that it can."""


def needs_of_network(plan: NetworkPlan) -> dict[str, str]:
    """Return the capabilities that a network takes, each with the place that takes it."""
    found = {}
    if "label" in plan.inputs:
        found["conditional"] = f"{plan.name} reads the label"
    for node in plan.walk():
        if getattr(node.layer, "spectral_norm", False):
            found.setdefault("spectral-norm", f"{node.path} asks for it")
    return found


def needs_of(
    spec: Spec,
    precision: str = "float32",
    *,
    resumed: bool = False,
    randomness: str = "portable",
) -> dict[str, str]:
    """Return the capabilities that a training takes, each with the place that takes it."""
    found: dict[str, str] = {}
    for plan in plan_spec(spec).values():
        found = needs_of_network(plan) | found
    for penalty in ("gradient_penalty", "r1"):
        if getattr(spec.loss, penalty):
            found["second-order"] = f"loss.{penalty} is {getattr(spec.loss, penalty):g}"
    if precision != "float32":
        found[precision] = f"the precision is {precision}"
    if randomness == "device":
        found["device-randomness"] = "the randomness is device"
    if resumed:
        found["resume"] = "the training begins at a checkpoint"
    return found


def check_able(
    name: str,
    backend: Backend,
    spec: Spec,
    precision: str,
    *,
    resumed: bool = False,
    randomness: str = "portable",
) -> None:
    """Raise a :class:`BackendError` if a backend, called ``name``, lacks what a training takes."""
    needs = needs_of(spec, precision, resumed=resumed, randomness=randomness)
    for capability, place in needs.items():
        if capability not in backend.capabilities:
            raise BackendError(
                f"Backend {name!r} cannot run {spec.name!r}: it lacks {capability!r} "
                f"({CAPABILITIES[capability]}), and {place}; choose another backend."
            )


def unknown_capabilities(backend: Backend) -> list[str]:
    """Return a sentence for each capability that a backend declares and gandem does not know."""
    return [
        f"capabilities: {name!r} is none.{suggest(name, CAPABILITIES)}"
        for name in backend.capabilities
        if name not in CAPABILITIES
    ]
