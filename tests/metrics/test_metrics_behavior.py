"""How metrics respond to noise, dropped classes and mode collapse, and that they do not depend on
the order, a rotation or the precision of the samples.
"""

from math import prod

import numpy as np
import pytest

from gandem.core.data.dataset import load_dataset
from gandem.metrics import (
    Moments,
    class_accuracy,
    class_balance,
    diversity,
    frechet_distance,
    inception_score,
    kernel_distance,
    mode_coverage,
    nearest_training,
    precision_recall,
)


def frechet(fake, real):
    return frechet_distance(Moments.of(fake), Moments.of(real))


def kernel(fake, real):
    return kernel_distance(fake, real).value


def figures(fake, real):
    """Return everything that is said of two sets of features."""
    four = precision_recall(fake, real)
    return {
        "frechet": frechet(fake, real),
        "kernel": kernel(fake, real),
        **{name: getattr(four, name) for name in ("precision", "recall", "density", "coverage")},
        "memorized": nearest_training(fake, real).memorized,
        "diversity": diversity(fake, real).ratio,
    }


@pytest.fixture(scope="module")
def digits():
    """7×7 pixels from 0 to 1 in random order, (10000, 49), and their classes."""
    dataset = load_dataset("digits")
    order = np.random.default_rng(0).permutation(10_000)
    pixels = np.asarray(dataset.images)[order, :, :, 0].reshape(-1, 7, 4, 7, 4).mean((2, 4))
    return pixels.reshape(-1, 49) / 255, dataset.labels[order]


@pytest.fixture(scope="module")
def real(digits):
    return digits[0][:900]


@pytest.fixture(scope="module")
def unseen(digits):
    """Others of the same distribution, which are as good as fakes can be."""
    return digits[0][900:1800]


# --- worse is worse ------------------------------------------------------------------------------


def test_distances_grow_with_noise(real, unseen):
    noise = np.random.default_rng(1).normal(size=unseen.shape)
    noisy = [unseen + size * noise for size in (0, 0.2, 0.4, 0.8)]

    for distance in (frechet, kernel):
        results = [distance(fake, real) for fake in noisy]

        assert results == sorted(results)
        assert results[-1] > 10 * abs(results[0])


def test_fidelity_falls_with_noise_and_so_does_coverage(real, unseen):
    noise = np.random.default_rng(1).normal(size=unseen.shape)
    results = [precision_recall(unseen + size * noise, real) for size in (0, 0.05, 0.1, 0.4)]

    for name in ("precision", "density", "coverage"):
        values = [getattr(each, name) for each in results]

        assert values == sorted(values, reverse=True)
        assert values[0] > 0.8
        assert values[-1] == 0


def test_dropped_classes_cost_distance_recall_and_coverage_but_no_precision(digits, real):
    pixels, labels = digits[0][900:], digits[1][900:]
    kept = [np.flatnonzero(labels < count)[:600] for count in (10, 7, 4, 1)]
    results = [figures(pixels[chosen], real) for chosen in kept]
    balances = [class_balance(labels[chosen], 10, real=digits[1][:900]) for chosen in kept]

    for name, falls in {"frechet": 0, "kernel": 0, "recall": 1, "coverage": 1}.items():
        values = [each[name] for each in results]
        assert values == sorted(values, reverse=bool(falls)), name
    assert results[-1]["recall"] < results[0]["recall"] / 2
    assert min(each["precision"] for each in results) > 0.9
    assert [each.present for each in balances] == [10, 7, 4, 1]
    assert [each.entropy for each in balances] == sorted(
        (each.entropy for each in balances), reverse=True
    )
    assert [each.divergence for each in balances] == sorted(each.divergence for each in balances)


def test_a_generator_that_collapses_has_no_recall_coverage_entropy_or_diversity(digits, real):
    one = np.repeat(digits[0][900:901], 900, axis=0)
    labels = np.repeat(digits[1][900:901], 900)

    result = figures(one, real)
    balance = class_balance(labels, 10)

    assert result["precision"] == 1, "what it makes is good"
    assert result["recall"] == 0
    assert result["coverage"] < 0.02
    assert result["diversity"] == 0
    assert (balance.entropy, balance.evenness, balance.present) == (0, 0, 1)
    assert inception_score(np.eye(10)[labels]).mean == pytest.approx(1)


def test_a_generator_that_copies_its_training_set_scores_differently_from_one_that_does_not(
    real, unseen
):
    nearly = real + 0.005 * np.random.default_rng(1).normal(size=real.shape)

    assert nearest_training(nearly, real).memorized == 1
    assert nearest_training(unseen, real).memorized < 0.6


def test_a_generator_that_ignores_its_labels_is_right_by_chance():
    drawn = np.random.default_rng(0)
    requested, predicted = np.arange(5000) % 10, drawn.integers(0, 10, 5000)

    assert class_accuracy(requested, requested, 10).accuracy == 1
    assert class_accuracy(requested, predicted, 10).accuracy == pytest.approx(0.1, abs=0.02)


def test_the_inception_score_reaches_from_1_to_the_number_of_classes():
    sure, unsure = np.eye(10)[np.arange(1000) % 10], np.full((1000, 10), 0.1)

    assert inception_score(sure, splits=1).mean == pytest.approx(10)
    assert inception_score(unsure).mean == pytest.approx(1)
    assert inception_score(sure, splits=10).mean > 9, "though labels take turns"
    assert inception_score(np.eye(10)[np.arange(1000) // 100]).mean > 9, "though they are sorted"


@pytest.mark.parametrize(("name", "count", "deviation"), [("ring", 8, 0.02), ("grid", 25, 0.05)])
def test_a_mixture_itself_has_all_its_modes_and_one_that_is_collapsed_has_one(
    name, count, deviation
):
    data = load_dataset(name)
    means = np.array([data.images[data.labels == c].mean(0) for c in range(count)]).round(2)
    whole = mode_coverage(data.images, means, deviation)
    part = mode_coverage(data.images[data.labels == 0], means, deviation)
    wide = mode_coverage(data.images * 1.2, means, deviation)

    assert (whole.modes, whole.of) == (count, count)
    assert whole.high_quality == pytest.approx(1 - np.exp(-4.5), abs=0.004)
    assert whole.divergence == pytest.approx(0, abs=1e-6)
    assert part.modes == 1
    assert part.divergence == pytest.approx(np.log(count))
    assert wide.high_quality < 0.1 + 1 / count, "only what lies at 0 stays"


# --- what they expect ----------------------------------------------------------------------------


def test_the_kernel_distance_of_one_distribution_is_0_within_its_standard_error():
    drawn = np.random.default_rng(0)
    for shift, factor in {0.0: 2**0.5, 0.5: 1.0}.items():
        each = [
            kernel_distance(drawn.normal(shift, 1, (50, 5)), drawn.normal(0, 1, (60, 5)))
            for _ in range(400)
        ]
        values, errors = (np.array([getattr(e, n) for e in each]) for n in ("value", "error"))

        assert np.mean(errors**2) ** 0.5 == pytest.approx(factor * values.std(), rel=0.2)
        assert (abs(values.mean()) < 3 * values.std() / 20) == (shift == 0)
        assert (values < 0).any() == (shift == 0)


def test_coverage_and_density_of_one_distribution_are_what_the_papers_expect():
    drawn = np.random.default_rng(0)
    results = [
        precision_recall(drawn.normal(size=(50, 3)), drawn.normal(size=(70, 3)), k=4)
        for _ in range(400)
    ]
    expected = 1 - prod(range(66, 70)) / prod(range(116, 120))

    for name, value in {"coverage": expected, "density": 1.0}.items():
        each = np.array([getattr(one, name) for one in results])
        assert abs(each.mean() - value) < 3 * each.std() / 20, name


# --- what does not matter ------------------------------------------------------------------------


def test_the_order_of_the_samples_does_not_matter(real, unseen):
    drawn = np.random.default_rng(2)

    result = figures(drawn.permutation(unseen), drawn.permutation(real))

    assert result == pytest.approx(figures(unseen, real), rel=1e-9, abs=1e-12)


def test_a_rotation_of_both_does_not_matter(real, unseen):
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(49, 49)))

    assert figures(unseen @ turn, real @ turn) == pytest.approx(
        figures(unseen, real), rel=1e-8, abs=1e-10
    )


def test_a_shift_of_both_matters_to_the_kernel_distance_only(real, unseen):
    result, before = figures(unseen + 3, real + 3), figures(unseen, real)

    assert result.pop("kernel") != pytest.approx(before.pop("kernel"))
    assert result == pytest.approx(before, rel=1e-8, abs=1e-10)


def test_float32_gives_what_float64_does(real, unseen):
    result = figures(unseen.astype(np.float32), real.astype(np.float32))

    assert result == pytest.approx(figures(unseen, real), rel=1e-4, abs=1e-6)


def test_a_sample_far_away_does_not_blur_the_others(real, unseen):
    outlier = np.full((1, 49), 1e15)
    few = precision_recall(unseen, real)

    result = precision_recall(np.concatenate([unseen, outlier]), real)

    assert few.recall < 1
    assert result.recall == 1, "its ball holds everything"
    assert (result.coverage, result.precision) == (few.coverage, few.precision * 900 / 901)
    assert nearest_training(outlier, real).distances[0] == pytest.approx(7e15)
    swapped = precision_recall(real, np.concatenate([unseen, outlier]))
    assert swapped.precision == 1
    assert swapped.coverage == pytest.approx(precision_recall(real, unseen).coverage, abs=2 / 900)


def test_sets_as_large_as_a_subset_are_one_subset(real, unseen):
    result = kernel_distance(unseen, real, size=900)

    assert (result.subsets, result.size) == (0, 900)
    assert result == kernel_distance(unseen, real)
    assert result.error > 0, "though every draw would be the same"


def test_a_seed_gives_its_subsets_and_another_seed_gives_others(real, unseen):
    def found(seed):
        return kernel_distance(unseen, real, subsets=5, size=100, seed=seed)

    assert found(1) == found(1)
    assert found(1).value != found(2).value
    assert abs(found(1).value - found(2).value) < 5 * (found(1).error + found(2).error)
