"""The runs of a comparison in progress: a table on a terminal, elsewhere a line at times."""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from gandem.compare.comparison import Comparison, State

LINE_INTERVAL = 10.0
"""Seconds between plain lines."""
STOPPING = "Each run finishes its step and saves it. Ctrl-C again leaves at once.\n"
COMPLETED = ("done", "failed", "diverged")
ACTIVE = ("running", "scoring")
MAX_NAME = 37
"""Letters of a name or a reason in the table."""
COLUMNS = {"cell": 17, "": 8, "step": 7, "steps/s": 7, "losses": 7, "health": 10}
"""The columns, with their smallest widths in letters."""
ORDER = (*ACTIVE, "failed", "diverged", "damaged", "interrupted", "not scored", "waiting", "done")
MAX_ROWS = 20
"""Runs that are shown at once; active ones come first."""


class Table:
    """Shows the progress of a comparison on standard error; use it as a context."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.live: Any = None
        self.started = self.printed = time.monotonic()
        self.first: float | None = None
        self.line = ""
        self.states: dict[str, State] = {}
        self.completed: set[str] = set()
        self.trajectories: set[Hashable] = set()

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def show(self, comparison: Comparison, problems: Mapping[str, str]) -> None:
        """Show the state of every run."""
        now = time.monotonic()
        if self.quiet or (not self._is_live() and now < self.printed + LINE_INTERVAL):
            return
        self._read_states(comparison, problems)
        states = self.states
        trajectories = [key in self.trajectories for key in comparison.grid.pairs()]
        completed = sum(state.name in COMPLETED for state in states.values())
        head = f"{completed} of {len(states)} runs"
        if trajectories:
            head += f", {sum(trajectories)} of {len(trajectories)} trajectories"
        left = self._estimate([*map(_share, states.values()), *trajectories])
        if self._is_live():
            self.live.update(_format_table(states, head + left))
            return
        active = [_describe(name, s) for name, s in states.items() if s.name in ACTIVE]
        if (line := "; ".join([head, *active])) != self.line:
            self.printed, self.line = now, line
            sys.stderr.write("; ".join([head + left, *active]) + "\n")

    def announce_stop(self) -> None:
        """Close the table, and say what Ctrl-C does."""
        self.__exit__()
        self.live, self.quiet = None, True
        sys.stderr.write(STOPPING)

    def _read_states(self, comparison: Comparison, problems: Mapping[str, str]) -> None:
        """Read the states that may have changed."""
        for cell in comparison.cells():
            name = cell.folder
            known = self.states.get(name)
            waits = known is not None and known.name == "waiting" and name not in problems
            if name in self.completed or (waits and not comparison.folder(cell).exists()):
                continue
            state = self.states[name] = comparison.state(cell, problems)
            if state.name in ("done", "diverged") or name in problems:
                self.completed.add(name)
        for key in comparison.grid.pairs():
            if key not in self.trajectories and comparison.parity_report(*key) is not None:
                self.trajectories.add(key)

    def _is_live(self) -> bool:
        """Return True if standard error is a terminal; the first call opens the table there."""
        if self.live is None and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, markup=False, highlight=False)  # reasons may hold [/x]
            self.live = Live(console=console, transient=True, refresh_per_second=4)
            self.live.start()
        return self.live is not None

    def _estimate(self, shares: Sequence[float]) -> str:
        """Return the time left, from the work done since the start."""
        share = sum(shares) / len(shares)
        if self.first is None:
            self.first = share
        done, seconds = share - self.first, time.monotonic() - self.started
        if seconds < LINE_INTERVAL or done <= 0 or share >= 1:
            return ""
        return f", about {_format_duration(seconds * (1 - share) / done)} left"


def _share(state: State) -> float:
    """Return the share of a run that is done; its scores take about a fifth of its time."""
    if state.name in COMPLETED:
        return 1.0
    return 0.8 * state.step / state.total if state.total else 0.0


def _describe(name: str, state: State) -> str:
    return f"{name} {state.step}/{state.total}" if state.name == "running" else f"{name} scoring"


def _format_table(states: Mapping[str, State], head: str) -> Any:
    from rich.table import Table as RichTable

    table = RichTable(title=head, title_justify="left", box=None)
    for name, width in COLUMNS.items():
        justify: Any = "right" if name in ("step", "steps/s") else "left"
        table.add_column(name, justify=justify, no_wrap=True, min_width=width)
    ordered = sorted(states.items(), key=lambda item: ORDER.index(item[1].name))
    for name, state in ordered[:MAX_ROWS]:
        losses = "  ".join(f"{k[0]} {v:.3f}" for k, v in (state.losses or {}).items())
        step = f"{state.step}/{state.total}" if state.total else ""
        rate = f"{state.rate:.1f}" if state.rate else ""
        health = (state.problem or state.health)[:MAX_NAME]
        table.add_row(_shorten(name), state.name, step, rate, losses, health)
    if len(ordered) > MAX_ROWS:
        table.add_row(f"… and {len(ordered) - MAX_ROWS} more", "", "", "", "", "")
    return table


def _shorten(name: str) -> str:
    """Return a name without its middle if it is long; model and seed are at its ends.

    >>> _shorten("dcgan_generator.optimizer.learning_rate=1e-4_keras_seed2")
    'dcgan_generator.opti…1e-4_keras_seed2'
    """
    return name if len(name) <= MAX_NAME else f"{name[:20]}…{name[21 - MAX_NAME :]}"


def _format_duration(seconds: float) -> str:
    """Return a time with its unit.

    >>> _format_duration(45), _format_duration(200), _format_duration(8000)
    ('45 s', '3 min', '2.2 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
