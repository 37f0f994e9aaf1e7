"""CIFAR-10: reading the binary archive, and refusing other files."""

from __future__ import annotations

import hashlib
import io
import tarfile

import numpy as np
import pytest
from support.web import Web

from gandem.core.errors import DataError
from gandem.data import cifar10

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 32, 32, 3), np.uint8)
LABELS = np.random.default_rng(1).integers(0, 10, (6, 4))
NAMES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]


def records(pixels, labels) -> bytes:
    planes = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
    return np.concatenate([labels[:, None].astype(np.uint8), planes], 1).tobytes()


CONTENT = dict(zip(NAMES, map(records, PIXELS, LABELS), strict=True))


@pytest.fixture
def pack(tmp_path, monkeypatch):
    """Return a function that writes an archive of batches and makes its hash the expected one."""

    def write(batches):
        path = tmp_path / "cifar-10-binary.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name, content in batches.items():
                member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        monkeypatch.setattr(cifar10, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
        return path

    return write


@pytest.mark.parametrize(
    ("part", "kept"), [("", slice(5)), ("test", slice(5, 6)), ("all", slice(6))]
)
def test_part_is_read_from_a_folder(pack, tmp_path, part, kept):
    pack(CONTENT)

    data = cifar10.load(part, tmp_path)

    np.testing.assert_array_equal(data.images, PIXELS[kept].reshape(-1, 32, 32, 3))
    np.testing.assert_array_equal(data.labels, LABELS[kept].ravel())
    assert data.class_names[1] == "automobile"


def test_archive_is_downloaded(pack, tmp_path, monkeypatch):
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Web() as web:
        web.files["/archive"] = pack(CONTENT).read_bytes()
        monkeypatch.setattr(cifar10, "URLS", (web.url("/archive"),))

        data = cifar10.load("test", None)

    np.testing.assert_array_equal(data.images, PIXELS[5])


def test_archive_with_other_bytes_is_refused(pack, tmp_path, monkeypatch):
    pack(CONTENT)
    monkeypatch.setattr(cifar10, "SHA256", "0" * 64)

    with pytest.raises(DataError, match="expected SHA-256 0000"):
        cifar10.load("", tmp_path)


def test_missing_archive_is_named(tmp_path):
    with pytest.raises(DataError, match=r"There is no 'cifar-10-binary\.tar\.gz' in"):
        cifar10.load("", tmp_path)


def test_unknown_part_suggests_the_nearest(tmp_path):
    with pytest.raises(DataError, match="Did you mean 'test'"):
        cifar10.load("tset", tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "does not contain 'data_batch_2.bin'"),
        (b"", "expected records of 3073 bytes, received 0 bytes"),
        (CONTENT[NAMES[0]][:-1], "expected records of 3073 bytes, received 12291 bytes"),
        (records(PIXELS[0], LABELS[0] + 10), "expected labels from 0 to 9"),
    ],
)
def test_batch_that_is_not_of_cifar10_is_refused(pack, tmp_path, content, problem):
    batches = {name: data for name, data in CONTENT.items() if name != NAMES[1]}
    pack(batches if content is None else batches | {NAMES[1]: content})

    with pytest.raises(DataError, match=problem):
        cifar10.load("", tmp_path)


def test_file_that_is_no_archive_is_refused(pack, tmp_path, monkeypatch):
    pack(CONTENT).write_bytes(b"x")
    monkeypatch.setattr(cifar10, "SHA256", hashlib.sha256(b"x").hexdigest())

    with pytest.raises(DataError, match="cannot be unpacked"):
        cifar10.load("", tmp_path)
