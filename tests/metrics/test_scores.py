"""Scores of digits: worse images have worse scores, beside the real baseline; and scores of
different protocols cannot be compared.
"""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from support.commands import HOME, THERE, needs_a_backend

from gandem.core.data.dataset import load_dataset
from gandem.core.errors import DataError
from gandem.metrics.evaluation import (
    MEASURES,
    Protocol,
    RealSide,
    Scored,
    format_scores,
    same_protocol,
)
from gandem.metrics.evaluation.features import load_extractor

COUNT = 500
EACH = ["pixels"] + ["lenet5:digits"] * bool(THERE)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def real(digits):
    """Return the real side of digits by the name of its extractor, made once."""
    cache = {}

    def of(name):
        if name not in cache:
            cache[name] = RealSide(digits, load_extractor(name, HOME), COUNT)
        return cache[name]

    return of


@pytest.fixture(scope="module")
def others(real, digits):
    """Digits that the real side has not drawn, as a generator without fault would make them."""
    drawn = np.concatenate(real("pixels")._drawn)
    left = np.setdiff1d(np.arange(len(digits.images)), drawn)
    return np.random.default_rng(1).permutation(left)[:COUNT]


@pytest.fixture(scope="module")
def good(real, digits, others):
    """Return the scores of those digits by the name of an extractor, computed once."""
    scored = {}

    def of(name):
        if name not in scored:
            scored[name] = real(name).score("others", [digits.images[others]])
        return scored[name]

    return of


# --- what scores tell ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", EACH)
def test_other_real_images_score_like_the_real_baseline(name, good):
    scored = good(name)

    for metric in ("frechet", "diversity", "precision", "recall", "coverage"):
        assert 0.5 < scored.values[metric] / scored.real_baseline[metric] < 2
    assert abs(scored.values["kernel"]) < 6 * scored.real_baseline["kernel_error"]


def noisy(images, labels, amount):
    noise = np.random.default_rng(2).normal(0, 255 * amount, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def blurred(images, labels, amount):
    moved = [np.roll(images, (dx, dy), (1, 2)) for dx, dy in around(amount)]
    return np.mean(moved, axis=0).astype(np.uint8)


def around(amount):
    reach = range(-round(10 * amount), round(10 * amount) + 1)
    return [(dx, dy) for dx in reach for dy in reach]


def without_classes(images, labels, amount):
    kept = np.flatnonzero(labels >= 10 * amount)
    return images[kept[np.arange(len(images)) % len(kept)]]


@pytest.mark.parametrize(
    ("worse", "amounts", "falling"),
    [
        (noisy, (0.15, 0.3, 0.6), {"pixels": ("precision",)}),
        (blurred, (0.1, 0.2, 0.5), {"pixels": (), "lenet5:digits": ("recall",)}),
        (without_classes, (0.3, 0.6, 0.9), {"pixels": ("recall",)}),
    ],
)
@pytest.mark.parametrize("name", EACH)
def test_worse_images_have_worse_scores(name, worse, amounts, falling, real, digits, others, good):
    """Precision alone does not fall where images become like each other, as blurred ones do."""
    images, labels = digits.images[others], digits.labels[others]

    results = [good(name).values]
    results += [
        real(name).score(f"{amount}", [worse(images, labels, amount)]).values for amount in amounts
    ]

    for metric in ("frechet", "kernel"):
        values = [one[metric] for one in results]
        assert values == sorted(values), metric
        assert values[-1] > 5 * abs(values[0])
    for metric in falling.get(name, ()):
        values = [one[metric] for one in results]
        assert values == sorted(values, reverse=True), metric
        assert values[-1] < 0.7 * values[0]
    assert [one["coverage"] for one in results[1:]] == sorted(
        (one["coverage"] for one in results[1:]), reverse=True
    )
    assert results[-1]["coverage"] < 0.7 * results[0]["coverage"]


@pytest.mark.parametrize("name", EACH)
def test_a_generator_of_one_image_is_caught(name, real, digits):
    score = real(name).score("one", [np.repeat(digits.images[:1], COUNT, axis=0)])

    assert score.values["recall"] < 0.02
    assert score.values["coverage"] < 0.02
    assert score.values["diversity"] == 0
    assert score.values["frechet"] > 5 * score.real_baseline["frechet"]


@needs_a_backend
def test_a_generator_of_one_class_is_caught(real, digits):
    seven = digits.images[digits.labels == 7][:COUNT]
    one = real("lenet5:digits").score("one image", [np.repeat(seven[:1], COUNT, axis=0)])
    score = real("lenet5:digits").score("sevens", [seven])

    assert (one.values["entropy"], one.values["present"]) == (0, 1)
    assert score.values["entropy"] < 0.2 < 2.2 < score.real_baseline["entropy"]
    assert score.values["present"] == 1
    assert score.values["recall"] < 0.3
    assert score.values["coverage"] < 0.3
    assert score.details["classes"][7] > 0.98 * COUNT


@needs_a_backend
def test_class_accuracy_is_that_of_the_requested_classes(real, digits, others):
    images, labels = digits.images[others], digits.labels[others]

    right = real("lenet5:digits").score("right", [images], labels)
    wrong = real("lenet5:digits").score("wrong", [images], (labels + 1) % 10)

    assert right.values["accuracy"] > 0.98
    assert wrong.values["accuracy"] < 0.02
    assert np.trace(right.details["confusion"]) == round(COUNT * right.values["accuracy"])


@needs_a_backend
def test_accuracy_of_classes_that_were_renumbered_is_of_what_they_were(digits):
    few = digits.select_classes((8, 3))
    side = RealSide(few, load_extractor("lenet5", HOME), 200, quick=False)

    assert side.score("few", [few.images[:200]], few.labels[:200]).values["accuracy"] > 0.97


def test_points_have_modes():
    ring = load_dataset("ring")
    side = RealSide(ring, load_extractor("pixels", HOME), 1000)
    half = ring.images[ring.labels < 4][:1000]

    score = side.score("half", [half])

    assert (side.real_baseline["modes"], score.values["modes"]) == (8, 4)
    assert score.values["high_quality"] > 0.95
    assert score.values["mode_divergence"] == pytest.approx(np.log(2), abs=0.1)


# --- protocols -----------------------------------------------------------------------------------


def scored(name="a", **change):
    protocol = Protocol(
        data="digits",
        data_digest="d" * 64,
        of=10_000,
        real=1000,
        fake=1000,
        extractor="pixels",
        extractor_digest="e" * 64,
        seed=0,
    )
    values = {"frechet": 1.5, "kernel": None}
    return Scored(name=name, protocol=replace(protocol, **change), values=values, real_baseline={})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": "mnist", "data_digest": "f" * 64}, "real images digits and mnist"),
        ({"of": 60_000}, "size of the real set 10000 and 60000"),
        ({"real": 500}, "number of real images 1000 and 500"),
        ({"fake": 500}, "number of images 1000 and 500"),
        ({"extractor": "lenet5", "extractor_digest": "0" * 64}, "extractor pixels and lenet5"),
        ({"seed": 3}, "seed 0 and 3"),
        ({"formulas": 2}, "version of the formulas 1 and 2"),
    ],
)
def test_scores_of_different_protocols_cannot_be_compared(change, words):
    with pytest.raises(DataError) as caught:
        format_scores([scored("a"), scored("b", **change)])

    assert str(caught.value) == (
        "a and b cannot be compared: they were scored with different protocols (" + words + ")."
    )


def test_data_of_one_name_is_distinguished_by_its_digest():
    with pytest.raises(DataError, match=r"real images digits \(dddddddd\) and digits \(ffffffff\)"):
        same_protocol([scored("a"), scored("b", data_digest="f" * 64)])


def test_another_name_of_the_same_data_is_the_same_protocol():
    assert same_protocol([scored("a"), scored("b", data="npz:digits.npz")]).data == "digits"


def test_a_table_names_its_protocol_and_every_subject():
    text = format_scores([scored("one"), scored("two")])

    assert "1,000 images each, against 1,000 of the 10,000 of digits; features of pixels" in text
    assert re.search(r"Fréchet distance +↓  –  +1\.5  +1\.5", text)
    assert "kernel distance ± standard error  ↓  –" in text
    assert "not finite" in text
    assert "[2]" in text
    assert "two" in text


@pytest.mark.parametrize("name", EACH)
def test_scores_are_json_without_numbers_that_are_none(name, real, digits):
    """One class of two, and black images: some classes are never requested."""
    images = digits.images[:COUNT].copy()
    images[::2] = 0

    score = real(name).score("odd", [images], digits.labels[:COUNT]).to_data()

    assert json.loads(json.dumps(score, allow_nan=False)) == score
    assert set(score["values"]) - {"kernel_error", "inception_deviation"} <= set(MEASURES)
    assert set(score["values"]) - {"accuracy"} == set(score["real_baseline"]) - {"accuracy"}
