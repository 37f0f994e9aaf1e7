"""Inception v3 as an extractor: the features of FID and KID, and the classes of the Inception
score, as torch-fidelity computes them.

Its weights, 96 MB, are downloaded once, or taken from a file that is there already.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gandem.core.errors import BackendError, DataError, RunError
from gandem.core.files import cache_folder, fill_file, make_folder
from gandem.core.plugins.isolation import sentence
from gandem.core.plugins.registry import load_backend
from gandem.metrics.evaluation import Features

if TYPE_CHECKING:
    import torch

__all__ = ["SHA256", "URL", "Inception", "load"]

URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
"""The network of 2015-12-05 that FID is defined on, converted from TensorFlow."""
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
LIMIT = 1 << 28  # bytes: the file has 96 MB
PATIENCE = (10, 30)  # seconds to connect, and between two pieces
OUTPUTS = {"2048": 2048, "logits_unbiased": 1008}
"""What torch-fidelity calls pool3, and the logits without their bias; how many there are."""
MEANING = (
    "three channels from 0 to 255, gray repeated; bilinear as TensorFlow 1 to 299×299; "
    "(x - 128) / 128; pool3; softmax of logits_unbiased"
)
"""What is done to images besides the weights: part of the digest."""
BATCH = 50
"""Images that the network sees at once: about a gigabyte of memory."""


def load(argument: str, backend: str) -> Inception:
    """Return the extractor, with the weights of FID, or with those of a file.

    Args:
        argument: a path of weights as torch-fidelity keeps them; empty to download those of FID.
        backend: does not count: the network runs on PyTorch.

    Raises:
        DataError: the weights cannot be had.
    """
    if not argument:
        return Inception(_cached(), SHA256)
    path = Path(os.path.expanduser(argument))
    found = _sha256_of(path)
    if path.name == URL.rpartition("/")[2] and found != SHA256:
        raise DataError(f"{str(path)!r}: its bytes are not those that its name says; {_remedy()}")
    return Inception(path, found)


class Inception:
    """The network: 2048 features of images of any size, and probabilities of 1008 classes.

    Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision",
    arXiv:1512.00567, with the resizing inside that Heusel et al. 2017, arXiv:1706.08500, used for
    FID: bilinear, without smoothing before.

    Args:
        path: of the weights, which are read when the first images come.
        sha256: of that file.
    """

    name, classes = "inception", OUTPUTS["logits_unbiased"]

    def __init__(self, path: Path, sha256: str) -> None:
        self.digest = hashlib.sha256(f"{MEANING}\n{sha256}".encode()).hexdigest()
        self._path, self._sha256 = path, sha256

    def __call__(self, images: np.ndarray) -> Features:
        """Return features (N, 2048) float32 and probabilities (N, 1008) of uint8 images
        (N, H, W, C), where C is 3, or 1 which is repeated.

        Raises:
            DataError: points, or images of other channels; the file holds other weights.
            BackendError: PyTorch or torch-fidelity cannot be imported.
        """
        _check(images)
        network, device = self._alive
        import torch

        features, logits = (np.empty((len(images), size), np.float32) for size in OUTPUTS.values())
        for start in range(0, len(images), BATCH):
            stop = start + BATCH
            batch = _planes(images[start:stop])
            with torch.inference_mode(), _in_full():
                pooled, scored = network(torch.from_numpy(batch).to(device))
            features[start:stop], logits[start:stop] = pooled.cpu().numpy(), scored.cpu().numpy()
        odds = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
        return Features(features, odds / odds.sum(axis=1, keepdims=True))

    @cached_property
    def _alive(self) -> tuple[torch.nn.Module, str]:
        # on a GPU where there is one, for a core sees about four images a second
        devices = load_backend("torch").devices()
        device = next((name for name in devices if name.startswith("cuda")), "cpu")
        return _network(_arrays(self._path, self._sha256), self._path).to(device), device


@contextlib.contextmanager
def _in_full() -> Iterator[None]:
    """Make products of whole factors, also beside a training in TF32: of 11 bits, scores would
    depend on where they were computed.
    """
    import torch

    kinds = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [kind.allow_tf32 for kind in kinds]
    try:
        for kind in kinds:
            kind.allow_tf32 = False
        yield
    finally:
        for kind, allowed in zip(kinds, before, strict=True):
            kind.allow_tf32 = allowed


def _check(images: np.ndarray) -> None:
    if images.dtype == np.uint8 and images.ndim == 4 and 0 not in images.shape[1:]:
        if images.shape[3] in (1, 3):
            return
    what = "images" if images.dtype == np.uint8 else "points"
    got = "×".join(map(str, images.shape[1:]))
    raise DataError(
        f"inception looks at images of one or three channels, received {what} of {got}; choose "
        "another with --extractor, like pixels."
    )


def _planes(images: np.ndarray) -> np.ndarray:
    """Return images (N, H, W, 1 or 3) as a new array (N, 3, H, W)."""
    n, height, width, _ = images.shape
    planes = np.empty((n, 3, height, width), np.uint8)
    planes[:] = images.transpose(0, 3, 1, 2)  # one channel becomes three
    return planes


# --- the network ---------------------------------------------------------------------------------


def _arrays(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    """Return the weights of a file by name; code in it is not run.

    Raises:
        DataError: it is damaged, holds something else, or has changed since it was looked at.
    """
    import torch

    try:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise DataError(f"{str(path)!r}: it has changed meanwhile; try again.")
            file.seek(0)
            found = torch.load(file, map_location="cpu", weights_only=True)
    except DataError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    except Exception as error:  # what is no file of PyTorch raises nearly anything
        raise _no_weights(path, error) from error
    if not isinstance(found, dict) or not all(map(torch.is_tensor, found.values())):
        raise _no_weights(path, TypeError())
    return {str(name): tensor for name, tensor in found.items()}


def _network(arrays: dict[str, torch.Tensor], path: Path) -> Any:
    """Return torch-fidelity's network with these weights.

    Raises:
        BackendError: torch-fidelity cannot be imported.
        DataError: they are another network's.
    """
    import torch

    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except (ImportError, OSError, RuntimeError) as error:  # a torchvision of another PyTorch
        raise BackendError(f"torch-fidelity cannot be imported: {sentence(error)}") from error

    # It unpickles whatever it is given, so it is given what we pickle: tensors by name.
    pickled = io.BytesIO()
    torch.save(arrays, pickled)
    pickled.seek(0)
    try:
        with torch.random.fork_rng(devices=[]):  # it draws weights before it reads some
            return FeatureExtractorInceptionV3("inception", list(OUTPUTS), pickled)
    except RuntimeError as error:
        raise _no_weights(path, error) from error


# --- the file ------------------------------------------------------------------------------------


def _cached() -> Path:
    """Return the path of the weights in the cache, which a download fills.

    Raises:
        DataError: they cannot be downloaded, or the cache cannot be used.
    """
    folder = cache_folder() / "inception"
    path = folder / URL.rpartition("/")[2]
    if os.path.isfile(path) and _sha256_of(path) == SHA256:
        return path
    try:
        make_folder(folder)
        fill_file(path, _download)
    except RunError as error:
        raise DataError(f"{error} Set GANDEM_CACHE to another folder.") from error
    return path


def _download(path: Path) -> None:
    """Fill a file with the weights; it is not the right one until this has returned.

    Raises:
        DataError: the server cannot be reached, or sends something else.
        OSError: the disk is full.
    """
    from pooch import HTTPDownloader

    bar = sys.stderr.isatty()
    download = HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=PATIENCE)
    with path.open("wb") as file:
        try:
            download(URL, file, None)
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            response = getattr(error, "response", None)
            why = type(error).__name__ if response is None else f"HTTP {response.status_code}"
            if response is not None:
                response.close()  # pooch leaves it open
            raise DataError(f"Cannot download Inception's weights ({why}); {_remedy()}") from error
    if _sha256_of(path) != SHA256:
        raise DataError(f"Cannot download Inception's weights (wrong bytes); {_remedy()}")


def _sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        DataError: there is no such file, it cannot be read, or is far too long.
    """
    if not os.path.isfile(path):
        raise DataError(f"There is no file {str(path)!r}; {_remedy()}")
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > LIMIT:
                raise _no_weights(path, ValueError())
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{str(path)!r}: cannot be read ({error.strerror}); {_remedy()}")


def _no_weights(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{str(path)!r}: it does not hold the weights of Inception v3 as torch-fidelity keeps them "
        f"({type(error).__name__}); {_remedy()}"
    )


def _remedy() -> str:
    return (
        f"fetch {URL} and pass --extractor inception:PATH, or choose --extractor lenet5 or pixels."
    )
