"""Parity: two backends, one spec, measured difference, with the 1-ulp twin beside it.

Everything the other rooms may use is listed here.
"""

from gandem.core.parity.handover import Direction, Handover
from gandem.core.parity.marks import Mark
from gandem.core.parity.measure import Report, measure, pair_of_backends
from gandem.core.parity.tandem import Tandem, tandem

__all__ = [
    "Direction",
    "Handover",
    "Mark",
    "Report",
    "Tandem",
    "measure",
    "pair_of_backends",
    "tandem",
]
