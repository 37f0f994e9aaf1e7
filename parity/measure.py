"""The measurement of parity: the same steps on two backends and on the 1-ulp baseline of the first.

There are four tiers.

``trajectory``
    All steps on both backends. Holds if the largest difference of a weight stays within the model's
    tolerance (1e-12 in float64).
``step``
    Teacher forcing: at each mark both backends make one step from the same state. Holds within
    1e-12 in float64; in float32 if 99.9 % of the weights agree within 2e-5 and all within 2e-4.
``baseline``
    All steps. Holds if the backends differ by at most 10 times as much as one backend differs from
    its baseline, whose initial weights are moved by one unit in the last place; in maximum and in
    median, at every mark until both are saturated.
``handover``
    Half of the steps on one backend, the other half on the other, through a checkpoint, in both
    directions. Holds if every load is bit-exact, a backend that continues from its own checkpoint
    ends bit-identical to its uninterrupted trajectory, and the handed-over trajectories are within
    the tolerance of ``trajectory``, or of ``baseline`` in float32 or at full size.
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
from gandem.core.specs import Spec, find_model, load_spec, to_json
from gandem.core.training import OUTSIDE_PARITY, installed_backends, make_feed, resolve_loss
from gandem.parity.handover import (
    Handover,
    choose_limits,
    list_later_marks,
    measure_handover,
)
from gandem.parity.processes import Processes, Request
from gandem.parity.tolerances import (
    Mark,
    choose_tolerance,
    compare_trajectories,
    list_marks,
    read_losses,
)

TIERS = ("trajectory", "step", "baseline", "handover")


@dataclass(frozen=True, slots=True)
class Report:
    """A parity measurement and its verdict.

    Attributes:
        tolerance: the tolerance of the tier as text.
        handover: the result of the tier of that name, besides the marks.
        data_dir: the folder with the data set's files, if one was given.
        classes: the classes of the data that were used; empty for all.
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
        """Return the report as plain data, with ``handover`` only in that tier."""
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
    """Measure the difference of two backends on one spec.

    Args:
        model: a model's name, a path to a spec, or a spec (which has one size).
        backends: two ids; by default the first two that are installed.
        steps: number of steps; the marks are 1, 2, 5, 10, 20, 50, … and the last. A hand-over,
            after half of the steps, has the marks after it and the next step.
        size: ``"small"``, the model's size for parity, or ``"full"``.
        data: a data set's id, or ``id:argument``.
        data_dir: a folder with the files of a known data set.
        classes: the classes of a labeled set to use, renumbered from 0; all if empty.
        tier: ``"auto"`` is ``trajectory`` for float64 at the small size, ``step`` for float32, and
            ``baseline`` otherwise.
        progress: called as ``progress(name, step)``, from several threads.
        parameters: of the model, ``latent=64``; they are added to ``changes``.

    Raises:
        SpecError: an argument is not valid, or there are too few steps.
        BackendError: fewer than two backends are installed.
        DataError: the data is missing, or does not fit the spec.
    """
    pair = choose_backends(backends)
    spec, model_tolerance = _load_spec(model, size, {**(changes or {}), **parameters})
    loss = resolve_loss(spec)
    tier = _choose_tier(tier, precision, size, steps)
    folder, used_classes = None if data_dir is None else os.fspath(data_dir), tuple(classes or ())
    # checks the data and the spec here, so that three processes do not report the same error
    dataset = load_dataset(data, folder, spec.image.shape, used_classes)
    make_feed(spec, loss, dataset, seed, precision)
    template = Request(
        spec=to_json(spec),
        data=data,
        data_dir=None if folder is None else os.path.abspath(folder),
        classes=used_classes,
        seed=seed,
        precision=precision,
        device=device,
        marks=list_later_marks(steps) if tier == "handover" else list_marks(steps),
    )
    handover = None
    with tempfile.TemporaryDirectory(prefix="gandem-parity-") as name:
        processes = Processes(template=template, folder=Path(name), progress=progress)
        if tier == "handover":
            limits = choose_limits(precision, size, model_tolerance, at=steps // 2)
            handover, marks = measure_handover(processes, pair, limits)
            text, holds = limits.text, not handover.faults
        else:
            tolerance = choose_tolerance(tier, precision, model_tolerance)
            marks = _measure_marks(processes, pair, forced=tier == "step")
            text, holds = tolerance.text, all(tolerance.is_met(mark) for mark in marks)
    return Report(
        model=spec.name,
        size=size,
        precision=precision,
        backends=pair,
        steps=steps,
        seed=seed,
        data=data,
        data_dir=folder,
        classes=used_classes,
        tier=tier,
        tolerance=text,
        marks=marks,
        holds=holds,
        handover=handover,
    )


def _measure_marks(
    processes: Processes, pair: tuple[str, str], *, forced: bool
) -> tuple[Mark, ...]:
    """Compare the trajectories of two backends and the baseline of the first at the marks.

    Args:
        forced: only the first backend makes all steps; the others make those of the marks, each
            from the state that the first had before it.
    """
    request, folder, marks = processes.request, processes.folder, processes.template.marks
    reference = request("reference", pair[0], states=forced)
    if forced:
        processes.run(reference)
    source = str(folder / "reference") if forced else None
    others = (
        request("other", pair[1], forced=source),
        request("baseline", pair[0], forced=source, baseline=True),
    )
    processes.run(*others if forced else (reference, *others))
    first, second, baseline = (folder / name for name in ("reference", "other", "baseline"))
    expected, received = read_losses(first), read_losses(second)
    if forced:
        losses = [np.abs(expected[step - 1] - received[i]).max() for i, step in enumerate(marks)]
    else:
        losses = [np.abs(expected[:step] - received[:step]).max() for step in marks]
    return tuple(
        compare_trajectories(step, (first, second), (first, baseline), float(loss))
        for step, loss in zip(marks, losses, strict=True)
    )


def choose_backends(backends: Sequence[str] = ()) -> tuple[str, str]:
    """Return the ids of two backends: the given ones, or the first two that are installed."""
    if backends:
        if len(backends) != 2:
            raise BackendError(f"A comparison needs two backends; received {len(backends)}.")
        first, second = (registry().find("backends", name).id for name in backends)
        return first, second
    installed = sorted(installed_backends(), key=lambda name: (name != "torch", "/" in name))
    if len(installed) < 2:
        raise BackendError(
            f"A comparison needs two backends; installed: {', '.join(installed) or 'none'}. "
            f"Install the others with: {install_command('all')}"
        )
    return installed[0], installed[1]


def _load_spec(model: str | Spec, size: str, changes: dict[str, Any]) -> tuple[Spec, float]:
    """Return the spec and the tolerance of a model."""
    if size not in ("small", "full"):
        raise SpecError(f"size: expected 'small' or 'full', received {size!r}.")
    if isinstance(model, Spec):
        return model, 1e-12
    entry = find_model(model)
    if entry is None:
        return load_spec(model, changes), 1e-12
    return load_spec(entry, changes, small=size == "small"), entry.tolerance


def _choose_tier(tier: str, precision: str, size: str, steps: int) -> str:
    """Return the tier to measure, after a check of the settings."""
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
