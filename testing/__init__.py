"""The conformance suite of backends.

It compares a backend with stored float64 references, so the author needs no other framework::

    from gandem.testing import BackendConformance

    class TestAcme(BackendConformance):
        backend = "acme/jax"

========================  ======================================================================
``BackendConformance``    the tests, as a class to subclass; needs pytest
``OperationConformance``  the tests of single operations among them
``ConformanceTarget``     the operations that a backend exposes to the tests
``load_target``           the target of a backend
``CASES``                 the tested networks, as data; ``LOSSES`` and ``OPTIMIZERS`` likewise
``find_differences``      a message for each array that differs from its reference; needs pytest
``load_reference``        the stored arrays of a case
``make_run``              a run with random weights, to test exporters
========================  ======================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gandem.testing.cases import CASES, LOSSES, OPTIMIZERS
    from gandem.testing.operations import OperationConformance, find_differences
    from gandem.testing.references.files import load_reference
    from gandem.testing.suite import BackendConformance
    from gandem.testing.target import ConformanceTarget, load_target
    from gandem.testing.untrained_run import make_run

__all__ = [
    "CASES",
    "LOSSES",
    "OPTIMIZERS",
    "TIERS",
    "BackendConformance",
    "ConformanceTarget",
    "OperationConformance",
    "find_differences",
    "load_reference",
    "load_target",
    "make_run",
]

TIERS: Mapping[str, str] = {
    "form": "form of a backend",
    "P1": "operations",
    "P2": "one step",
    "P3": "many steps",
    "P5": "hand-over",
}
"""The tiers of ``docs/parity.md`` that the suite measures, with titles."""
_MODULES = {
    "CASES": "cases",
    "LOSSES": "cases",
    "OPTIMIZERS": "cases",
    "BackendConformance": "suite",
    "ConformanceTarget": "target",
    "OperationConformance": "operations",
    "find_differences": "operations",
    "load_reference": "references.files",
    "load_target": "target",
    "make_run": "untrained_run",
}


def __getattr__(name: str) -> Any:  # on first use: pytest is not a dependency of gandem
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
