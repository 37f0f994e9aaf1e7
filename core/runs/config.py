"""The settings of a training besides its spec, and its progress."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from gandem.core.errors import SpecError, shown, suggest
from gandem.core.fields import Checked, Count, Range, hints
from gandem.core.plugins.entry import Entry
from gandem.core.specs import Spec
from gandem.core.training import metric_names

SCORES = ("frechet", "kernel")
"""The scores that a training can take, by their names in :mod:`gandem.metrics`."""


Steps = Annotated[int, Range(1, 10**15)]
"""A number of steps or epochs; a step of a microsecond would take thirty years for the most."""


@dataclass(frozen=True, slots=True)
class Best:
    """The rule for the best checkpoint: the lowest value of a metric, or the highest."""

    metric: str
    highest: bool = False

    @classmethod
    def parse(cls, text: str, metrics: Collection[str]) -> Best:
        """Parse ``metric``, ``metric:min`` or ``metric:max``.

        >>> Best.parse("real_accuracy:max", ("generator", "real_accuracy"))
        Best(metric='real_accuracy', highest=True)

        Args:
            metrics: the known names.

        Raises:
            SpecError: the metric or the direction is unknown.
        """
        metric, _, direction = text.partition(":")
        if metric not in metrics:
            raise SpecError(f"best: no metric named {shown(metric)}.{suggest(metric, metrics)}")
        if direction not in ("", "min", "max"):
            raise SpecError(f"best: expected {metric}:min or {metric}:max, received {text!r}.")
        return cls(metric, direction == "max")

    def is_better(self, value: float, other: float | None) -> bool:
        """Return True if a value is better than another, or there is no other."""
        return other is None or (value > other if self.highest else value < other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """The settings of a training besides its spec.

    Attributes:
        backend: a backend's id.
        data: a data set's id, or ``id:argument``; by default the model's.
        classes: use only these classes of a labeled set, numbers or names, renumbered from 0;
            empty for all. By default the model's, if data is the model's.
        epochs: passes over the data; by default the spec's.
        steps: training steps, instead of epochs.
        seed: of all random numbers.
        precision: ``"float32"``, ``"float64"``, or, outside the parity promise, ``"bfloat16"``
            (mixed precision) and ``"tf32"`` (shorter factors in matrix products on a GPU).
        randomness: what draws noise, dropout masks and mixing weights: ``"portable"``, gandem, with
            equal numbers on every backend; ``"device"``, the framework, outside the parity promise.
        device: ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        data_dir: the folder with the files of a known data set.
        log_every: steps between two rows of the log.
        checkpoint_steps: steps between two checkpoints, besides those at the end of each epoch.
        checkpoint_minutes: minutes between two checkpoints, likewise.
        sample_steps: steps between two grids of samples, besides those at the end of each epoch.
        keep_last: number of newest checkpoints to keep; 0 keeps all.
        best: keep the checkpoint with the lowest value of a metric, ``"generator"``, or the
            highest, ``"real_accuracy:max"``, too. Checkpoints at the end of an epoch, or due by
            steps, are compared.
        accuracy_every: epochs between two measurements of the discriminator's accuracy on 100 real
            and 100 fake images; 0 for none.
        evaluate_every: epochs between two evaluations by Fréchet and kernel distance; the end is
            evaluated too; 0 for none. With evaluations, ``best`` is ``"frechet"`` by default.
        evaluate_count: number of images that are scored, and of real ones; at most half the data.
        extractor: the feature extractor of the scores; by default the data set's.
    """

    backend: str = "torch"
    data: str | None = None
    classes: tuple[int | str, ...] | None = None
    epochs: Steps | None = None
    steps: Steps | None = None
    seed: Annotated[int, Range(0, 2**63 - 1)] = 0
    precision: Literal["float32", "float64", "bfloat16", "tf32"] = "float32"
    randomness: Literal["portable", "device"] = "portable"
    device: str = "auto"
    data_dir: str | None = None
    log_every: Count = 20
    checkpoint_steps: Steps | None = None
    checkpoint_minutes: Annotated[float, Range(0, open_low=True)] = 10.0
    sample_steps: Steps | None = None
    keep_last: Annotated[int, Range(0)] = 3
    best: str | None = None
    accuracy_every: Annotated[int, Range(0)] = 1
    evaluate_every: Annotated[int, Range(0)] = 0
    evaluate_count: Count = 1000
    extractor: str | None = None

    def __post_init__(self) -> None:
        if self.data_dir is not None:
            object.__setattr__(self, "data_dir", os.fspath(self.data_dir))
        Checked.__post_init__(self)
        if self.epochs is not None and self.steps is not None:
            raise SpecError("Give epochs or steps, not both.")

    def with_recipe(self, entry: Entry | None) -> Settings:
        """Return settings with the model's default data and classes, if none were given.

        Args:
            entry: of the model; None for a spec, whose default is ``"digits"``.
        """
        if self.data is not None:
            return replace(self, classes=self.classes or ())
        data, classes = (entry.data, entry.classes) if entry else ("digits", ())
        return replace(self, data=data, classes=classes if self.classes is None else self.classes)

    def best_of(self, spec: Spec) -> Best | None:
        """Return the rule for the best checkpoint, if there is one.

        Raises:
            SpecError: a training of the spec does not have the metric.
        """
        scores = SCORES if self.evaluate_every else ()
        if self.best is None:
            return Best(scores[0]) if scores else None
        if not scores and self.best.partition(":")[0] in SCORES:
            raise SpecError(
                f"best: {self.best} is measured only with evaluate_every (--evaluate-every)."
            )
        return Best.parse(self.best, (*metric_names(spec), *scores))


def split_keywords(
    settings: Settings | None, changes: Mapping[str, Any] | None, keywords: Mapping[str, Any]
) -> tuple[Settings, dict[str, Any]]:
    """Return settings and changes of the spec, with the keywords of a call distributed to them.

    >>> split_keywords(None, {}, {"seed": 3, "latent": 8})[1]
    {'latent': 8}
    """
    known = hints(Settings)
    own = {name: value for name, value in keywords.items() if name in known}
    others = {name: value for name, value in keywords.items() if name not in known}
    return replace(settings or Settings(), **own), {**(changes or {}), **others}


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a training.

    Attributes:
        losses: the last that were read.
        rate: in steps per second.
        accuracy: that of the discriminator, after a step at which it was measured: the shares of
            ``real`` and ``fake`` images classified correctly, of ``count`` each, and the ``epoch``.
        scores: after a step at which the generator was scored.
        seconds_left: until the end of a training in stages, whose steps differ; None if unknown.
        stage: in words, of a training in stages.
    """

    step: int
    total: int
    losses: Mapping[str, float]
    rate: float
    accuracy: Mapping[str, Any] | None = None
    scores: Mapping[str, float] | None = None
    seconds_left: float | None = None
    stage: str = ""
