"""RealSide: which images are drawn, the cache, third-party extractors, and memory."""

import tracemalloc
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from gandem.core.data.dataset import Dataset
from gandem.core.data.disk_images import DiskImages
from gandem.core.errors import DataError
from gandem.core.rng import Purpose, stream
from gandem.metrics import Normal, kernel_distance
from gandem.metrics.evaluation import QUICK, Features, RealSide


class Means:
    """A quick extractor: the mean of each quarter of the pixels; it counts what it is asked."""

    name, classes = "means", 0

    def __init__(self, digest="means 1"):
        self.digest, self.asked = digest, []

    def __call__(self, images):
        self.asked.append(len(images))
        parts = np.array_split(images.reshape(len(images), -1), 4, axis=1)
        return Features(np.stack([part.mean(axis=1) for part in parts], 1).astype(np.float32))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of each test's own."""
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def some():
    """200 images of 8×8."""
    images = np.random.default_rng(0).integers(0, 256, (200, 8, 8, 1), np.uint8)
    return Dataset("some", images, labels=np.arange(200) % 3)


def kept(cache):
    return sorted((cache / "scores").glob("*"))


def same(one, other):
    arrays = [
        (side.real.features, side.real.probabilities, side.real.labels) for side in (one, other)
    ]
    return one.real_baseline == other.real_baseline and all(map(np.array_equal, *arrays))


# --- what is not done twice ----------------------------------------------------------------------


@pytest.mark.parametrize("quick", [True, False])
def test_the_moments_of_real_images_are_computed_once(some, monkeypatch, quick):
    taken, take = [], Normal.of
    monkeypatch.setattr(
        Normal, "of", lambda features: taken.append(len(features)) or take(features)
    )

    side = RealSide(some, Means(), 50, quick=quick)
    scored = [side.score(name, [some.images[:50]]).values["frechet"] for name in "abc"]

    assert len(taken) == 5  # the real ones, those of the real baseline, and three times fakes
    assert len(set(scored)) == 1


# --- the cache -----------------------------------------------------------------------------------


def test_real_statistics_are_computed_once(some, cache):
    first, second = Means(), Means()

    computed, cached = RealSide(some, first, 50), RealSide(some, second, 50)

    assert (sum(first.asked), sum(second.asked)) == (100, 0)
    assert same(computed, cached)
    assert len(kept(cache)) == 1


def test_the_same_images_under_another_name_are_found(some, cache):
    RealSide(some, Means(), 50)

    assert RealSide(replace(some, name="others"), second := Means(), 50).count == 50
    assert second.asked == []


@pytest.mark.parametrize(
    "change",
    [{"digest": "means 2"}, {"seed": 1}, {"count": 51}, {"quick": True}, {"images": 199}],
    ids=str,
)
def test_each_input_of_a_score_has_its_own_cache_entry(change, some, cache):
    RealSide(some, Means(), 50)
    other = Means(change.get("digest", "means 1"))
    data = Dataset("some", some.images[: change.get("images", 200)])

    RealSide(data, other, change.get("count", 50), change.get("seed", 0), quick="quick" in change)

    assert sum(other.asked) == 2 * change.get("count", 50)
    assert len(kept(cache)) == 2


def damages():
    yield "cut short", lambda data: data[:-7]
    yield "empty", lambda data: b""
    yield "something else", lambda data: b"PK\3\4" * 100
    yield "one flipped bit", lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
    yield (
        "another real baseline",
        lambda data: data.replace(b'\\"frechet\\": ', b'\\"frechet\\": 1'),
    )


@pytest.mark.parametrize("damage", [d for _, d in damages()], ids=[n for n, _ in damages()])
def test_a_damaged_cache_entry_is_computed_again(damage, some, cache):
    expected = RealSide(some, Means(), 50)
    (path,) = kept(cache)
    data = path.read_bytes()
    path.write_bytes(damage(data))
    assert path.read_bytes() != data

    result = RealSide(some, second := Means(), 50)

    assert sum(second.asked) == 100
    assert same(expected, result)
    assert same(expected, RealSide(some, third := Means(), 50))
    assert third.asked == []


def test_a_folder_in_place_of_a_cache_entry_is_ignored(some, cache):
    RealSide(some, Means(), 50)
    (path,) = kept(cache)
    path.unlink()
    path.mkdir()

    assert RealSide(some, second := Means(), 50).count == 50
    assert sum(second.asked) == 100


def test_a_cache_that_cannot_be_written_is_ignored(some, cache):
    cache.write_text("a file where a folder should be")

    assert same(RealSide(some, Means(), 50), RealSide(some, second := Means(), 50))
    assert sum(second.asked) == 100


def test_a_full_disk_leaves_the_cache_unused(some, cache, monkeypatch):
    from safetensors import SafetensorError, numpy

    def full(*_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device")

    monkeypatch.setattr(numpy, "save_file", full)

    assert RealSide(some, Means(), 50).count == 50
    assert kept(cache) == []


def test_features_in_columns_are_kept_as_they_are(some, cache):
    class Columns(Means):
        def __call__(self, images):
            return Features(np.asfortranarray(super().__call__(images).features))

    computed, cached = RealSide(some, Columns(), 50), RealSide(some, Columns(), 50)

    assert same(computed, cached)
    assert same(computed, RealSide(some, Means("rows"), 50))


# --- the draw ------------------------------------------------------------------------------------


def test_at_most_half_of_the_data_is_drawn_and_no_image_twice(some):
    side = RealSide(some, Means(), 1000, quick=True)

    assert (side.count, side.protocol.fake, side.protocol.of) == (100, 100, 200)
    assert sorted(np.concatenate(side._drawn)) == list(range(200))


def test_a_training_computes_only_the_quick_scores(some):
    assert set(RealSide(some, Means(), 100, quick=True).real_baseline) == {*QUICK, "kernel_error"}


@pytest.mark.parametrize(("count", "images"), [(19, 200), (100, 39)])
def test_too_few_images_are_refused(count, images, some):
    few = Dataset("few", some.images[:images])

    with pytest.raises(DataError) as caught:
        RealSide(few, Means(), count)

    assert str(caught.value) == (
        f"few: scores need at least 20 images and 40 real ones, received {count} and {images}."
    )


@pytest.mark.parametrize("number", [0, 99, 101])
def test_another_number_of_images_is_refused(number, some):
    side = RealSide(some, Means(), 1000, quick=True)

    with pytest.raises(DataError, match=r"^made: (\d+ images, expected 100|.*no images)"):
        side.score("made", [some.images[:number]] if number else [])


def test_images_of_another_shape_are_refused(some):
    side = RealSide(some, Means(), 50, quick=True)

    with pytest.raises(DataError, match=r"images of 8×8×1, the images to score have 8×8×3"):
        side.score("made", [np.zeros((50, 8, 8, 3), np.uint8)])


# --- strangers' extractors -----------------------------------------------------------------------


def features(n, d=4):
    return np.random.default_rng(0).normal(size=(n, d))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda n: None, "failed on 50 images: TypeError"),
        (lambda n: features(n), "failed on 50 images: ValueError"),
        (lambda n: (None, None), "returned arrays of (1,) for 50 images"),
        (lambda n: ([[1], [1, 2]], None), "failed on 50 images: ValueError"),
        (lambda n: (np.full((n, 4), "a"), None), "failed on 50 images: ValueError"),
        (lambda n: (1.0, None), "returned arrays of (1,) for 50 images"),
        (lambda n: (features(n)[0], None), "returned arrays of (4,) for 50 images"),
        (lambda n: (features(n)[:, 0], None), "returned arrays of (50,) for 50 images"),
        (lambda n: (features(n - 1), None), "returned arrays of (49, 4) for 50 images"),
        (lambda n: (features(n).reshape(n, 2, 2), None), "returned arrays of (50, 2, 2) for 50"),
        (lambda n: (features(n), features(n)), "returned arrays of (50, 4) and (50, 4) for 50"),
        (lambda n: (features(n, 0), None), "features: expected features (N, D)"),
        (lambda n: (features(n) * np.nan, None), "have NaN, infinite or huge features"),
        (lambda n: 1 / 0, "failed on 50 images: ZeroDivisionError: division by zero"),
        (lambda n: (_ for _ in ()).throw(SystemExit(3)), "failed on 50 images: SystemExit: 3"),
        (lambda n: (_ for _ in ()).throw(OSError("a\nb")), "failed on 50 images: OSError: a b"),
    ],
)
def test_an_extractor_that_does_not_extract_is_one_line(wrong, words, some):
    class Wrong(Means):
        def __call__(self, images):
            return wrong(len(images))

    with pytest.raises(DataError) as caught:
        RealSide(some, Wrong(), 50)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("made", [None, features(50, 2)], ids=["none", "too few"])
def test_a_classifier_without_its_classes_is_one_line(made, some):
    """Whatever stands in the cache of one that went by its hash."""

    class Classifier(Means):
        classes = 3

        def __call__(self, images):
            return Features(super().__call__(images).features, made)

    RealSide(some, Means(), 50)

    with pytest.raises(DataError, match=r"expected features \(N, .\) and probabilities \(N, 3\)"):
        RealSide(some, Classifier(), 50)


def test_an_extractor_that_changes_its_output_is_one_line(some):
    class Growing(Means):
        def __call__(self, images):
            self.asked.append(len(images))
            return Features(features(len(images), 4 if len(images) == 50 else len(self.asked)))

    with pytest.raises(DataError, match=r"returned arrays of \(25, 4\) .* features \(N, 3\)"):
        RealSide(some, Growing(), 50).score("made", [some.images[:25], some.images[:25]])


def test_an_interrupted_extractor_is_interrupted(some):
    class Slow(Means):
        def __call__(self, images):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RealSide(some, Slow(), 50)


# --- a classifier trained on the images ----------------------------------------------------------


class NearestMeans(Means):
    """Also trains a classifier: the class with the nearest mean of features."""

    training = "nearest means"

    def train(self, images, labels, seed, progress=None):
        known = self(images).features
        means = np.stack([known[labels == label].mean(axis=0) for label in np.unique(labels)])
        return lambda images: np.abs(self(images).features[:, None] - means).sum(-1).argmin(1)


@pytest.fixture
def shades():
    """200 images of 8×8, whose class is their brightness."""
    labels = np.arange(200) % 3
    images = (
        np.random.default_rng(0).integers(0, 40, (200, 8, 8, 1)) + 90 * labels[:, None, None, None]
    )
    return Dataset("shades", images.astype(np.uint8), labels)


def test_a_classifier_trained_on_images_is_tested_on_the_real_ones(shades):
    side = RealSide(shades, NearestMeans(), 50, gan_train=True)
    images, labels = shades.images[:50], shades.labels[:50]

    right = side.score("right", [images[:20], images[20:]], labels)
    wrong = side.score("wrong", [images], (labels + 1) % 3)

    assert side.real_baseline["gan_train"] == right.values["gan_train"] == 1
    assert wrong.values["gan_train"] == 0
    assert "gan_train" not in side.score("no labels", [images]).values
    assert right.protocol.classifier == "nearest means"


def test_scores_with_and_without_a_classifier_can_be_compared_but_not_with_another(shades):
    plain = RealSide(shades, NearestMeans(), 50).protocol
    trained = RealSide(shades, NearestMeans(), 50, gan_train=True).protocol

    assert plain.differs(trained) == {}
    assert [*trained.differs(replace(trained, classifier="other"))] == ["classifier"]


def test_a_classifier_needs_labels_and_an_extractor_that_can_be_trained(some, shades):
    with pytest.raises(DataError, match="means cannot be trained as a classifier; choose"):
        RealSide(shades, Means(), 50, gan_train=True)
    with pytest.raises(DataError, match="some: it has no labels"):
        RealSide(Dataset("some", some.images), NearestMeans(), 50, gan_train=True)


# --- memory --------------------------------------------------------------------------------------


def test_fifty_thousand_images_are_never_held_at_once(tmp_path, monkeypatch):
    few_subsets = partial(kernel_distance, subsets=2)  # the rest takes time and no more memory
    monkeypatch.setattr("gandem.metrics.evaluation.suite.kernel_distance", few_subsets)
    path, shape = tmp_path / "images", (100_000, 8, 8, 1)
    path.write_bytes(stream(0, Purpose.DATA).bytes(int(np.prod(shape))))
    dataset = Dataset("many", DiskImages(path, shape))
    assert dataset.digest  # the file is hashed once, whoever asks first
    result = np.zeros((500, 8, 8, 1), np.uint8)

    class Watching(Means):
        held = ()

        def __call__(self, images):
            self.held = (*self.held, tracemalloc.get_traced_memory()[0])
            return super().__call__(images)

    tracemalloc.start()
    side = RealSide(dataset, extractor := Watching(), 50_000, quick=True)
    side.score("made", (result + np.uint8(at) for at in range(100)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert side.count == 50_000
    assert sum(extractor.asked) == 150_000
    assert max(extractor.asked) <= 500
    assert max(extractor.held) - extractor.held[0] < 3_000_000  # a side's images have 3.2 MB
    assert most < 40_000_000  # what the kernel distance takes, whatever the number of images
