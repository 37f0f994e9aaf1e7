"""Results: models trained over several seeds, and how good they came out, as a table that nobody
types.

Everything the other rooms may use is listed here.
"""

from gandem.compare.results.bench import Bench, bench, check_bench
from gandem.compare.results.folder import read_folder, write_folder
from gandem.compare.results.markdown import write_page
from gandem.compare.results.rows import Result, merge, read_results, write_results

__all__ = [
    "Bench",
    "Result",
    "bench",
    "check_bench",
    "merge",
    "read_folder",
    "read_results",
    "write_folder",
    "write_page",
    "write_results",
]
