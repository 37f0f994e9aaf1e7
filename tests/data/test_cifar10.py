"""CIFAR-10: reading the archive, downloading it, and refusing hostile pickles."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from gandem.core.errors import DataError
from gandem.data.cifar10 import Archive, load_archive, parse_batch

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 32, 32, 3), np.uint8)
LABELS = np.random.default_rng(1).integers(0, 10, (6, 4))


def text(value: bytes) -> bytes:
    return b"U" + bytes([len(value)]) + value


def batch(pixels, labels) -> bytes:
    """Return what Python 2 pickles of a batch, opcode by opcode."""
    raw = pixels.transpose(0, 3, 1, 2).tobytes()
    shape = b"K" + bytes([len(labels)]) + b"M\x00\x0c\x86"
    kind = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
    kind += b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b")
    array += b"\x87R(K\x01" + shape + kind + b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"
    listed = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    head = text(b"batch_label") + text(b"one of them") + text(b"labels") + listed
    tail = text(b"data") + array + text(b"filenames") + b"](" + text(b"a.png") + b"e"
    return b"\x80\x02}(" + head + tail + b"u."


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "cifar-10-python.tar.gz"
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    with tarfile.open(path, "w:gz") as file:
        for name, pixels, labels in zip(names, PIXELS, LABELS, strict=True):
            content = batch(pixels, labels)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return Archive(sha256=hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize(
    ("part", "kept"), [("", slice(5)), ("test", slice(5, 6)), ("all", slice(6))]
)
def test_a_part_is_read_from_a_folder(archive, tmp_path, part, kept):
    data = load_archive(archive, part, tmp_path)

    np.testing.assert_array_equal(data.images, PIXELS[kept].reshape(-1, 32, 32, 3))
    np.testing.assert_array_equal(data.labels, LABELS[kept].ravel())
    assert data.class_names[1] == "automobile"


@pytest.fixture
def mirror(archive, tmp_path, monkeypatch):
    """Serve the archive, and what else lies beside it, on this machine."""
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_download_is_kept_and_asked_for_once(archive, mirror, tmp_path):
    facts = replace(archive, mirrors=(f"{mirror}gone/", mirror))
    first = load_archive(facts, "test", None)
    (tmp_path / archive.name).unlink()

    assert load_archive(facts, "test", None).digest == first.digest


def test_a_download_of_other_bytes_is_refused_and_not_kept(mirror, tmp_path):
    with pytest.raises(DataError, match=r"Cannot download .* \(wrong bytes\)"):
        load_archive(Archive(mirrors=(mirror,)), "", None)

    assert list((tmp_path / "cache").rglob("*.gz")) == []


def test_other_bytes_are_refused(tmp_path, archive):
    with pytest.raises(DataError, match="its bytes are not those of"):
        load_archive(Archive(), "", tmp_path)


def test_an_archive_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"There is no 'cifar-10-python\.tar\.gz' in"):
        load_archive(Archive(), "", tmp_path)


def test_an_unknown_part_suggests_the_nearest(tmp_path):
    with pytest.raises(DataError, match="Did you mean 'test'"):
        load_archive(Archive(), "tset", tmp_path)


def test_a_pickle_that_would_run_a_command_runs_nothing(tmp_path):
    trap = tmp_path / "trap"
    hostile = b"cos\nsystem\n(" + text(f"touch {trap}".encode()) + b"tR."

    with pytest.raises(DataError, match="expected 3072 bytes for each label"):
        parse_batch(hostile, "data_batch_1")

    assert not trap.exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", batch(PIXELS[0], LABELS[0])[:-900]])
def test_what_is_no_batch_is_refused(content):
    with pytest.raises(DataError, match="data_batch_1: "):
        parse_batch(content, "data_batch_1")
