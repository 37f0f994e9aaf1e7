"""Modes of images whose parts are classified separately, as the channels of stacked MNIST."""

import math

import numpy as np
import pytest
from support.commands import HOME, gandem, needs_a_backend, refused

from gandem.core.data.dataset import Dataset, load_dataset
from gandem.core.errors import DataError
from gandem.metrics.evaluation import Features, RealSide, format_scores
from gandem.metrics.evaluation.features import load_extractor

MODES = np.arange(1000)
STACKED = "stacked-mnist:digits"


class Levels:
    """A classifier of images of one pixel: the digit of a channel is its value divided by 25."""

    name, digest, classes = "levels", "levels 1", 10

    def __call__(self, images):
        values = images.reshape(len(images), 3)
        return Features(values.astype(np.float32), np.eye(10)[values // 25])


class Unused(Levels):
    """A classifier that must not be called."""

    def __call__(self, images):
        raise AssertionError


def make_images(modes):
    digits = modes[:, None] // (100, 10, 1) % 10
    return (25 * digits).astype(np.uint8).reshape(-1, 1, 1, 3)


def make_data(modes, **facts):
    return Dataset("pixels", make_images(modes), labels=modes, classes_are_modes=True, **facts)


@pytest.fixture(scope="module")
def side(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANDEM_CACHE", str(tmp_path_factory.mktemp("cache")))
        return RealSide(make_data(np.tile(MODES, 4)), Levels(), 1000)


# --- counts and divergence -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modes", "count", "divergence"),
    [
        (MODES, 1000, 0.0),
        (np.full(1000, 123), 1, math.log(1000)),
        (MODES % 500, 500, math.log(2)),
        (np.where(MODES < 500, 7, MODES), 501, 0.5 * math.log(500)),
    ],
)
def test_modes_and_divergence_of_constructed_samples_are_exact(side, modes, count, divergence):
    score = side.score("constructed", [make_images(modes)])

    assert score.values["modes"] == count
    assert score.values["mode_divergence"] == pytest.approx(divergence, abs=1e-12)
    assert score.details["mode_counts"] == np.bincount(modes, minlength=1000).tolist()


def test_the_divergence_is_from_the_frequencies_of_all_real_images():
    """Those of the drawn half alone would differ by chance."""
    uneven = np.concatenate([MODES, MODES, MODES[MODES < 500], MODES[MODES < 500]])
    side = RealSide(make_data(uneven), Levels(), 1000)

    score = side.score("all once", [make_images(MODES)])

    expected = 0.5 * math.log(0.5 / (2 / 3)) + 0.5 * math.log(0.5 / (1 / 3))
    assert score.values["mode_divergence"] == pytest.approx(expected, abs=1e-12)


def test_the_table_has_modes_and_no_measures_of_single_classes(side):
    table = format_scores([side.score("all once", [make_images(MODES)])])

    assert "modes found" in table
    assert "divergence of modes, nats" in table
    assert "within 3 σ" not in table
    assert "classes present" not in table


@pytest.mark.parametrize(
    "data",
    [
        Dataset("plain", make_images(MODES), labels=MODES),
        make_data(np.tile(MODES, 40)).select_classes((5, 7, 9)),
    ],
)
def test_modes_are_not_counted_where_labels_do_not_number_them(data):
    side = RealSide(data, Levels(), 50)

    assert "recall" in side.real_baseline
    assert "modes" not in side.real_baseline


def test_fewer_images_than_modes_are_refused_before_any_work():
    with pytest.raises(DataError) as caught:
        RealSide(make_data(np.tile(MODES, 4)), Unused(), 999)

    assert str(caught.value) == (
        "pixels: its 1,000 modes cannot all be in 999 images; score 1,000 or more."
    )


def test_scores_during_a_training_need_no_more_images_than_others():
    side = RealSide(make_data(np.tile(MODES, 4)), Levels(), 50, quick=True)

    assert set(side.real_baseline) == {"frechet", "kernel", "kernel_error"}


# --- the commands --------------------------------------------------------------------------------


def test_a_comparison_with_too_few_samples_is_refused_before_it_trains(tmp_path):
    options = ["--data", STACKED, "--set", "image=28,28,3", "--backends", HOME]

    line = refused("compare", "dcgan", *options, "--num-samples", 500, "--out", tmp_path / "out")

    assert line == (f"{STACKED}: its 1,000 modes cannot all be in 500 images; score 1,000 or more.")
    assert not list(tmp_path.glob("out/cells/*"))


@needs_a_backend
def test_the_classifier_reads_the_digit_of_each_channel():
    stacked = load_dataset(STACKED)
    rows = np.arange(0, 128_000, 427)  # 300 images

    features, probabilities = load_extractor("lenet5:stacked", HOME)(stacked.images[rows])

    digits = stacked.labels[rows][:, None] // (100, 10, 1) % 10
    assert features.shape == (300, 252)
    assert ((probabilities.argmax(-1) == digits).mean(axis=0) >= 0.95).all()


@needs_a_backend
def test_gray_images_are_refused_by_the_classifier_of_stacks():
    with pytest.raises(DataError, match="lenet5:stacked expects images of 28×28×3, received"):
        load_extractor("lenet5:stacked", HOME)(load_dataset("digits").images[:2])


@needs_a_backend
@pytest.mark.slow
def test_evaluate_shows_the_modes_of_real_stacks():
    result = gandem("evaluate", STACKED, "--data", STACKED, "-n", 1000)

    assert result.exit_code == 0
    assert "modes found" in result.output
