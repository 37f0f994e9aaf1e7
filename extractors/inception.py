"""Inception v3 as an extractor, as in torch-fidelity: for FID, KID and the Inception score.

Its weights (96 MB) are downloaded once, or read from a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gandem.core.data.features import Features
from gandem.core.errors import BackendError, DataError
from gandem.core.plugins.isolation import format_error
from gandem.core.training import load_backend
from gandem.download import download

if TYPE_CHECKING:
    import torch

URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
"""The network of 2015-12-05 that FID is defined on, converted from TensorFlow."""
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
MAX_SIZE = 1 << 28  # bytes; the file has 96 MB
REMEDY = (
    f"Download {URL} by hand and pass --extractor inception:PATH, or choose --extractor lenet5 or "
    "pixels."
)
OUTPUTS = {"2048": 2048, "logits_unbiased": 1008}
"""The outputs of torch-fidelity with their sizes: pool3, and the logits without bias."""
MEANING = (
    "three channels from 0 to 255, gray repeated; bilinear as TensorFlow 1 to 299×299; "
    "(x - 128) / 128; pool3; softmax of logits_unbiased"
)
"""The preprocessing and outputs, as a part of the digest."""
BATCH = 50
"""Images per batch: about 1 GB of memory."""


def load(argument: str, backend: str) -> Inception:
    """Return the extractor with the weights of FID, or of a file.

    Args:
        argument: a path of weights in the format of torch-fidelity; empty to download those of FID.
        backend: ignored; the network runs on PyTorch.

    Raises:
        DataError: the weights are not available.
    """
    name = URL.rpartition("/")[2]
    if not argument:
        path = download(name, SHA256, [URL], "inception", max_size=MAX_SIZE, remedy=REMEDY)
        return Inception(path, SHA256)
    path = Path(os.path.expanduser(argument))
    sha256 = _sha256_of(path)
    if path.name == name and sha256 != SHA256:
        raise DataError(
            f"{str(path)!r}: expected SHA-256 {SHA256} of a file of this name, received {sha256}. "
            f"{REMEDY}"
        )
    return Inception(path, sha256)


class Inception:
    """The network: 2048 features of images of any size, and probabilities of 1008 classes.

    Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision",
    arXiv:1512.00567, with the resizing inside that Heusel et al. 2017, arXiv:1706.08500, used for
    FID: bilinear, without smoothing before.

    Args:
        path: the file of weights, read on the first call.
        sha256: the hash of that file.
    """

    name, classes = "inception", OUTPUTS["logits_unbiased"]

    def __init__(self, path: Path, sha256: str) -> None:
        self.digest = hashlib.sha256(f"{MEANING}\n{sha256}".encode()).hexdigest()
        self._path, self._sha256 = path, sha256

    def __call__(self, images: np.ndarray) -> Features:
        """Return features (N, 2048) float32 and probabilities (N, 1008) of uint8 images
        (N, H, W, C), where C is 3, or 1 (repeated).

        Raises:
            DataError: points, other channels, or invalid weights.
            BackendError: PyTorch or torch-fidelity cannot be imported.
        """
        _check(images)
        network, device = self._loaded
        import torch

        features, logits = (np.empty((len(images), size), np.float32) for size in OUTPUTS.values())
        for start in range(0, len(images), BATCH):
            stop = start + BATCH
            batch = _planes(images[start:stop])
            with torch.inference_mode(), _full_precision():
                pooled, scored = network(torch.from_numpy(batch).to(device))
            features[start:stop], logits[start:stop] = pooled.cpu().numpy(), scored.cpu().numpy()
        odds = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
        return Features(features, odds / odds.sum(axis=1, keepdims=True))

    @cached_property
    def _loaded(self) -> tuple[torch.nn.Module, str]:
        # prefers a GPU: one core computes about four images per second
        devices = load_backend("torch").devices()
        device = next((name for name in devices if name.startswith("cuda")), "cpu")
        return _network(_arrays(self._path, self._sha256), self._path).to(device), device


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """Disable TF32, so that scores do not depend on the device."""
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
    received = "×".join(map(str, images.shape[1:]))
    raise DataError(
        f"inception expects images of one or three channels, received {what} of {received}; choose "
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
    """Return the weights of a file by name, without running code in it.

    Raises:
        DataError: it is damaged, has other contents, or has changed since it was hashed.
    """
    import torch

    try:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise DataError(f"{str(path)!r}: it has changed meanwhile; try again.")
            file.seek(0)
            weights = torch.load(file, map_location="cpu", weights_only=True)
    except DataError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    except Exception as error:  # invalid files raise many types of errors
        raise _not_weights(path, error) from error
    if not isinstance(weights, dict) or not all(map(torch.is_tensor, weights.values())):
        raise _not_weights(path, TypeError())
    return {str(name): tensor for name, tensor in weights.items()}


def _network(arrays: dict[str, torch.Tensor], path: Path) -> Any:
    """Return torch-fidelity's network with these weights.

    Raises:
        BackendError: torch-fidelity cannot be imported.
        DataError: they belong to another network.
    """
    import torch

    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except (ImportError, OSError, RuntimeError) as error:  # a torchvision of another PyTorch
        raise BackendError(f"torch-fidelity cannot be imported: {format_error(error)}") from error

    # It unpickles its input without checks, so it gets a pickle made here from tensors.
    pickled = io.BytesIO()
    torch.save(arrays, pickled)
    pickled.seek(0)
    try:
        with torch.random.fork_rng(devices=[]):  # it initializes random weights first
            return FeatureExtractorInceptionV3("inception", list(OUTPUTS), pickled)
    except RuntimeError as error:
        raise _not_weights(path, error) from error


# --- the file ------------------------------------------------------------------------------------


def _sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        DataError: the file does not exist, cannot be read, or is too large.
    """
    if not os.path.isfile(path):
        raise DataError(f"There is no file {str(path)!r}. {REMEDY}")
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_SIZE:
                raise _not_weights(path, ValueError())
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{str(path)!r}: cannot be read ({error.strerror}). {REMEDY}")


def _not_weights(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{str(path)!r}: expected the weights of Inception v3 in the format of torch-fidelity, "
        f"received something else ({type(error).__name__}). {REMEDY}"
    )
