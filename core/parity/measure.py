"""Measuring parity: the same steps on two backends and on one backend's 1-ulp twin, each in a
process of its own.

Three tiers can be measured here.

``trajectory``
    All steps on both backends.  Holds while the largest weight difference stays within the model's
    gate (1e-12 in float64).
``step``
    Teacher forced: at each mark both backends make one step from the same state.  Holds within
    1e-12 in float64; in float32 while 99.9 % of the weights agree within 2e-5 and all within 2e-4.
``twin``
    All steps.  Holds while the backends are at most 10 times as far apart as one backend and its
    own twin, whose weights began one unit in the last place away, in maximum and in median, at
    every mark until both have saturated.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.errors import BackendError, SpecError
from gandem.core.parity.worker import Request
from gandem.core.registry import installed, load_dataset, load_objective, load_spec, registry
from gandem.core.spec import Spec, to_json
from gandem.core.training import Feed

__all__ = ["Mark", "Report", "measure", "pair_of_backends"]

TIERS = ("trajectory", "step", "twin")
RATIO = 10.0
FLOAT32_MOST, FLOAT32_ALL = 2e-5, 2e-4


@dataclass(frozen=True, slots=True)
class Mark:
    """Distances after ``step`` steps: largest and median absolute difference over all trained
    weights.

    ``loss_max`` is the largest difference of a loss so far; ``twin_…`` are the distances of the
    first backend from its 1-ulp twin; ``within`` is the share of weights within 2e-5; ``saturated``
    says that both distances have reached a tenth of the way the weights have gone, where they grow
    no more.
    """

    step: int
    weights_max: float
    weights_median: float
    loss_max: float
    twin_max: float
    twin_median: float
    within: float
    floor: float
    saturated: bool

    @property
    def ratio(self) -> float:
        """The larger of both distances' ratios to the twin's, which begins at one unit in the last
        place.
        """
        return max(
            self.weights_max / max(self.twin_max, self.floor),
            self.weights_median / max(self.twin_median, self.floor),
        )


@dataclass(frozen=True, slots=True)
class Report:
    """A parity measurement and its verdict."""

    model: str
    size: str
    precision: str
    backends: tuple[str, str]
    steps: int
    seed: int
    data: str
    tier: str
    gate: str
    marks: tuple[Mark, ...]
    holds: bool

    def to_data(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {**asdict(self), "marks": [asdict(m) | {"ratio": m.ratio} for m in self.marks]}


def measure(
    model: str | Spec,
    *,
    backends: Sequence[str] = (),
    steps: int = 200,
    precision: str = "float64",
    size: str = "small",
    seed: int = 0,
    data: str = "digits",
    tier: str = "auto",
    device: str = "cpu",
    changes: dict[str, Any] | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> Report:
    """Measure how far apart two backends are on one spec.

    Args:
        model: a model's name, a path to a spec, or a spec (which has one size).
        backends: two ids; left out, the first two that are installed.
        steps: how many steps to take; the marks are 1, 2, 5, 10, 20, 50, … and the last.
        size: ``"small"``, the model's size for parity work, or ``"full"``.
        tier: ``"auto"`` takes ``trajectory`` for float64 at the small size, ``step`` for float32
            and ``twin`` otherwise.
        progress: called as ``progress(who, step)``, from several threads.

    Raises:
        BackendError: fewer than two backends are installed.
    """
    pair = pair_of_backends(backends)
    spec, gate = _subject(model, size, changes or {})
    chosen = _tier(tier, precision, size)
    if precision not in ("float32", "float64"):
        raise SpecError(f"precision: expected 'float32' or 'float64', received {precision!r}.")
    if steps < 1:
        raise SpecError(f"steps: expected at least 1, received {steps}.")
    # a mistake in data or spec shall be told here, not by three processes
    Feed(spec, load_objective(spec.objective), load_dataset(data), seed, precision)
    marks = _marks(steps)
    with tempfile.TemporaryDirectory(prefix="gandem-parity-") as name:
        folder = Path(name)
        make = _Maker(spec, data, seed, precision, device, marks, folder)
        if chosen == "step":
            _run([make("reference", pair[0], states=True)], progress)
            forced = str(folder / "reference")
            others = [
                make("other", pair[1], forced=forced),
                make("twin", pair[0], forced=forced, twin=True),
            ]
        else:
            others = [
                make("reference", pair[0]),
                make("other", pair[1]),
                make("twin", pair[0], twin=True),
            ]
        _run(others, progress)
        found = tuple(_mark(folder, marks, i, chosen == "step") for i in range(len(marks)))
    holds, words = _judge(found, chosen, precision, gate)
    return Report(
        model=spec.name,
        size=size,
        precision=precision,
        backends=pair,
        steps=steps,
        seed=seed,
        data=data,
        tier=chosen,
        gate=words,
        marks=found,
        holds=holds,
    )


def pair_of_backends(backends: Sequence[str] = ()) -> tuple[str, str]:
    """Return the ids of two backends: those asked for, or the first two installed."""
    table = registry()
    if backends:
        if len(backends) != 2:
            raise BackendError(f"A comparison needs two backends; received {len(backends)}.")
        first, second = (table.find("backends", name).id for name in backends)
        return first, second
    there = [row.id for row in table.rows("backends") if installed(row)]
    there.sort(key=lambda name: (name != "torch", "/" in name))
    if len(there) < 2:
        raise BackendError(
            f"A comparison needs two backends; installed: {', '.join(there) or 'none'}. "
            "Install the others with: pip install 'gandem[all]'"
        )
    return there[0], there[1]


def _subject(model: str | Spec, size: str, changes: dict[str, Any]) -> tuple[Spec, float]:
    if size not in ("small", "full"):
        raise SpecError(f"size: expected 'small' or 'full', received {size!r}.")
    if isinstance(model, Spec):
        return model, 1e-12
    if model.endswith((".toml", ".json")):
        return load_spec(model, changes), 1e-12
    row = registry().find("models", model)
    return load_spec(model, changes, small=size == "small"), row.gate


def _tier(tier: str, precision: str, size: str) -> str:
    if tier == "auto":
        return "step" if precision == "float32" else "trajectory" if size == "small" else "twin"
    if tier not in TIERS:
        raise SpecError(f"tier: expected one of {', '.join(TIERS)}, received {tier!r}.")
    return tier


def _marks(steps: int) -> tuple[int, ...]:
    """Return 1, 2, 5, 10, 20, 50, … up to ``steps``, and ``steps`` itself."""
    ladder = [d * 10**e for e in range(12) for d in (1, 2, 5)]
    return (*(m for m in ladder if m < steps), steps)


@dataclass(frozen=True)
class _Maker:
    """Makes the requests of one measurement."""

    spec: Spec
    data: str
    seed: int
    precision: str
    device: str
    marks: tuple[int, ...]
    folder: Path

    def __call__(self, who: str, backend: str, **more: Any) -> tuple[str, Request]:
        place = self.folder / who
        place.mkdir()
        return who, Request(
            spec=to_json(self.spec),
            backend=backend,
            folder=str(place),
            data=self.data,
            seed=self.seed,
            precision=self.precision,
            device=self.device,
            marks=self.marks,
            **more,
        )


def _run(
    requests: Sequence[tuple[str, Request]], progress: Callable[[str, int], None] | None
) -> None:
    """Run requests side by side, one thread each, as many at once as there are cores."""
    processes: list[subprocess.Popen[str]] = []
    with ThreadPoolExecutor(max_workers=_cores()) as pool:
        futures = [pool.submit(_follow, *pair, progress, processes) for pair in requests]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:  # one failed, or Ctrl-C: the others are of no more use
            for future in futures:
                future.cancel()
            for process in processes:
                process.kill()
            raise


def _follow(
    who: str,
    request: Request,
    progress: Callable[[str, int], None] | None,
    processes: list[subprocess.Popen[str]],
) -> None:
    """Run one request in a child and pass its progress on; its complaint becomes the error."""
    with tempfile.TemporaryFile("w+") as complaint:
        process = subprocess.Popen(
            [sys.executable, "-m", "gandem.core.parity.worker", request.to_json()],
            stdout=subprocess.PIPE,
            stderr=complaint,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"},
        )
        processes.append(process)
        with process:
            for line in process.stdout or ():
                if progress is not None and line.strip().isdigit():
                    progress(f"{request.backend} {who}", int(line))
        if process.returncode:
            complaint.seek(0)
            words = complaint.read().strip().splitlines() or [f"exit code {process.returncode}"]
            raise BackendError(f"The {request.backend} process failed: {words[-1]}")


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone knows what we may use
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _mark(folder: Path, marks: tuple[int, ...], index: int, forced: bool) -> Mark:
    """Compare what the three processes kept at one mark."""
    step = marks[index]
    ours, other, twin = (
        _flat(folder / who / f"mark-{step}.npz") for who in ("reference", "other", "twin")
    )
    moved = float(np.median(np.abs(ours - _flat(folder / "reference" / "start.npz"))))
    apart, wobble = np.abs(ours - other), np.abs(ours - twin)
    mine, theirs = (np.load(folder / who / "losses.npy")[:, :2] for who in ("reference", "other"))
    if forced:  # the reference walked all steps, the other only those of the marks
        loss = np.abs(mine[step - 1] - theirs[index]).max()
    else:
        loss = np.abs(mine[:step] - theirs[:step]).max()
    median, twin_median = float(np.median(apart)), float(np.median(wobble))
    return Mark(
        step=step,
        weights_max=float(apart.max()),
        weights_median=median,
        loss_max=float(loss),
        twin_max=float(wobble.max()),
        twin_median=twin_median,
        within=float((apart <= FLOAT32_MOST).mean()),
        floor=float(np.finfo(ours.dtype).eps * np.abs(ours).max()),
        saturated=moved > 0 and min(median, twin_median) >= 0.1 * moved,
    )


def _flat(path: Path) -> np.ndarray:
    with np.load(path) as kept:
        return np.concatenate([kept[name].ravel() for name in sorted(kept.files)])


def _judge(marks: Sequence[Mark], tier: str, precision: str, gate: float) -> tuple[bool, str]:
    """Return whether the promise of a tier holds, and the promise in words."""
    if tier == "trajectory" and precision == "float64":
        return all(
            m.weights_max <= gate for m in marks
        ), f"all weights within {gate:g} at every mark"
    if tier == "step" and precision == "float64":
        return all(m.weights_max <= 1e-12 for m in marks), "all weights within 1e-12 after one step"
    if tier == "step":
        near = all(m.within >= 0.999 and m.weights_max <= FLOAT32_ALL for m in marks)
        return near, "99.9 % of weights within 2e-5, all within 2e-4, after one step"
    near = all(m.saturated or m.ratio <= RATIO for m in marks)
    return near, "at most 10 × the 1-ulp twin's distance, maximum and median, until both saturate"
