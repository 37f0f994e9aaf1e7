"""Optimizers in JAX, in the spec's formulas, as pure functions."""

from collections.abc import Mapping

import jax.numpy as jnp
from jax import Array

from gandem.core import specs as kinds

Arrays = Mapping[str, Array]


def update(optimizer: kinds.Optimizer, state: Arrays, gradients: Arrays, count: Array) -> Arrays:
    """Return the parameters that have gradients, and their slots, after update number ``count``."""
    after = {}
    if not is_zero(optimizer.clip_norm):
        norm = jnp.sqrt(sum(jnp.sum(g * g) for g in gradients.values()))
        factor = jnp.minimum(number(optimizer.clip_norm, norm) / (norm + 1e-6), 1)
        gradients = {name: factor * gradient for name, gradient in gradients.items()}
    for name, gradient in gradients.items():
        weight, names = state[name], [f"optimizer/{name}/{slot}" for slot in optimizer.slots]
        if isinstance(optimizer, kinds.AdamW):
            weight = weight * number(1 - optimizer.learning_rate * optimizer.weight_decay, weight)
        elif not is_zero(optimizer.weight_decay):
            gradient = gradient + number(optimizer.weight_decay, weight) * weight
        change, *slots = move(optimizer, gradient, [state[slot] for slot in names], count)
        after |= {name: weight - change, **dict(zip(names, slots, strict=True))}
    return after


def number(value: float | Array, like: Array) -> Array:
    """Return a constant, or the value of a schedule, in the type of an array."""
    return jnp.asarray(value, like.dtype)


def is_zero(value: float | Array) -> bool:
    """Return True for a constant 0, which a spec has for "not used"."""
    return isinstance(value, float) and value == 0


def move(
    optimizer: kinds.Optimizer, gradient: Array, slots: list[Array], count: Array
) -> tuple[Array, ...]:
    """Return what to take off a parameter, then its slots."""
    rate = number(optimizer.learning_rate, gradient)
    match optimizer:
        case kinds.Adam():
            first, second = slots
            t = jnp.float64(count)  # of 1 - 0.999 float32 would keep four digits
            step = (optimizer.learning_rate / (1 - optimizer.beta1**t)).astype(gradient.dtype)
            root = jnp.sqrt(1 - optimizer.beta2**t).astype(gradient.dtype)
            beta2, rest1, rest2 = (
                number(x, gradient)
                for x in (optimizer.beta2, 1 - optimizer.beta1, 1 - optimizer.beta2)
            )
            first = first + (gradient - first) * rest1
            second = second * beta2 + gradient * gradient * rest2
            epsilon = optimizer.effective_epsilon(root)
            return step * first / (jnp.sqrt(second) / root + epsilon), first, second
        case kinds.RMSprop():
            kept, taken = (number(x, gradient) for x in (optimizer.decay, 1 - optimizer.decay))
            second = slots[0] * kept + gradient * gradient * taken
            return rate * gradient / (jnp.sqrt(second) + optimizer.epsilon), second
        case kinds.SGD() if is_zero(optimizer.momentum):  # the buffer is never touched, as in torch
            return rate * gradient, *slots
        case kinds.SGD():
            buffer = slots[0] * number(optimizer.momentum, gradient) + gradient
            return rate * buffer, buffer
    raise TypeError(f"The JAX backend does not know the optimizer {optimizer.kind!r}.")
