"""Log every Python process and every first import of a framework to $GANDEM_TEST_COSTS.

Python imports this module at start-up from PYTHONPATH, in child processes too. Pytest names the
running test in PYTEST_CURRENT_TEST, which children inherit.
"""

import os
import sys

FRAMEWORKS = {"torch", "tensorflow", "jax"}
LOG = os.environ.get("GANDEM_TEST_COSTS")


def log(event):
    test = os.environ.get("PYTEST_CURRENT_TEST", "")
    with open(LOG, "a", encoding="utf-8") as file:
        file.write(f"{event}\t{os.getpid()}\t{test}\n")


class FrameworkImports:
    """A finder that records every import and finds nothing."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in FRAMEWORKS:
            log(name)


if LOG:
    log("process")
    sys.meta_path.insert(0, FrameworkImports)
