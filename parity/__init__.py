"""Parity: two backends, one spec, measured difference, with the 1-ulp baseline beside it.

Everything the other rooms may use is listed here.
"""

from gandem.parity.handover import Direction, Handover
from gandem.parity.measure import Report, measure, pair_of_backends
from gandem.parity.tandem import Tandem, tandem
from gandem.parity.tolerances import Mark

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
