"""Tables of results: one row per model, setting and backend, with means over seeds.

``results.csv`` collects the rows of many comparisons and runs; ``results.md`` is written from it.
"""

from gandem.compare.results.collect import collect_results, group_runs
from gandem.compare.results.curves import CurvePoint, read_curves, write_curves
from gandem.compare.results.folder import check_results, write_tables
from gandem.compare.results.rows import Result, merge, read_results, write_results

__all__ = [
    "CurvePoint",
    "Result",
    "check_results",
    "collect_results",
    "group_runs",
    "merge",
    "read_curves",
    "read_results",
    "write_curves",
    "write_results",
    "write_tables",
]
