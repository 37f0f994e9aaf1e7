"""Stacked MNIST from the embedded digits: which digits are stacked, and in how much memory."""

import hashlib
import tracemalloc

import numpy as np
import pytest

from gandem.core.data.dataset import load_dataset
from gandem.core.errors import DataError
from gandem.data import mnist, stacked_mnist

NAME = "stacked-mnist:digits"


@pytest.fixture(scope="module")
def stacked():
    return load_dataset(NAME)


def test_every_mode_has_as_many_images(stacked):
    assert stacked.shape == (28, 28, 3)
    assert len(stacked.images) == 128_000
    assert np.array_equal(np.bincount(stacked.labels), np.full(1000, 128))
    assert stacked.modes == 1000


def test_each_channel_is_a_digit_of_the_label(stacked):
    digits = load_dataset("digits")
    classes = {
        image.tobytes(): label
        for image, label in zip(digits.images, digits.labels.tolist(), strict=True)
    }
    rows = slice(0, 128_000, 64)

    red, green, blue = (
        [classes[image[..., channel].tobytes()] for image in stacked.images[rows]]
        for channel in range(3)
    )

    named = [stacked.class_names[label] for label in stacked.labels[rows]]
    assert [f"{r}{g}{b}" for r, g, b in zip(red, green, blue, strict=True)] == named


def test_all_digits_are_drawn_about_equally_often(stacked):
    counts = np.bincount(stacked.images._rows.ravel(), minlength=10_000)

    assert counts.mean() == 38.4
    assert counts.min() > 10
    assert counts.var() == pytest.approx(38.4, rel=0.1)  # a Poisson distribution


def test_the_images_are_the_same_on_every_machine(stacked):
    pixels = hashlib.sha256(stacked.images[:100].tobytes()).hexdigest()

    assert pixels.startswith("844e2ae4cdf00e24")


def test_images_are_indexed_as_those_of_an_array(stacked):
    some = stacked.images.select(np.arange(40))
    array = np.asarray(some)
    mask = np.arange(40) % 3 == 0

    for key in (3, -1, slice(2, 30, 5), np.array([7, 7, 0]), mask, (5, ..., 1), (mask, 3), ...):
        assert np.array_equal(some[key], array[key]), key
    assert some.shape == array.shape
    assert some.nbytes == array.nbytes
    assert array.flags.c_contiguous


def test_classes_are_selected(stacked):
    two = stacked.select_classes(("007", 999))

    assert two.images.shape == (256, 28, 28, 3)
    assert np.array_equal(two.images[:2], stacked.images[[7, 999]])


def test_images_are_not_held_in_memory():
    tracemalloc.start()
    try:
        dataset = load_dataset(NAME)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert dataset.images.nbytes == 301_056_000
    assert peak < 40e6


def test_digits_come_from_the_part_of_mnist_that_is_named(monkeypatch, tmp_path):
    asked = []
    few = load_dataset("digits")
    monkeypatch.setattr(mnist, "load", lambda *given: asked.append(given) or few)

    for part in ("", "train", "test", "all"):
        stacked_mnist.load(part, tmp_path)

    assert asked == [(part, tmp_path) for part in ("", "train", "test", "all")]


def test_a_part_that_does_not_exist_is_refused():
    with pytest.raises(DataError) as caught:
        load_dataset("stacked-mnist:digit")

    assert str(caught.value) == (
        "stacked-mnist: it has no part 'digit', only train, test, all and digits. Did you mean "
        "'digits'?"
    )
