"""The Keras backend: Keras 3 on TensorFlow. Importing this folder imports nothing heavy;
:func:`load` does.
"""

from gandem.core.training import Backend

__all__ = ["load"]


def load() -> Backend:
    """Return the Keras backend."""
    from gandem.backends.keras.start import start

    start()
    from gandem.backends.keras.backend import KerasBackend

    return KerasBackend()
