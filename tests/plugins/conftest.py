"""Plugins that this process sees as installed, for as long as a test needs them."""

import contextlib
import os
import sys

import pytest

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
            patch.setenv("PYTHONPATH", os.pathsep.join(map(str, folders)))
            patch.setenv("GANDEM_PLUGINS", ",".join(names))
            registry.cache_clear()
            try:
                yield
            finally:
                for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
                    del sys.modules[name]
        registry.cache_clear()

    return installed
