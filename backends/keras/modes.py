"""Random numbers drawn by TensorFlow, a mode outside the parity promise.

The other such mode, mixed precision, is in :meth:`gandem.backends.keras.layers.Context.narrow`.
"""

from collections.abc import Mapping

import tensorflow as tf
from tensorflow import Tensor

from gandem.core.rng import part_of
from gandem.core.specs import Latent, Spec
from gandem.core.training import KEY, AdversarialLoss, Draw, list_draws


def replace_key(
    spec: Spec, loss: AdversarialLoss, inputs: Mapping[str, Tensor], dtype: str
) -> dict[str, Tensor]:
    """Return the inputs of a step with drawn arrays instead of the key.

    Each array is a function of the key and its name, so a resumed training draws the same numbers.
    """
    arrays = dict(inputs)
    key = arrays.pop(KEY)  # int64 (2,), as the seed of a stateless draw
    draws = list_draws(spec, loss, arrays)
    return arrays | {
        name: _draw(spec.latent, draw, _part(key, name), dtype) for name, draw in draws.items()
    }


def _part(key: Tensor, name: str) -> Tensor:
    """Derive the key of one array from the key of a step."""
    return tf.random.experimental.stateless_fold_in(key, tf.constant(part_of(name), tf.int64))


def _draw(latent: Latent, draw: Draw, key: Tensor, dtype: str) -> Tensor:
    if draw.kind == "uniform":
        return tf.random.stateless_uniform(draw.shape, key, dtype=dtype)
    if draw.kind == "normal":
        return tf.random.stateless_normal(draw.shape, key, dtype=dtype)
    if draw.kind == "mask":
        return tf.random.stateless_uniform(draw.shape, key) >= draw.rate
    if draw.kind == "mixing":
        rows, columns = draw.shape
        noise = _noise(latent, (rows, columns - 1), key, dtype)
        number = tf.random.stateless_uniform((rows, 1), _part(key, "number"), dtype=dtype)
        return tf.concat([noise, number], axis=1)
    return _noise(latent, draw.shape, key, dtype)


def _noise(latent: Latent, shape: tuple[int, ...], key: Tensor, dtype: str) -> Tensor:
    """Return noise (N, latent.size); see :func:`gandem.core.training.feed.inputs.draw_noise`."""

    def even(shape: tuple[int, ...], key: Tensor) -> Tensor:
        return tf.random.stateless_uniform(shape, key, -1, 1, dtype)

    uniform = latent.distribution == "uniform"
    noise = even(shape, key) if uniform else tf.random.stateless_normal(shape, key, dtype=dtype)
    parts, pieces = latent.parts, []
    if "category" in parts:
        drawn = tf.random.stateless_uniform(
            shape[:1], _part(key, "category"), 0, latent.categories, tf.int32
        )
        pieces.append(tf.one_hot(drawn, latent.categories, dtype=dtype))
    if "code" in parts:
        pieces.append(even((shape[0], latent.codes), _part(key, "code")))
    rest = latent.categories + latent.codes
    return tf.concat([*pieces, noise[:, rest:]], axis=1) if pieces else noise
