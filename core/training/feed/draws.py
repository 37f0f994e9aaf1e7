"""What core draws for one array: noise, labels as class weights, and what layers draw."""

from __future__ import annotations

import numpy as np

from gandem.core.rng import dropout_keep
from gandem.core.specs import Latent, Node
from gandem.core.training.state import stored

__all__ = ["draw_layer", "draw_noise", "one_hot"]


def one_hot(labels: np.ndarray, classes: int, precision: str) -> np.ndarray:
    """Return labels (N,) as class weights (N, classes)."""
    weights = np.zeros((len(labels), classes), stored(precision))
    weights[np.arange(len(labels)), labels] = 1
    return weights


def draw_noise(latent: Latent, generator: np.random.Generator, rows: int) -> np.ndarray:
    """Return noise (rows, latent.size), float64."""
    size = (rows, latent.size)
    uniform = latent.distribution == "uniform"
    noise = generator.uniform(-1.0, 1.0, size) if uniform else generator.normal(size=size)
    parts = latent.parts  # drawn last, so that the rest of the noise is the same without
    if "category" in parts:
        drawn = generator.integers(latent.categories, size=rows)
        noise[:, parts["category"]] = one_hot(drawn, latent.categories, "float64")
    if "code" in parts:
        noise[:, parts["code"]] = generator.uniform(-1.0, 1.0, (rows, latent.codes))
    return noise


def draw_layer(node: Node, rows: int, latent: Latent, generator: np.random.Generator) -> np.ndarray:
    """Return what a layer draws for a pass of so many images, (rows, …): a Boolean mask, or numbers
    in float64.
    """
    shape = (rows, *node.draw_shape)
    if node.layer.draws == "mask":
        return dropout_keep(generator, shape, node.layer.mask_rate)
    if node.layer.draws == "mixing":
        noise = draw_noise(latent, generator, rows)
        return np.hstack([noise, generator.random((rows, 1))])
    return generator.normal(size=shape)
