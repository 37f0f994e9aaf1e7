"""Optimizers in TensorFlow with the formulas of the spec.

Keras's own differ in epsilon and compute their scalars in float32.
"""

from collections.abc import Mapping
from functools import singledispatch

import tensorflow as tf
from tensorflow import Tensor

from gandem.core import specs as kinds
from gandem.core.specs import at_step


class Learner:
    """A player's optimizer together with its state under canonical slot names."""

    def __init__(self, optimizer: kinds.Optimizer, parameters: dict[str, tf.Variable]) -> None:
        self.spec = optimizer
        self.parameters = parameters
        self.slots = {
            (name, slot): tf.Variable(tf.zeros_like(parameter), trainable=False)
            for name, parameter in parameters.items()
            for slot in optimizer.slots
        }
        self.updates = tf.Variable(0, dtype=tf.int64, trainable=False)

    def slot(self, name: str, slot: str) -> tf.Variable:
        """Return the array of one parameter's slot."""
        return self.slots[name, slot]

    def update(
        self, gradients: list[Tensor], inputs: Mapping[str, Tensor] | None = None, path: str = ""
    ) -> None:
        """Apply one update.

        Args:
            inputs: of the step, with the values of schedules, float64.
            path: of the optimizer in the spec, ``"generator.optimizer"``.
        """
        optimizer = at_step(self.spec, path, inputs or {})
        self.updates.assign_add(1)
        count = tf.cast(self.updates, tf.float64)
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        if self.spec.clip_norm and gradients:
            norm = tf.sqrt(tf.add_n([tf.reduce_sum(g * g) for g in gradients]))
            factor = tf.minimum(as_constant(optimizer.clip_norm, norm) / (norm + 1e-6), 1)
            gradients = [factor * gradient for gradient in gradients]
        for (name, parameter), gradient in zip(self.parameters.items(), gradients, strict=True):
            slots = [self.slots[name, slot] for slot in self.spec.slots]
            apply(optimizer, parameter, gradient, slots, count)


@singledispatch
def apply(
    optimizer: kinds.Optimizer,
    parameter: tf.Variable,
    gradient: Tensor,
    slots: list[tf.Variable],
    count: Tensor,
) -> None:
    """Apply one update to one parameter; ``count`` is its number from 1, float64."""
    raise TypeError(f"The Keras backend does not know the optimizer {optimizer.kind!r}.")


def as_constant(value: float | Tensor, like: tf.Variable | Tensor) -> Tensor:
    """Return a number, or the value of a schedule, in the type of a tensor."""
    return tf.cast(value, like.dtype) if tf.is_tensor(value) else tf.constant(value, like.dtype)


def _is_zero(value: float | Tensor) -> bool:
    """Return True for a constant 0, which a spec has for "not used"."""
    return not tf.is_tensor(value) and value == 0


def _decayed(rate: float | Tensor, parameter: tf.Variable, gradient: Tensor) -> Tensor:
    return gradient if _is_zero(rate) else gradient + as_constant(rate, parameter) * parameter


def _adam(
    optimizer: kinds.Adam,
    parameter: tf.Variable,
    gradient: Tensor,
    slots: list[tf.Variable],
    count: Tensor,
) -> None:
    first, second = slots
    beta1, beta2 = (tf.convert_to_tensor(b, tf.float64) for b in (optimizer.beta1, optimizer.beta2))
    root = tf.sqrt(1 - tf.pow(beta2, count))
    # TensorFlow's kernel adds its epsilon to the uncorrected root: lr/(1-β1ᵗ) · m / (√v/root + ε)
    # is lr·root/(1-β1ᵗ) · m / (√v + ε·root). Powers of 0 leave the correction to the scalars.
    tf.raw_ops.ResourceApplyAdam(
        var=parameter.handle,
        m=first.handle,
        v=second.handle,
        beta1_power=as_constant(0, parameter),
        beta2_power=as_constant(0, parameter),
        lr=tf.cast(optimizer.learning_rate * root / (1 - tf.pow(beta1, count)), parameter.dtype),
        beta1=as_constant(optimizer.beta1, parameter),
        beta2=as_constant(optimizer.beta2, parameter),
        epsilon=tf.cast(optimizer.effective_epsilon(root) * root, parameter.dtype),
        grad=gradient,
    )


@apply.register
def _(
    optimizer: kinds.Adam,
    parameter: tf.Variable,
    gradient: Tensor,
    slots: list[tf.Variable],
    count: Tensor,
) -> None:
    _adam(optimizer, parameter, _decayed(optimizer.weight_decay, parameter, gradient), slots, count)


@apply.register
def _(
    optimizer: kinds.AdamW,
    parameter: tf.Variable,
    gradient: Tensor,
    slots: list[tf.Variable],
    count: Tensor,
) -> None:
    parameter.assign(
        parameter * as_constant(1 - optimizer.learning_rate * optimizer.weight_decay, parameter)
    )
    _adam(optimizer, parameter, gradient, slots, count)


@apply.register
def _(
    optimizer: kinds.RMSprop,
    parameter: tf.Variable,
    gradient: Tensor,
    slots: list[tf.Variable],
    count: Tensor,
) -> None:
    (second,) = slots
    gradient = _decayed(optimizer.weight_decay, parameter, gradient)
    second.assign(
        second * as_constant(optimizer.decay, parameter)
        + gradient * gradient * as_constant(1 - optimizer.decay, parameter)
    )
    root = tf.sqrt(second) + as_constant(optimizer.epsilon, parameter)
    parameter.assign_sub(as_constant(optimizer.learning_rate, parameter) * gradient / root)


@apply.register
def _(
    optimizer: kinds.SGD,
    parameter: tf.Variable,
    gradient: Tensor,
    slots: list[tf.Variable],
    count: Tensor,
) -> None:
    (buffer,) = slots
    gradient = _decayed(optimizer.weight_decay, parameter, gradient)
    if not _is_zero(optimizer.momentum):  # else the buffer is never touched, as in torch
        buffer.assign(buffer * as_constant(optimizer.momentum, parameter) + gradient)
        gradient = buffer
    parameter.assign_sub(as_constant(optimizer.learning_rate, parameter) * gradient)
