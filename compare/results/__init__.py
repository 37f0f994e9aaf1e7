"""Tables of results: one row per model, setting and backend, with means over seeds.

``results.csv`` collects the rows of many comparisons; ``results.md`` is written from it.
"""

from gandem.compare.results.collect import collect_results
from gandem.compare.results.folder import read_folder, write_folder
from gandem.compare.results.rows import Result, merge, read_results, write_results

__all__ = [
    "Result",
    "collect_results",
    "merge",
    "read_folder",
    "read_results",
    "write_folder",
    "write_results",
]
