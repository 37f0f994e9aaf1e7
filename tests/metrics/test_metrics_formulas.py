"""Metrics equal their formulas, written out for a few samples, and stored values of libraries."""

import numpy as np
from test_metrics import draw, near, softmax

from gandem.metrics import (
    Moments,
    class_balance,
    confusion_matrix,
    frechet_distance,
    inception_score,
    kernel_distance,
    mode_coverage,
    nearest_training,
    precision_recall,
)


def pattern(rows, columns, turn):
    """Return numbers between -1 and 1 that need no generator."""
    return np.sin(turn * np.arange(1.0, rows * columns + 1) ** 2).reshape(rows, columns)


# --- figures that they gave once, by the libraries above -----------------------------------------


def test_small_patterns_score_what_the_libraries_gave():
    fake, real = pattern(40, 3, 0.7) * 1.2 + 0.1, pattern(50, 3, 1.3)
    four = precision_recall(fake, real, k=3)

    # torchmetrics 1.9.0, prdc 0.2 and torch-fidelity 0.4.0
    assert frechet_distance(Moments.of(fake), Moments.of(real)) == near(0.07253300967619536)
    assert kernel_distance(fake, real[:40]).value == near(-0.04318381404695604)
    assert (four.precision, four.recall, four.coverage) == (0.775, 1.0, 0.72)
    assert four.density == near(0.6166666666666667)
    score = inception_score(softmax(3 * pattern(30, 4, 0.9)), splits=1)
    assert score.mean == near(1.918031385421985)


# --- the formulas written out --------------------------------------------------------------------


def test_the_frechet_distance_of_normals_along_the_axes_is_the_sum_over_axes():
    deviations, others = np.array([1.0, 2.0, 5.0]), np.array([3.0, 2.0, 1.0])
    shift = np.array([1.0, -2.0, 0.0])

    fake = Moments(count=11, mean=shift, scatter=10 * np.diag(deviations**2))
    real = Moments(count=21, mean=np.zeros(3), scatter=20 * np.diag(others**2))

    assert frechet_distance(fake, real) == near(5 + 4 + 0 + 16)


def test_the_frechet_distance_is_never_below_0():
    for seed in range(20):
        own = Moments.of(draw(30, 1, 5, seed)[0])

        assert 0 <= frechet_distance(own, own) < 1e-12


def test_the_error_of_the_kernel_distance_is_the_jackknifes():
    fake, real = draw(9, 13, 4)
    whole = kernel_distance(fake, real)
    fakes = [kernel_distance(np.delete(fake, i, 0), real).value for i in range(9)]
    reals = [kernel_distance(fake, np.delete(real, i, 0)).value for i in range(13)]

    assert whole.error == near((8 * np.var(fakes) + 12 * np.var(reals)) ** 0.5)


def test_the_kernel_distance_of_few_samples_is_the_sum_over_pairs():
    fake, real = draw(4, 6, 3)

    def kernel(x, y):
        return (x @ y / 3 + 1) ** 3

    own = np.mean([kernel(x, y) for i, x in enumerate(fake) for j, y in enumerate(fake) if i != j])
    other = np.mean(
        [kernel(x, y) for i, x in enumerate(real) for j, y in enumerate(real) if i != j]
    )
    across = np.mean([kernel(x, y) for x in fake for y in real])

    assert kernel_distance(fake, real).value == near(own + other - 2 * across)


def test_the_memorized_share_is_that_of_fakes_nearer_than_real_ones_are_to_each_other():
    real = np.array([[0.0], [1.0], [10.0]])
    fake = np.array([[0.5], [1.0], [2.5], [9.0], [19.5]])

    neighbors = nearest_training(fake, real)

    # nearest 0 or 1 (which have 1 to each other) and 10 (which has 9 to 1)
    assert neighbors.indices.tolist() == [0, 1, 1, 2, 2]
    assert neighbors.distances.tolist() == [0.5, 0.0, 1.5, 1.0, 9.5]
    assert neighbors.memorized == 3 / 5


def test_class_balance_is_entropy_and_divergence_by_hand():
    result = class_balance(np.array([0] * 6 + [1] * 2), 3, real=np.array([0, 0, 1, 2]))

    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert result.counts == (6, 2, 0)
    assert result.entropy == near(entropy)
    assert result.evenness == near(entropy / np.log(3))
    assert result.divergence == near(0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.25))
    assert result.present == 2


def test_the_rows_of_a_confusion_matrix_are_the_requested_classes():
    result = confusion_matrix(np.array([0, 0, 2]), np.array([1, 1, 0]), 3)

    assert result.tolist() == [[0, 2, 0], [0, 0, 0], [1, 0, 0]]


def test_modes_are_counted_with_points_of_high_quality_and_divergence_with_all():
    means = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    points = np.array([[0.29, 0.0], [0.0, 0.31], [1.8, 0.1], [1.1, 0.0]])

    result = mode_coverage(points, means, 0.1)

    assert (result.modes, result.of, result.counts) == (2, 3, (1, 1, 0))
    assert result.high_quality == 0.5
    assert result.divergence == near(np.log(3 / 2))


def test_shares_that_do_not_quite_sum_to_1_give_no_divergence_below_0():
    means = np.arange(10.0)[:, None]

    for count in range(2, 11):
        shares = np.full(count, 0.1)
        assert (
            0 <= mode_coverage(means[:count], means[:count], 0.1, shares=shares).divergence < 1e-9
        )
