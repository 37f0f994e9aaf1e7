"""Inception v3 as an extractor: agreement with torch-fidelity and torchmetrics, and loading and
downloading its weights.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import sys
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
from support.web import Web

from gandem.core.errors import BackendError, DataError
from gandem.extractors import inception
from gandem.metrics.evaluation import extract
from gandem.metrics.evaluation.features import load_extractor

torch = pytest.importorskip("torch")
import_module("torch._dynamo")  # which torchmetrics imports; after TensorFlow that would abort
for package in ("torchmetrics", "torch_fidelity"):  # imported by the tests, since it takes seconds
    if find_spec(package) is None:
        pytest.skip(f"needs {package}", allow_module_level=True)

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 20, 28, 3), np.uint8)
IMAGES[1] //= 4
IMAGES[2] = 9 * np.arange(28)[:, None]
CONTENT = random.Random(0).randbytes(300_000)
"""What a server of these tests calls the weights."""
REMEDY = "by hand and pass --extractor inception:PATH, or choose --extractor lenet5 or pixels."


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of weights drawn at random, as large as they must be for images to tell."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Drawn(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_):
            torch.manual_seed(0)
            for name, array in self.state_dict().items():
                if array.ndim > 1:
                    array.normal_(std=(2 / array[0].numel()) ** 0.5)
                elif name.endswith("running_mean"):
                    array.normal_(std=0.1)

    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    empty = path.with_name("empty")
    torch.save({}, empty)
    with torch.random.fork_rng(devices=[]):
        torch.save(Drawn("drawn", ["2048"], str(empty)).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def network(weights):
    """The extractor, built once."""
    return load_extractor(f"inception:{weights}", "torch")


@pytest.fixture(scope="module")
def found(network):
    return network(IMAGES)


def channels_first(images):
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy())


def file_of(path, content):
    path.write_bytes(content)
    return path


def saved(path, content):
    torch.save(content, path)
    return path


def refusal(argument, images=IMAGES):
    """Return the one line that a path, or the first images, are refused with."""
    with pytest.raises(DataError) as caught:
        inception.load(str(argument), "torch")(images)
    text = str(caught.value)
    assert text.endswith(REMEDY)
    assert text.count("\n") == 0
    return text


def test_the_numbers_are_those_of_torch_fidelity(weights, found):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    theirs = FeatureExtractorInceptionV3("theirs", ["2048", "logits_unbiased"], str(weights))
    features, logits = theirs(channels_first(IMAGES))

    assert found.features.shape == (3, 2048)
    assert found.features.dtype == np.float32
    assert found.features.std(axis=0).mean() > 0.05 * found.features.mean()  # images do tell
    np.testing.assert_allclose(found.features, features.numpy(), rtol=1e-5, atol=1e-5)
    odds = logits.double().softmax(dim=1).numpy()
    assert found.probabilities.shape == (3, 1008)
    np.testing.assert_allclose(found.probabilities, odds, rtol=1e-4)


def test_the_features_are_those_of_torchmetrics_without_its_smoothing(weights, found):
    from torchmetrics.image.fid import NoTrainInceptionV3

    theirs = NoTrainInceptionV3("theirs", ["2048"], str(weights), antialias=False)

    expected = theirs(channels_first(IMAGES)).numpy()
    np.testing.assert_allclose(found.features, expected, rtol=1e-5, atol=1e-5)


def test_gray_images_are_read_as_three_equal_channels(network):
    gray = IMAGES[:1, :, :, :1]

    one, three = network(gray), network(np.repeat(gray, 3, axis=3))

    np.testing.assert_array_equal(one.features, three.features)
    np.testing.assert_array_equal(one.probabilities, three.probabilities)


def test_features_do_not_depend_on_the_chunks_and_batches_that_images_come_in(
    network, found, monkeypatch
):
    monkeypatch.setattr(inception, "BATCH", 1)

    differences = extract(network, [IMAGES[:1], IMAGES[1:]])

    np.testing.assert_allclose(differences.features, found.features, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(differences.probabilities, found.probabilities, rtol=1e-3)


def test_an_image_may_be_a_single_pixel_of_an_array_that_cannot_be_written(network):
    pixel = IMAGES[:1, :1, :1]
    pixel.flags.writeable = False

    features, odds = network(pixel)

    assert np.isfinite(features).all()
    assert odds.sum() == pytest.approx(1)


def test_scores_have_full_precision_beside_a_training_in_tf32(network, monkeypatch):
    kinds, seen = (torch.backends.cuda.matmul, torch.backends.cudnn), []
    before = [kind.allow_tf32 for kind in kinds]
    alive, device = network._loaded

    def looked(batch):
        seen.append({kind.allow_tf32 for kind in kinds})
        return alive(batch)

    monkeypatch.setitem(vars(network), "_loaded", (looked, device))
    try:
        for kind in kinds:
            kind.allow_tf32 = True
        network(IMAGES[:1])
        after = {kind.allow_tf32 for kind in kinds}
    finally:
        for kind, allowed in zip(kinds, before, strict=True):
            kind.allow_tf32 = allowed

    assert (seen, after) == ([{False}], {True})


def test_the_network_leaves_the_random_numbers_of_pytorch_as_they_were(tmp_path):
    before = torch.get_rng_state()

    refusal(saved(tmp_path / "of-no-network", {}))  # which is seen once weights were drawn

    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("images", "received"),
    [
        (np.zeros((5, 2), np.float32), "received points of 2;"),
        (np.zeros((5, 8, 8, 3), np.float32), "received points of 8×8×3;"),
        (np.zeros((5, 8, 8, 4), np.uint8), "received images of 8×8×4;"),
        (np.zeros((5, 8, 8), np.uint8), "received images of 8×8;"),
        (np.zeros((5, 0, 8, 1), np.uint8), "received images of 0×8×1;"),
    ],
)
def test_unsupported_images_are_refused(network, images, received):
    with pytest.raises(DataError, match=f"{received} choose another with --extractor, like pixels"):
        network(images)


# --- weights that are there ----------------------------------------------------------------------


def test_the_digest_is_of_the_weights_and_of_what_is_done_to_images(tmp_path, monkeypatch):
    one, two = (file_of(tmp_path / name, name.encode()) for name in ("one", "two"))
    same = file_of(tmp_path / "same", b"one")

    def digest(path):
        return inception.load(str(path), "torch").digest

    assert digest(one) == digest(same) != digest(two)
    before = digest(one)
    monkeypatch.setattr(inception, "MEANING", "otherwise")
    assert digest(one) != before


@pytest.mark.parametrize("place", ["nothing", "folder", "folder/\0", "~nobody-at-all/weights"])
def test_a_path_that_leads_to_no_file_is_named(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()

    assert refusal(place).startswith(f"There is no file {place!r}. Download https://")


def test_a_file_far_too_long_is_not_read(tmp_path):
    with (tmp_path / "long").open("wb") as file:
        file.truncate(inception.MAX_SIZE + 1)

    assert "expected the weights of Inception v3" in refusal(tmp_path / "long")


def test_another_file_with_the_name_of_the_weights_is_refused(tmp_path):
    path = file_of(tmp_path / "weights-inception-2015-12-05-6726825d.pth", b"half of it")

    assert "expected SHA-256 " in refusal(path)


def test_a_damaged_file_and_weights_of_another_network_are_refused(tmp_path, weights):
    half = weights.read_bytes()[: weights.stat().st_size // 2]
    others = {"fc.weight": torch.zeros(2, 2)}
    for path in (
        file_of(tmp_path / "half", half),
        file_of(tmp_path / "empty", b""),
        file_of(tmp_path / "letters", b"no weights"),
        saved(tmp_path / "numbers", {"fc.weight": 3}),
        saved(tmp_path / "list", [torch.zeros(2)]),
        saved(tmp_path / "others", others),
    ):
        text = refusal(path)
        assert text.startswith(f"{str(path)!r}: expected the weights of Inception v3")


def test_code_in_a_file_is_not_run(tmp_path):
    trap = tmp_path / "trap"

    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    plain = file_of(tmp_path / "plain", pickle.dumps(Hostile(), protocol=2))
    packed = saved(tmp_path / "packed", {"fc.weight": Hostile()})

    for path in (plain, packed):
        assert "(UnpicklingError)" in refusal(path)
    assert not trap.exists()


def test_a_file_that_changes_before_it_is_read_is_not_read(tmp_path):
    path = file_of(tmp_path / "weights", b"before")
    network = inception.load(str(path), "torch")
    path.write_bytes(b"after")

    with pytest.raises(DataError, match="it has changed meanwhile; try again"):
        network(IMAGES)


def test_torch_fidelity_that_cannot_be_imported_is_one_line(tmp_path, monkeypatch):
    path = saved(tmp_path / "weights", {})
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    monkeypatch.delitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", raising=False)

    with pytest.raises(BackendError, match=r"^torch-fidelity cannot be imported: \w+: [^\n]+$"):
        inception.load(str(path), "torch")(IMAGES)


# --- weights that are downloaded -----------------------------------------------------------------


@pytest.fixture
def web(tmp_path, monkeypatch):
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Web() as web:
        web.files["/weights.pth"] = CONTENT
        monkeypatch.setattr(inception, "URL", web.url("/weights.pth"))
        monkeypatch.setattr(inception, "SHA256", hashlib.sha256(CONTENT).hexdigest())
        yield web


def test_the_weights_are_downloaded_once_and_are_those_of_the_same_file(web, tmp_path):
    first = inception.load("", "torch")
    second = inception.load("", "torch")

    assert (tmp_path / "cache" / "inception" / "weights.pth").read_bytes() == CONTENT
    assert web.requests == ["/weights.pth"]
    by_hand = inception.load(str(file_of(tmp_path / "by-hand", CONTENT)), "torch")
    assert first.digest == second.digest == by_hand.digest


def test_the_error_of_a_failed_download_says_what_to_do(web):
    web.files.clear()

    with pytest.raises(DataError, match=r"tried http\S+/weights\.pth \(HTTP 404\)\. ") as error:
        inception.load("", "torch")

    assert str(error.value).endswith(REMEDY)


def test_the_weights_are_the_file_that_torch_fidelity_would_take():
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    assert inception.URL == URL_INCEPTION_V3
    assert inception.URL.endswith(f"-{inception.SHA256[:8]}.pth")
