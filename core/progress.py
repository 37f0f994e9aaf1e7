"""Progress on standard error: live bars on a terminal, elsewhere a plain line now and then."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

__all__ = ["Bars"]

PATIENCE = 2.0
"""Seconds before the first plain line: what is quicker needs none."""
EVERY = 10.0
"""Seconds between plain lines."""
WIPE = "\x1b[2K\r"


@dataclass(slots=True)
class _Task:
    """One row of the bars: where it was first seen, and when a line is due."""

    first: int
    since: float
    due: float
    spoken: bool = False
    row: Any = None

    def rate(self, done: int, now: float) -> float:
        """Return units per second; the first counts for nothing, since it compiles."""
        return (done - self.first) / (now - self.since) if now > self.since else 0.0


class Bars:
    """The progress of one or several things that count to a total; use it as a context.

    Args:
        quiet: show nothing at all.
        unit: what is counted.
    """

    def __init__(self, *, quiet: bool = False, unit: str = "steps") -> None:
        self.quiet, self.unit = quiet, unit
        self.live = not quiet and sys.stderr.isatty()
        self.tasks: dict[str, _Task] = {}
        self.lock = threading.Lock()
        self.bars: Any = None

    def __enter__(self) -> Bars:
        if self.live:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self.bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TextColumn("{task.fields[words]}"),
                TimeRemainingColumn(compact=True),
                console=Console(stderr=True),
                transient=True,
            )
            self._write("starting …")
        return self

    def __exit__(self, *_: object) -> None:
        if self.tasks and self.live:
            self.bars.stop()
        elif self.live:
            self._write(WIPE)

    def show(self, who: str, done: int, total: int, words: str = "") -> None:
        """Show how far one of them is; can be called from any thread."""
        if self.quiet:
            return
        now = time.monotonic()
        with self.lock:
            task = self.tasks.setdefault(who, _Task(done, now, now + PATIENCE))
            if done == 0:
                task.first, task.since, task.due = 0, now, now + PATIENCE  # it is still starting
            rate = task.rate(done, now)
            if rate:
                words = f"{words}  {rate:.1f} {self.unit}/s".lstrip()
            if self.live:
                self._draw(task, who, done, total, words)
            elif now >= task.due or (done == total and task.spoken):
                task.due, task.spoken = now + EVERY, True
                left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
                self._write(f"{who}  {done}/{total} {self.unit}  {words}".rstrip() + left + "\n")

    def say(self, words: str) -> None:
        """Say something that is no progress, above the bars; even where these are quiet."""
        with self.lock:
            if self.live and self.tasks:
                self.bars.console.print(words, markup=False, highlight=False, soft_wrap=True)
            else:
                self._write(f"{WIPE * self.live}{words}\n")

    def tell(self, words: str) -> None:
        """Say something that belongs to the progress, above the bars: where that is shown at all,
        and not of what is quick.
        """
        if self.quiet or not self.tasks:
            return
        begun = min(task.since for task in self.tasks.values())
        if self.live or time.monotonic() >= begun + PATIENCE:
            self.say(words)

    def _draw(self, task: _Task, who: str, done: int, total: int, words: str) -> None:
        if task.row is None:
            if len(self.tasks) == 1:  # not before: a backend that starts may silence standard error
                self._write(WIPE)
                self.bars.start()
            task.row = self.bars.add_task(who, total=total, words="")
        self.bars.update(task.row, completed=done, words=words)

    def _write(self, words: str) -> None:
        try:
            sys.stderr.write(words)
            sys.stderr.flush()
        except OSError:  # nobody reads any more; that is no reason to stop
            self.quiet = True
