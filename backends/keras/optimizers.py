"""Optimizers in TensorFlow with the formulas of the spec.

Keras's own differ in epsilon and compute their scalars in float32.
"""

from functools import singledispatch

import tensorflow as tf
from tensorflow import Tensor

from gandem.core import specs as kinds


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

    def update(self, gradients: list[Tensor]) -> None:
        """Apply one update."""
        self.updates.assign_add(1)
        count = tf.cast(self.updates, tf.float64)
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        if self.spec.clip_norm:
            norm = tf.sqrt(tf.add_n([tf.reduce_sum(g * g) for g in gradients]))
            limit = tf.constant(self.spec.clip_norm, norm.dtype)
            factor = tf.minimum(limit / (norm + 1e-6), 1)
            gradients = [factor * gradient for gradient in gradients]
        for (name, parameter), gradient in zip(self.parameters.items(), gradients, strict=True):
            slots = [self.slots[name, slot] for slot in self.spec.slots]
            apply(self.spec, parameter, gradient, slots, count)


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


def _number(value: float, like: tf.Variable) -> Tensor:
    return tf.constant(value, like.dtype)


def _decayed(rate: float, parameter: tf.Variable, gradient: Tensor) -> Tensor:
    return gradient + _number(rate, parameter) * parameter if rate else gradient


def _adam(
    optimizer: kinds.Adam,
    parameter: tf.Variable,
    gradient: Tensor,
    slots: list[tf.Variable],
    count: Tensor,
) -> None:
    first, second = slots
    beta1, beta2 = (tf.constant(b, tf.float64) for b in (optimizer.beta1, optimizer.beta2))
    root = tf.sqrt(1 - tf.pow(beta2, count))
    # TensorFlow's kernel adds its epsilon to the uncorrected root: lr/(1-β1ᵗ) · m / (√v/root + ε)
    # is lr·root/(1-β1ᵗ) · m / (√v + ε·root). Powers of 0 leave the correction to the scalars.
    tf.raw_ops.ResourceApplyAdam(
        var=parameter.handle,
        m=first.handle,
        v=second.handle,
        beta1_power=_number(0, parameter),
        beta2_power=_number(0, parameter),
        lr=tf.cast(optimizer.learning_rate * root / (1 - tf.pow(beta1, count)), parameter.dtype),
        beta1=_number(optimizer.beta1, parameter),
        beta2=_number(optimizer.beta2, parameter),
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
        parameter * _number(1 - optimizer.learning_rate * optimizer.weight_decay, parameter)
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
        second * _number(optimizer.decay, parameter)
        + gradient * gradient * _number(1 - optimizer.decay, parameter)
    )
    root = tf.sqrt(second) + _number(optimizer.epsilon, parameter)
    parameter.assign_sub(_number(optimizer.learning_rate, parameter) * gradient / root)


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
    if optimizer.momentum:  # without momentum the buffer is never touched, as in torch
        buffer.assign(buffer * _number(optimizer.momentum, parameter) + gradient)
        gradient = buffer
    parameter.assign_sub(_number(optimizer.learning_rate, parameter) * gradient)
