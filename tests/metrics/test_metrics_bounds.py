"""Metrics of extreme or invalid input: a documented value, or an error of one line."""

import numpy as np
import pytest

from gandem.core.errors import DataError, GandemError
from gandem.metrics import (
    Moments,
    Normal,
    class_accuracy,
    class_balance,
    confusion_matrix,
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


def frechet_of_samples(fake, real):
    return frechet_distance(Normal.of(fake), Normal.of(real))


def modes(fake, real):
    return mode_coverage(fake, real, 0.1)


PAIRS = [frechet, frechet_of_samples, kernel_distance, precision_recall, nearest_training]
PAIRS += [diversity, modes]
SAMPLES = np.random.default_rng(0).normal(size=(20, 4))
on_pairs = pytest.mark.parametrize("score", PAIRS, ids=lambda score: score.__name__)


def refused(score, *arguments, **settings):
    """Return the one line in which it is."""
    with pytest.raises(GandemError) as caught:
        score(*arguments, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def spoilt(value, rows=3, dtype=np.float64):
    samples = SAMPLES.astype(dtype)
    samples[:rows, 1] = value
    return samples


# --- what cannot be scored -----------------------------------------------------------------------


@on_pairs
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_of_a_generator_that_has_diverged_are_refused(score, value, dtype):
    for arguments in [(spoilt(value, dtype=dtype), SAMPLES), (SAMPLES, spoilt(value, dtype=dtype))]:
        line = refused(score, *arguments)

        assert "3 of 20 samples have NaN, infinite or huge features" in line


@on_pairs
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_feature_of_1e20_is_scored_and_a_larger_one_is_not(score, dtype):
    assert score(spoilt(0.99e20, dtype=dtype), SAMPLES)
    assert "huge" in refused(score, spoilt(1.01e20, dtype=dtype), SAMPLES)


@on_pairs
def test_features_from_different_networks_are_refused(score):
    line = refused(score, SAMPLES, SAMPLES[:, :3])

    assert "4 features per sample" in line
    assert ": 3; take both from the same network." in line


@on_pairs
def test_no_samples_are_refused(score):
    for arguments in [(SAMPLES[:0], SAMPLES), (SAMPLES, SAMPLES[:0])]:
        assert "samples, received 0" in refused(score, *arguments)


@on_pairs
def test_images_that_are_not_rows_are_refused(score):
    images = np.zeros((5, 4, 4, 1))

    assert "(N, D), received the shape (5, 4, 4, 1)" in refused(score, images, images)


@on_pairs
@pytest.mark.parametrize("value", ["a", 1j, None, True])
def test_features_that_are_not_numbers_are_refused(score, value):
    assert "expected numbers, received" in refused(score, np.array([[value]] * 9), SAMPLES)


@pytest.mark.parametrize(
    ("score", "least"),
    [
        (frechet, 2),
        (frechet_of_samples, 2),
        (kernel_distance, 3),
        (precision_recall, 6),
        (diversity, 2),
    ],
)
def test_too_few_samples_are_refused_and_enough_are_scored(score, least):
    for arguments in [(SAMPLES[: least - 1], SAMPLES), (SAMPLES, SAMPLES[: least - 1])]:
        assert f"at least {least} samples, received {least - 1}" in refused(score, *arguments)

    assert score(SAMPLES[:least], SAMPLES)


def test_a_single_sample_has_moments_and_no_covariance():
    single = Moments.of(SAMPLES[:1])

    assert single.count == 1
    assert not single.scatter.any()
    assert "at least 2 samples, received 1" in refused(lambda: single.covariance)


def test_a_single_fake_has_a_nearest_real_sample_but_a_single_real_one_has_no_neighbor():
    neighbors = nearest_training(SAMPLES[:1], SAMPLES)

    assert (neighbors.indices.tolist(), neighbors.distances.tolist()) == ([0], [0.0])
    assert "real: expected at least 2" in refused(nearest_training, SAMPLES, SAMPLES[:1])


def test_moments_of_nothing_are_refused():
    assert "received none" in refused(Moments.over, [])


def test_chunks_of_different_networks_are_refused():
    assert "features: 4 features per sample, but others: 3" in refused(
        Moments.over, [SAMPLES, SAMPLES[:, :3]]
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 0},
        {"count": 1.5},
        {"scatter": np.eye(3)},
        {"mean": np.zeros((2, 1))},
        {"mean": np.array([0.0, np.nan])},
    ],
    ids=str,
)
def test_moments_that_do_not_fit_together_are_refused(wrong):
    right = {"count": 3, "mean": np.zeros(2), "scatter": np.eye(2)}

    assert Moments(**right).count == 3
    assert refused(Moments, **(right | wrong)).startswith("moments: ")


@pytest.mark.parametrize(
    ("score", "settings", "words"),
    [
        (precision_recall, {"k": 0}, "k: expected a whole number, at least 1, received 0"),
        (precision_recall, {"k": True}, "k: expected a whole number, at least 1, received True"),
        (precision_recall, {"k": 2.5}, "k: expected a whole number, at least 1, received 2.5"),
        (precision_recall, {"k": 20}, "fake: expected at least 21 samples, received 20"),
        (kernel_distance, {"subsets": 1}, "subsets: expected a whole number, at least 2"),
        (kernel_distance, {"size": 2}, "size: expected a whole number, at least 3"),
        (mode_coverage, {"deviation": 0}, "deviation: expected a number above 0, received 0"),
        (mode_coverage, {"deviation": 1, "within": np.nan}, "within: expected a number above 0"),
        (mode_coverage, {"deviation": 1, "shares": [1, 2]}, "shares: expected 20"),
        (mode_coverage, {"deviation": 1, "shares": [0] * 20}, "shares: expected 20"),
    ],
)
def test_a_setting_out_of_range_is_refused(score, settings, words):
    assert words in refused(score, SAMPLES, SAMPLES, **settings)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.full((5, 2), 0.6), "sums from 1.2 to 1.2; take the softmax of logits"),
        (np.array([[1.5, -0.5]] * 5), "values from -0.5"),
        (np.array([[np.nan, 1.0]] * 5), "5 of 5 samples have NaN"),
        (np.eye(2), "probabilities: expected at least 3 samples, received 2"),
        (np.ones(3), "received the shape (3,)"),
    ],
)
def test_rows_that_are_no_probabilities_are_refused(rows, words):
    assert words in refused(inception_score, rows, splits=3)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 3], "there is no class 3; expected 0 to 2"),
        ([-1, 2], "there is no class -1; expected 0 to 2"),
        ([0.0, 1.0], "whole numbers, received float64"),
        ([], "expected labels (N,)"),
        ([[0, 1]], "of the shape (1, 2)"),
    ],
)
def test_labels_that_do_not_fit_are_refused_wherever_they_come_in(labels, words):
    labels, right = np.array(labels), np.zeros(2, int)

    for score in (confusion_matrix, class_accuracy):
        assert words in refused(score, labels, right, 3)
        assert words in refused(score, right, labels, 3)
    assert words in refused(class_balance, labels, 3)
    assert words in refused(class_balance, right, 3, real=labels)


def test_labels_that_are_not_as_many_are_refused():
    assert "requested: 3 labels, but predicted: 2" in refused(
        class_accuracy, np.zeros(3, int), np.zeros(2, int), 2
    )


@pytest.mark.parametrize("least", [-0.1, 1.1, np.nan])
def test_a_least_share_that_is_none_is_refused(least):
    assert "least: expected a share" in refused(class_balance, np.zeros(2, int), 2, least=least)


# --- what is scored, at the edge -----------------------------------------------------------------


def test_identical_samples_on_both_sides_are_no_distance_apart():
    same = np.full((8, 3), 0.1)
    four = precision_recall(same, same, k=2)
    differences = diversity(same, same)

    assert frechet(same, same) == pytest.approx(0, abs=1e-30)
    assert frechet_of_samples(same[:2], same[:2]) == pytest.approx(0, abs=1e-30)
    assert kernel_distance(same, same).value == pytest.approx(0, abs=1e-15)
    assert (four.precision, four.recall, four.coverage) == (1, 1, 1)
    assert four.density == 8 / 2, "each lies in every ball"
    assert (differences.fake, differences.real, differences.ratio) == (0, 0, None)
    assert nearest_training(same, same).memorized == 1


@pytest.mark.parametrize("size", [1.0, 1e6, 1e-6])
@pytest.mark.parametrize("place", [0.0, 100.0])
def test_copies_of_the_real_samples_have_everything_and_a_density_of_k_plus_1(place, size):
    real = place + size * np.random.default_rng(1).normal(size=(300, 20))
    four = precision_recall(real[::-1], real, k=5)

    assert (four.precision, four.recall, four.coverage) == (1, 1, 1)
    assert four.density == pytest.approx(6 / 5)
    assert nearest_training(real[::-1], real).distances.max() == 0
    assert frechet(real, real) / size**2 == pytest.approx(0, abs=1e-9)


def test_fewer_samples_than_features_have_a_distance_of_0_to_themselves():
    few = np.random.default_rng(2).normal(size=(10, 200))

    for score in (frechet, frechet_of_samples):
        assert score(few, few) == pytest.approx(0, abs=1e-10)
        assert score(few + 1, few) == pytest.approx(200)
        assert score(few + 1e6, few + 1e6) == pytest.approx(0, abs=1e-9)


def test_a_class_that_no_real_sample_has_is_infinitely_far():
    assert class_balance(np.array([0, 2]), 3, real=np.array([0, 1])).divergence == np.inf


def test_a_single_class_is_as_even_as_it_can_be():
    assert class_balance(np.zeros(5, int), 1).evenness == 1
    assert str(class_balance(np.zeros(5, int), 1).entropy) == "0.0"


def test_a_class_that_was_not_requested_has_no_accuracy():
    assert class_accuracy(np.array([0, 0]), np.array([0, 2]), 3).of_class == (0.5, None, None)


def test_present_is_a_class_with_a_tenth_of_an_even_share_or_what_is_wanted():
    labels = np.repeat([0, 1, 2], [971, 26, 3])  # an even share of four is 250

    assert class_balance(labels, 4).present == 2
    assert class_balance(labels, 4, least=0).present == 3
    assert class_balance(labels, 4, least=1).present == 1


def test_errors_are_those_of_data():
    with pytest.raises(DataError):
        diversity(SAMPLES[:0], SAMPLES)
