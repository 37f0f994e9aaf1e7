"""Plugins that this process sees as installed, for as long as a test needs them."""

import contextlib
import os
import sys

import pytest

from gandem.core.plugins import registry as module
from gandem.core.plugins.entry import KINDS
from gandem.core.plugins.registry import registry


@pytest.fixture(scope="session")
def installed_plugins():
    """Return a context manager that puts folders on the path and loads the named plugins.

    Child processes see the plugins too. Afterwards their modules are forgotten.
    """

    @contextlib.contextmanager
    def installed(*folders, names):
        packages = {name.replace("-", "_") for name in names}
        with pytest.MonkeyPatch.context() as patch:
            for folder in folders:
                patch.syspath_prepend(folder)
            patch.setenv("PYTHONPATH", os.pathsep.join(map(str, folders)), prepend=os.pathsep)
            patch.setenv("GANDEM_PLUGINS", ",".join(names))
            registry.cache_clear()
            try:
                yield
            finally:
                for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
                    del sys.modules[name]
        registry.cache_clear()

    return installed


@pytest.fixture
def replace_entries(monkeypatch):
    """Return a function that replaces all entries of a kind in the registry."""

    def replace(kind, entries):
        others = {name: registry().entries(name) for name in KINDS}
        monkeypatch.setattr(module, "find_plugins", lambda: ([], others | {kind: entries}))
        registry.cache_clear()

    yield replace
    monkeypatch.undo()
    registry.cache_clear()
