"""Parity: two backends, one spec, measured difference, with the 1-ulp twin beside it.

Everything the other rooms may use is listed here.
"""

from gandem.core.parity.measure import Mark, Report, measure, pair_of_backends
from gandem.core.parity.tandem import Tandem, tandem

__all__ = ["Mark", "Report", "Tandem", "measure", "pair_of_backends", "tandem"]
