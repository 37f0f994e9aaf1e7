"""Known differences between frameworks, planted in the Keras backend: each makes the test of the
conformance suite that is named for it fail.

Stock layers and optimizers really have these faults, listed most damaging first; all of them keep
every shape. Without a fault the same tests pass: see test_backend_keras.py.
"""

import pytest
from support.commands import THERE

from gandem.core import specs as kinds
from gandem.core.training.backends import load_backend
from gandem.testing import CASES, OPTIMIZERS, BackendConformance, load_target
from gandem.testing.trajectories import TRAJECTORIES

pytestmark = pytest.mark.skipif("keras" not in THERE, reason="keras is not installed")

FIRST = "test_a_network_and_its_gradients"
SECOND = "test_the_second_derivatives_of_a_network"
UPDATES = "test_an_optimizer_after_each_of_12_updates"
STEP = "test_one_step_from_a_given_state"
PATH = "test_a_training_matches_the_reference"


# --- the faults ----------------------------------------------------------------------------------


def moments_that_stop_the_gradient_at_the_mean(layers, optimizers):
    """What Keras's norms use: tf.nn.moments, right in the first order alone."""
    import tensorflow as tf

    def moments(x, axes):
        mean, variance = tf.nn.moments(x, axes, keepdims=True)
        return mean, x - mean, variance

    return layers.norms, "moments", moments


def a_transposed_convolution_shifted_by_one_pixel(layers, optimizers):
    """PyTorch's padding=p, output_padding=1 for "same": the odd pixel is cropped in front."""
    true = layers.affine.crops

    def crops(layer):
        return tuple((after, before) for before, after in true(layer))

    return layers.affine, "crops", crops


def adam_that_adds_epsilon_to_the_uncorrected_root(layers, optimizers):
    """Keras's Adam."""
    import tensorflow as tf

    def adam(optimizer, parameter, gradient, slots, count):
        m, v = slots
        number = lambda x: tf.constant(x, parameter.dtype)  # noqa: E731
        beta1, beta2 = number(optimizer.beta1), number(optimizer.beta2)
        count = tf.cast(count, parameter.dtype)
        rate = number(optimizer.learning_rate) * tf.sqrt(1 - beta2**count) / (1 - beta1**count)
        m.assign_add((gradient - m) * (1 - beta1))
        v.assign_add((gradient * gradient - v) * (1 - beta2))
        parameter.assign_sub(rate * m / (tf.sqrt(v) + number(optimizer.epsilon)))

    return optimizers, "_adam", adam


def spectral_norm_whose_sigma_is_a_constant(layers, optimizers):
    """Keras's SpectralNormalization, as far as the gradient goes: dσ/dW is left out."""
    import tensorflow as tf

    true = layers.affine.Affine.kernel

    def kernel(self, context):
        if not self.spec.spectral_norm:
            return true(self, context)
        raw = self.weight("kernel")
        scaled = true(self, context)
        return raw * tf.stop_gradient(tf.reduce_sum(scaled * raw) / tf.reduce_sum(raw * raw))

    return layers.affine.Affine, "kernel", kernel


def spectral_norm_that_overwrites_the_kernel(layers, optimizers):
    """Keras's SpectralNormalization, as far as the state goes."""
    true = layers.affine.Affine.kernel

    def kernel(self, context):
        scaled = true(self, context)
        if self.spec.spectral_norm and context.training:
            self.weight("kernel").assign(scaled)
        return scaled

    return layers.affine.Affine, "kernel", kernel


def scalars_that_pass_through_float32(layers, optimizers):
    """keras.ops.cast(0.999, "float64"), as Keras's optimizers make their scalars."""
    import keras

    def number(value, like):
        return keras.ops.cast(value, like.dtype.name)

    return optimizers, "as_constant", number


def a_slope_held_in_float32(layers, optimizers):
    """tf.nn.leaky_relu."""
    import tensorflow as tf

    true = layers.activations.Activation.call

    def call(self, x):
        if isinstance(self.spec, kinds.LeakyRelu):
            return tf.nn.leaky_relu(x, self.spec.slope)
        return true(self, x)

    return layers.activations.Activation, "call", call


def a_bilinear_resize_in_float32(layers, optimizers):
    """tf.image.resize, whatever the type of the image."""
    import tensorflow as tf

    true = layers.resampling.Upsample2D.call

    def call(self, x):
        if self.spec.method == "nearest":
            return true(self, x)
        size = [n * factor for n, factor in zip(x.shape[1:3], self.spec.factor, strict=True)]
        return tf.cast(tf.image.resize(x, size, "bilinear"), x.dtype)

    return layers.resampling.Upsample2D, "call", call


def a_convolution_padded_evenly(layers, optimizers):
    """PyTorch's padding=k//2 for "same": as many pixels come out, but others."""
    true = layers.affine.pads

    def pads(layer, height, width):
        if isinstance(layer, kinds.Conv2D) and layer.padding == "same":
            return tuple((k // 2, k // 2) for k in layer.kernel)
        return true(layer, height, width)

    return layers.affine, "pads", pads


def a_bias_in_front_of_batch_norm(layers, optimizers):
    """Keras's default use_bias=True: its true gradient is 0, so Adam makes steps of rounding."""
    import tensorflow as tf

    def biased(self, x):
        if self.spec.bias:
            return x + self.weight("bias")
        if not hasattr(self, "stray"):
            with tf.init_scope():
                self.stray = tf.Variable(tf.zeros(x.shape[-1:], x.dtype), trainable=False)
        self.stray.assign_add(tf.fill(self.stray.shape, self.number(1e-3)))
        return x + self.stray

    return layers.affine.Affine, "biased", biased


def a_running_variance_that_is_biased(layers, optimizers):
    """Keras takes in the batch's variance over n, PyTorch over n - 1."""
    true = layers.norms.BatchNorm._follow

    def follow(self, name, new):
        return true(self, name, new * (1 - 1e-2) if name == "variance" else new)

    return layers.norms.BatchNorm, "_follow", follow


def a_momentum_taken_for_a_decay(layers, optimizers):
    """PyTorch's momentum is 1 less Keras's."""

    def follow(self, name, new):
        taken, kept = self.number(self.spec.decay), self.number(1 - self.spec.decay)
        self.weight(name).assign(self.weight(name) * kept + new * taken)

    return layers.norms.BatchNorm, "_follow", follow


def an_epsilon_of_its_own(layers, optimizers):
    """Keras's norms add 1e-3 where PyTorch's add 1e-5."""
    true = layers.Layer.number

    def number(self, value):
        return true(self, 1e-3 if value == getattr(self.spec, "epsilon", None) else value)

    return layers.Layer, "number", number


NORMS = ("batch", "layer", "group", "instance")
FAULTS = [
    *((moments_that_stop_the_gradient_at_the_mean, SECOND, f"chain {kind}_norm") for kind in NORMS),
    (a_transposed_convolution_shifted_by_one_pixel, FIRST, "conv2d_transpose k3 s2 same"),
    (a_transposed_convolution_shifted_by_one_pixel, FIRST, "conv2d_transpose k5 s2 same"),
    (adam_that_adds_epsilon_to_the_uncorrected_root, UPDATES, "adam"),
    (spectral_norm_whose_sigma_is_a_constant, FIRST, "spectral norm dense"),
    (spectral_norm_whose_sigma_is_a_constant, STEP, "spectral norm"),
    (spectral_norm_that_overwrites_the_kernel, STEP, "spectral norm"),
    (scalars_that_pass_through_float32, UPDATES, "adam"),
    (scalars_that_pass_through_float32, UPDATES, "sgd with momentum"),
    (a_slope_held_in_float32, FIRST, "leaky_relu 0.2"),
    (a_bilinear_resize_in_float32, FIRST, "upsample2d bilinear (3, 3)"),
    (a_convolution_padded_evenly, FIRST, "conv2d k3 s2 same"),
    (a_bias_in_front_of_batch_norm, PATH, "fresh noise"),
    (a_running_variance_that_is_biased, FIRST, "batch_norm vector"),
    (a_momentum_taken_for_a_decay, FIRST, "batch_norm vector"),
    (an_epsilon_of_its_own, FIRST, "batch_norm vector"),
]


def run(test, case):
    """Run a test of the suite on the Keras backend as it is now."""
    operations, steps = {"target": load_target("keras")}, {"subject": load_backend("keras")}
    cases, arguments = {
        FIRST: (CASES, operations | {"measured": {}}),
        SECOND: (CASES, operations | {"measured": {}}),
        UPDATES: (OPTIMIZERS, operations),
        PATH: (TRAJECTORIES, steps | {"engines": {}}),
        STEP: (TRAJECTORIES, steps | {"engines": {}, "start": 7}),
    }[test]
    (named,) = [each for each in cases if each.name == case]
    getattr(BackendConformance(), test)(case=named, **arguments)


@pytest.fixture
def rooms():
    load_backend("keras")  # it knows in which order frameworks can be imported
    from gandem.backends.keras import layers, optimizers

    return layers, optimizers


@pytest.mark.parametrize(
    ("fault", "test", "case"), FAULTS, ids=[f"{f.__name__}-{c}" for f, _, c in FAULTS]
)
def test_a_planted_fault_is_detected_by_its_test(fault, test, case, rooms, monkeypatch):
    monkeypatch.setattr(*fault(*rooms))

    with pytest.raises(pytest.fail.Exception, match="off by"):
        run(test, case)


@pytest.mark.parametrize(
    ("test", "case"), [(FIRST, "chain batch_norm"), (SECOND, "batch_norm image")]
)
def test_moments_are_detected_only_by_second_derivatives_through_an_earlier_layer(
    test, case, rooms, monkeypatch
):
    """A norm's own gradient has no mean, and that is what the moments leave out."""
    monkeypatch.setattr(*moments_that_stop_the_gradient_at_the_mean(*rooms))

    run(test, case)
