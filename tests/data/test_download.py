"""Downloads: mirrors, hashes, limits on size and time, progress, and the cache."""

from __future__ import annotations

import errno
import gzip
import hashlib
import random
import subprocess
import sys
import time

import pytest
from support.web import Web

from gandem import download as downloads
from gandem.core.errors import DataError
from gandem.download import download

CONTENT = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NO_SERVER = "http://127.0.0.1:9/"
"""The discard port, on which nothing listens."""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def web(cache):
    with Web() as web:
        web.files["/good"] = CONTENT
        yield web


def fetch(*urls: str, **options):
    options = {"max_size": 1 << 20, "remedy": "Do this."} | options
    return download("file", SHA256, urls, "folder", **options)


def fail(*urls: str, **options) -> str:
    with pytest.raises(DataError) as caught:
        fetch(*urls, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_file_is_downloaded_once(web, cache):
    first, second = fetch(web.url("/good")), fetch(web.url("/good"))

    assert first == second == cache / "folder" / "file"
    assert first.read_bytes() == CONTENT
    assert web.requests == ["/good"]


def test_gzipped_file_is_stored_unpacked(web):
    web.files["/packed"] = gzip.compress(CONTENT)

    assert fetch(web.url("/packed"), unpack=True).read_bytes() == CONTENT


def test_file_that_the_server_has_unpacked_is_accepted(web):
    assert fetch(web.url("/good"), unpack=True).read_bytes() == CONTENT


def test_damaged_file_in_the_cache_is_downloaded_again(web):
    fetch(web.url("/good")).write_bytes(CONTENT[:-1])

    assert fetch(web.url("/good")).read_bytes() == CONTENT


def half(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT[: len(CONTENT) // 2])


def redirect_forever(handler):
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


BAD = {
    "404": (404, "HTTP 404"),
    "500": (500, "HTTP 500"),
    "web page": (b"<html>Sign in to the hotel's network</html>", "wrong bytes"),
    "nothing": (b"", "wrong bytes"),
    "half a file": (half, "ChunkedEncodingError"),
    "too large": (bytes(1 << 20) + b"x", "more than 1 MiB"),
    "redirects": (redirect_forever, "HTTP 302"),
}


@pytest.mark.parametrize("case", BAD)
def test_url_that_fails_is_named_and_the_next_is_used(web, cache, case):
    web.files["/bad"], reason = BAD[case]

    message = fail(web.url("/bad"))

    assert f"Cannot download 'file'; tried {web.url('/bad')} ({reason}" in message
    assert message.endswith("). Do this.")
    assert files_in(cache) == []
    assert fetch(web.url("/bad"), web.url("/good")).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(CONTENT)[:-9], "damaged: "),
        (b"\x1f\x8b but no gzip", "damaged: "),
        (gzip.compress(bytes(2 << 20)), "more than 1 MiB"),
        (gzip.compress(CONTENT[:-1]), "wrong bytes"),
    ],
    ids=["half", "no gzip", "bomb", "another file"],
)
def test_gzip_that_cannot_be_used_is_named(web, cache, content, reason):
    web.files["/bad"] = content

    assert f"({reason}" in fail(web.url("/bad"), unpack=True)
    assert files_in(cache) == []


def test_no_network_is_named(cache):
    assert f"{NO_SERVER} (ConnectionError)" in fail(NO_SERVER)
    assert files_in(cache) == []


def drip_body(handler):
    handler.send_response(200)
    handler.end_headers()
    drip(handler, b"x")


def drip_header(handler):
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
    drip(handler, b"y")


def drip(handler, byte):
    while not handler.server.closing.wait(0.02):
        try:
            handler.wfile.write(byte)
            handler.wfile.flush()
        except OSError:
            return


@pytest.mark.parametrize("slow", [drip_body, drip_header], ids=["body", "header"])
def test_server_that_sends_a_byte_now_and_then_is_given_up(web, cache, monkeypatch, slow):
    monkeypatch.setattr(downloads, "RATE_PERIOD", 0.3)
    web.server.closing = web.closing
    web.files["/slow"] = slow
    start = time.monotonic()

    message = fail(web.url("/slow"))

    assert time.monotonic() - start < 5
    assert "(slower than 10 kB/s)" in message
    assert files_in(cache) == []


def test_a_slow_server_above_the_lowest_rate_is_accepted(web, monkeypatch):
    monkeypatch.setattr(downloads, "RATE_PERIOD", 0.2)
    monkeypatch.setattr(downloads, "CHUNK_SIZE", 1 << 12)

    def send(handler):
        handler.send_response(200)
        handler.end_headers()
        for start in range(0, len(CONTENT), 20_000):
            handler.wfile.write(CONTENT[start : start + 20_000])
            handler.wfile.flush()
            time.sleep(0.05)

    web.files["/slow"] = send

    assert fetch(web.url("/slow")).read_bytes() == CONTENT


def test_full_disk_is_named(web, cache, monkeypatch):
    def write(transfer, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloads._Transfer, "write", write)

    message = fail(web.url("/good"))

    assert f"The cache {str(cache / 'folder')!r} cannot be used (No space left" in message
    assert "Set GANDEM_CACHE to another folder." in message
    assert files_in(cache) == []


def test_cache_that_is_a_file_is_named(web, cache):
    cache.write_bytes(b"")

    assert f"The cache {str(cache / 'folder')!r} cannot be used" in fail(web.url("/good"))
    assert web.requests == []


def test_interrupted_download_leaves_no_file(web, cache, monkeypatch):
    def interrupt(bars, *_):
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads.ProgressBars, "show", interrupt)

    with pytest.raises(KeyboardInterrupt):
        fetch(web.url("/good"))

    assert files_in(cache) == []


def test_progress_counts_the_bytes(web, monkeypatch):
    shown = []
    monkeypatch.setattr(downloads.ProgressBars, "show", lambda bars, *what: shown.append(what))

    fetch(web.url("/good"))

    assert shown[-1] == ("download file", 300, 300)


def test_quick_download_prints_nothing(web, capfd):
    fetch(web.url("/bad"), web.url("/good"))

    assert capfd.readouterr() == ("", "")


def test_pooch_is_imported_only_for_a_download():
    code = (
        "import sys, gandem.data.mnist, gandem.data.digits, gandem.data.npz;"
        "sys.exit('pooch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
