"""Files of data sets from a folder or from a mirror, verified by a SHA-256.

The hash is that of the unpacked bytes, so the compression does not matter.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import logging
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from gandem.core.errors import DataError
from gandem.core.files import cache_folder

__all__ = ["fetch", "find", "keep", "unpack"]

MAX_UNPACKED_SIZE = 64 << 20  # bytes; the largest file has 47 MB
MAX_DOWNLOAD_SIZE = 1 << 30  # bytes of a file that stays compressed on disk
TIMEOUTS = (10, 30)  # seconds to connect, and between two chunks


def unpack(file: IO[bytes], what: str) -> bytes:
    """Return the bytes of a file that may be gzipped.

    Raises:
        DataError: the gzip is damaged, or unpacks to more than ``MAX_UNPACKED_SIZE`` bytes.
    """
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    try:
        content = (gzip.GzipFile(fileobj=file) if packed else file).read(MAX_UNPACKED_SIZE + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{what}: cannot be unpacked ({error}). Fetch it again.") from error
    if len(content) > MAX_UNPACKED_SIZE:
        raise DataError(
            f"{what}: it holds more than {MAX_UNPACKED_SIZE >> 20} MiB, so it is another file."
        )
    return content


def find(name: str, sha256: str, folders: Sequence[Path]) -> bytes:
    """Return the unpacked bytes of ``name`` or ``name.gz`` from the first folder with a valid file.

    Raises:
        DataError: no folder has the file, or it is damaged or another file.
    """
    wrong = ""
    for path in (folder / file for folder in folders for file in (name, f"{name}.gz")):
        try:
            if not path.is_file():
                continue
            with path.open("rb") as file:
                content = unpack(file, repr(str(path)))
        except DataError as error:
            wrong = wrong or str(error)
        except OSError as error:
            wrong = wrong or f"{str(path)!r}: cannot be read ({error.strerror})."
        else:
            if hashlib.sha256(content).hexdigest() == sha256:
                return content
            wrong = wrong or f"{str(path)!r}: its bytes are not those of {name!r}. Fetch it again."
    places = " or ".join(repr(str(folder)) for folder in folders)
    raise DataError(
        wrong
        or f"There is no {name!r} (or '{name}.gz') in {places}. "
        f"Put it there, or leave --data-dir out to download it."
    )


def fetch(name: str, sha256: str, mirrors: Sequence[str], folder: str) -> bytes:
    """Return the bytes of ``name`` from the cache; if missing, download ``name.gz`` from a mirror.

    Args:
        folder: the folder in the cache, ``GANDEM_CACHE`` or the cache folder of the system.

    Raises:
        DataError: no mirror has a valid file, or the cache cannot be used.
    """
    import pooch

    cache = cache_folder() / folder
    tried = []
    for mirror in mirrors:
        try:
            with _quiet(pooch.get_logger()):
                # pooch renames the file into place only once its hash is right
                path = pooch.retrieve(
                    f"{mirror}{name}.gz", sha256, fname=name, path=cache, downloader=_download
                )
            return Path(path).read_bytes()
        except DataError as error:
            tried.append(f"{mirror} ({error})")
        except ValueError:  # pooch on a wrong hash
            tried.append(f"{mirror} (wrong bytes)")
        except OSError as error:
            raise DataError(
                f"The cache {str(cache)!r} cannot be used ({type(error).__name__}). "
                f"Set GANDEM_CACHE to another folder."
            ) from error
    raise DataError(
        f"Cannot download {name!r}; tried {', '.join(tried)}. Fetch the files by hand and pass "
        f"--data-dir DIR, or use --data digits, which needs no network."
    )


def keep(name: str, sha256: str, mirrors: Sequence[str], folder: str) -> Path:
    """Return the path of a file in the cache, downloaded if missing; it stays compressed.

    Args:
        folder: the folder in the cache.

    Raises:
        DataError: no mirror has a valid file, or the cache cannot be used.
    """
    import pooch

    cache, tried = cache_folder() / folder, []
    for mirror in mirrors:
        try:
            with _quiet(pooch.get_logger()):
                path = pooch.retrieve(
                    f"{mirror}{name}", sha256, fname=name, path=cache, downloader=_download_as_is
                )
            return Path(path)
        except DataError as error:
            tried.append(f"{mirror} ({error})")
        except ValueError:  # pooch on a wrong hash
            tried.append(f"{mirror} (wrong bytes)")
        except OSError as error:
            raise DataError(
                f"The cache {str(cache)!r} cannot be used ({type(error).__name__}). "
                f"Set GANDEM_CACHE to another folder."
            ) from error
    raise DataError(
        f"Cannot download {name!r}; tried {', '.join(tried)}. Fetch the file by hand and pass "
        f"--data-dir DIR, or use --data digits, which needs no network."
    )


def _download_as_is(url: str, output_file: str, _pooch: object) -> None:
    """Download a file without unpacking it, up to ``MAX_DOWNLOAD_SIZE`` bytes."""
    from pooch import HTTPDownloader

    with open(output_file, "wb") as raw, closing(_Bar(url.rpartition("/")[2])) as bar:
        shown = bar if sys.stderr.isatty() else False
        download = HTTPDownloader(progressbar=shown, chunk_size=1 << 16, timeout=TIMEOUTS)
        try:
            download(url, _Capped(raw), None)
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            status = getattr(getattr(error, "response", None), "status_code", None)
            reason = type(error).__name__ if status is None else f"HTTP {status}"
            raise DataError(reason) from error


class _Capped:
    """A file that cannot grow past ``MAX_DOWNLOAD_SIZE``."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, piece: bytes) -> int:
        if self._file.tell() + len(piece) > MAX_DOWNLOAD_SIZE:
            raise ValueError("too long")
        return self._file.write(piece)

    def flush(self) -> None:
        self._file.flush()


def _download(url: str, output_file: str, _pooch: object) -> None:
    """Download and unpack a file; raise DataError if the mirror fails."""
    from pooch import HTTPDownloader

    with _Bounded() as packed, closing(_Bar(url.rpartition("/")[2])) as bar:
        shown = bar if sys.stderr.isatty() else False
        download = HTTPDownloader(progressbar=shown, chunk_size=1 << 16, timeout=TIMEOUTS)
        try:
            download(url, packed, None)
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; memory has none
            status = getattr(getattr(error, "response", None), "status_code", None)
            reason = type(error).__name__ if status is None else f"HTTP {status}"
            raise DataError(reason) from error
        packed.seek(0)
        try:
            content = unpack(packed, url)
        except DataError as error:
            raise DataError("wrong bytes") from error
    Path(output_file).write_bytes(content)


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Bounded(io.BytesIO):
    """A buffer that cannot grow past ``MAX_UNPACKED_SIZE``."""

    def write(self, piece: bytes) -> int:  # type: ignore[override]
        if self.tell() + len(piece) > MAX_UNPACKED_SIZE:
            raise ValueError("too long")
        return super().write(piece)


class _Bar:
    """A progress line of a download; pooch sets ``total`` and calls the methods."""

    def __init__(self, name: str) -> None:
        self.name, self.total, self.done, self.begun = name, 0, 0, time.monotonic()

    def update(self, count: int) -> None:
        self.done += count
        rate = self.done / max(time.monotonic() - self.begun, 1e-3)  # bytes a second
        left = max(self.total - self.done, 0) / max(rate, 1.0)
        sys.stderr.write(
            f"\r{self.name}: {self.done / 1e6:.1f} of {self.total / 1e6:.1f} MB, "
            f"{rate / 1e6:.1f} MB/s, {left:.0f} s left\x1b[K"
        )

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        if self.done:
            sys.stderr.write("\r\x1b[K")
            self.done = 0
