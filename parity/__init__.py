"""Parity: the measured difference between two backends on one spec, beside the 1-ulp baseline.

The package can be called: ``gandem.parity("dcgan")`` is :func:`measure`.
"""

from gandem.parity.callable_module import make_callable
from gandem.parity.handover import Direction, Handover
from gandem.parity.measure import Report, measure
from gandem.parity.tolerances import Mark

__all__ = [
    "Direction",
    "Handover",
    "Mark",
    "Report",
    "measure",
]

make_callable(__name__, measure)
