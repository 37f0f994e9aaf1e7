"""Evaluation during a training: scores a fixed sample against fixed real images.

It draws none of the training's random numbers, so a training takes the same steps with and without
it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gandem.core.errors import GandemError
from gandem.core.plugins.isolation import format_error
from gandem.core.runs.generation.sampling import generate_batches, report_memory_errors
from gandem.core.runs.record import RunRecord
from gandem.core.runs.trainer import Callback, Trainer
from gandem.core.training import fixed_inputs
from gandem.metrics.evaluation import RealSide
from gandem.metrics.evaluation.features import load_extractor


class Evaluation(Callback):
    """Scores the generator every ``evaluate_every`` epochs, and at the end.

    Noise and real images are those of seed 0, whatever the seed of the training, so that trainings
    can be compared. A failed evaluation is reported and does not end the training.

    Attributes:
        times: number of evaluations.
        seconds: spent on them, features of the real images included.
    """

    order = 30

    def prepare(self, trainer: Trainer) -> None:
        """Compute the features of the real images.

        Raises:
            DataError: the extractor does not support such images, or there are too few.
        """
        settings, inputs = trainer.settings, trainer.inputs
        self.real: RealSide | None = None
        if not settings.evaluate_every:
            return
        began = time.perf_counter()
        assert settings.extractor is not None  # set by TrainingSetup
        extractor = load_extractor(settings.extractor, settings.backend)
        self.real = RealSide(inputs.dataset, extractor, settings.evaluate_count, quick=True)
        self.inputs = fixed_inputs(trainer.spec, 0, self.real.count, inputs.precision)
        trainer.protocol = self.real.protocol.to_data()
        self.times, self.last, self._scored_step = 0, dict[str, Any](), -1
        self.seconds = time.perf_counter() - began

    def on_train_start(self, trainer: Trainer) -> None:
        """Add times and seconds of before the training was resumed."""
        before = trainer.record.evaluation or {}
        if self.real is not None and trainer.resumed:
            times, seconds = before.get("times"), before.get("seconds")
            self.times += times if isinstance(times, int) else 0
            self.seconds += seconds if isinstance(seconds, float) else 0.0

    def on_step_end(self, trainer: Trainer) -> None:
        """Score if it is due."""
        if trainer.is_due(trainer.step, trainer.settings.evaluate_every):
            self._score(trainer)

    def on_last_step(self, trainer: Trainer) -> None:
        """Score a finished training; an interrupted one is not scored."""
        at = -1 if trainer.resumed_from is None else trainer.resumed_from.step
        ends = trainer.step == trainer.total_steps and at < trainer.step
        if self.real is not None and self._scored_step < trainer.step and ends:
            self._score(trainer)

    def update_record(self, trainer: Trainer, record: RunRecord) -> RunRecord:
        """Record the protocol, the real baseline, the last scores, and what they have cost."""
        if self.real is None or self._scored_step < 0:
            return record
        evaluation = {
            "protocol": trainer.protocol,
            "real_baseline": dict(self.real.real_baseline),
            "last": self.last,
            "times": self.times,
            "seconds": round(self.seconds, 3),
        }
        return replace(record, evaluation=evaluation)

    def _score(self, trainer: Trainer) -> None:
        assert self.real is not None
        began, step = time.perf_counter(), trainer.step
        try:
            with report_memory_errors():
                images = generate_batches(trainer.spec, trainer.engine, self.inputs)
                values = self.real.score("samples", images).values
        except Exception as error:
            reason = str(error) if isinstance(error, GandemError) else format_error(error)
            trainer.notice(f"Step {step} was not scored: {reason}")
            return
        self.times += 1
        self.seconds += time.perf_counter() - began
        scores = {name: value for name, value in values.items() if value is not None}
        self.last, self._scored_step, trainer.scores = {"step": step, **scores}, step, scores
        row = {"step": step, "epoch": trainer.epochs_done(step), "scores": scores}
        row |= {"frechet_of_average": self.real.frechet_of_average()}
        trainer.log(row)
        trainer.notify("on_evaluate", MappingProxyType(scores))
