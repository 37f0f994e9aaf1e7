"""Optimisers in JAX, in the spec's formulas, as pure functions."""

from collections.abc import Mapping

import jax.numpy as jnp
from jax import Array

from gandem.core import spec as kinds

Arrays = Mapping[str, Array]


def update(optimiser: kinds.Optimiser, state: Arrays, gradients: Arrays, count: Array) -> Arrays:
    """Return the parameters that have gradients, and their slots, after update number ``count``."""
    after = {}
    for name, gradient in gradients.items():
        weight, names = state[name], [f"optimiser/{name}/{slot}" for slot in optimiser.slots]
        if isinstance(optimiser, kinds.AdamW):
            weight = weight * (1 - optimiser.learning_rate * optimiser.weight_decay)
        elif optimiser.weight_decay:
            gradient = gradient + optimiser.weight_decay * weight
        change, *slots = move(optimiser, gradient, [state[slot] for slot in names], count)
        after |= {name: weight - change, **dict(zip(names, slots, strict=True))}
    return after


def move(
    optimiser: kinds.Optimiser, gradient: Array, slots: list[Array], count: Array
) -> tuple[Array, ...]:
    """Return what to take off a parameter, then its slots."""
    rate = optimiser.learning_rate
    match optimiser:
        case kinds.Adam() | kinds.AdamW():
            first, second = slots
            t = jnp.float64(count)  # of 1 - 0.999 float32 would keep four digits
            step = (rate / (1 - optimiser.beta1**t)).astype(gradient.dtype)
            root = jnp.sqrt(1 - optimiser.beta2**t).astype(gradient.dtype)
            first = first + (gradient - first) * (1 - optimiser.beta1)
            second = second * optimiser.beta2 + gradient * gradient * (1 - optimiser.beta2)
            return step * first / (jnp.sqrt(second) / root + optimiser.epsilon), first, second
        case kinds.RMSprop():
            second = slots[0] * optimiser.decay + gradient * gradient * (1 - optimiser.decay)
            return rate * gradient / (jnp.sqrt(second) + optimiser.epsilon), second
        case kinds.SGD(momentum=0.0):  # the buffer is never touched, as in torch
            return rate * gradient, *slots
        case kinds.SGD():
            buffer = slots[0] * optimiser.momentum + gradient
            return rate * buffer, buffer
    raise TypeError(f"The JAX backend does not know the optimiser {optimiser.kind!r}.")
