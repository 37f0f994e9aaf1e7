"""The cells of a comparison while they are worked on: a live table on a terminal, elsewhere a line
now and then.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from gandem.compare.comparison import Comparison, State

__all__ = ["Table"]

EVERY = 10.0
"""Seconds between plain lines."""
OVER = ("done", "failed", "diverged")
UNDER_WAY = ("running", "scoring")
LONGEST = 37
"""Letters of a name or a reason in the table."""
COLUMNS = {"cell": 17, "": 8, "step": 7, "steps/s": 7, "losses": 7, "health": 10}
"""The table's, with the letters that each has at least."""
RANKS = (*UNDER_WAY, "failed", "diverged", "damaged", "interrupted", "not scored", "waiting")
RANKS += ("done",)
SHOWN = 20
"""Cells that are shown at once; those under way come first."""


class Table:
    """Shows how far a comparison is, on standard error; use it as a context."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.live: Any = None
        self.begun = self.said = time.monotonic()
        self.first: float | None = None
        self.line = ""
        self.states: dict[str, State] = {}
        self.over: set[str] = set()
        self.walked: set[Hashable] = set()

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def show(self, comparison: Comparison, problems: Mapping[str, str]) -> None:
        """Show where every cell is."""
        now = time.monotonic()
        if self.quiet or (not self._is_live() and now < self.said + EVERY):
            return
        self._look(comparison, problems)
        states = self.states
        walks = [key in self.walked for key in comparison.grid.pairs()]
        over = sum(state.words in OVER for state in states.values())
        head = f"{over} of {len(states)} trainings"
        head += f", {sum(walks)} of {len(walks)} walks side by side" if walks else ""
        left = self._left([*map(_share, states.values()), *walks])
        if self._is_live():
            self.live.update(_drawn(states, head + left))
            return
        going = [_told(name, state) for name, state in states.items() if state.words in UNDER_WAY]
        if (line := "; ".join([head, *going])) != self.line:
            self.said, self.line = now, line
            sys.stderr.write("; ".join([head + left, *going]) + "\n")

    def _look(self, comparison: Comparison, problems: Mapping[str, str]) -> None:
        """Find out what has changed: what is over stays so, what has no folder waits."""
        for cell in comparison.cells():
            name = cell.folder
            known = self.states.get(name)
            waits = known is not None and known.words == "waiting" and name not in problems
            if name in self.over or (waits and not comparison.folder(cell).exists()):
                continue
            state = self.states[name] = comparison.state(cell, problems)
            if state.words in ("done", "diverged") or name in problems:
                self.over.add(name)
        for key in comparison.grid.pairs():
            if key not in self.walked and comparison.walk(*key) is not None:
                self.walked.add(key)

    def _is_live(self) -> bool:
        """Return whether a table is on the terminal; it appears with the first update."""
        if self.live is None and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, markup=False, highlight=False)  # reasons may hold [/x]
            self.live = Live(console=console, transient=True, refresh_per_second=4)
            self.live.start()
        return self.live is not None

    def _left(self, shares: Sequence[float]) -> str:
        """Return the time left for all, by what was done since this began."""
        share = sum(shares) / len(shares)
        if self.first is None:
            self.first = share
        done, spent = share - self.first, time.monotonic() - self.begun
        if spent < EVERY or done <= 0 or share >= 1:
            return ""
        return f", about {_duration(spent * (1 - share) / done)} left"


def _share(state: State) -> float:
    """Return how much of a cell is done: of its time about a fifth goes into its scores."""
    if state.words in OVER:
        return 1.0
    return 0.8 * state.step / state.total if state.total else 0.0


def _told(name: str, state: State) -> str:
    return f"{name} {state.step}/{state.total}" if state.words == "running" else f"{name} scoring"


def _drawn(states: Mapping[str, State], head: str) -> Any:
    from rich.table import Table as Rich

    table = Rich(title=head, title_justify="left", box=None)
    for name, least in COLUMNS.items():
        right = name in ("step", "steps/s")
        table.add_column(name, justify="right" if right else "left", no_wrap=True, min_width=least)
    ranked = sorted(states.items(), key=lambda item: RANKS.index(item[1].words))
    for name, state in ranked[:SHOWN]:
        losses = "  ".join(f"{k[0]} {v:.3f}" for k, v in (state.losses or {}).items())
        step = f"{state.step}/{state.total}" if state.total else ""
        rate = f"{state.rate:.1f}" if state.rate else ""
        health = (state.problem or state.health)[:LONGEST]
        table.add_row(_middle(name), state.words, step, rate, losses, health)
    if len(ranked) > SHOWN:
        table.add_row(f"… and {len(ranked) - SHOWN} more", "", "", "", "", "")
    return table


def _middle(name: str) -> str:
    """Return a cell's name, without its middle where it is long: model and seed are at its ends.

    >>> _middle("dcgan_generator.optimizer.learning_rate=1e-4_keras_seed2")
    'dcgan_generator.opti…1e-4_keras_seed2'
    """
    return name if len(name) <= LONGEST else f"{name[:20]}…{name[21 - LONGEST :]}"


def _duration(seconds: float) -> str:
    """Return a time in words.

    >>> _duration(45), _duration(200), _duration(8000)
    ('45 s', '3 min', '2.2 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
