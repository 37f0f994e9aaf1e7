"""Progress on standard error: bars on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from gandem.core.errors import printable

FIRST_LINE_DELAY = 2.0
"""Seconds before the first plain line; quicker work prints none."""
LINE_INTERVAL = 10.0
"""Seconds between plain lines."""
CLEAR_LINE = "\x1b[2K\r"


@dataclass(slots=True)
class _Task:
    """One bar: the count and the time of its first display, and the time of its next plain line."""

    first: int
    since: float
    due: float
    has_printed: bool = False
    row: Any = None

    def rate(self, done: int, now: float) -> float:
        """Return units per second since the first display, which follows the first step."""
        return (done - self.first) / (now - self.since) if now > self.since else 0.0


class ProgressBars:
    """Progress bars of one or several tasks; a context manager.

    Args:
        quiet: show no progress.
        unit: the unit of the counts, such as ``"steps"``.
    """

    def __init__(self, *, quiet: bool = False, unit: str = "steps") -> None:
        self.quiet, self.unit = quiet, unit
        self.live = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self.tasks: dict[str, _Task] = {}
        self.lock = threading.Lock()
        self.bars: Any = None

    def __enter__(self) -> ProgressBars:
        if self.live:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                Task,
                TextColumn,
                TimeRemainingColumn,
            )
            from rich.text import Text

            class TimeLeftColumn(TimeRemainingColumn):
                """The seconds that the caller expects, if it does."""

                def render(self, task: Task) -> Text:
                    seconds = task.fields.get("seconds_left")
                    if seconds is None or task.finished:
                        return super().render(task)
                    minutes, seconds = divmod(int(seconds), 60)
                    hours, minutes = divmod(minutes, 60)
                    text = f"{hours}:{minutes:02}:" if hours else f"{minutes:02}:"
                    return Text(f"{text}{seconds:02}", style="progress.remaining")

            self.bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TextColumn("{task.fields[text]}"),
                TimeLeftColumn(compact=True),
                console=Console(stderr=True),
                transient=True,
            )
            self._write("starting …")
        return self

    def __exit__(self, *_: object) -> None:
        if self.tasks and self.live:
            self.bars.stop()
        elif self.live:
            self._write(CLEAR_LINE)

    def show(
        self, name: str, done: int, total: int, text: str = "", seconds_left: float | None = None
    ) -> None:
        """Show the progress of a task; can be called from any thread.

        Args:
            seconds_left: by default all units take equally long.
        """
        if self.quiet:
            return
        now = time.monotonic()
        with self.lock:
            task = self.tasks.setdefault(name, _Task(done, now, now + FIRST_LINE_DELAY))
            if done == 0:
                task.first, task.since, task.due = 0, now, now + FIRST_LINE_DELAY  # still starting
            rate = task.rate(done, now)
            if rate:
                text = f"{text}  {rate:.1f} {self.unit}/s".lstrip()
            if self.live:
                self._draw(task, name, done, total, text, seconds_left)
            elif now >= task.due or (done == total and task.has_printed):
                task.due, task.has_printed = now + LINE_INTERVAL, True
                if seconds_left is None and rate:
                    seconds_left = (total - done) / rate
                left = f", {seconds_left:.0f} s left" if seconds_left and done < total else ""
                self._write(f"{name}  {done}/{total} {self.unit}  {text}".rstrip() + left + "\n")

    def print(self, text: str) -> None:
        """Print a message above the bars, even if these are quiet."""
        text = printable(text, keep="\n")
        with self.lock:
            if self.live and self.tasks:
                self.bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
            else:
                self._write(f"{CLEAR_LINE * self.live}{text}\n")

    def print_if_shown(self, text: str) -> None:
        """Print a message that is part of the progress, if progress is shown."""
        if self.quiet or not self.tasks:
            return
        started = min(task.since for task in self.tasks.values())
        if self.live or time.monotonic() >= started + FIRST_LINE_DELAY:
            self.print(text)

    def _draw(
        self, task: _Task, name: str, done: int, total: int, text: str, seconds_left: float | None
    ) -> None:
        if task.row is None:
            if len(self.tasks) == 1:  # a backend may redirect standard error while it starts
                self._write(CLEAR_LINE)
                self.bars.start()
            task.row = self.bars.add_task(name, total=total, text="")
        self.bars.update(task.row, completed=done, text=text, seconds_left=seconds_left)

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):  # closed, or none
            self.quiet = True
