"""Scores during a training: a small fixed sample against fixed real images, now and then.

Nothing of it is drawn from what the training draws, so a training goes the same way whether it is
scored or not.
"""

from __future__ import annotations

import time
from typing import Any

from gandem.core.plugins.registry import load_extractor
from gandem.core.runs.config import Settings
from gandem.core.runs.sampling import samples_of
from gandem.core.training import Engine, Feed, fixed_inputs
from gandem.metrics.evaluation import RealSide

__all__ = ["Evaluation"]


class Evaluation:
    """What a training is scored by, every so many epochs, and at its end.

    Noise and real images are those of seed 0 whatever the training's seed is, so that trainings
    can be compared.

    Attributes:
        seconds: spent on it so far, with the real side; ``preparing`` of them on that.
        times: how often.

    Raises:
        DataError: the extractor cannot look at such images, or there are too few.
    """

    def __init__(self, feed: Feed, engine: Engine, settings: Settings) -> None:
        begun = time.perf_counter()
        self.feed, self.engine = feed, engine
        assert settings.extractor is not None  # settled before anything was written
        extractor = load_extractor(settings.extractor, settings.backend)
        self.real = RealSide(feed.dataset, extractor, settings.evaluate_count, quick=True)
        self.inputs = fixed_inputs(feed.spec, 0, self.real.count, feed.precision)
        self.times, self.last = 0, dict[str, Any]()
        self.preparing = self.seconds = time.perf_counter() - begun

    def go_on(self, facts: Any) -> None:
        """Take over what was spent before the training was resumed."""
        if isinstance(facts, dict):
            times, seconds = facts.get("times"), facts.get("seconds")
            self.times += times if isinstance(times, int) else 0
            self.seconds += seconds if isinstance(seconds, float) else 0.0

    def scores(self, step: int) -> dict[str, float]:
        """Return the Fréchet and the kernel distance of the generator as it is, after a step."""
        begun = time.perf_counter()
        made = samples_of(self.feed.spec, self.engine, self.inputs)
        values = self.real.score("samples", made).values
        self.times += 1
        self.seconds += time.perf_counter() - begun
        found = {name: value for name, value in values.items() if value is not None}
        self.last = {"step": step, **found}
        return found

    def facts(self) -> dict[str, Any]:
        """Return the protocol, the floor, the last scores, and what it has cost."""
        return {
            "protocol": self.real.protocol.to_data(),
            "floor": dict(self.real.floor),
            "last": self.last,
            "times": self.times,
            "seconds": round(self.seconds, 3),
        }
