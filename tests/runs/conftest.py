"""A backend in NumPy in the registry, for trainings that need no framework."""

import pytest

from gandem.core.plugins.entry import Entry
from gandem.core.plugins.registry import registry


@pytest.fixture
def toy(monkeypatch):
    """Add the backend of :mod:`support.toy_backend` to the registry; return its id."""
    entry = Entry(id="toy", target="support.toy_backend:Toy", kind="backend", provider="tests")
    others = [other for other in registry()._entries["backends"] if other.id != entry.id]
    backends = [*others, entry]
    monkeypatch.setitem(registry()._entries, "backends", backends)
    return entry.id
