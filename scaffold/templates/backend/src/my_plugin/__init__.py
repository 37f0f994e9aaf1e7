"""A backend for gandem. Importing this module imports no framework; :func:`load` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gandem import Entry, hookimpl

if TYPE_CHECKING:
    from gandem.core.training import Backend

__all__ = ["gandem_backends", "load"]


@hookimpl
def gandem_backends() -> list[Entry]:
    """Add one backend."""
    return [
        Entry(
            id="my-plugin/example",
            target="my_plugin:load",
            conformance="my_plugin.conformance:ExampleTarget",
            title="delegates to PyTorch",
            requires=("torch",),  # the modules that must be installed: your framework
            install="pip install torch",
        )
    ]


def load() -> Backend:
    """Return the backend."""
    from my_plugin.backend import ExampleBackend

    return ExampleBackend()
