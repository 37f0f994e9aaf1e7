"""Training as in notebooks for Keras on TensorFlow: each lesson in the style in which it is taught.

``NOTEBOOKS[model](images, labels)`` takes images uint8 (N, 28, 28, 1) and labels (N,), builds the
networks, and returns the loop: ``loop(steps)`` continues the training and stores the last losses in
``loop.losses``.
"""

# ruff: noqa: B905  (notebooks zip gradients and variables as they are)

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tensorflow import Tensor

__all__ = ["NOTEBOOKS", "Loop"]


class Loop:
    """A loop that has been built: call it with a number of steps."""

    def __init__(self, step: Callable[[], Iterable[Any]], *players: keras.Model) -> None:
        self.step, self.players = step, players
        self.losses: tuple[float, ...] = ()

    def __call__(self, steps: int) -> None:
        for _ in range(steps):
            losses = self.step()
        self.losses = tuple(float(loss) for loss in losses)


class Fitting(Loop):
    """``model.fit`` over all its epochs, in a thread that stands still between two calls: a loop
    pays for the start of fit once, and for each epoch's, as a notebook does.
    """

    def __init__(self, fit: Callable[..., object], *players: keras.Model) -> None:
        self.players = players
        self.go, self.done = threading.Semaphore(0), queue.SimpleQueue[Any]()
        pace = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs: self.go.acquire(),
            on_train_batch_end=lambda batch, logs: self._count(logs),
        )

        def run() -> None:
            try:
                fit(callbacks=[pace], epochs=10**6, verbose=0)
            except BaseException as error:
                self.done.put(error)

        self.left = 0
        self.thread = threading.Thread(target=run, daemon=True)

    def __call__(self, steps: int) -> None:
        self.left = steps
        if not self.thread.ident:
            self.thread.start()
        self.go.release(steps)
        result = self.done.get()
        if isinstance(result, BaseException):
            raise result
        self.losses = tuple(float(loss) for loss in result.values())

    def _count(self, logs: dict[str, Any]) -> None:
        self.left -= 1
        if not self.left:
            self.done.put(dict(logs))


def forever(dataset: tf.data.Dataset) -> Iterator[Tensor]:
    """Yield the batches of one epoch after another."""
    while True:
        yield from dataset


def scaled(images: np.ndarray) -> np.ndarray:
    """Return pixels from -1 to 1."""
    return (images.astype("float32") - 127.5) / 127.5


# --- lesson A: the conditional GAN ---------------------------------------------------------------


class ConditionalGAN(keras.Model):
    """Both players receive the class."""

    def __init__(self, discriminator: keras.Model, generator: keras.Model, latent: int) -> None:
        super().__init__()
        self.discriminator, self.generator, self.latent = discriminator, generator, latent
        self.seen_d = keras.metrics.Mean(name="discriminator_loss")
        self.seen_g = keras.metrics.Mean(name="generator_loss")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [self.seen_d, self.seen_g]

    def compile(self, d_optimizer: Any, g_optimizer: Any, loss_fn: Any) -> None:
        super().compile()
        self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn

    def train_step(self, data: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        images, hot = data
        count = tf.shape(images)[0]
        planes = tf.repeat(tf.repeat(hot[:, None, None, :], 28, axis=1), 28, axis=2)
        noise = tf.random.normal((count, self.latent))
        fake = self.generator(tf.concat([noise, hot], axis=1))
        both = tf.concat(
            [tf.concat([fake, planes], -1), tf.concat([images, planes], -1)], axis=0
        )  # (2N, 28, 28, 11)
        answers = tf.concat([tf.zeros((count, 1)), tf.ones((count, 1))], axis=0)
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(answers, self.discriminator(both))
        gradients = tape.gradient(d_loss, self.discriminator.trainable_weights)
        self.d_optimizer.apply_gradients(zip(gradients, self.discriminator.trainable_weights))
        noise = tf.random.normal((count, self.latent))
        misleading = tf.ones((count, 1))
        with tf.GradientTape() as tape:
            fake = self.generator(tf.concat([noise, hot], axis=1))
            predictions = self.discriminator(tf.concat([fake, planes], -1))
            g_loss = self.loss_fn(misleading, predictions)
        gradients = tape.gradient(g_loss, self.generator.trainable_weights)
        self.g_optimizer.apply_gradients(zip(gradients, self.generator.trainable_weights))
        self.seen_d.update_state(d_loss)
        self.seen_g.update_state(g_loss)
        return {m.name: m.result() for m in self.metrics}


def leaky_relu() -> layers.Layer:
    return layers.LeakyReLU(negative_slope=0.2)


Activation = Callable[[], layers.Layer]


def cgan_networks(
    activation: Activation = leaky_relu, *, second: bool = True
) -> tuple[keras.Sequential, keras.Sequential]:
    """Return generator and discriminator; ``second``: with its second activation."""
    generator = keras.Sequential(
        [
            keras.Input((138,)),
            layers.Dense(7 * 7 * 138),
            activation(),
            layers.Reshape((7, 7, 138)),
            layers.Conv2DTranspose(128, 4, strides=2, padding="same"),
            activation(),
            layers.Conv2DTranspose(128, 4, strides=2, padding="same"),
            activation(),
            layers.Conv2D(1, 7, padding="same", activation="sigmoid"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((28, 28, 11)),
            layers.Conv2D(64, 3, strides=2, padding="same"),
            activation(),
            layers.Conv2D(128, 3, strides=2, padding="same"),
            *([activation()] if second else []),
            layers.GlobalMaxPooling2D(),
            layers.Dense(1),
        ]
    )
    return generator, discriminator


def cgan(images: np.ndarray, labels: np.ndarray) -> Loop:
    # typical: every batch passes through tf.data image by image, with a label of its own
    generator, discriminator = cgan_networks()
    pixels, hot = (
        images.astype("float32") / 255.0,
        keras.utils.to_categorical(labels, 10).astype("float32"),
    )
    dataset = tf.data.Dataset.from_tensor_slices((pixels, hot))
    dataset = dataset.shuffle(buffer_size=1024).batch(64)
    model = ConditionalGAN(discriminator, generator, latent=128)
    model.compile(
        d_optimizer=keras.optimizers.Adam(learning_rate=0.0003),
        g_optimizer=keras.optimizers.Adam(learning_rate=0.0003),
        loss_fn=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    return Fitting(lambda **how: model.fit(dataset, **how), generator, discriminator)


# --- lesson B: upsample-gan, and lesson E: dense layers --------------------------------------


def upsample_networks(*, sigmoid: bool = True) -> tuple[keras.Sequential, keras.Sequential]:
    generator = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(64 * 7 * 7, activation="relu"),
            layers.Reshape((7, 7, 64)),
            layers.UpSampling2D(),
            layers.Conv2D(64, 2, padding="same", activation="relu"),
            layers.UpSampling2D(),
            layers.Conv2D(8, 2, padding="same", activation="relu"),
            layers.Conv2D(1, 1, activation="sigmoid"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(20, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(40, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(100, activation="relu"),
            layers.Dense(1, activation="sigmoid" if sigmoid else None),
        ]
    )
    return generator, discriminator


def upsample_gan(images: np.ndarray, labels: np.ndarray) -> Loop:
    # typical: predict starts a pass over data for each batch, and every loss is read at once
    generator, discriminator = upsample_networks()
    gan = stacked(generator, discriminator)
    pixels = images.astype("float32") / 255.0
    answers = np.concatenate([np.ones((50, 1)), np.zeros((50, 1))])

    def step() -> tuple[float, float]:
        real = pixels[np.random.randint(0, len(pixels), 50)]
        fake = generator.predict(np.random.normal(size=(50, 10)), verbose=0)
        discriminator.trainable = True
        d_loss, _ = discriminator.train_on_batch(np.concatenate([real, fake]), answers)
        discriminator.trainable = False
        g_loss = gan.train_on_batch(np.random.normal(size=(100, 10)), np.ones((100, 1)))
        return d_loss, g_loss

    return Loop(step, generator, discriminator)


def mlp_gan(images: np.ndarray, labels: np.ndarray) -> Loop:
    # typical: real and fake images are an update each, and predict costs more than the network does
    generator = keras.Sequential([keras.Input((100,)), layers.Dense(128)])
    generator.add(layers.LeakyReLU(negative_slope=0.2))
    for units in (256, 512, 1024):
        generator.add(layers.Dense(units, use_bias=False))
        generator.add(layers.BatchNormalization(momentum=0.9, epsilon=1e-5))
        generator.add(layers.LeakyReLU(negative_slope=0.2))
    generator.add(layers.Dense(28 * 28, activation="tanh"))
    generator.add(layers.Reshape((28, 28, 1)))
    discriminator = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten()])
    for units in (512, 256):
        discriminator.add(layers.Dense(units))
        discriminator.add(layers.LeakyReLU(negative_slope=0.2))
    discriminator.add(layers.Dense(1, activation="sigmoid"))
    gan = stacked(generator, discriminator)
    pixels = scaled(images)
    valid, made_up = np.ones((64, 1)), np.zeros((64, 1))

    def step() -> tuple[float, float]:
        real = pixels[np.random.randint(0, len(pixels), 64)]
        fake = generator.predict(np.random.normal(0, 1, (64, 100)), verbose=0)
        discriminator.trainable = True
        on_real = discriminator.train_on_batch(real, valid)
        on_fake = discriminator.train_on_batch(fake, made_up)
        discriminator.trainable = False
        g_loss = gan.train_on_batch(np.random.normal(0, 1, (64, 100)), valid)
        return 0.5 * (on_real[0] + on_fake[0]), g_loss

    return Loop(step, generator, discriminator)


def stacked(generator: keras.Model, discriminator: keras.Model) -> keras.Model:
    """Compile the discriminator, and the generator in front of it as it stands still."""
    adam = keras.optimizers.Adam
    discriminator.compile(adam(2e-4, beta_1=0.5), "binary_crossentropy", metrics=["accuracy"])
    discriminator.trainable = False
    gan = keras.Sequential([generator, discriminator])
    gan.compile(adam(2e-4, beta_1=0.5), "binary_crossentropy")
    return gan


# --- lessons C and D: DCGANs ---------------------------------------------------------------------

cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)


def discriminator_loss(real_output: Tensor, fake_output: Tensor) -> Tensor:
    """Return the sum of the halves."""
    on_real = cross_entropy(tf.ones_like(real_output), real_output)
    return on_real + cross_entropy(tf.zeros_like(fake_output), fake_output)


def generator_loss(fake_output: Tensor) -> Tensor:
    """Return the loss of fakes that shall pass for real."""
    return cross_entropy(tf.ones_like(fake_output), fake_output)


def dcgan(images: np.ndarray, labels: np.ndarray) -> Loop:
    # typical: two tapes at once, so that the generator learns against the old discriminator
    generator, discriminator = (
        dcgan_generator(),
        keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(64, 4, strides=2, padding="same"),
                layers.LeakyReLU(negative_slope=0.2),
                layers.Conv2D(128, 4, strides=2, padding="same", use_bias=False),
                layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
                layers.LeakyReLU(negative_slope=0.2),
                layers.Flatten(),
                layers.Dense(1),
            ]
        ),
    )
    generator_optimizer = keras.optimizers.Adam(2e-4, beta_1=0.5)
    discriminator_optimizer = keras.optimizers.Adam(2e-4, beta_1=0.5)

    @tf.function
    def train_step(batch: Tensor) -> tuple[Tensor, Tensor]:
        noise = tf.random.normal([64, 100])
        with tf.GradientTape() as gen_tape, tf.GradientTape() as disc_tape:
            fake = generator(noise, training=True)
            real_output = discriminator(batch, training=True)
            fake_output = discriminator(fake, training=True)
            g_loss = generator_loss(fake_output)
            d_loss = discriminator_loss(real_output, fake_output)
        g_gradients = gen_tape.gradient(g_loss, generator.trainable_variables)
        d_gradients = disc_tape.gradient(d_loss, discriminator.trainable_variables)
        generator_optimizer.apply_gradients(zip(g_gradients, generator.trainable_variables))
        discriminator_optimizer.apply_gradients(zip(d_gradients, discriminator.trainable_variables))
        return d_loss, g_loss

    dataset = tf.data.Dataset.from_tensor_slices(scaled(images)).shuffle(60_000).batch(64)
    batches = forever(dataset)
    return Loop(lambda: train_step(next(batches)), generator, discriminator)


def dcgan_generator() -> keras.Model:
    """Return the generator of the DCGAN and of the WGAN-GP."""
    return keras.Sequential(
        [
            keras.Input((100,)),
            layers.Dense(7 * 7 * 128, use_bias=False),
            layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
            layers.ReLU(),
            layers.Reshape((7, 7, 128)),
            layers.Conv2DTranspose(64, 4, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
            layers.ReLU(),
            layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh"),
        ]
    )


def dropout_networks(
    activation: Activation = leaky_relu, *, rate: float = 0.3
) -> tuple[keras.Sequential, keras.Sequential]:
    generator = keras.Sequential(
        [
            keras.Input((100,)),
            layers.Dense(7 * 7 * 128, activation="relu"),
            layers.Reshape((7, 7, 128)),
            layers.BatchNormalization(),
            layers.Conv2DTranspose(64, 4, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2DTranspose(32, 4, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2DTranspose(1, 3, padding="same", activation="tanh"),
        ]
    )
    discriminator = keras.Sequential([keras.Input((28, 28, 1))])
    for filters, strides in ((64, 2), (128, 2), (256, 1)):
        discriminator.add(layers.Conv2D(filters, 3, strides=strides, padding="same"))
        discriminator.add(activation())
        discriminator.add(layers.Dropout(rate))
    discriminator.add(layers.Flatten())
    discriminator.add(layers.Dense(1))
    return generator, discriminator


def dcgan_dropout(images: np.ndarray, labels: np.ndarray) -> Loop:
    # typical: the generator draws the same fakes once more for its own update
    generator, discriminator = dropout_networks()
    generator_optimizer = keras.optimizers.Adam(5e-4, beta_1=0.5)
    discriminator_optimizer = keras.optimizers.Adam(5e-4, beta_1=0.5)

    @tf.function
    def train_step(batch: Tensor) -> tuple[Tensor, Tensor]:
        noise = tf.random.normal([64, 100])
        with tf.GradientTape() as disc_tape:
            fake = generator(noise, training=True)
            real_output = discriminator(batch, training=True)
            d_loss = discriminator_loss(real_output, discriminator(fake, training=True))
        gradients = disc_tape.gradient(d_loss, discriminator.trainable_variables)
        discriminator_optimizer.apply_gradients(zip(gradients, discriminator.trainable_variables))
        with tf.GradientTape() as gen_tape:
            fake = generator(noise, training=True)
            g_loss = generator_loss(discriminator(fake, training=True))
        gradients = gen_tape.gradient(g_loss, generator.trainable_variables)
        generator_optimizer.apply_gradients(zip(gradients, generator.trainable_variables))
        return d_loss, g_loss

    dataset = tf.data.Dataset.from_tensor_slices(scaled(images)).shuffle(len(images)).batch(64)
    batches = forever(dataset)
    return Loop(lambda: train_step(next(batches)), generator, discriminator)


# --- WGAN-GP -------------------------------------------------------------------------------------


class WGAN(keras.Model):
    """The Wasserstein GAN with a gradient penalty."""

    def __init__(self, discriminator: keras.Model, generator: keras.Model, latent: int) -> None:
        super().__init__()
        self.discriminator, self.generator, self.latent = discriminator, generator, latent

    def compile(self, d_optimizer: Any, g_optimizer: Any) -> None:
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer

    def gradient_penalty(self, count: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        mix = tf.random.uniform([count, 1, 1, 1])
        between = real + mix * (fake - real)
        with tf.GradientTape() as tape:
            tape.watch(between)
            prediction = self.discriminator(between, training=True)
        slope = tape.gradient(prediction, [between])[0]
        norm = tf.sqrt(tf.reduce_sum(tf.square(slope), axis=[1, 2, 3]))
        return tf.reduce_mean((norm - 1.0) ** 2)

    def train_step(self, real: Tensor) -> dict[str, Tensor]:
        count = tf.shape(real)[0]
        for _ in range(5):
            noise = tf.random.normal((count, self.latent))
            with tf.GradientTape() as tape:
                fake = self.generator(noise, training=True)
                on_fake = self.discriminator(fake, training=True)
                on_real = self.discriminator(real, training=True)
                cost = tf.reduce_mean(on_fake) - tf.reduce_mean(on_real)
                d_loss = cost + 10.0 * self.gradient_penalty(count, real, fake)
            gradients = tape.gradient(d_loss, self.discriminator.trainable_variables)
            self.d_optimizer.apply_gradients(zip(gradients, self.discriminator.trainable_variables))
        noise = tf.random.normal((count, self.latent))
        with tf.GradientTape() as tape:
            fake = self.generator(noise, training=True)
            g_loss = -tf.reduce_mean(self.discriminator(fake, training=True))
        gradients = tape.gradient(g_loss, self.generator.trainable_variables)
        self.g_optimizer.apply_gradients(zip(gradients, self.generator.trainable_variables))
        return {"d_loss": d_loss, "g_loss": g_loss}


def wgan_gp(images: np.ndarray, labels: np.ndarray) -> Loop:
    # typical: five updates on one batch, each keeping the generator's activations for no gradient
    critic = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(64, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(128, 4, strides=2, padding="same", use_bias=False),
            layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-5),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    generator, pixels = dcgan_generator(), scaled(images)
    model = WGAN(critic, generator, latent=100)
    model.compile(
        d_optimizer=keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9),
        g_optimizer=keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9),
    )
    return Fitting(lambda **how: model.fit(pixels, batch_size=64, **how), generator, critic)


NOTEBOOKS = {
    "dcgan": dcgan,
    "cgan": cgan,
    "upsample-gan": upsample_gan,
    "dcgan-dropout": dcgan_dropout,
    "mlp-gan": mlp_gan,
    "wgan-gp": wgan_gp,
}
