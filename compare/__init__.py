"""Comparisons: grids of runs over models, settings, backends and seeds, and their analysis.

The package can be called: ``gandem.compare("dcgan")`` is :func:`compare`.
"""

from gandem.compare.analysis.outcome import analyze
from gandem.compare.analysis.statistics import Difference, compare_groups, format_difference
from gandem.compare.analysis.summary import format_comparison, summarize
from gandem.compare.comparison import CellRecord, Comparison, State, open_comparison, plan
from gandem.compare.execution import FORMATS, check_format, compare, write_report
from gandem.compare.grid import Cell, Grid, check_grid
from gandem.compare.jobs import Job, JobResult, run_job
from gandem.compare.launchers import Launcher, SubmittedJob
from gandem.compare.report.page import write_comparison
from gandem.compare.report.progress_table import Table
from gandem.compare.sweeps import Setting, make_settings, parse_sweeps
from gandem.parity.callable_module import make_callable

__all__ = [
    "FORMATS",
    "Cell",
    "CellRecord",
    "Comparison",
    "Difference",
    "Grid",
    "Job",
    "JobResult",
    "Launcher",
    "Setting",
    "State",
    "SubmittedJob",
    "Table",
    "analyze",
    "check_format",
    "check_grid",
    "compare",
    "compare_groups",
    "format_comparison",
    "format_difference",
    "make_settings",
    "open_comparison",
    "parse_sweeps",
    "plan",
    "run_job",
    "summarize",
    "write_comparison",
    "write_report",
]

make_callable(__name__, compare)
