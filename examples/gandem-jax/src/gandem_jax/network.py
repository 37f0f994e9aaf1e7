"""A player's network: a pure function for training, a callable pytree for everybody else."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import jax
from jax import Array

from gandem.core.specs import REFERENCE, NetworkPlan, Spec, plan_spec
from gandem_jax.layers import Context, run

Arrays = Mapping[str, Array]


@contextmanager
def exact(device: jax.Device | str | None = None) -> Iterator[None]:
    """Allow 64-bit numbers, and compute products in full where a GPU would keep 10 bits, here."""
    place = jax.default_device(device or jax.config.jax_default_device)
    with jax.enable_x64(True), jax.default_matmul_precision("highest"), place:
        yield


def compute(
    plan: NetworkPlan,
    arrays: Arrays,
    inputs: Arrays,
    draws: Arrays,
    *,
    training: bool,
    layer: str = "",
) -> tuple[Array, Arrays, Arrays]:
    """Compute a network, or a part of it: up to a layer, and from a layer on if the inputs have its
    output, ``layer:NAME``. Return the output, the arrays as they are then, and the outputs of the
    layers that the plan's ``outputs`` lists.
    """
    part = plan.part(inputs, layer)
    context = Context(dict(arrays), dict(inputs), draws, training=training)
    output = run(plan.nodes[part], inputs[plan.start_of(part)], context)
    outputs = ((name, REFERENCE + name) for name in plan.outputs)
    read = {k: context.inputs[name] for k, name in outputs if name in context.inputs}
    return output, context.arrays, read


@dataclass(frozen=True)
class Network:
    """A network in inference mode, a pytree with the leaves ``params`` and ``statistics``, both by
    canonical name. Call it with its inputs in the plan's order, e.g. ``generator(noise)``:
    vectors (N, features), labels (N, classes) as class weights, images (N, H, W, C).
    """

    spec: Spec
    player: str
    params: Arrays
    statistics: Arrays

    @property
    def plan(self) -> NetworkPlan:
        """Its layers with their shapes and names."""
        return plan_spec(self.spec)[self.player]

    def __call__(self, *inputs: Array) -> Array:
        plan = self.plan
        if len(inputs) != len(plan.inputs):
            names = ", ".join(plan.inputs)
            raise TypeError(f"{plan.name}: expected the inputs {names}, received {len(inputs)}.")
        return self.run(dict(zip(plan.inputs, inputs, strict=True)))

    def run(self, inputs: Arrays, layer: str = "") -> Array:
        """Return the output of a layer, from inputs or the outputs of layers, ``layer:NAME``."""
        arrays = {**self.params, **self.statistics}
        with exact():
            return compute(self.plan, arrays, inputs, {}, training=False, layer=layer)[0]


jax.tree_util.register_dataclass(Network, ["params", "statistics"], ["spec", "player"])
