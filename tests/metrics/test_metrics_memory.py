"""Metrics process samples in chunks: the values stay the same, and memory stays bounded."""

import tracemalloc
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gandem.metrics import Moments, diversity, kernel_distance, nearest_training, precision_recall


def test_small_chunks_give_the_result_of_one(monkeypatch):
    unseen, real = np.random.default_rng(3).normal(size=(2, 900, 30))

    def found():
        score, near = kernel_distance(unseen, real), nearest_training(unseen, real)
        four = astuple(precision_recall(unseen, real))
        return four, near.indices.tolist(), [*astuple(score), *astuple(diversity(unseen, real))]

    whole = found()
    for module in ("distances", "kernel"):
        monkeypatch.setattr(f"gandem.metrics.{module}.BLOCK_SIZE", 900 * 7)
    parts = found()

    assert parts[:2] == whole[:2]
    assert parts[2] == pytest.approx(whole[2], rel=1e-12, abs=1e-15)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 59), max_size=6, unique=True), st.sampled_from([0.0, 1e6]))
def test_moments_of_parts_are_those_of_the_whole_wherever_it_is_cut(cuts, offset):
    features = offset + np.random.default_rng(0).normal(size=(60, 5))

    result = Moments.over(np.split(features, sorted(cuts)))

    assert result.count == 60
    np.testing.assert_allclose(result.mean, features.mean(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        result.covariance, np.cov((features - offset).T), rtol=1e-9, atol=1e-9
    )


def test_many_samples_have_moments_in_the_memory_of_a_chunk():
    drawn = np.random.default_rng(0)
    tracemalloc.start()
    result = Moments.over(drawn.normal(5, 1, (500, 84)) for _ in range(100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert result.count == 50_000
    np.testing.assert_allclose(result.covariance, np.eye(84), atol=0.05)
    assert peak < 4 * 2**20, "all at once are 32 MiB"


def kernel_of_all(fake, real):
    return kernel_distance(fake, real, size=20_000)


def peak_memory(score, count):
    """Return the most bytes that a score of ``count`` samples allocates."""
    fake, real = np.random.default_rng(0).normal(size=(2, count, 8)).astype(np.float32)
    tracemalloc.start()
    score(fake, real)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    "score",
    [
        precision_recall,
        lambda fake, real: kernel_distance(fake, real, subsets=2),
        kernel_of_all,
        nearest_training,
        diversity,
    ],
    ids=["precision_recall", "kernel_distance", "kernel_of_all", "nearest_training", "diversity"],
)
def test_memory_depends_on_the_size_of_a_chunk_not_on_the_number_of_samples(score, monkeypatch):
    for module in ("distances", "kernel"):
        monkeypatch.setattr(f"gandem.metrics.{module}.BLOCK_SIZE", 100_000)

    assert peak_memory(score, 2000) < 5 * 2**20, "all distances at once are 30 MiB"


@pytest.mark.slow
@pytest.mark.parametrize("score", [precision_recall, kernel_of_all])
def test_ten_thousand_samples_are_scored_in_bounded_memory(score):
    assert peak_memory(score, 10_000) < 64 * 2**20, "all distances at once are 763 MiB"
