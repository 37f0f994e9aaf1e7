"""What a training is told beside its spec, and what it tells while it goes on."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from gandem.core.errors import SpecError, shown, suggest
from gandem.core.fields import Checked, Count, Range
from gandem.core.plugins.hookspecs import Entry
from gandem.core.specs import Spec
from gandem.core.training import metric_names
from gandem.metrics.evaluation import QUICK as SCORES

__all__ = ["Best", "Progress", "Settings"]


@dataclass(frozen=True, slots=True)
class Best:
    """What makes a checkpoint the best: the lowest of a metric, or the highest."""

    metric: str
    highest: bool = False

    @classmethod
    def parse(cls, text: str, metrics: Collection[str]) -> Best:
        """Read ``metric``, ``metric:min`` or ``metric:max``.

        >>> Best.parse("real_accuracy:max", ("generator", "real_accuracy"))
        Best(metric='real_accuracy', highest=True)

        Args:
            metrics: the names of those that there are.

        Raises:
            SpecError: there is no such metric or direction.
        """
        metric, _, direction = text.partition(":")
        if metric not in metrics:
            raise SpecError(f"best: there is no metric {shown(metric)}.{suggest(metric, metrics)}")
        if direction not in ("", "min", "max"):
            raise SpecError(f"best: expected {metric}:min or {metric}:max, received {text!r}.")
        return cls(metric, direction == "max")

    def beats(self, value: float, other: float | None) -> bool:
        """Say whether a value is better than another; of equals the earlier stays."""
        return other is None or (value > other if self.highest else value < other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """What a training needs beside the spec.

    Attributes:
        backend: a backend's id.
        data: a data set's id, or ``id:argument``; left out, that of the model's recipe.
        classes: of a labeled set only these, renumbered from 0; empty for all.  Left out together
            with data, those of the recipe.
        epochs: passes over the data; left out with steps, the spec's own.
        steps: training steps, instead of epochs.
        seed: of everything random.
        precision: ``"float32"``, ``"float64"``, or, outside the parity promise, ``"bfloat16"``,
            mixed precision, and ``"tf32"``, whose products a GPU makes of shorter factors.
        randomness: who draws noise, dropout masks and mixing weights: ``"portable"``, gandem, the
            same numbers on every backend; ``"device"``, the framework, outside the parity promise.
        device: ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        data_dir: a folder with the files of a known data set.
        log_every: steps between two rows of the log.
        checkpoint_steps: steps between two checkpoints, beside those at each epoch's end.
        checkpoint_minutes: likewise, in minutes.
        sample_steps: steps between two grids of samples, beside those at each epoch's end.
        keep: the newest checkpoints to keep; 0 keeps all.
        best: the metric whose lowest value marks a checkpoint to keep too, ``"generator"``, or its
            highest, ``"real_accuracy:max"``; left out, none.  Checkpoints at an epoch's end, or due
            by steps, compete.
        judge_every: epochs between two judgments of the discriminator on 100 real and 100 fake
            images; 0 for none.
        evaluate_every: epochs between two scores, the Fréchet and the kernel distance, which are
            also taken at the end; 0 for none.  With scores, ``best`` left out is ``"frechet"``.
        evaluate_count: images that are scored, and real ones; half the data where that is less.
        extractor: whose features are compared; left out, what suits the data.
    """

    backend: str = "torch"
    data: str | None = None
    classes: tuple[int, ...] | None = None
    epochs: int | None = None
    steps: int | None = None
    seed: Annotated[int, Range(0, 2**63 - 1)] = 0
    precision: Literal["float32", "float64", "bfloat16", "tf32"] = "float32"
    randomness: Literal["portable", "device"] = "portable"
    device: str = "auto"
    data_dir: str | None = None
    log_every: Count = 20
    checkpoint_steps: int | None = None
    checkpoint_minutes: Annotated[float, Range(0, open_low=True)] = 10.0
    sample_steps: int | None = None
    keep: Annotated[int, Range(0)] = 3
    best: str | None = None
    judge_every: Annotated[int, Range(0)] = 1
    evaluate_every: Annotated[int, Range(0)] = 0
    evaluate_count: Count = 1000
    extractor: str | None = None

    def __post_init__(self) -> None:
        if self.data_dir is not None:
            object.__setattr__(self, "data_dir", os.fspath(self.data_dir))
        Checked.__post_init__(self)
        check_total(self.epochs, self.steps)
        at_least_one("checkpoint_steps", self.checkpoint_steps)
        at_least_one("sample_steps", self.sample_steps)

    def with_recipe(self, row: Entry | None) -> Settings:
        """Return settings with the data and classes of a model's recipe, where none were given;
        digits for a spec that has none.
        """
        if self.data is not None:
            return replace(self, classes=self.classes or ())
        data, classes = (row.data, row.classes) if row else ("digits", ())
        return replace(self, data=data, classes=classes if self.classes is None else self.classes)

    def best_of(self, spec: Spec) -> Best | None:
        """Return what makes a checkpoint the best, if anything does.

        Raises:
            SpecError: a training of the spec has no such metric.
        """
        scores = SCORES if self.evaluate_every else ()
        if self.best is None:
            return Best(scores[0]) if scores else None
        if not scores and self.best.partition(":")[0] in SCORES:
            raise SpecError(
                f"best: {self.best} is measured only with evaluate_every (--evaluate-every)."
            )
        return Best.parse(self.best, (*metric_names(spec), *scores))


def check_total(epochs: int | None, steps: int | None) -> None:
    """Raise a :class:`SpecError` unless at most one total is given, and that is positive."""
    if epochs is not None and steps is not None:
        raise SpecError("Give epochs or steps, not both.")
    at_least_one("epochs", epochs)
    at_least_one("steps", steps)


def at_least_one(name: str, value: int | None) -> None:
    """Raise a :class:`SpecError` for a number below 1."""
    if value is not None and value < 1:
        raise SpecError(f"{name}: expected at least 1, received {value}.")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training is: ``losses`` are the last read, ``rate`` is in steps per second.

    ``judged`` is there after a step at which the discriminator was judged: of ``count`` images each
    the share of ``real`` and ``fake`` ones that it told rightly, and the ``epoch`` that was over.
    ``scores`` are there after a step at which they were taken.
    """

    step: int
    total: int
    losses: Mapping[str, float]
    rate: float
    judged: Mapping[str, Any] | None = None
    scores: Mapping[str, float] | None = None
