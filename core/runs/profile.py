"""Where the time of a training step goes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gandem.commands.tables_ import aligned
from gandem.core.errors import SpecError
from gandem.core.plugins.registry import LAYERS, find_backend, find_model, load_spec
from gandem.core.runs.config import Settings
from gandem.core.runs.setup import Notice, Work
from gandem.core.runs.stopwatch import Apart, trained
from gandem.core.specs import Spec, change
from gandem.core.training import initial_state

__all__ = ["Profile", "profile"]

STEPS = 100
"""Steps that are measured, where nobody says how many."""
Shown = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Where the time of a training step goes, in milliseconds a step.

    Attributes:
        batch_size: images in a batch; a step reads one for each update of the discriminator.
        steps: that were measured.
        parts: of a step, in order, which make up its :attr:`total`.  ``transfer``, ``forward``,
            ``backward`` and ``optimizer``, or only ``step`` of a backend that cannot take its step
            apart, are what it takes when nothing else goes on.  ``slowed``: what it takes longer in
            a training, where the thread that draws has its share of the cores.  ``waited``: for
            that thread.  ``logging``: everything else, from reading the clock to checkpoints.
        beside: what the thread that draws has to do, measured alone: ``data``, gathering, mirroring
            and scaling real images, and labels; ``random numbers``, noise, dropout masks, mixing
            weights and what disturbs the images.
        first_step_seconds: the first step alone, which compiles where the backend does.
        steps_per_call: how many steps the backend makes in one call, where nothing is due between.
        together: a step's part of such a call; none where a call is a step.
    """

    model: str
    backend: str
    device: str
    precision: str
    data: str
    batch_size: int
    steps: int
    parts: Mapping[str, float]
    beside: Mapping[str, float]
    first_step_seconds: float
    steps_per_call: int
    together: float | None

    @property
    def total(self) -> float:
        """Milliseconds a step, all in all."""
        return sum(self.parts.values())

    @property
    def steps_per_second(self) -> float:
        """Steps a second, at that pace."""
        return 1000 / self.total

    def to_data(self) -> dict[str, Any]:
        """Return the profile as plain data."""
        return {
            **{name: getattr(self, name) for name in ("model", "backend", "device", "precision")},
            **{name: getattr(self, name) for name in ("data", "batch_size", "steps")},
            "milliseconds": {name: round(value, 4) for name, value in self.parts.items()},
            "shares": {name: round(value / self.total, 4) for name, value in self.parts.items()},
            "beside": {name: round(value, 4) for name, value in self.beside.items()},
            "total": round(self.total, 4),
            "steps_per_second": round(self.steps_per_second, 3),
            "first_step_seconds": round(self.first_step_seconds, 3),
            "steps_per_call": self.steps_per_call,
            "together": None if self.together is None else round(self.together, 4),
        }

    def in_words(self) -> str:
        """Return the profile as tables for people."""
        rows = [("", "ms a step", "share")]
        for name, value in (*self.parts.items(), ("total", self.total)):
            rows.append((name, f"{value:.2f}", f"{value / self.total:.0%}"))
        apart = [(name, f"{value:.2f}", "") for name, value in self.beside.items()]
        lines = _columns([*rows, *apart])
        said = (
            f"{self.steps_per_second:.1f} steps/s; the first took {self.first_step_seconds:.2f} s"
        )
        if self.together is not None:
            rate = 1000 / self.together
            said += (
                f"\nWhere nothing is due between them, {self.steps_per_call} steps are one call: "
                f"{self.together:.2f} ms a step, {rate:.1f} steps/s"
            )
        return "\n".join(
            [
                f"{self.model} on {self.backend} ({self.device}, {self.precision}), {self.data}, "
                f"batches of {self.batch_size}, {self.steps} steps",
                "",
                *lines[: len(rows)],
                "",
                "beside the step, in a thread of its own:",
                *lines[len(rows) :],
                "",
                said,
            ]
        )


def _columns(rows: list[tuple[str, str, str]]) -> list[str]:
    """Return rows as lines: names on the left, numbers on the right."""
    width = max(len(name) for name, *_ in rows)
    return aligned([(name.ljust(width), *more) for name, *more in rows], right=True).splitlines()


def profile(
    model: str | os.PathLike[str] | Spec,
    *,
    settings: Settings | None = None,
    changes: Mapping[str, Any] | None = None,
    progress: Shown | None = None,
    notice: Notice | None = None,
    **more: Any,
) -> Profile:
    """Measure where the time of a training step goes.

    A real training of so many steps is made in a temporary folder, log, measurements, samples and
    checkpoints included, whose clock says what the steps take, what they wait for their inputs, and
    what is left, ``logging``.  Each step's losses are read at once, so that its time is its own on
    a GPU too.  The first step counts for nothing; where no epoch has ended, what follows the last
    step counts once an epoch.

    After every tenth step the training stands still, and a step is taken apart ten times: how long
    it takes as far as each stage, and the whole of it, another one first each time, so that a busy
    moment meets all.  A part is the difference of two medians, never below 0.

    Args:
        model: a model's name, a path to a spec, or a spec.
        settings: as for :func:`gandem.train`; 100 steps unless they say otherwise.
        changes: likewise.
        progress: called with the steps made, and how many there will be.
        notice: called with what deserves a word and is no error; left out, a warning.

    Raises:
        GandemError: something was not right.
    """
    clock = time.perf_counter()
    settings = replace(settings or Settings(), **more)
    settings = replace(settings, steps=STEPS if settings.steps is None else settings.steps)
    steps = settings.steps or STEPS
    if steps < 2:
        raise SpecError(f"steps: expected at least 2, since the first compiles; received {steps}.")
    spec = load_spec(model, changes) if not isinstance(model, Spec) else model
    if isinstance(model, Spec):
        spec = change(model, changes or {}, layers=LAYERS)
    settings = settings.with_recipe(None if isinstance(model, Spec) else find_model(model))
    find_backend(settings.backend)  # a slip shall not wait for the data
    show = progress or (lambda done, of: None)
    work = Work(spec, settings, clock, notice)
    show(0, steps)
    work.start(initial_state(spec, settings.seed, settings.precision))
    apart = Apart(work.engine, work.feed)
    with tempfile.TemporaryDirectory(prefix="gandem-profile-") as place:
        told = trained(work, apart, Path(place) / "run", show)
    alone, together = apart.parts(), apart.together()
    parts = alone | {"slowed": max(told.step - sum(alone.values()), 0.0)}
    parts |= {"waited": told.waited, "logging": told.logging}
    return Profile(
        model=spec.name,
        backend=work.facts()["backend"],
        device=work.device,
        precision=settings.precision,
        data=work.dataset.name,
        batch_size=spec.training.batch_size,
        steps=steps,
        parts={name: 1000 * seconds for name, seconds in parts.items()},
        beside={name: 1000 * apart.median(name) for name in ("data", "random numbers")},
        first_step_seconds=told.first,
        steps_per_call=getattr(apart.engine, "steps_per_call", 1),
        together=None if together is None else 1000 * together,
    )
