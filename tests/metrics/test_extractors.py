"""The built-in extractors: LeNet-5, with the same features on every backend, and pixels."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.commands import HOME, needs_a_backend, needs_both, on_each

import gandem.extractors
from gandem.core.data.dataset import default_extractor, load_dataset
from gandem.core.errors import BackendError, DataError, NotFoundError
from gandem.metrics.evaluation.features import load_extractor

FOLDER = Path(gandem.extractors.__file__).parent
KINDS = [path.stem.partition("-")[2] for path in sorted(FOLDER.glob("lenet5-*.safetensors"))]


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def hundred(digits):
    """A hundred digits, ten a class, and a few pictures that are none."""
    noise = np.random.default_rng(0).integers(0, 256, (10, 28, 28, 1), np.uint8)
    return np.concatenate([digits.images[::100], noise, np.full((2, 28, 28, 1), 255, np.uint8)])


def looked_at(name, images, backend=HOME):
    return load_extractor(name, backend)(images)


# --- LeNet-5 -------------------------------------------------------------------------------------


def convolved(images, kernel, bias, pad):
    """Cross-correlate (N, H, W, C) with (h, w, C, F), padded with zeros."""
    images = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(images, kernel.shape[:2], axis=(1, 2))
    return np.einsum("nijchw,hwcf->nijf", windows, kernel, optimize=True) + bias


def pooled(images):
    n, height, width, channels = images.shape
    return images.reshape(n, height // 2, 2, width // 2, 2, channels).max((2, 4))


def reference(kind, images):
    """LeNet-5 in NumPy and float64, from the file of weights: features and probabilities."""
    weights = load_file(FOLDER / f"lenet5-{kind}.safetensors")
    names = [n.removesuffix("/kernel") for n in weights if n.endswith("/kernel")]
    ranks = {name: weights[f"{name}/kernel"].astype(float) for name in sorted(names)}
    first, second = (n for n, k in ranks.items() if k.ndim == 4)
    dense = [n for n, k in ranks.items() if k.ndim == 2 and n != "classes"]
    hidden = images.astype(float) / 255
    for name, pad in ((first, 2), (second, 0)):
        hidden = convolved(hidden, ranks[name], weights[f"{name}/bias"], pad)
        hidden = pooled(np.maximum(hidden, 0))
    hidden = hidden.reshape(len(hidden), -1)
    for name in dense:
        hidden = np.maximum(hidden @ ranks[name] + weights[f"{name}/bias"], 0)
    odds = np.exp(hidden @ ranks["classes"] + weights["classes/bias"])
    return hidden, odds / odds.sum(1, keepdims=True)


@on_each
@pytest.mark.parametrize("kind", KINDS)
def test_features_equal_those_of_the_network_in_numpy(backend, kind, hundred):
    features, probabilities = looked_at(f"lenet5:{kind}", hundred, backend)

    expected, odds = reference(kind, hundred)
    assert features.dtype == np.float32
    assert features.shape == (112, 84)
    assert np.abs(features - expected).max() <= 1e-5 * np.abs(expected).max()
    assert np.abs(probabilities - odds).max() < 1e-5


@needs_both
@pytest.mark.parametrize("kind", KINDS)
def test_features_are_the_same_on_both_backends(kind, hundred):
    torch, keras = (looked_at(f"lenet5:{kind}", hundred, of) for of in ("torch", "keras"))

    assert np.abs(torch.features - keras.features).max() <= 1e-5 * np.abs(torch.features).max()
    assert np.abs(torch.probabilities - keras.probabilities).max() < 1e-5


@needs_a_backend
def test_digits_are_classified(digits):
    result = looked_at("lenet5", digits.images).probabilities.argmax(1)

    assert (result == digits.labels).mean() >= 0.99


@needs_a_backend
def test_the_features_of_an_image_do_not_depend_on_the_batch(hundred):
    extractor = load_extractor("lenet5", HOME)

    many = np.concatenate([hundred] * 6)  # more than are looked at at once
    alone = np.concatenate([extractor(hundred[:1]).features, extractor(hundred[1:]).features])
    assert np.abs(extractor(many).features[-112:] - alone).max() <= 1e-5 * np.abs(alone).max()


@needs_a_backend
def test_an_extractor_that_is_built_again_gives_the_same_bits(hundred):
    assert np.array_equal(
        looked_at("lenet5", hundred).features, looked_at("lenet5", hundred).features
    )


@on_each
def test_a_classifier_learns_other_classes(backend, digits):
    pair = digits.select_classes((3, 7))
    images, labels = pair.images[::8], pair.labels[::8]  # 250

    classify = load_extractor("lenet5:fashion", backend).train(images, labels, seed=1)

    assert (classify(pair.images[1::8]) == pair.labels[1::8]).mean() > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_the_digest_is_that_of_the_weights(kind):
    weights = (FOLDER / f"lenet5-{kind}.safetensors").read_bytes()

    assert load_extractor(f"lenet5:{kind}", HOME).digest == hashlib.sha256(weights).hexdigest()


def test_the_weights_for_digits_are_the_default():
    assert load_extractor("lenet5", HOME).name == "lenet5:digits"
    assert "digits" in KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_small(kind):
    assert (FOLDER / f"lenet5-{kind}.safetensors").stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("argument", "ending"),
    [
        ("digit", " Did you mean 'digits'?"),
        ("fashion-mnist", " Did you mean 'fashion'?"),
        ("../lenet5-digits", None),
    ],
)
def test_unknown_weights_suggest_the_nearest(argument, ending):
    with pytest.raises(DataError) as caught:
        load_extractor(f"lenet5:{argument}", HOME)

    output = str(caught.value)
    assert output.startswith(f"lenet5: there are no weights for '{argument}', only for digits or ")
    assert ending is None or output.endswith(ending)


@pytest.mark.parametrize(
    ("images", "received"),
    [
        (np.zeros((3, 32, 32, 3), np.uint8), "images of 32×32×3"),
        (np.zeros((3, 28, 28, 3), np.uint8), "images of 28×28×3"),
        (np.zeros((3, 2), np.float32), "points of 2"),
    ],
)
def test_other_images_and_points_are_refused_before_a_framework_starts(images, received):
    with pytest.raises(DataError) as caught:
        load_extractor("lenet5", "nobody")(images)

    assert str(caught.value) == (
        f"lenet5:digits expects images of 28×28×1, received {received}; choose another with "
        "--extractor, like pixels."
    )


def test_the_error_names_the_missing_backend_of_an_extractor(hundred):
    with pytest.raises((NotFoundError, BackendError), match="nobody"):
        load_extractor("lenet5", "nobody")(hundred)


# --- pixels --------------------------------------------------------------------------------------


def test_pixels_are_the_images_from_0_to_1_a_row_each(hundred):
    features, probabilities = looked_at("pixels", hundred)

    assert features.dtype == np.float32
    assert np.allclose(features, hundred.reshape(112, 784) / 255)
    assert probabilities is None


def test_pixels_of_points_are_the_points():
    points = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)

    assert np.array_equal(looked_at("pixels", points).features, points)


def test_pixels_take_no_argument():
    with pytest.raises(DataError, match=r"^pixels: it takes no argument, received 'x'\.$"):
        load_extractor("pixels:x", HOME)


@pytest.mark.parametrize("name", ["digits", "mnist", "mnist:test", "mnist[3,8]"])
def test_handwritten_digits_are_compared_by_a_network_trained_on_them(name):
    assert default_extractor(name) == "lenet5:digits"


@pytest.mark.parametrize("name", ["npz:digits.npz", "ring", "nobody/knows", "", "[", ":"])
def test_data_without_a_network_trained_on_it_is_compared_by_its_pixels(name):
    assert default_extractor(name) == "pixels"
