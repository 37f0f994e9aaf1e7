"""The loop of a training: step, log, sample, keep, and stop when asked."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import threading
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gandem.callbacks.diagnostics.monitor import Monitor
from gandem.callbacks.diagnostics.probe import Probe
from gandem.callbacks.diagnostics.suggestions import event_in_words
from gandem.callbacks.evaluation import Evaluation
from gandem.core.errors import GandemError, RunError
from gandem.core.files import append_line, write_json
from gandem.core.plugins.isolation import sentence
from gandem.core.runs.callbacks import Watching
from gandem.core.runs.checkpoint import Checkpoint, metrics_of
from gandem.core.runs.checkpoint_writer import CURE, DivergedError, Keeper
from gandem.core.runs.config import Progress, Settings
from gandem.core.runs.run import Run
from gandem.core.runs.sampling import COLUMNS, enough_memory, sample, usual_count
from gandem.core.specs import Image, Spec
from gandem.core.training import Ahead, Engine, Feed, Several, alike, fixed_inputs

__all__ = ["Loop", "is_logged"]

HEADER = ("model", "backend", "versions", "gandem", "stream", "data")
"""What a checkpoint's header takes from the facts of its run."""
WORTH = 100
"""Steps from which on several are made at once: a backend compiles them anew."""
CURVES = 200
"""Steps from which on a training's curves are drawn: it takes a second or two."""


def is_logged(step: int, every: int) -> bool:
    """Say whether a training logs a step wherever it ends: the first, and every so many."""
    return step == 1 or step % every == 0


class Loop:
    """One training under way, from the start or from a checkpoint.

    Args:
        facts: the run's, which are kept up to date on disk.
        clock: when the training was asked for, without the time the framework took to start, in
            seconds of ``time.perf_counter``.
    """

    def __init__(
        self,
        feed: Feed,
        engine: Engine,
        folder: Path,
        facts: dict[str, Any],
        settings: Settings,
        watching: Watching,
        clock: float,
    ) -> None:
        self.spec: Spec = feed.spec
        self.feed, self.engine, self.folder, self.facts = feed, engine, folder, facts
        self.settings, self.watching, self.clock = settings, watching, clock
        rule = settings.best_of(feed.spec)
        self.keeper = Keeper(folder, self.spec, settings.seed, settings.keep, rule)
        self.samples = fixed_inputs(self.spec, feed.seed, _sample_count(self.spec), feed.precision)
        self.probe = Probe(feed, engine, settings.log_every)
        self.monitor = Monitor(self.spec, feed.loss)
        self.evaluation = Evaluation(feed, engine, settings) if settings.evaluate_every else None
        self.several = engine.steps_per_call if isinstance(engine, Several) else 1
        self.judged: dict[str, Any] | None = None
        self.scores: dict[str, float] = {}
        self.losses: dict[str, float] = {}
        self.steps = self.first = self.logged = self.read = 0
        self.sampled = self.kept = self.scored = -1
        self.before = self.rate = self.begun = 0.0
        self.started = self.saved = time.perf_counter()

    def go_on(self, at: Checkpoint | None, seconds: float, total: int) -> None:
        """Continue behind a checkpoint, after so many seconds of training, to a total of steps."""
        self.before = seconds
        if at is not None:
            self.steps = self.first = self.logged = self.read = self.kept = at.step
            self.losses = metrics_of(at)
            for row in Run(self.folder, self.spec, self.facts).rows():
                self.monitor.read(row)
        if self._sample_path(at.step if at else 0).exists():
            self.sampled = self.steps
        if self.evaluation is not None:
            self.evaluation.go_on(self.facts.get("evaluation"))
        self.keeper.look_back(lambda step: self.is_regular(step) or step == total)

    def is_regular(self, step: int) -> bool:
        """Say whether a checkpoint is due after a step however the training went until then."""
        every = self.settings.checkpoint_steps
        return self._ends_epoch(step) or bool(every and step % every == 0)

    def run(
        self, total: int, stop: threading.Event, progress: Callable[[Progress], None] | None = None
    ) -> None:
        """Train to ``total`` steps, or until asked to stop; the facts on disk say how it ended."""
        self.started = self.saved = time.perf_counter()
        if self.evaluation is not None:  # the real side took time too
            self.started -= self.evaluation.preparing
        ended, whole = "failed", False
        self.inputs = Ahead(self.feed, total, depth=2 * self.several)
        try:
            self.watching.before_training()
            while self.steps < total and not stop.is_set():
                self._step(total)
                if progress is not None:
                    progress(self._progress(total))
            self._finish(total)
            ended = "finished" if self.steps == total else "interrupted"
            whole = True
        except KeyboardInterrupt:
            ended = "interrupted"
            raise
        except DivergedError as error:
            ended = "diverged"
            with contextlib.suppress(RunError):  # of two errors the first is shown
                self._add(self.monitor.diverged(self.steps, str(error)))
            raise RunError(f"{self.folder}: training diverged, {error}.") from None
        finally:
            self.inputs.close()
            self.keeper.close()
            self.facts |= self._now(ended) | {"best": self.keeper.best}
            hidden = () if whole else (RunError,)  # of two errors the first is shown
            try:
                with contextlib.suppress(*hidden):
                    write_json(self.folder / "run.json", self.facts)
                if whole or ended == "diverged":
                    self._draw()
            finally:
                self.watching.after_training(self.steps, ended, self.losses)

    def _step(self, total: int) -> None:
        """Make a step, or several at once, and do what is due then."""
        with enough_memory():
            inputs = [self.inputs(self.steps + i) for i in range(self._together(total))]
            if self.steps == self.first:
                self._note_the_start()
            self.probe.before(self.steps + 1)
            if len(inputs) > 1 and alike(inputs):
                assert isinstance(self.engine, Several)
                self.scalars = self.engine.steps(inputs)
            else:
                for one in inputs:
                    self.scalars = self.engine.step(one)
        self.steps += len(inputs)
        if self.steps == self.first + 1:
            self._read()
            self.begun = time.perf_counter()  # the first step compiles: it says nothing of the rate
        self.judged = self._judge() if self._is_due(self.steps, self.settings.judge_every) else None
        if is_logged(self.steps, self.settings.log_every) or self.steps == total:
            self._log()
        self.scores = (
            self._score() if self._is_due(self.steps, self.settings.evaluate_every) else {}
        )
        every = self.settings.sample_steps
        if self._ends_epoch(self.steps) or (every and self.steps % every == 0):
            self._sample()
        if self.steps < total and (self.is_regular(self.steps) or self._is_late()):
            self._keep(competes=self.is_regular(self.steps))
        self._tell()

    def _together(self, total: int) -> int:
        """Return how many steps to make at once: several if nothing is due before the last."""
        last = self.steps + self.several
        inner = range(self.steps + 1, last)
        if self.several == 1 or self.steps < self.first + WORTH or last > total:
            return 1
        if any(map(self._is_due_after, inner)) or any(map(self.probe.weighs, (*inner, last))):
            return 1
        return self.several

    def _is_due_after(self, step: int) -> bool:
        """Say whether anything is logged, kept or shown after a step."""
        every = self.settings.sample_steps
        logged = is_logged(step, self.settings.log_every)
        return logged or self.is_regular(step) or bool(every and step % every == 0)

    def _progress(self, total: int) -> Progress:
        scores = self.scores or None
        return Progress(self.steps, total, self.losses, self.rate, self.judged, scores)

    def _finish(self, total: int) -> None:
        """Keep the state, its losses, and samples where no epoch has just ended."""
        if self.logged < self.steps:
            self._log()
        ends = self.steps == total and self.kept < self.steps  # Ctrl-C waits for no scores
        if self.evaluation is not None and self.scored < self.steps and ends:
            self.scores = self._score()
        if self.sampled < self.steps:
            self._sample()
        if self.kept < self.steps:
            self._keep(competes=self.steps == total or self.is_regular(self.steps))
        self._tell(wait=True)

    def _note_the_start(self) -> None:
        seconds = round(time.perf_counter() - self.clock, 3)
        self.facts["seconds_to_first_step"] = seconds
        self.facts["segments"][-1]["seconds_to_first_step"] = seconds

    def _read(self) -> None:
        """Bring the losses of the last step off the device, once."""
        if self.read == self.steps:
            return
        self.losses, self.read = self.engine.read(self.scalars), self.steps
        if self.begun and self.steps > self.first + 1:
            seconds = time.perf_counter() - self.begun
            self.rate = round((self.steps - self.first - 1) / seconds, 3)

    def _log(self) -> None:
        """Add a row to the log, and give up if a loss in it is no longer a number."""
        self._read()
        self.logged = self.steps
        with enough_memory():
            measured = self.probe.measure(self.steps)
        row = {
            "step": self.steps,
            "epoch": self.feed.epochs_done(self.steps - 1) + 1,
            **_finite(self.losses),
            **measured,
            "steps_per_second": self.rate,
            "seconds": self._seconds(),
        }
        self._add(row)
        self.watching.after_log(self.steps, self.losses)
        self._check_losses()

    def _add(self, row: Mapping[str, Any]) -> None:
        """Add a row to the log, and what follows from it for the training's health."""
        append_line(self.folder / "log.jsonl", json.dumps(row))
        for event in self.monitor.read(row):
            append_line(self.folder / "log.jsonl", json.dumps(event))
            self.watching.notice(event_in_words(event))

    def _judge(self) -> dict[str, Any]:
        epoch = self.feed.epochs_done(self.steps)
        with enough_memory():
            judged = self.probe.judged()
        self._add({"step": self.steps, "epoch": epoch, "judged": judged})
        return {"epoch": epoch, **judged}

    def _score(self) -> dict[str, float]:
        """Take the scores, and add them to the log; none where they cannot be taken, which shall
        cost nobody a training.
        """
        if self.evaluation is None:
            return {}
        try:
            with enough_memory():
                scores = self.evaluation.scores(self.steps)
        except Exception as error:
            words = str(error) if isinstance(error, GandemError) else sentence(error)
            self.watching.notice(f"There are no scores of step {self.steps}: {words}")
            return {}
        row = {"step": self.steps, "epoch": self.feed.epochs_done(self.steps), "scores": scores}
        self._add(row)
        self.facts["evaluation"] = self.evaluation.facts()
        self.scored = self.steps
        return scores

    def _is_due(self, step: int, every: int) -> bool:
        """Say whether so many epochs, 0 for never, have ended with a step."""
        done = self.feed.epochs_done
        return bool(every) and done(step) // every > done(step - 1) // every

    def _check_losses(self) -> None:
        for name, value in self.losses.items():
            if not math.isfinite(value):
                raise DivergedError(f"the {name} loss is {value} at step {self.steps}; {CURE}")

    def _sample(self) -> None:
        made = sample(self.spec, self.engine, self.samples)
        shown = self.feed.dataset.images[: len(made.images)] if made.images.ndim == 2 else None
        self.keeper.keep_samples(self._sample_path(self.steps).name, made, shown)
        self.sampled = self.steps

    def _sample_path(self, step: int) -> Path:
        number = self.feed.epochs_done(step)
        name = f"epoch-{number:04d}" if self._ends_epoch(step) else f"step-{step:06d}"
        return self.folder / "samples" / f"{name}.png"

    def _ends_epoch(self, step: int) -> bool:
        return step > 0 and self.feed.epochs_done(step) > self.feed.epochs_done(step - 1)

    def _is_late(self) -> bool:
        return time.perf_counter() - self.saved > 60 * self.settings.checkpoint_minutes

    def _keep(self, *, competes: bool) -> None:
        """Keep the state; ``competes`` says whether it may become the best."""
        if self.steps:
            self._read()
            self._check_losses()
        if competes:
            self.keeper.compare(self.steps, self.losses | self.scores)
        header = {name: self.facts[name] for name in HEADER} | {"metrics": dict(self.losses)}
        header |= {"scores": self.scores} if self.scores else {}
        facts = self.facts | self._now("running")
        self.keeper.keep_state(self.steps, self.engine.export, facts, header)
        self.kept, self.saved = self.steps, time.perf_counter()

    def _draw(self) -> None:
        """Draw the curves of a training that is long enough to have some."""
        if self.steps < CURVES or find_spec("matplotlib") is None:
            return
        try:
            from gandem.visualize.curves import draw_curves

            run, place = Run(self.folder, self.spec, self.facts), self.folder / "curves"
            draw_curves([run], place.with_suffix(".png"), place.with_suffix(".svg"))
        except Exception as error:  # a picture less is no reason to fail
            self.watching.notice(f"The curves could not be drawn: {sentence(error)}.")

    def _tell(self, *, wait: bool = False) -> None:
        """Tell the watchers what has been written, and raise what could not be."""
        for done in self.keeper.written(wait=wait):
            self.watching.after_checkpoint(done.step, done.path, done.samples)

    def _now(self, state: str) -> dict[str, Any]:
        return {
            "state": state,
            "steps": self.steps,
            "seconds": self._seconds(),
            "steps_per_second": self.rate or self.facts.get("steps_per_second") or 0.0,
            "losses": _finite(self.losses),
            "health": self.monitor.report(),
            "peak_memory": _peak_memory(),
        }

    def _seconds(self) -> float:
        return round(self.before + time.perf_counter() - self.started, 3)


def _sample_count(spec: Spec) -> int:
    turns = [count for count in (spec.classes, spec.latent.categories) if 0 < count <= COLUMNS]
    return 5 * turns[0] if turns and isinstance(spec.image, Image) else usual_count(spec)


def _peak_memory() -> int | None:
    """Return the most bytes of memory that this process has had, where the system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _finite(losses: Mapping[str, float]) -> dict[str, float | None]:
    """Return losses as JSON can hold them."""
    return {name: value if math.isfinite(value) else None for name, value in losses.items()}
