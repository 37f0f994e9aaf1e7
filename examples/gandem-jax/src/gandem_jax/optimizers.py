"""Optimizers in JAX, in the spec's formulas, as pure functions."""

from collections.abc import Mapping

import jax.numpy as jnp
from jax import Array

from gandem.core import specs as kinds

Arrays = Mapping[str, Array]


def update(optimizer: kinds.Optimizer, state: Arrays, gradients: Arrays, count: Array) -> Arrays:
    """Return the parameters that have gradients, and their slots, after update number ``count``."""
    after = {}
    if optimizer.clip_norm:
        norm = jnp.sqrt(sum(jnp.sum(g * g) for g in gradients.values()))
        factor = jnp.minimum(optimizer.clip_norm / (norm + 1e-6), 1)
        gradients = {name: factor * gradient for name, gradient in gradients.items()}
    for name, gradient in gradients.items():
        weight, names = state[name], [f"optimizer/{name}/{slot}" for slot in optimizer.slots]
        if isinstance(optimizer, kinds.AdamW):
            weight = weight * (1 - optimizer.learning_rate * optimizer.weight_decay)
        elif optimizer.weight_decay:
            gradient = gradient + optimizer.weight_decay * weight
        change, *slots = move(optimizer, gradient, [state[slot] for slot in names], count)
        after |= {name: weight - change, **dict(zip(names, slots, strict=True))}
    return after


def move(
    optimizer: kinds.Optimizer, gradient: Array, slots: list[Array], count: Array
) -> tuple[Array, ...]:
    """Return what to take off a parameter, then its slots."""
    rate = optimizer.learning_rate
    match optimizer:
        case kinds.Adam():
            first, second = slots
            t = jnp.float64(count)  # of 1 - 0.999 float32 would keep four digits
            step = (rate / (1 - optimizer.beta1**t)).astype(gradient.dtype)
            root = jnp.sqrt(1 - optimizer.beta2**t).astype(gradient.dtype)
            first = first + (gradient - first) * (1 - optimizer.beta1)
            second = second * optimizer.beta2 + gradient * gradient * (1 - optimizer.beta2)
            epsilon = optimizer.effective_epsilon(root)
            return step * first / (jnp.sqrt(second) / root + epsilon), first, second
        case kinds.RMSprop():
            second = slots[0] * optimizer.decay + gradient * gradient * (1 - optimizer.decay)
            return rate * gradient / (jnp.sqrt(second) + optimizer.epsilon), second
        case kinds.SGD(momentum=0.0):  # the buffer is never touched, as in torch
            return rate * gradient, *slots
        case kinds.SGD():
            buffer = slots[0] * optimizer.momentum + gradient
            return rate * buffer, buffer
    raise TypeError(f"The JAX backend does not know the optimizer {optimizer.kind!r}.")
