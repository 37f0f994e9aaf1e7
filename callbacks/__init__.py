"""Callbacks of trainings, one per file; ``registry.toml`` lists those that are always on.

This module is also the plugin ``tensorboard``, which ``GANDEM_PLUGINS`` can switch off.
"""

from gandem.core.plugins.entry import Entry
from gandem.core.plugins.hookspecs import hookimpl

__all__ = ["gandem_callbacks"]


@hookimpl
def gandem_callbacks() -> list[Entry]:
    """Return the one callback."""
    return [
        Entry(
            id="tensorboard/events",
            target="gandem.callbacks.tensorboard:TensorBoard",
            title="losses, scores and samples in RUN/tensorboard/",
            requires=("tensorboard",),
            install="pip install 'gandem[tensorboard]'",
        )
    ]
