"""Comparisons: grids of runs over models, settings, backends and seeds, and their analysis.

The package can be called: ``gandem.compare("dcgan")`` is :func:`compare`.
"""

from gandem.compare.analysis.outcome import outcome_of
from gandem.compare.analysis.statistics import Difference, compare_groups, difference_in_words
from gandem.compare.analysis.summary import format_comparison, summarize
from gandem.compare.comparison import CellRecord, Comparison, State, open_comparison, plan
from gandem.compare.execution import FORMATS, check_format, compare, write_report
from gandem.compare.grid import Cell, Grid, check_grid
from gandem.compare.jobs import Ended, Job, run_job
from gandem.compare.launchers import Launcher, Pending
from gandem.compare.report.page import write_comparison
from gandem.compare.report.progress_table import Table
from gandem.compare.sweeps import Setting, make_settings, parse_sweeps
from gandem.core.callable_module import make_callable

__all__ = [
    "FORMATS",
    "Cell",
    "CellRecord",
    "Comparison",
    "Difference",
    "Ended",
    "Grid",
    "Job",
    "Launcher",
    "Pending",
    "Setting",
    "State",
    "Table",
    "check_format",
    "check_grid",
    "compare",
    "compare_groups",
    "difference_in_words",
    "format_comparison",
    "make_settings",
    "open_comparison",
    "outcome_of",
    "parse_sweeps",
    "plan",
    "run_job",
    "summarize",
    "write_comparison",
    "write_report",
]

make_callable(__name__, compare)
