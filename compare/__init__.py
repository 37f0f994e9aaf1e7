"""Comparisons: grids of runs over models, settings, backends and seeds, and their analysis.

The package can be called: ``gandem.compare("dcgan")`` is :func:`compare`.
"""

from gandem.compare.comparison import Comparison, State, open_comparison, plan
from gandem.compare.execution import compare
from gandem.compare.grid import (
    Cell,
    Grid,
    Setting,
    cells_of,
    check_grid,
    parse_variation,
    settings_from,
)
from gandem.compare.jobs import Ended, Job, run_job
from gandem.compare.launchers import Launcher, Pending
from gandem.compare.outcome import check_needs, comparison_in_words, outcome_of, sentence_of
from gandem.compare.report.page import write_comparison
from gandem.compare.report.progress_table import Table
from gandem.compare.statistics import Difference, difference, outcome_in_words
from gandem.core.callable_module import make_callable

__all__ = [
    "Cell",
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
    "cells_of",
    "check_grid",
    "check_needs",
    "compare",
    "comparison_in_words",
    "difference",
    "open_comparison",
    "outcome_in_words",
    "outcome_of",
    "parse_variation",
    "plan",
    "run_job",
    "sentence_of",
    "settings_from",
    "write_comparison",
]

make_callable(__name__, compare)
