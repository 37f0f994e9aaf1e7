"""Downloads into the cache, verified by their SHA-256."""

from __future__ import annotations

import errno
import gzip
import logging
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gandem.core.errors import DataError
from gandem.core.files import cache_folder
from gandem.terminal.progress import ProgressBars

__all__ = ["download", "read_unpacked"]

TIMEOUTS = (10, 30)
"""Seconds to connect, and between two packets."""
CHUNK_SIZE = 1 << 15
"""Bytes read at a time."""
MIN_RATE = 10_000
"""Bytes per second; a slower download is stopped."""
RATE_PERIOD = 30.0
"""Seconds over which the rate is measured."""
POLL_INTERVAL = 0.2
"""Seconds between two progress reports."""
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _DownloadError(Exception):
    """One URL has failed; the message is the reason."""


def download(
    name: str,
    sha256: str,
    urls: Sequence[str],
    folder: str,
    *,
    max_size: int,
    remedy: str,
    unpack: bool = False,
) -> Path:
    """Return the path of a file in the cache, downloaded if it is missing or damaged.

    Args:
        name: its name in the cache.
        sha256: its hash; ``"md5:…"`` of a file whose publisher gives no other.
        urls: where to find it, in order of preference.
        folder: its folder in the cache.
        max_size: the largest permitted size in bytes.
        remedy: the end of the error message, what else the user can do.
        unpack: store the unpacked contents of a gzipped download.

    Raises:
        DataError: no URL has a valid file, or the cache cannot be used.
    """
    import pooch

    def fetch(url: str, path: str, _: object) -> None:
        with open(path, "w+b") as file:
            _receive(url, file, name, max_size)
            if unpack:
                content = _unpack(file, max_size)
                file.seek(0)
                file.truncate()
                file.write(content)

    cache, failures = cache_folder() / folder, []
    for url in urls:
        try:
            with _quiet(pooch.get_logger()):
                # pooch renames the file into place only once its hash is right
                path = pooch.retrieve(url, sha256, fname=name, path=cache, downloader=fetch)
            return Path(path)
        except _DownloadError as error:
            failures.append(f"{url} ({error})")
        except ValueError:  # pooch on a wrong hash
            failures.append(f"{url} (wrong bytes)")
        except OSError as error:
            raise DataError(
                f"The cache {str(cache)!r} cannot be used ({error.strerror or error}). "
                f"Set GANDEM_CACHE to another folder."
            ) from error
    raise DataError(f"Cannot download {name!r}; tried {', '.join(failures)}. {remedy}")


def read_unpacked(file: IO[bytes], name: str, max_size: int) -> bytes:
    """Return the contents of a file that may be gzipped.

    Raises:
        DataError: it is damaged, or unpacks to more than ``max_size`` bytes.
    """
    try:
        return _unpack(file, max_size)
    except _DownloadError as error:
        raise DataError(f"{name}: cannot be unpacked ({error}). Download it again.") from error


def _unpack(file: IO[bytes], max_size: int) -> bytes:
    file.seek(0)
    is_packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    try:
        content = (gzip.GzipFile(fileobj=file) if is_packed else file).read(max_size + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _DownloadError(f"damaged: {error}") from error
    if len(content) > max_size:
        raise _DownloadError(f"more than {max_size >> 20} MiB")
    return content


def _receive(url: str, file: IO[bytes], name: str, max_size: int) -> None:
    """Write what a URL sends to a file.

    The transfer has its own thread, because a server that sends a byte now and then would keep
    `requests` reading forever.

    Raises:
        _DownloadError: the server cannot be reached, fails, is too slow, or sends too much.
        OSError: the disk is full.
    """
    transfer = _Transfer(url, file, max_size)
    transfer.start()
    checked, size_then, is_running = time.monotonic(), 0, True
    try:
        with ProgressBars(unit="kB") as bars:
            while is_running:
                transfer.join(POLL_INTERVAL)
                is_running, size, now = transfer.is_alive(), transfer.size, time.monotonic()
                if size:
                    bars.show(f"download {name}", size // 1000, max(size, transfer.total) // 1000)
                if is_running and now - checked >= RATE_PERIOD:
                    if size - size_then < MIN_RATE * (now - checked):
                        raise _DownloadError(f"slower than {MIN_RATE // 1000} kB/s")
                    checked, size_then = now, size
    finally:
        transfer.is_stopped = True
        transfer.join(POLL_INTERVAL)  # a slow server may keep it alive for longer
    if transfer.error is not None:
        raise transfer.error


class _Transfer(threading.Thread):
    """A download; also the file that pooch writes to, and its progress bar."""

    def __init__(self, url: str, file: IO[bytes], max_size: int) -> None:
        super().__init__(name="gandem-download", daemon=True)
        self.url, self.file, self.max_size = url, file, max_size
        self.size, self.total, self.is_stopped = 0, 0, False
        self.error: Exception | None = None

    def run(self) -> None:
        from pooch import HTTPDownloader

        responses: list[Any] = []  # pooch leaves them open after an error
        hooks = {"response": lambda response, **_: responses.append(response)}
        try:
            HTTPDownloader(progressbar=self, chunk_size=CHUNK_SIZE, timeout=TIMEOUTS, hooks=hooks)(
                self.url, self, None
            )
        except _DownloadError as error:
            self.error = error
        except Exception as error:  # requests' errors are OSErrors and ValueErrors
            response = getattr(error, "response", None)
            reason = type(error).__name__ if response is None else f"HTTP {response.status_code}"
            is_disk_error = getattr(error, "errno", None) in DISK_ERRORS
            self.error = error if is_disk_error else _DownloadError(reason)
        finally:
            for response in responses:
                response.close()

    def write(self, data: bytes) -> None:
        if self.is_stopped:
            raise _DownloadError("stopped")
        if self.size + len(data) > self.max_size:
            raise _DownloadError(f"more than {self.max_size >> 20} MiB")
        self.file.write(data)
        self.size += len(data)

    def flush(self) -> None:
        self.file.flush()

    def update(self, count: int) -> None:
        """Do nothing: `write` has counted the bytes."""

    reset = close = flush


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
