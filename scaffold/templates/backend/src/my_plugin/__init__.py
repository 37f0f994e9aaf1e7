"""A backend for gandem.  Importing this imports nothing heavy; :func:`load` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gandem import Entry, hookimpl

if TYPE_CHECKING:
    from gandem.core.training import Backend

__all__ = ["gandem_backends", "load"]


@hookimpl
def gandem_backends() -> list[Entry]:
    """Add one row to gandem's table of backends."""
    return [
        Entry(
            id="my-plugin/example",
            target="my_plugin:load",
            title="PyTorch, until it is something else",
            requires=("torch",),  # what must be installed for it to work: your framework
            install="pip install torch",
        )
    ]


def load() -> Backend:
    """Return the backend."""
    from my_plugin.backend import ExampleBackend

    return ExampleBackend()
