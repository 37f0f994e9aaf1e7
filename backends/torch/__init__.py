"""The PyTorch backend. Importing this package does not import PyTorch; :func:`load` does."""

from gandem.core.training import Backend

__all__ = ["load"]


def load() -> Backend:
    """Return the PyTorch backend."""
    from gandem.backends.torch.backend import TorchBackend

    return TorchBackend()
