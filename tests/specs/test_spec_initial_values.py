"""Initial values: a random stream for each parameter, and the variance of each initializer."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from gandem.core.specs import (
    BatchNorm,
    Conv2D,
    Dense,
    GlorotNormal,
    GlorotUniform,
    Initializer,
    KaimingNormal,
    KaimingUniform,
    Layer,
    NetworkPlan,
    Normal,
    Ones,
    Orthogonal,
    Relu,
    Zeros,
    draw_initial_values,
    plan_network,
)

IN, OUT = 300, 200


def plan(*layers: Layer) -> NetworkPlan:
    return plan_network("net", "it", layers, {"it": (IN,)})


def first(init: Initializer, seed: int = 3) -> np.ndarray:
    """Return the first kernel of a dense layer from 300 to 200."""
    layer = Dense(units=OUT, kernel_init=init)
    return draw_initial_values(plan(layer), seed)["net/dense/kernel"]


RANDOM = [
    GlorotUniform(),
    GlorotNormal(),
    KaimingUniform(),
    KaimingNormal(),
    Normal(),
    Orthogonal(),
]


@pytest.mark.parametrize("init", RANDOM, ids=repr)
def test_one_seed_gives_the_same_numbers_twice(init):
    np.testing.assert_array_equal(first(init), first(init))


@pytest.mark.parametrize("init", RANDOM, ids=repr)
def test_another_seed_gives_other_numbers(init):
    assert not np.any(first(init, seed=3) == first(init, seed=4))


@pytest.mark.parametrize("init", [*RANDOM, Zeros(), Ones()], ids=repr)
def test_first_values_are_float64(init):
    assert first(init).dtype == np.float64


def test_initial_values_of_a_seed_never_change():
    drawn = first(Normal(std=1.0), seed=0)[0, :3]

    np.testing.assert_array_equal(
        drawn, [0.7961329521666614, 0.7785278882249622, -0.6781902014256761]
    )


def test_the_values_of_a_layer_do_not_depend_on_the_layers_beside_it():
    alone = draw_initial_values(plan(Dense(units=4, name="it")), seed=1)
    after = draw_initial_values(
        plan(BatchNorm(), Dense(units=4, name="it"), Dense(units=9)), seed=1
    )

    np.testing.assert_array_equal(after["net/it/kernel"], alone["net/it/kernel"])


def test_two_layers_of_one_shape_have_different_initial_values():
    values = draw_initial_values(plan(Dense(units=IN), Relu(), Dense(units=IN)), seed=1)

    assert not np.any(values["net/dense/kernel"] == values["net/dense_1/kernel"])


def test_kernel_and_bias_of_a_layer_have_different_random_streams():
    layer = Dense(units=1, kernel_init=Normal(), bias_init=Normal())
    values = draw_initial_values(plan(layer), seed=1)

    assert values["net/dense/kernel"][0, 0] != values["net/dense/bias"][0]


VARIANCES = [
    (GlorotUniform(), 2 / (IN + OUT)),
    (GlorotNormal(), 2 / (IN + OUT)),
    (KaimingUniform(), 2 / IN),
    (KaimingUniform(slope=2), 2 / 5 / IN),
    (KaimingNormal(), 2 / IN),
    (KaimingNormal(slope=2), 2 / 5 / IN),
    (Normal(), 0.02**2),
    (Normal(std=3), 9),
]


@pytest.mark.parametrize(("init", "variance"), VARIANCES, ids=repr)
def test_an_initializer_has_the_variance_of_its_paper(init, variance):
    # 60,000 normal draws: the variance of the variance is 2/60,000, so 3 % is five deviations
    assert first(init).var() == pytest.approx(variance, rel=0.03)


@pytest.mark.parametrize(("init", "variance"), VARIANCES, ids=repr)
def test_an_initializer_has_no_offset(init, variance):
    assert abs(first(init).mean()) < 5 * math.sqrt(variance / (IN * OUT))


@pytest.mark.parametrize(
    ("init", "bound"),
    [
        (GlorotUniform(), math.sqrt(6 / (IN + OUT))),
        (KaimingUniform(), math.sqrt(6 / IN)),
        (KaimingUniform(slope=5**0.5), 1 / math.sqrt(IN)),  # PyTorch's own default
    ],
)
def test_uniform_initializers_reach_to_their_bound_and_not_beyond(init, bound):
    assert 0.999 * bound < np.abs(first(init)).max() <= bound


def test_a_normal_initializer_has_its_mean():
    assert first(Normal(mean=5, std=0.1)).mean() == pytest.approx(5, abs=0.01)


def test_a_normal_initializer_without_spread_is_its_mean():
    np.testing.assert_array_equal(first(Normal(mean=5, std=0)), np.full((IN, OUT), 5.0))


@pytest.mark.parametrize("units", [OUT, IN, 2 * IN])
def test_an_orthogonal_kernel_has_orthogonal_rows_or_columns(units):
    layer = Dense(units=units, kernel_init=Orthogonal(gain=2))
    kernel = draw_initial_values(plan(layer), seed=5)["net/dense/kernel"]
    square = kernel.T @ kernel if units <= IN else kernel @ kernel.T

    np.testing.assert_allclose(square, 4 * np.eye(min(units, IN)), atol=1e-12)


def test_an_orthogonal_convolution_has_orthogonal_filters():
    layers = (Conv2D(filters=5, kernel=3, kernel_init=Orthogonal()),)
    values = draw_initial_values(plan_network("net", "it", layers, {"it": (4, 4, 2)}), seed=5)
    filters = values["net/conv2d/kernel"].reshape(-1, 5)

    np.testing.assert_allclose(filters.T @ filters, np.eye(5), atol=1e-12)


def test_orthogonal_draws_have_no_preferred_sign():
    """The signs of QR depend on the library, so the diagonal of R must be made positive."""
    diagonals = [np.diag(first(Orthogonal(), seed=seed)[:200]) for seed in range(10)]

    assert abs(np.mean(diagonals)) < 5 / math.sqrt(300 * 2000)


@pytest.mark.parametrize("kind", [KaimingUniform, KaimingNormal])
def test_initial_values_for_a_huge_slope_are_zero(kind):
    np.testing.assert_array_equal(first(kind(slope=1e200)), np.zeros((IN, OUT)))


@pytest.mark.parametrize(("init", "value"), [(Zeros(), 0.0), (Ones(), 1.0)])
def test_constant_initializers_are_constant(init, value):
    np.testing.assert_array_equal(first(init), np.full((IN, OUT), value))


def test_running_statistics_start_at_mean_0_and_variance_1():
    values = draw_initial_values(plan(BatchNorm()), seed=1)

    np.testing.assert_array_equal(values["net/batch_norm/mean"], np.zeros(IN))
    np.testing.assert_array_equal(values["net/batch_norm/variance"], np.ones(IN))


def test_a_norm_starts_as_the_identity():
    values = draw_initial_values(plan(BatchNorm()), seed=1)

    np.testing.assert_array_equal(values["net/batch_norm/scale"], np.ones(IN))
    np.testing.assert_array_equal(values["net/batch_norm/offset"], np.zeros(IN))


def test_an_initializer_without_values_is_not_implemented():
    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class Unknown(Initializer):
        kind = "unknown"

    with pytest.raises(TypeError, match="has no implementation"):
        first(Unknown())
