"""The cells of a comparison while they are worked on: a live table on a terminal, elsewhere a line
now and then.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from gandem.core.compare.comparison import Comparison, State

__all__ = ["Table"]

EVERY = 10.0
"""Seconds between plain lines."""
SHOWN = 20
"""Cells that are shown at once; those under way come first."""


class Table:
    """Shows how far a comparison is, on standard error; use it as a context."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.live: Any = None
        self.begun = self.said = time.monotonic()
        self.first: int | None = None
        self.head = ""

    def __enter__(self) -> Table:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self.live = Live(console=Console(stderr=True), transient=True, refresh_per_second=4)
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def show(self, comparison: Comparison, problems: Mapping[str, str]) -> None:
        """Show where every cell is."""
        if self.quiet:
            return
        now = time.monotonic()
        if self.live is None and now < self.said + EVERY:
            return
        states = {cell.folder: comparison.state(cell, problems) for cell in comparison.cells()}
        left = self._left(states.values())
        done = sum(state.words in ("done", "failed", "diverged") for state in states.values())
        head = f"{done} of {len(states)} trainings{left}"
        if self.live is not None:
            self.live.update(_drawn(states, head))
            return
        if head == self.head:
            return
        self.said, self.head = now, head
        going = [f"{n} {s.step}/{s.total}" for n, s in states.items() if s.words == "running"]
        sys.stderr.write(f"{head}; {', '.join(going) or 'starting'}\n")

    def _left(self, states: Any) -> str:
        """Return the time left for all, from the steps made since this began."""
        states = list(states)
        totals = [state.total for state in states if state.total]
        if not totals:
            return ""
        usual = max(totals)
        made = sum(state.step for state in states)
        if self.first is None:
            self.first = made
        rate = (made - self.first) / max(time.monotonic() - self.begun, 1e-9)
        left = sum((state.total or usual) - state.step for state in states if not state.problem)
        return f", {left / rate:.0f} s left" if rate and left else ""


def _drawn(states: Mapping[str, State], head: str) -> Any:
    from rich.table import Table as Rich

    table = Rich(title=head, title_justify="left", box=None)
    for name in ("cell", "", "step", "steps/s", "losses", "health"):
        table.add_column(name, justify="right" if name in ("step", "steps/s") else "left")
    order = ("running", "scoring", "failed", "diverged", "interrupted", "waiting", "done")
    ranked = sorted(states.items(), key=lambda item: order.index(item[1].words))
    for name, state in ranked[:SHOWN]:
        losses = "  ".join(f"{k[0]} {v:.3f}" for k, v in (state.losses or {}).items())
        step = f"{state.step}/{state.total}" if state.total else ""
        rate = f"{state.rate:.1f}" if state.rate else ""
        table.add_row(name, state.words, step, rate, losses, state.problem or state.health)
    if len(ranked) > SHOWN:
        table.add_row(f"… and {len(ranked) - SHOWN} more", "", "", "", "", "")
    return table
