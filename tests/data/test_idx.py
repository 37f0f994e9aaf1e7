"""IDX files from mirrors and folders, and the embedded digits."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.web import Web

from gandem.core.errors import DataError
from gandem.data import digits, fashion_mnist, mnist, npz
from gandem.data.idx import FILES, IdxSet, load_idx_set, parse_idx
from gandem.data.make_digits import make_digits

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_the_real_sets = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real MNIST and Fashion-MNIST are not in ../shared/data"
)

PIXELS = np.arange(7 * 4 * 3, dtype=np.uint8).reshape(7, 4, 3)
LABELS = np.array([0, 1, 2, 2, 1, 0, 1], np.uint8)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


# A set of five training images and two others.
CONTENT = dict(zip(FILES, map(idx, (PIXELS[:5], LABELS[:5], PIXELS[5:], LABELS[5:])), strict=True))
GOOD = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in CONTENT.items()}


def tiny(*mirrors: str) -> IdxSet:
    return IdxSet(
        name="tiny",
        folder="Tiny",
        mirrors=mirrors,
        sha256=tuple(hashlib.sha256(content).hexdigest() for content in CONTENT.values()),
        class_names=("a", "b", "c"),
        source="made here",
        license="none",
    )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def web(cache: Path) -> Iterator[Web]:
    with Web() as web:
        web.files.update({f"/good/{name}": content for name, content in GOOD.items()})
        yield web


def refusal(load: object, *arguments: object) -> str:
    """Return the one line with which a call is refused."""
    with pytest.raises(DataError) as caught:
        load(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Mirrors and the cache


def test_a_good_mirror_gives_the_training_part(web):
    data = load_idx_set(tiny(web.url("/good/")), "", None)

    np.testing.assert_array_equal(data.images, PIXELS[:5, ..., None])
    np.testing.assert_array_equal(data.labels, LABELS[:5])
    assert (data.name, data.labels.dtype, data.class_names) == ("tiny", np.int64, ("a", "b", "c"))
    assert (data.source, data.license) == ("made here", "none")


@pytest.mark.parametrize(
    ("part", "kept"), [("train", slice(5)), ("test", slice(5, 7)), ("all", slice(7))]
)
def test_a_part_is_chosen_by_its_name(web, part, kept):
    data = load_idx_set(tiny(web.url("/good/")), part, None)

    np.testing.assert_array_equal(data.images, PIXELS[kept, ..., None])
    np.testing.assert_array_equal(data.labels, LABELS[kept])
    assert data.name == f"tiny:{part}"


def test_only_the_files_of_the_part_are_downloaded(web):
    load_idx_set(tiny(web.url("/good/")), "test", None)

    assert web.requests == ["/good/t10k-images-idx3-ubyte.gz", "/good/t10k-labels-idx1-ubyte.gz"]


def test_images_are_writable(web):
    assert load_idx_set(tiny(web.url("/good/")), "", None).images.flags.writeable


def test_a_mirror_that_fails_is_followed_by_the_next(web):
    data = load_idx_set(tiny(web.url("/bad/"), web.url("/good/")), "", None)

    np.testing.assert_array_equal(data.images[..., 0], PIXELS[:5])
    assert web.requests[:2] == [
        "/bad/train-images-idx3-ubyte.gz",
        "/good/train-images-idx3-ubyte.gz",
    ]


def test_error_names_the_urls_and_the_remedy_if_no_mirror_works(web):
    message = refusal(load_idx_set, tiny(web.url("/one/"), web.url("/two/")), "", None)

    tried = [web.url(f"/{mirror}/train-images-idx3-ubyte.gz") for mirror in ("one", "two")]
    assert f"'train-images-idx3-ubyte'; tried {tried[0]} (HTTP 404), {tried[1]} (HTTP 404). " in (
        message
    )
    assert message.endswith("pass --data-dir DIR, or use --data digits, which needs no network.")


def test_an_unknown_part_suggests_the_nearest():
    assert refusal(mnist.load, "tset", None) == (
        "mnist: it has no part 'tset'. Did you mean 'test'?"
    )


# A person's folder


@pytest.mark.parametrize("files", [GOOD, CONTENT], ids=["gzip", "unpacked"])
@pytest.mark.parametrize("folder", [".", "Tiny/raw"], ids=["flat", "torchvision"])
def test_files_in_a_folder_are_found_without_asking_a_mirror(web, tmp_path, files, folder):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (tmp_path / folder / name).write_bytes(content)

    data = load_idx_set(tiny(web.url("/good/")), "all", tmp_path)

    np.testing.assert_array_equal(data.images[..., 0], PIXELS)
    assert web.requests == []


def test_file_of_another_set_is_skipped(tmp_path):
    (tmp_path / "Tiny/raw").mkdir(parents=True)
    for name in CONTENT:
        (tmp_path / name).write_bytes(idx(PIXELS[1:6]))
        (tmp_path / "Tiny/raw" / name).write_bytes(CONTENT[name])

    data = load_idx_set(tiny(), "", tmp_path)

    np.testing.assert_array_equal(data.images[..., 0], PIXELS[:5])


def test_a_missing_file_is_named_with_its_folders_and_not_downloaded(web, tmp_path):
    message = refusal(load_idx_set, tiny(web.url("/good/")), "", tmp_path)

    assert "There is no 'train-images-idx3-ubyte'" in message
    assert repr(str(tmp_path)) in message
    assert repr(str(tmp_path / "Tiny" / "raw")) in message
    assert "leave --data-dir out" in message
    assert web.requests == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (gzip.compress(idx(PIXELS[1:6])), " of 'train-images-idx3-ubyte', received "),
        (GOOD["train-images-idx3-ubyte.gz"][:-9], "cannot be unpacked"),
        (gzip.compress(bytes(1 << 20), mtime=0), " of 'train-images-idx3-ubyte', received "),
    ],
    ids=["another file", "cut short", "too much"],
)
def test_a_wrong_file_in_a_folder_is_refused_by_its_path(tmp_path, content, problem):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)

    message = refusal(load_idx_set, tiny(), "", tmp_path)

    assert message.startswith(f"{str(path)!r}: ")
    assert problem in message
    assert "Download it again" in message


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gandem.data.idx.MAX_SIZE", 1 << 20)
    (tmp_path / FILES[0]).write_bytes(gzip.compress(bytes(2 << 20), mtime=0))

    assert "more than 1 MiB" in refusal(load_idx_set, tiny(), "", tmp_path)


# IDX files

HEADER = struct.pack(">4B3I", 0, 0, 8, 3, 5, 4, 3)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "received nothing"),
        (b"\x00\x00", "received 0000"),
        (idx(LABELS), "received 00000801"),
        (b"\x00\x00\x0d\x03" + HEADER[4:], "received 00000d03"),
        (b"\x1f\x8b\x08\x03" + HEADER[4:], "received 1f8b0803"),
        (HEADER[:9], "received 9"),
        (HEADER, "expected 76 bytes; received 16"),
        (HEADER + bytes(59), "expected 76 bytes; received 75"),
        (HEADER + bytes(61), "expected 76 bytes; received 77"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, "received 16"),
        (b"\x00\x00\x08\x03" + b"\x80\0\0\0" * 2 + bytes(5), "received 17"),
    ],
)
def test_idx_file_that_contradicts_its_header_is_refused(content, problem):
    with pytest.raises(DataError, match=problem) as caught:
        parse_idx(content, "images", rank=3)
    assert "\n" not in str(caught.value)


def test_fewer_labels_than_images_are_refused(tmp_path):
    short = dict(CONTENT) | {FILES[1]: idx(LABELS[:4])}
    for name, content in short.items():
        (tmp_path / name).write_bytes(content)
    facts = IdxSet(
        name="tiny",
        folder="Tiny",
        mirrors=(),
        sha256=tuple(hashlib.sha256(content).hexdigest() for content in short.values()),
        class_names=(),
        source="",
        license="",
    )
    assert "a whole-number label for each of 5 images" in refusal(load_idx_set, facts, "", tmp_path)


# The embedded digits


def test_digits_have_1000_images_per_class():
    data = digits.load("", None)

    assert data.images.shape == (10000, 28, 28, 1)
    assert np.bincount(data.labels).tolist() == [1000] * 10
    assert data.class_names == tuple("0123456789")
    assert data.license == "CC BY-SA 3.0"
    assert data.images.flags.writeable


def test_the_digits_never_change():
    assert digits.load("", None).digest == (
        "b96323170f9e6004c931d1b5b872e854b19b08bd9ce9372b159e07d575f9e053"
    )


def test_the_digits_are_small():
    assert Path(digits.__file__).with_name("digits.npz").stat().st_size < 2.5e6


def test_the_digits_take_no_argument():
    assert refusal(digits.load, "test", None) == (
        "digits: it takes no argument, received 'test'. Use --data digits."
    )


@needs_the_real_sets
def test_the_digits_are_the_first_thousand_of_each_class_of_mnist():
    ours, whole = digits.load("", None), mnist.load("", SHARED)

    for label in range(10):
        np.testing.assert_array_equal(
            ours.images[ours.labels == label], whole.images[whole.labels == label][:1000]
        )
    np.testing.assert_array_equal(ours.images[:5000], whole.images[:5000])


def test_the_script_that_makes_the_digits_writes_the_same_bytes_twice(tmp_path):
    images, labels, out = (tmp_path / name for name in ("images", "labels.gz", "out.npz"))
    images.write_bytes(idx(PIXELS))
    labels.write_bytes(gzip.compress(idx(LABELS), mtime=0))

    make_digits(images, labels, out)
    first = out.read_bytes()
    make_digits(images, labels, out)

    assert out.read_bytes() == first
    with zipfile.ZipFile(out) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    np.testing.assert_array_equal(npz.load(str(out), None).images[..., 0], PIXELS)


# The real sets


@needs_the_real_sets
@pytest.mark.parametrize(
    ("load", "first", "digest"),
    [
        (mnist.load, 5, "91fd7a25"),
        (fashion_mnist.load, 9, "debaf8fa"),
    ],
    ids=["mnist", "fashion-mnist"],
)
def test_real_sets_have_their_known_digests(load, first, digest):
    train, test = load("", SHARED), load("test", SHARED)

    assert train.images.shape == (60000, 28, 28, 1)
    assert test.images.shape == (10000, 28, 28, 1)
    assert train.labels[0] == first
    assert len(train.class_names) == train.classes == test.classes == 10
    assert train.digest.startswith(digest)
