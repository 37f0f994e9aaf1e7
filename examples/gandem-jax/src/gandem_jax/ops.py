"""The tensor functions of losses; a module of them is a :class:`gandem.core.training.Ops`."""

from jax import Array
from jax.nn import log_softmax, relu, softplus
from jax.numpy import concatenate, einsum, mean, sqrt, square

__all__ = ["mean", "relu", "softplus", "sqrt", "square"]


def sum_rows(x: Array) -> Array:
    return x.reshape(len(x), -1).sum(axis=1)


def cross_entropy(logits: Array, weights: Array) -> Array:
    return -mean((weights * log_softmax(logits)).sum(axis=1))  # (N, K), then (N,), then ()


def positive(x: Array) -> Array:
    return (x > 0).astype(x.dtype)


def join(first: Array, second: Array) -> Array:
    return concatenate([first, second])


def warp(images: Array, rows: Array, columns: Array) -> Array:
    return einsum("nah,nhvc,nbv->nabc", rows, images, columns)
