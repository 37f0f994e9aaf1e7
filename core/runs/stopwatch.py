"""A stopwatch for a training: what its steps take and wait for, and what a step's parts take."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from gandem.core.runs.run_dir import begin
from gandem.core.runs.sampling import enough_memory
from gandem.core.runs.setup import Work
from gandem.core.runs.trainer import Loop
from gandem.core.training import Engine, Feed, Profiled, Several, Stage

__all__ = ["Apart", "Told", "trained"]

STAGES: tuple[Stage, ...] = get_args(Stage)
BLOCK = 10
"""Steps between two moments at which the training stands still."""
AHEAD = 2
"""Steps after such a moment whose inputs were drawn meanwhile."""
Arrays = dict[str, np.ndarray]
Shown = Callable[[int, int], None]


class Apart:
    """The parts of a step, each measured with nothing else going on."""

    def __init__(self, engine: Engine, feed: Feed) -> None:
        self.engine, self.feed = engine, feed
        self.goes: dict[str, Callable[[Arrays], Any]] = {}
        if isinstance(engine, Profiled):
            self.goes |= {stage: engine.until(stage) for stage in STAGES}
        self.goes["step"] = lambda inputs: engine.read(engine.step(inputs))
        self.took: dict[str, list[float]] = {}
        self.rounds = 0

    def compile(self) -> None:
        """Go as far as each stage once, which counts for nothing."""
        with enough_memory():
            for go in self.goes.values():
                go(self.feed(0))

    def round(self) -> None:
        """Draw the inputs of a step and go as far as each stage, another one first each time."""
        with enough_memory():
            real = self._time("data", self.feed.real, self.rounds)
            inputs = real | self._time("random numbers", self.feed.drawn, self.rounds)
            names = list(self.goes)
            first = self.rounds % len(names)
            for name in names[first:] + names[:first]:
                self._time(name, self.goes[name], inputs)
        self.rounds += 1

    def parts(self) -> dict[str, float]:
        """Return what the parts of a step take, in seconds."""
        if len(self.goes) == 1:
            return {"step": self.median("step")}
        found, so_far = {}, 0.0
        for part, stage in zip((*STAGES, "optimizer"), self.goes, strict=True):
            reached = max(self.median(stage), so_far)
            found[part], so_far = reached - so_far, reached
        return found

    def together(self) -> float | None:
        """Return a step's part of a call that makes several, in seconds; None where none does."""
        engine = self.engine
        if not isinstance(engine, Several) or engine.steps_per_call == 1:
            return None
        inputs = [self.feed(0)] * engine.steps_per_call
        for call in range(1 + max(self.rounds // len(inputs), 3)):
            self._time(
                "together" if call else "compiling", lambda: engine.read(engine.steps(inputs))
            )
        return self.median("together") / len(inputs)

    def median(self, name: str) -> float:
        """Return how long something took, in seconds."""
        return statistics.median(self.took[name])

    def _time(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        begun = time.perf_counter()
        found = call(*arguments)
        self.took.setdefault(name, []).append(time.perf_counter() - begun)
        return found


# --- a training, with a stopwatch in hand --------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a training took, in seconds: its first step, the median of the others alone, and means a
    step.
    """

    first: float
    step: float
    waited: float
    logging: float


class _Timed:
    """An engine that knows when its last step began and how long its steps took; each is read at
    once.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.took: list[float] = []
        self.begun = self.copying = self.copied = 0.0

    def step(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        self.copied, self.begun = self.copying, time.perf_counter()
        scalars = self.engine.step(inputs)
        self.engine.read(scalars)
        self.took.append(time.perf_counter() - self.begun)
        return scalars

    def read(self, scalars: Mapping[str, Any]) -> dict[str, float]:
        return self.engine.read(scalars)

    def forward(
        self, player: str, inputs: Mapping[str, np.ndarray], *, average: bool = False
    ) -> np.ndarray:
        return self.engine.forward(player, inputs, average=average)

    def export(self) -> dict[str, np.ndarray]:
        begun = time.perf_counter()
        state = self.engine.export()
        self.copying += time.perf_counter() - begun
        return state

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.engine.load(arrays)

    def native(self, player: str, *, average: bool = False) -> Any:
        return self.engine.native(player, average=average)


class _Watched(Loop):
    """A training that knows how long each step waited, and took with all that follows it; now and
    then it stands still for its step to be taken apart.
    """

    def watch(self, timed: _Timed, apart: Apart) -> None:
        """Get ready; before the first step."""
        self.timed, self.apart, self.several = timed, apart, 1
        self.whole: list[float] = []
        self.waits: list[float] = []
        self.last = 0.0

    def _step(self, total: int) -> None:
        self.timed.copying, begun = 0.0, time.perf_counter()
        super()._step(total)
        whole = time.perf_counter() - begun
        if self.steps == 1:
            self.apart.compile()
            return
        self.whole.append(whole)
        copied = self.timed.copied  # weights that are compared across the step: no input
        self.waits.append(self.timed.begun - begun - copied)
        if self.steps % BLOCK == 0 or self.steps == total:
            for _ in range(self.steps - self.apart.rounds):
                self.apart.round()

    def _finish(self, total: int) -> None:
        begun = time.perf_counter()
        super()._finish(total)
        self.last = time.perf_counter() - begun

    def told(self) -> Told:
        """Return what it took."""
        first, *took = self.timed.took
        # inputs that were drawn while it stood still are not waited for
        waits = [wait for at, wait in enumerate(self.waits, 2) if (at - 1) % BLOCK >= AHEAD]
        waited = statistics.fmean(waits or self.waits)
        logging = statistics.fmean(self.whole) - statistics.fmean(self.waits)
        logging -= statistics.fmean(took)
        if self.feed.epochs_done(self.steps) == 0:  # what ends an epoch came at the very end alone
            logging += self.last / self.feed.steps_for(1)
        return Told(
            first=first, step=statistics.median(took), waited=waited, logging=max(logging, 0.0)
        )


def trained(work: Work, apart: Apart, folder: Path, show: Shown) -> Told:
    """Train in a folder, have each step taken apart now and then, and say what it took."""
    work.engine = timed = _Timed(work.engine)
    facts = work.facts()
    claim = begin(work.spec, facts, folder)
    try:
        loop = work.loop(folder, facts, kind=_Watched)
        assert isinstance(loop, _Watched)
        loop.watch(timed, apart)
        loop.run(work.total, threading.Event(), lambda at: show(at.step, at.total))
    finally:
        claim.release()
    return loop.told()
