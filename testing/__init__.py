"""The conformance suite, for backends of other people as for our own.

A backend is held to stored float64 references, so its author needs no other framework::

    from gandem.testing import BackendConformance

    class TestAcme(BackendConformance):
        backend = "acme/jax"

========================  ======================================================================
``BackendConformance``    the tests, as a class to subclass; needs pytest
``OperationConformance``  those of them that look at single operations
``CASES``                 the networks they run, as data; ``LOSSES`` and ``OPTIMIZERS`` likewise
``differences``           what is wrong with measured arrays, in sentences; needs pytest
``reference_of``          the stored arrays of a case
========================  ======================================================================
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gandem.testing.cases import CASES, LOSSES, OPTIMIZERS
    from gandem.testing.operations import OperationConformance, differences
    from gandem.testing.stored import reference_of
    from gandem.testing.suite import BackendConformance

__all__ = [
    "CASES",
    "LOSSES",
    "OPTIMIZERS",
    "BackendConformance",
    "OperationConformance",
    "differences",
    "reference_of",
]

_ROOMS = {
    "BackendConformance": "suite",
    "OperationConformance": "operations",
    "differences": "operations",
    "reference_of": "stored",
}


def __getattr__(name: str) -> Any:  # on first use: pytest is no dependency of gandem
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS.get(name, 'cases')}"), name)
