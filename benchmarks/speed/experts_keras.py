"""The lessons' GANs in the fastest plain loop that TensorFlow allows in float32, written by hand.

This code does not use gandem; gandem is measured against it.

Slower alternatives (milliseconds of CPU per step, one thread of an EPYC; this code first): a call
of the graph for each step, 17.1 against 17.9 on mlp-gan; XLA, 133 against 163 on dcgan, 17.1
against 20.0 on mlp-gan, and 5 to 10 s to compile; no oneDNN, 133 against 220 on dcgan; real and
fake in two passes, 17.1 against 19.8 on mlp-gan, 770 against 806 on wgan-gp, but on cgan one pass,
785 against 830; tf.nn.dropout, 317 against 340; pixels repeated by tile, by broadcasting or by
concatenation, 120 against 163, 177 and 126 on upsample-gan.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import numpy as np
import tensorflow as tf
from tensorflow import Tensor

Losses = tuple[Tensor, Tensor]
Network = Callable[..., Tensor]
Pair = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
READ_EVERY = 100
"""Steps between two readings of the losses."""
EIGEN = [(0, 0), (1, 1), (1, 1), (0, 0)]
"""The padding "SAME" of kernel 4 and stride 2 as numbers, with which Eigen computes the gradient,
not oneDNN. It takes 1.9 ms instead of 5.3 for images of one channel, and 17 instead of 10 for 64.
"""


def on(device: str) -> AbstractContextManager[None]:
    """Compute on ``"cpu"`` or on ``"cuda"``, in true float32 there too."""
    if device != "cpu":
        tf.config.experimental.enable_tensor_float_32_execution(False)
    return tf.device("/CPU:0" if device == "cpu" else "/GPU:0")


# --- weights and layers --------------------------------------------------------------------


class Player:
    """Weights, in the order in which the network creates them, and their Adam."""

    def __init__(self, rate: float, beta1: float, beta2: float, epsilon: float, std: float = 0.0):
        self.rate, self.beta1, self.beta2, self.epsilon = rate, beta1, beta2, epsilon
        self.std = std
        self.weights: list[tf.Variable] = []
        self.slots: list[tuple[tf.Variable, tf.Variable]] = []
        self.count = tf.Variable(0, dtype=tf.int64, trainable=False)

    def weight(self, value: Tensor) -> tf.Variable:
        """Return a new trained weight."""
        variable = tf.Variable(value)
        self.weights.append(variable)
        zeros = (tf.Variable(tf.zeros_like(value)), tf.Variable(tf.zeros_like(value)))
        self.slots.append(zeros)
        return variable

    def kernel(self, *shape: int) -> tf.Variable:
        """Return a new kernel: N(0, std²), or without std Glorot's uniform distribution."""
        if self.std:
            return self.weight(tf.random.normal(shape, stddev=self.std))
        limit = (6 / (int(np.prod(shape[:-2])) * (shape[-2] + shape[-1]))) ** 0.5
        return self.weight(tf.random.uniform(shape, -limit, limit))

    def bias(self, size: int) -> tf.Variable:
        """Return a new bias."""
        return self.weight(tf.zeros(size))

    def learn(self, gradients: Sequence[Tensor]) -> None:
        """Update the weights by TensorFlow's own kernel. It adds epsilon to the uncorrected
        root; the correction is in the numbers that it gets.
        """
        count = tf.cast(self.count.assign_add(1), tf.float64)
        root = tf.sqrt(1 - tf.pow(tf.constant(self.beta2, tf.float64), count))
        rate = self.rate * root / (1 - tf.pow(tf.constant(self.beta1, tf.float64), count))
        zero, beta1, beta2 = (tf.constant(x, tf.float32) for x in (0.0, self.beta1, self.beta2))
        rate, epsilon = tf.cast(rate, tf.float32), tf.cast(self.epsilon * root, tf.float32)
        for weight, (first, second), gradient in zip(
            self.weights, self.slots, gradients, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=zero,
                beta2_power=zero,
                lr=rate,
                beta1=beta1,
                beta2=beta2,
                epsilon=epsilon,
                grad=gradient,
            )


def batch_norm(player: Player, size: int, epsilon: float, decay: float) -> Network:
    """Batch norm whose kernel keeps the running statistics (of the unbiased variance) too."""
    scale, offset = player.weight(tf.ones(size)), player.weight(tf.zeros(size))
    mean, variance = (
        tf.Variable(tf.zeros(size), trainable=False),
        tf.Variable(tf.ones(size), trainable=False),
    )

    def norm(x: Tensor) -> Tensor:
        flat = x if x.shape.rank == 4 else tf.reshape(x, [-1, 1, 1, size])
        result = tf.raw_ops.FusedBatchNormV3(
            x=flat,
            scale=scale,
            offset=offset,
            mean=mean,
            variance=variance,
            epsilon=epsilon,
            exponential_avg_factor=1 - decay,
            is_training=True,
        )
        mean.assign(tf.stop_gradient(result.batch_mean))
        variance.assign(tf.stop_gradient(result.batch_variance))
        return result.y if x.shape.rank == 4 else tf.reshape(result.y, tf.shape(x))

    return norm


def transposed(
    x: Tensor, kernel: Tensor, size: int, stride: int, padding: str | list = "SAME"
) -> Tensor:
    """Return the transposed convolution to images of size × size."""
    filters = kernel.shape[2]
    shape = [rows_of(x), size, size, filters]
    return tf.nn.conv2d_transpose(x, kernel, shape, stride, padding)


def dropout(x: Tensor, rate: float) -> Tensor:
    """Drop out by the bytes of random words, four masks a word; the rate in steps of 1/256."""
    level = round(256 * rate)
    low, high = tf.int32.min, tf.int32.max
    words = tf.random.uniform([tf.size(x) // 4], low, high, tf.int32)
    kept = tf.reshape(tf.bitcast(words, tf.uint8), tf.shape(x)) >= level
    return tf.where(kept, x * (256 / (256 - level)), 0.0)


def enlarged(x: Tensor) -> Tensor:
    """Repeat each pixel twice along both sides."""
    size = [2 * x.shape[1], 2 * x.shape[2]]
    return tf.raw_ops.ResizeNearestNeighbor(images=x, size=size, half_pixel_centers=True)


def gradients_of(loss_of: Callable[[], Tensor], watched: Sequence[Tensor]) -> tuple[Tensor, list]:
    """Return a loss and its gradients by the watched tensors only."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(watched)
        loss = loss_of()
    return loss, tape.gradient(loss, watched)


def update_discriminator(
    discriminator: Player, pair: Pair, real: Tensor, fake: Tensor, share: float
) -> Tensor:
    """Update the discriminator; its loss is ``share`` of the sum of the halves."""

    def loss() -> Tensor:
        on_real, on_fake = pair(real, fake)
        halves = tf.reduce_mean(tf.nn.softplus(-on_real)), tf.reduce_mean(tf.nn.softplus(on_fake))
        return share * (halves[0] + halves[1])

    value, gradients = gradients_of(loss, discriminator.weights)
    discriminator.learn(gradients)
    return value


def update_generator(
    generator: Player, discriminate: Network, fake: Tensor, tape: tf.GradientTape
) -> Tensor:
    """Update the generator; ``tape`` has recorded the forward pass of its fakes."""
    value, (back,) = gradients_of(
        lambda: tf.reduce_mean(tf.nn.softplus(-discriminate(fake))), [fake]
    )
    generator.learn(tape.gradient(fake, generator.weights, back))
    return value


def generate_on_tape(
    player: Player, generate: Network, *inputs: Tensor
) -> tuple[Tensor, tf.GradientTape]:
    """Return fakes and the tape that has recorded their forward pass."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(player.weights)
        fake = generate(*inputs)
    return fake, tape


def in_one_pass(discriminate: Network) -> Pair:
    """Classify real and fake images in one pass: equal without batch norm, in fewer products."""
    return lambda real, fake: tf.split(discriminate(tf.concat([real, fake], 0)), 2)


def in_two_passes(discriminate: Network) -> Pair:
    """Classify real and fake images in two passes."""
    return lambda real, fake: (discriminate(real), discriminate(fake))


def conv(
    x: Tensor, kernel: Tensor, bias: Tensor, stride: int = 1, padding: str | list = "SAME"
) -> Tensor:
    """Return the convolution with its bias."""
    return tf.nn.bias_add(tf.nn.conv2d(x, kernel, stride, padding), bias)


def rows_of(x: Tensor) -> Tensor | int:
    """Return the number of rows: an int where the graph has a fixed one."""
    return tf.shape(x)[0] if x.shape[0] is None else x.shape[0]


def normal(rows: Tensor, size: int) -> Tensor:
    """Return noise (N, size) with as many rows as a tensor."""
    return tf.random.normal([rows_of(rows), size])


# --- the loop ------------------------------------------------------------------------------------


def shuffled(count: int, size: int) -> Iterator[np.ndarray]:
    """Yield the indices of each batch, without end; the last batch of an epoch may be smaller."""
    rng = np.random.default_rng()
    while True:
        order = rng.permutation(count).astype(np.int32)
        yield from (order[i : i + size] for i in range(0, count, size))


def drawn(count: int, size: int) -> Iterator[np.ndarray]:
    """Yield the indices of each batch, drawn with replacement, without end."""
    rng = np.random.default_rng()
    while True:
        yield rng.integers(count, size=size, dtype=np.int32)


def pixels(data: Tensor, rows: Tensor, low: int) -> Tensor:
    """Return images of the resident data, from ``low`` to 1."""
    return tf.cast(tf.gather(data, rows), tf.float32) * ((1 - low) / 255) + low


class Loop:
    """Training by ``step(rows of each round)``: up to 100 steps are one call of one graph, whose
    last losses are then read.
    """

    def __init__(
        self,
        step: Callable[..., Losses],
        feed: Iterator[np.ndarray],
        size: int,
        device: str,
        players: tuple[Player, Player],
        rounds: int = 1,
    ) -> None:
        self.step, self.feed, self.size, self.rounds = step, feed, size, rounds
        self.device, self.players = device, players
        self.losses: tuple[float, ...] = ()
        whole = tf.TensorSpec([None, rounds, size], tf.int32)
        smaller = [tf.TensorSpec([None], tf.int32)] * rounds
        self.many = tf.function(self._many, autograph=False, input_signature=[whole])
        self.odd = tf.function(step, autograph=False, input_signature=smaller)

    def __call__(self, steps: int) -> None:
        waiting: list[list[np.ndarray]] = []
        for _ in range(steps):
            rows = [next(self.feed) for _ in range(self.rounds)]
            whole = all(len(round_) == self.size for round_ in rows)
            if waiting and (not whole or len(waiting) == READ_EVERY):
                self._run(waiting)
                waiting = []
            if whole:
                waiting.append(rows)
            else:
                with on(self.device):
                    self._read(self.odd(*rows))
        if waiting:
            self._run(waiting)

    def _run(self, waiting: list[list[np.ndarray]]) -> None:
        with on(self.device):
            self._read(self.many(np.array(waiting)))

    def _read(self, losses: Losses) -> None:
        self.losses = tuple(float(loss) for loss in losses)

    def _many(self, rows: Tensor) -> Losses:
        """Take one step after another; rows (steps, rounds, images)."""

        def body(i: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
            return (i + 1, *self.step(*(rows[i, r] for r in range(self.rounds))))

        start = (tf.constant(0), tf.constant(0.0), tf.constant(0.0))
        count = tf.shape(rows)[0]
        return tf.while_loop(lambda i, *_: i < count, body, start, parallel_iterations=1)[1:]


# --- the models ----------------------------------------------------------------------------------


def dcgan(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Lesson C: the generator learns on the fakes that the discriminator has just seen."""
    with on(device):
        data = tf.constant(images)
        adam = (2e-4, 0.5, 0.999, 1e-8)
        g, d = Player(*adam, std=0.02), Player(*adam, std=0.02)
        generate, discriminate = dcgan_generator(g), dcgan_discriminator(d)

    def step(rows: Tensor) -> Losses:
        real = pixels(data, rows, -1)
        fake, tape = generate_on_tape(g, generate, normal(rows, 100))
        d_loss = update_discriminator(d, in_two_passes(discriminate), real, fake, 1.0)
        return d_loss, update_generator(g, discriminate, fake, tape)

    return Loop(step, shuffled(len(images), 64), 64, device, (g, d))


def dcgan_generator(player: Player) -> Network:
    """Noise (N, 100) to images (N, 28, 28, 1)."""
    dense = player.kernel(100, 6272)
    norm1 = batch_norm(player, 6272, 1e-5, 0.9)
    up1 = player.kernel(4, 4, 64, 128)
    norm2 = batch_norm(player, 64, 1e-5, 0.9)
    up2, bias = player.kernel(4, 4, 1, 64), player.bias(1)

    def generate(noise: Tensor) -> Tensor:
        x = tf.nn.relu(norm1(noise @ dense))
        x = transposed(tf.reshape(x, [-1, 7, 7, 128]), up1, 14, 2)
        x = transposed(tf.nn.relu(norm2(x)), up2, 28, 2, EIGEN)
        return tf.tanh(x + bias)

    return generate


def dcgan_discriminator(player: Player) -> Network:
    """Images (N, 28, 28, 1) to logits (N, 1)."""
    down1, bias1 = player.kernel(4, 4, 1, 64), player.bias(64)
    down2 = player.kernel(4, 4, 64, 128)
    norm = batch_norm(player, 128, 1e-5, 0.9)
    dense, bias2 = player.kernel(6272, 1), player.bias(1)

    def discriminate(image: Tensor) -> Tensor:
        x = tf.nn.leaky_relu(conv(image, down1, bias1, 2, EIGEN), 0.2)
        x = tf.nn.leaky_relu(norm(tf.nn.conv2d(x, down2, 2, "SAME")), 0.2)
        return tf.reshape(x, [-1, 6272]) @ dense + bias2

    return discriminate


def cgan(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Lesson A: fresh noise for the generator, the same classes."""
    with tf.device(device):
        data, classes = tf.constant(images), tf.constant(labels.astype(np.int32))
        adam = (3e-4, 0.9, 0.999, 1e-7)
        g, d = Player(*adam), Player(*adam)
        generate, discriminate = cgan_generator(g), cgan_discriminator(d)

    def step(rows: Tensor) -> Losses:
        real, hot = pixels(data, rows, 0), tf.one_hot(tf.gather(classes, rows), 10)
        fake = generate(normal(rows, 128), hot)
        d_loss = update_discriminator(
            d, in_two_passes(lambda image: discriminate(image, hot)), real, fake, 0.5
        )
        fake, tape = generate_on_tape(g, generate, normal(rows, 128), hot)
        return d_loss, update_generator(g, lambda image: discriminate(image, hot), fake, tape)

    return Loop(step, shuffled(len(images), 64), 64, device, (g, d))


def cgan_generator(player: Player) -> Network:
    """Noise (N, 128) and class weights (N, 10) to images (N, 28, 28, 1)."""
    dense, bias1 = player.kernel(138, 6762), player.bias(6762)
    up1, bias2 = player.kernel(4, 4, 128, 138), player.bias(128)
    up2, bias3 = player.kernel(4, 4, 128, 128), player.bias(128)
    last, bias4 = player.kernel(7, 7, 128, 1), player.bias(1)

    def generate(noise: Tensor, hot: Tensor) -> Tensor:
        x = tf.nn.leaky_relu(tf.nn.bias_add(tf.concat([noise, hot], 1) @ dense, bias1), 0.2)
        x = tf.nn.bias_add(transposed(tf.reshape(x, [-1, 7, 7, 138]), up1, 14, 2), bias2)
        x = tf.nn.bias_add(transposed(tf.nn.leaky_relu(x, 0.2), up2, 28, 2), bias3)
        return tf.sigmoid(conv(tf.nn.leaky_relu(x, 0.2), last, bias4))

    return generate


def cgan_discriminator(player: Player) -> Network:
    """Images (N, 28, 28, 1) and class weights (N, 10) to logits (N, 1)."""
    down1, bias1 = player.kernel(3, 3, 11, 64), player.bias(64)
    down2, bias2 = player.kernel(3, 3, 64, 128), player.bias(128)
    dense, bias3 = player.kernel(128, 1), player.bias(1)

    def discriminate(image: Tensor, hot: Tensor) -> Tensor:
        planes = tf.tile(hot[:, None, None, :], [1, 28, 28, 1])
        x = tf.nn.leaky_relu(conv(tf.concat([image, planes], -1), down1, bias1, 2), 0.2)
        x = tf.nn.leaky_relu(conv(x, down2, bias2, 2), 0.2)
        return tf.reduce_max(x, (1, 2)) @ dense + bias3

    return discriminate


def upsample_gan(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Lesson B: 50 real and 50 fake in one pass, then the generator on 100 fresh ones."""
    with on(device):
        data = tf.constant(images)
        adam = (2e-4, 0.5, 0.999, 1e-7)
        g, d = Player(*adam), Player(*adam)
        generate, discriminate = upsample_generator(g), upsample_discriminator(d)

    def step(rows: Tensor) -> Losses:
        d_loss = update_discriminator(
            d, in_one_pass(discriminate), pixels(data, rows, 0), generate(normal(rows, 10)), 0.5
        )
        fake, tape = generate_on_tape(g, generate, tf.random.normal([100, 10]))
        return d_loss, update_generator(g, discriminate, fake, tape)

    return Loop(step, drawn(len(images), 50), 50, device, (g, d))


def upsample_generator(player: Player) -> Network:
    """Noise (N, 10) to images (N, 28, 28, 1)."""
    dense, bias1 = player.kernel(10, 3136), player.bias(3136)
    smooth1, bias2 = player.kernel(2, 2, 64, 64), player.bias(64)
    smooth2, bias3 = player.kernel(2, 2, 64, 8), player.bias(8)
    last, bias4 = player.kernel(1, 1, 8, 1), player.bias(1)

    def generate(noise: Tensor) -> Tensor:
        x = tf.nn.relu(tf.nn.bias_add(noise @ dense, bias1))
        x = tf.nn.relu(conv(enlarged(tf.reshape(x, [-1, 7, 7, 64])), smooth1, bias2))
        x = tf.nn.relu(conv(enlarged(x), smooth2, bias3))
        return tf.sigmoid(conv(x, last, bias4))

    return generate


def upsample_discriminator(player: Player) -> Network:
    """Images (N, 28, 28, 1) to logits (N, 1)."""
    one, bias1 = player.kernel(5, 5, 1, 20), player.bias(20)
    two, bias2 = player.kernel(5, 5, 20, 40), player.bias(40)
    dense1, bias3 = player.kernel(640, 100), player.bias(100)
    dense2, bias4 = player.kernel(100, 1), player.bias(1)

    def discriminate(image: Tensor) -> Tensor:
        x = tf.nn.max_pool2d(tf.nn.relu(conv(image, one, bias1, 1, "VALID")), 2, 2, "VALID")
        x = tf.nn.max_pool2d(tf.nn.relu(conv(x, two, bias2, 1, "VALID")), 2, 2, "VALID")
        x = tf.nn.relu(tf.nn.bias_add(tf.reshape(x, [-1, 640]) @ dense1, bias3))
        return x @ dense2 + bias4

    return discriminate


def dcgan_dropout(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Lesson D: one noise batch for both players."""
    with on(device):
        data = tf.constant(images)
        adam = (5e-4, 0.5, 0.999, 1e-7)
        g, d = Player(*adam), Player(*adam)
        generate, discriminate = dropout_generator(g), dropout_discriminator(d)

    def step(rows: Tensor) -> Losses:
        fake, tape = generate_on_tape(g, generate, normal(rows, 100))
        d_loss = update_discriminator(
            d, in_one_pass(discriminate), pixels(data, rows, -1), fake, 1.0
        )
        return d_loss, update_generator(g, discriminate, fake, tape)

    return Loop(step, shuffled(len(images), 64), 64, device, (g, d))


def dropout_generator(player: Player) -> Network:
    """Noise (N, 100) to images (N, 28, 28, 1)."""
    dense, bias1 = player.kernel(100, 6272), player.bias(6272)
    norm1 = batch_norm(player, 128, 1e-3, 0.99)
    up1 = player.kernel(4, 4, 64, 128)
    norm2 = batch_norm(player, 64, 1e-3, 0.99)
    up2 = player.kernel(4, 4, 32, 64)
    norm3 = batch_norm(player, 32, 1e-3, 0.99)
    up3, bias2 = player.kernel(3, 3, 1, 32), player.bias(1)

    def generate(noise: Tensor) -> Tensor:
        x = tf.nn.relu(tf.nn.bias_add(noise @ dense, bias1))
        x = transposed(norm1(tf.reshape(x, [-1, 7, 7, 128])), up1, 14, 2)
        x = transposed(tf.nn.relu(norm2(x)), up2, 28, 2)
        return tf.tanh(transposed(tf.nn.relu(norm3(x)), up3, 28, 1) + bias2)

    return generate


def dropout_discriminator(player: Player) -> Network:
    """Images (N, 28, 28, 1) to logits (N, 1)."""
    sizes = [(1, 64, 2), (64, 128, 2), (128, 256, 1)]
    layers = [(player.kernel(3, 3, i, o), player.bias(o), stride) for i, o, stride in sizes]
    dense, bias = player.kernel(12544, 1), player.bias(1)

    def discriminate(image: Tensor) -> Tensor:
        x = image
        for kernel, shift, stride in layers:
            x = dropout(tf.nn.leaky_relu(conv(x, kernel, shift, stride), 0.2), 0.3)
        return tf.reshape(x, [-1, 12544]) @ dense + bias

    return discriminate


def mlp_gan(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Lesson E: dense layers, the same fakes for both players."""
    with on(device):
        data = tf.constant(images.reshape(-1, 784))
        adam = (2e-4, 0.5, 0.999, 1e-8)
        g, d = Player(*adam), Player(*adam)
        generate, discriminate = mlp_generator(g), mlp_discriminator(d)

    def step(rows: Tensor) -> Losses:
        fake, tape = generate_on_tape(g, generate, normal(rows, 100))
        d_loss = update_discriminator(
            d, in_one_pass(discriminate), pixels(data, rows, -1), fake, 0.5
        )
        return d_loss, update_generator(g, discriminate, fake, tape)

    return Loop(step, shuffled(len(images), 64), 64, device, (g, d))


def mlp_generator(player: Player) -> Network:
    """Noise (N, 100) to flat images (N, 784)."""
    first, bias1 = player.kernel(100, 128), player.bias(128)
    sizes = [(128, 256), (256, 512), (512, 1024)]
    hidden = [(player.kernel(i, o), batch_norm(player, o, 1e-5, 0.9)) for i, o in sizes]
    last, bias2 = player.kernel(1024, 784), player.bias(784)

    def generate(noise: Tensor) -> Tensor:
        x = tf.nn.leaky_relu(tf.nn.bias_add(noise @ first, bias1), 0.2)
        for kernel, norm in hidden:
            x = tf.nn.leaky_relu(norm(x @ kernel), 0.2)
        return tf.tanh(tf.nn.bias_add(x @ last, bias2))

    return generate


def mlp_discriminator(player: Player) -> Network:
    """Flat images (N, 784) to logits (N, 1)."""
    sizes = [(784, 512), (512, 256)]
    hidden = [(player.kernel(i, o), player.bias(o)) for i, o in sizes]
    last, bias = player.kernel(256, 1), player.bias(1)

    def discriminate(image: Tensor) -> Tensor:
        x = image
        for kernel, shift in hidden:
            x = tf.nn.leaky_relu(tf.nn.bias_add(x @ kernel, shift), 0.2)
        return x @ last + bias

    return discriminate


def wgan_gp(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Five updates of a critic whose slope is held to 1, each on its own batch, then one of the
    generator on fresh noise.
    """
    with on(device):
        data = tf.constant(images)
        adam = (1e-4, 0.0, 0.9, 1e-8)
        g, d = Player(*adam, std=0.02), Player(*adam)
        generate, discriminate = dcgan_generator(g), critic(d)

    def step(*rounds: Tensor) -> Losses:
        for rows in rounds:
            value = critic_learns(
                d, discriminate, pixels(data, rows, -1), generate(normal(rows, 100))
            )
        fake, tape = generate_on_tape(g, generate, normal(rows, 100))
        loss, (back,) = gradients_of(lambda: -tf.reduce_mean(discriminate(fake)), [fake])
        g.learn(tape.gradient(fake, g.weights, back))
        return value, loss

    return Loop(step, shuffled(len(images), 64), 64, device, (g, d), rounds=5)


def critic_learns(player: Player, discriminate: Network, real: Tensor, fake: Tensor) -> Tensor:
    """Update the critic, with the penalty on its slope between real and fake images."""
    mix = tf.random.uniform([rows_of(real), 1, 1, 1])
    between = mix * real + (1 - mix) * fake

    def loss() -> Tensor:
        on_real, on_fake = in_one_pass(discriminate)(real, fake)
        _, (slope,) = gradients_of(lambda: tf.reduce_sum(discriminate(between)), [between])
        norm = tf.sqrt(tf.reduce_sum(slope * slope, (1, 2, 3)) + 1e-12)
        penalty = 10 * tf.reduce_mean((norm - 1) ** 2)
        return tf.reduce_mean(on_fake) - tf.reduce_mean(on_real) + penalty

    value, gradients = gradients_of(loss, player.weights)
    player.learn(gradients)
    return value


def critic(player: Player) -> Network:
    """Images (N, 28, 28, 1) to scores (N, 1); layer norm, for batch norm would mix the slopes."""
    down1, bias1 = player.kernel(4, 4, 1, 64), player.bias(64)
    down2 = player.kernel(4, 4, 64, 128)
    scale, offset = player.weight(tf.ones([7, 7, 128])), player.weight(tf.zeros([7, 7, 128]))
    dense, bias2 = player.kernel(6272, 1), player.bias(1)

    def discriminate(image: Tensor) -> Tensor:
        x = tf.nn.leaky_relu(conv(image, down1, bias1, 2, EIGEN), 0.2)
        x = tf.nn.conv2d(x, down2, 2, "SAME")
        x = x - tf.reduce_mean(x, (1, 2, 3), keepdims=True)
        spread = tf.math.rsqrt(tf.reduce_mean(x * x, (1, 2, 3), keepdims=True) + 1e-5)
        x = tf.nn.leaky_relu(x * spread * scale + offset, 0.2)
        return tf.reshape(x, [-1, 6272]) @ dense + bias2

    return discriminate


EXPERTS = {
    "dcgan": dcgan,
    "cgan": cgan,
    "upsample-gan": upsample_gan,
    "dcgan-dropout": dcgan_dropout,
    "mlp-gan": mlp_gan,
    "wgan-gp": wgan_gp,
}
