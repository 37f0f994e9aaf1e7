"""Results: models trained over several seeds, and how good they came out, as a table that nobody
types.

Everything the other rooms may use is listed here.
"""

from gandem.core.results.bench import Bench, bench, check_bench
from gandem.core.results.folder import read_folder, write_folder
from gandem.core.results.page import write_page
from gandem.core.results.rows import Result, merge, read_results, write_results

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
