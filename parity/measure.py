"""Measuring parity: the same steps on two backends and on one backend's 1-ulp baseline, each in a
process of its own.

Four tiers can be measured here.

``trajectory``
    All steps on both backends. Holds while the largest weight difference stays within the model's
    tolerance (1e-12 in float64).
``step``
    Teacher forced: at each mark both backends make one step from the same state. Holds within
    1e-12 in float64; in float32 while 99.9 % of the weights agree within 2e-5 and all within 2e-4.
``baseline``
    All steps. Holds while the backends are at most 10 times as far apart as one backend and its
    own baseline, whose weights began one unit in the last place away, in maximum and in median, at
    every mark until both have saturated.
``handover``
    Half of the steps on one backend, the other half on the other, through a checkpoint, both ways.
    Holds if every load is bit-exact, a backend that continues from its own checkpoint ends
    bit-identical to its uninterrupted trajectory, and the handed-over trajectories are within the
    tolerance of ``trajectory``, or of ``baseline`` in float32 or at full size.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.dataset import load_dataset
from gandem.core.errors import BackendError, SpecError
from gandem.core.plugins.installation import install_command
from gandem.core.plugins.registry import registry
from gandem.core.specs import Spec, find_model, load_spec
from gandem.core.training import OUTSIDE_PARITY, Feed, installed_backends, resolve_loss
from gandem.parity.handover import Handover, hand_over, limits_of, marks_after
from gandem.parity.processes import Processes
from gandem.parity.tolerances import Mark, ladder, losses_of, mark_between, promise_of

__all__ = ["Report", "measure", "pair_of_backends"]

TIERS = ("trajectory", "step", "baseline", "handover")


@dataclass(frozen=True, slots=True)
class Report:
    """A parity measurement and its verdict.

    Attributes:
        tolerance: what the tier promises, in words.
        handover: what the tier of that name found beside the marks.
        data_dir: the folder of the data's files, where one was given.
        classes: of the data only these; none for all.
    """

    model: str
    size: str
    precision: str
    backends: tuple[str, str]
    steps: int
    seed: int
    data: str
    tier: str
    tolerance: str
    marks: tuple[Mark, ...]
    holds: bool
    handover: Handover | None = None
    data_dir: str | None = None
    classes: tuple[int | str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """Return the report as plain data; ``handover`` is there in its own tier alone."""
        data = {**asdict(self), "marks": [asdict(m) | {"ratio": m.ratio} for m in self.marks]}
        del data["handover"]
        return data | ({"handover": self.handover.to_data()} if self.handover else {})


def measure(
    model: str | Spec,
    *,
    backends: Sequence[str] = (),
    steps: int = 200,
    precision: str = "float64",
    size: str = "small",
    seed: int = 0,
    data: str = "digits",
    data_dir: Path | str | None = None,
    classes: Sequence[int | str] | None = None,
    tier: str = "auto",
    device: str = "cpu",
    changes: dict[str, Any] | None = None,
    progress: Callable[[str, int], None] | None = None,
    **parameters: Any,
) -> Report:
    """Measure how far apart two backends are on one spec.

    Args:
        model: a model's name, a path to a spec, or a spec (which has one size).
        backends: two ids; left out, the first two that are installed.
        steps: how many steps to take; the marks are 1, 2, 5, 10, 20, 50, … and the last; for a
            hand-over, which comes after half of the steps, those after it and the next step.
        size: ``"small"``, the model's size for parity work, or ``"full"``.
        data: a data set's id, or ``id:argument``.
        data_dir: a folder with the files of a known data set.
        classes: of a labeled set only these, renumbered from 0; left out or empty, all.
        tier: ``"auto"`` takes ``trajectory`` for float64 at the small size, ``step`` for float32
            and ``baseline`` otherwise; ``handover`` has to be asked for.
        progress: called as ``progress(who, step)``, from several threads.
        parameters: of the model, ``latent=64``; they are added to ``changes``.

    Raises:
        SpecError: one of the choices is none, or there are too few steps.
        BackendError: fewer than two backends are installed.
        DataError: the data is not there, or does not fit the spec.
    """
    pair = pair_of_backends(backends)
    spec, tolerance = _subject(model, size, {**(changes or {}), **parameters})
    loss = resolve_loss(spec)
    chosen = _tier(tier, precision, size, steps)
    # a mistake in data or spec shall be told here, not by three processes
    folder, few = None if data_dir is None else os.fspath(data_dir), tuple(classes or ())
    found = load_dataset(data, folder, spec.image.shape, few)
    Feed(spec, loss, found, seed, precision)
    handover, limits = None, limits_of(precision, size, tolerance, at=steps // 2)
    promise = promise_of(chosen, precision, tolerance)
    with tempfile.TemporaryDirectory(prefix="gandem-parity-") as name:
        processes = Processes(
            spec=spec,
            data=data,
            data_dir=folder,
            classes=few,
            seed=seed,
            precision=precision,
            device=device,
            marks=marks_after(steps) if chosen == "handover" else ladder(steps),
            folder=Path(name),
            progress=progress,
        )
        if chosen == "handover":
            handover, marks = hand_over(processes, pair, limits)
            words, holds = limits.words, not handover.faults
        else:
            marks = _walk_together(processes, pair, forced=chosen == "step")
            words, holds = promise.words, all(promise.kept(mark) for mark in marks)
    return Report(
        model=spec.name,
        size=size,
        precision=precision,
        backends=pair,
        steps=steps,
        seed=seed,
        data=data,
        data_dir=folder,
        classes=few,
        tier=chosen,
        tolerance=words,
        marks=marks,
        holds=holds,
        handover=handover,
    )


def _walk_together(
    processes: Processes, pair: tuple[str, str], *, forced: bool
) -> tuple[Mark, ...]:
    """Compare the trajectories of two backends and the first one's baseline at the marks.

    Args:
        forced: only the first backend makes all steps; the others make those of the marks, each
            from the state that the first had before it.
    """
    request, folder, marks = processes.request, processes.folder, processes.marks
    reference = request("reference", pair[0], states=forced)
    if forced:
        processes.run(reference)
    source = str(folder / "reference") if forced else None
    others = (
        request("other", pair[1], forced=source),
        request("baseline", pair[0], forced=source, baseline=True),
    )
    processes.run(*others if forced else (reference, *others))
    ours, other, baseline = (folder / who for who in ("reference", "other", "baseline"))
    first, second = losses_of(ours), losses_of(other)
    if forced:
        losses = [np.abs(first[step - 1] - second[i]).max() for i, step in enumerate(marks)]
    else:
        losses = [np.abs(first[:step] - second[:step]).max() for step in marks]
    return tuple(
        mark_between(step, (ours, other), (ours, baseline), float(loss))
        for step, loss in zip(marks, losses, strict=True)
    )


def pair_of_backends(backends: Sequence[str] = ()) -> tuple[str, str]:
    """Return the ids of two backends: those asked for, or the first two installed."""
    table = registry()
    if backends:
        if len(backends) != 2:
            raise BackendError(f"A comparison needs two backends; received {len(backends)}.")
        first, second = (table.find("backends", name).id for name in backends)
        return first, second
    there = installed_backends()
    there.sort(key=lambda name: (name != "torch", "/" in name))
    if len(there) < 2:
        raise BackendError(
            f"A comparison needs two backends; installed: {', '.join(there) or 'none'}. "
            f"Install the others with: {install_command('all')}"
        )
    return there[0], there[1]


def _subject(model: str | Spec, size: str, changes: dict[str, Any]) -> tuple[Spec, float]:
    if size not in ("small", "full"):
        raise SpecError(f"size: expected 'small' or 'full', received {size!r}.")
    if isinstance(model, Spec):
        return model, 1e-12
    entry = find_model(model)
    if entry is None:
        return load_spec(model, changes), 1e-12
    return load_spec(entry, changes, small=size == "small"), entry.tolerance


def _tier(tier: str, precision: str, size: str, steps: int) -> str:
    """Return the tier that is meant, if there is one that can be measured so."""
    if tier not in ("auto", *TIERS):
        raise SpecError(f"tier: expected one of {', '.join(TIERS)}, received {tier!r}.")
    if precision in OUTSIDE_PARITY:
        raise SpecError(f"precision: {OUTSIDE_PARITY[precision]}.")
    if precision not in ("float32", "float64"):
        raise SpecError(f"precision: expected 'float32' or 'float64', received {precision!r}.")
    if steps < 1:
        raise SpecError(f"steps: expected at least 1, received {steps}.")
    if tier == "handover" and steps < 2:
        raise SpecError("steps: expected at least 2, one before the hand-over and one after it.")
    if tier == "auto":
        return "step" if precision == "float32" else "trajectory" if size == "small" else "baseline"
    return tier
