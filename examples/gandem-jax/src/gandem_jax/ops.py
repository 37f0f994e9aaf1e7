"""The tensor functions of losses; a module of them is a :class:`gandem.core.training.Ops`."""

from jax import Array
from jax.nn import log_softmax, relu, softplus
from jax.numpy import argsort, concatenate, einsum, fill_diagonal, mean, moveaxis, sqrt, square

__all__ = ["mean", "relu", "softplus", "sqrt", "square"]


def sum_rows(x: Array) -> Array:
    return x.reshape(len(x), -1).sum(axis=1)


def cross_entropy(logits: Array, weights: Array) -> Array:
    return -mean((weights * log_softmax(logits)).sum(axis=1))  # (N, K), then (N,), then ()


def positive(x: Array) -> Array:
    return (x > 0).astype(x.dtype)


def join(first: Array, second: Array) -> Array:
    return concatenate([first, second])


def ranks(x: Array) -> Array:
    order = argsort(-x[:, 0], stable=True)
    return argsort(order)[:, None].astype(x.dtype)


def column_products(x: Array) -> Array:
    return fill_diagonal(x.T @ x, 0.0, inplace=False)


def pack(images: Array, count: int) -> Array:
    groups = images.reshape(-1, count, *images.shape[1:])
    groups = moveaxis(groups, 1, -2)  # (N, H, W, count, C)
    return groups.reshape(-1, *images.shape[1:-1], count * images.shape[-1])


def batch_mean(x: Array) -> Array:
    return mean(x, axis=0, keepdims=True)


def channel_mean(images: Array) -> Array:
    return mean(images, axis=-1, keepdims=True)


def image_mean(images: Array) -> Array:
    return mean(images, axis=(1, 2, 3), keepdims=True)


def warp(images: Array, rows: Array, columns: Array) -> Array:
    return einsum("nah,nhvc,nbv->nabc", rows, images, columns)


def gram(images: Array) -> Array:
    return einsum("nhwc,nhwd->ncd", images, images)
