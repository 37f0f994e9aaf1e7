"""One step of each lesson in Keras against one step of our entry.

Every lesson takes its choices as arguments; the defaults are those of the entry.
"""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from lesson_steps import Arrays, Step, step_of

from gandem.core.training import load_backend

CORRECTION = math.sqrt(1 - 0.999)
"""√(1 - β2ᵗ) at the first step, by which the two placements of Adam's epsilon differ."""


def _make_activation() -> Any:
    """Return a LeakyReLU in float64; that of Keras stores its slope in float32."""
    import keras
    import tensorflow as tf

    return keras.layers.Activation(lambda x: tf.where(x > 0, x, 0.2 * x))


def _update(
    player: Any, compute_loss: Callable[[], Any], rate: float, beta1: float, epsilon: str
) -> None:
    """Make the first update of Adam in float64; that of Keras stores its rates in float32."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = compute_loss()
    added = 1e-7 if epsilon == "uncorrected" else 1e-7 * CORRECTION
    for weight, g in zip(
        player.trainable_weights,
        tape.gradient(loss, player.trainable_weights),
        strict=True,
    ):
        first, second = (1 - beta1) * g, (1 - 0.999) * g * g
        weight.assign_sub(rate * CORRECTION / (1 - beta1) * first / (tf.sqrt(second) + added))


def _read(step: Step, **players: Any) -> dict[str, Arrays]:
    return {
        name: dict(zip(step.before[name], player.get_weights(), strict=True))
        for name, player in players.items()
    }


def cgan(
    step: Step,
    *,
    planes: str = "constant",
    activation: bool = True,
    real_label: float = 1.0,
    negated: bool = False,
    epsilon: str = "corrected",
) -> dict[str, Arrays]:
    """Make the step of lesson A; with ``negated`` it starts from a negated last layer."""
    import keras
    import tensorflow as tf
    from notebooks_keras import cgan_networks

    generator, discriminator = cgan_networks(_make_activation, second=activation)
    sign = np.array([1.0] * 4 + [-1.0 if negated else 1.0] * 2)
    generator.set_weights([*step.before["generator"].values()])
    before = step.before["discriminator"].values()
    discriminator.set_weights([s * value for s, value in zip(sign, before, strict=True)])
    hot, real = step.inputs["label/0"], step.inputs["real/0"]
    constant = np.broadcast_to(hot[:, None, None, :], (len(hot), 28, 28, 10))
    label = constant if planes == "constant" else np.repeat(hot, 28 * 28).reshape(-1, 28, 28, 10)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    of_real = np.full((len(real), 1), real_label)

    def make_fake(noise: str) -> Any:
        return tf.concat([generator(np.concatenate([step.inputs[noise], hot], 1)), label], -1)

    both = tf.concat([make_fake("noise/0"), np.concatenate([real, label], -1)], 0)
    answers = np.concatenate([1 - of_real, of_real])
    adam = {"rate": 3e-4, "beta1": 0.9, "epsilon": epsilon}
    _update(discriminator, lambda: loss(answers, discriminator(both)), **adam)
    _update(generator, lambda: loss(of_real, discriminator(make_fake("noise/generator"))), **adam)
    discriminator.set_weights(
        [s * value for s, value in zip(sign, discriminator.get_weights(), strict=True)]
    )
    return _read(step, generator=generator, discriminator=discriminator)


def upsample_gan(
    step: Step, *, sigmoid: bool = False, epsilon: str = "corrected"
) -> dict[str, Arrays]:
    """Make the step of lesson B."""
    import keras
    import tensorflow as tf
    from notebooks_keras import upsample_networks

    generator, discriminator = upsample_networks(sigmoid=sigmoid)
    generator.set_weights([*step.before["generator"].values()])
    discriminator.set_weights([*step.before["discriminator"].values()])
    loss = keras.losses.BinaryCrossentropy(from_logits=not sigmoid)
    both = tf.concat([step.inputs["real/0"], generator(step.inputs["noise/0"])], 0)
    answers = np.concatenate([np.ones((50, 1)), np.zeros((50, 1))])
    adam = {"rate": 2e-4, "beta1": 0.5, "epsilon": epsilon}
    _update(discriminator, lambda: loss(answers, discriminator(both)), **adam)
    noise = step.inputs["noise/generator"]
    _update(generator, lambda: loss(np.ones((100, 1)), discriminator(generator(noise))), **adam)
    return _read(step, generator=generator, discriminator=discriminator)


def dcgan_dropout(
    step: Step, *, training: bool = True, variance: str = "unbiased", epsilon: str = "corrected"
) -> dict[str, Arrays]:
    """Make the step of lesson D, without dropout."""
    import keras
    import tensorflow as tf
    from notebooks_keras import dropout_networks

    generator, discriminator = dropout_networks(_make_activation, rate=0.0)
    generator.set_weights([*step.before["generator"].values()])
    discriminator.set_weights([*step.before["discriminator"].values()])
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    adam = {"rate": 5e-4, "beta1": 0.5, "epsilon": epsilon}

    def generator_loss() -> Any:
        """Update the discriminator on the fake images before it classifies them again."""
        fake = generator(step.inputs["noise/0"], training=training)
        constant = tf.stop_gradient(fake)

        def discriminator_loss() -> Any:
            on_real, on_fake = discriminator(step.inputs["real/0"]), discriminator(constant)
            loss = entropy(tf.ones_like(on_real), on_real)
            return loss + entropy(tf.zeros_like(on_fake), on_fake)

        _update(discriminator, discriminator_loss, **adam)
        logits = discriminator(fake)
        return entropy(tf.ones_like(logits), logits)

    _update(generator, generator_loss, **adam)
    after = _read(step, generator=generator, discriminator=discriminator)
    if variance == "unbiased":  # Keras's is biased
        sizes = {"batch_norm": 7 * 7, "batch_norm_1": 14 * 14, "batch_norm_2": 28 * 28}
        for layer, pixels in sizes.items():
            name, count = f"generator/{layer}/variance", 64 * pixels
            kept = 0.99 * step.before["generator"][name]
            new = after["generator"][name] - kept
            after["generator"][name] = kept + new * (count / (count - 1))
    return after


def measure() -> dict[str, float]:
    """Return the differences of the lessons in Keras by entry and choice."""
    load_backend("keras")  # first, since it imports TensorFlow in a safe order
    import keras

    keras.config.set_floatx("float64")
    differences = {}

    def add(name: str, lesson: Callable[..., Any], *settings: tuple[str, Any], **choice: Any):
        entry = lesson.__name__.replace("_", "-")
        step = step_of(entry, "keras", *settings)
        differences[f"{entry} {name}".rstrip()] = step.difference(lesson(step, **choice))

    placement = ("epsilon_placement", "uncorrected")
    linear = ("discriminator.layers.leaky_relu_1.slope", 1.0)
    add("", cgan)
    add("planes", cgan, planes="lesson")
    add("activation", cgan, activation=False)
    add("activation, option", cgan, linear, activation=False)
    add("label", cgan, real_label=0.0)
    add("label, negated", cgan, real_label=0.0, negated=True)
    add("epsilon", cgan, epsilon="uncorrected")
    add("epsilon, option", cgan, placement, epsilon="uncorrected")
    add("", upsample_gan)
    add("epsilon", upsample_gan, epsilon="uncorrected")
    add("epsilon, option", upsample_gan, placement, epsilon="uncorrected")
    add("sigmoid", upsample_gan, sigmoid=True)
    idle, biased = ("dropout", 0.0), ("running_variance", "biased")
    add("", dcgan_dropout, idle)
    add("epsilon", dcgan_dropout, idle, epsilon="uncorrected")
    add("epsilon, option", dcgan_dropout, idle, placement, epsilon="uncorrected")
    add("variance", dcgan_dropout, idle, variance="biased")
    add("variance, option", dcgan_dropout, idle, biased, variance="biased")
    add("mode", dcgan_dropout, idle, training=False)
    return differences


if __name__ == "__main__":
    print(json.dumps(measure()))
