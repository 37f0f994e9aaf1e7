"""Two trainings side by side, one process each: the same spec, seed and data on two backends, then
compared.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.images import beside, grid, save_image
from gandem.core.errors import BackendError, RunError
from gandem.core.files import make_folder
from gandem.core.process import ChildCommand, run_children
from gandem.core.runs import Run, open_run
from gandem.core.training import weights

__all__ = ["Tandem", "tandem"]


@dataclass(frozen=True, slots=True)
class Tandem:
    """Two runs of one spec and how far apart they ended.

    Attributes:
        picture: a PNG with the samples of both, from the same noise.
        weights_max: the largest absolute difference of a trained weight.
        pixels_max: the largest difference of a pixel in the samples, of 255; or, where these are
            points, of a number.
    """

    runs: tuple[Run, Run]
    picture: Path
    weights_max: float
    pixels_max: float

    def rows(self) -> list[tuple[int, tuple[float, float], tuple[float, float]]]:
        """Return (step, discriminator losses, generator losses) wherever both runs logged."""
        logs = [{row["step"]: row for row in run.log()} for run in self.runs]
        both = sorted(set(logs[0]) & set(logs[1]))
        return [
            (
                step,
                (logs[0][step]["discriminator"], logs[1][step]["discriminator"]),
                (logs[0][step]["generator"], logs[1][step]["generator"]),
            )
            for step in both
        ]

    def to_data(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        return {
            "runs": [str(run.path) for run in self.runs],
            "backends": [run.record.backend for run in self.runs],
            "steps": self.runs[0].record.steps,
            "steps_per_second": [run.record.steps_per_second for run in self.runs],
            "losses": [run.record.losses for run in self.runs],
            "weights_max": self.weights_max,
            "pixels_max": self.pixels_max,
            "picture": str(self.picture),
        }


def tandem(
    model: str,
    arguments: Sequence[str],
    backends: tuple[str, str],
    out: Path,
    progress: Callable[[str, int], None] | None = None,
) -> Tandem:
    """Train a model on two backends at once and compare where they end.

    Args:
        model: a model's name or a spec file.
        arguments: further arguments of ``gandem train``, the same for both.
        out: a new or empty folder; the runs lie in it under their backends' names.
        progress: called as ``progress(backend, step)`` now and then.

    Raises:
        RunError: ``out`` is in use.
        BackendError: one of the trainings failed.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out}: it exists and is not an empty folder; choose another --out.")
    make_folder(out)
    folders = [out / name.replace("/", "-") for name in backends]
    _train_both(model, arguments, backends, folders, progress)
    first, second = (open_run(folder) for folder in folders)
    apart = [
        np.abs(a - b).max()
        for a, b in zip(
            weights(first.spec, first.state()).values(),
            weights(second.spec, second.state()).values(),
            strict=True,
        )
    ]
    count = 50 if first.spec.classes else 25
    made = [run.generate(count) for run in (first, second)]
    images = [each.images for each in made]
    points = images[0].ndim == 2
    furthest = float(np.abs(images[0].astype(float) - images[1]).max())
    columns = min(first.spec.classes, 10) or None
    pictures = [each.grid() if points else grid(each.images, columns) for each in made]
    picture = out / "side-by-side.png"
    save_image(picture, beside(pictures, list(backends)))
    pixels_max = furthest if points else int(furthest)
    return Tandem((first, second), picture, float(max(apart)), pixels_max)


def _train_both(
    model: str,
    arguments: Sequence[str],
    backends: tuple[str, str],
    folders: list[Path],
    progress: Callable[[str, int], None] | None,
) -> None:
    """Run both trainings side by side, with one CPU thread each, and follow their logs."""
    steps: dict[str, int] = {}

    def report_steps() -> None:
        for backend, folder in zip(backends, folders, strict=True):
            step = _last_step(folder / "log.jsonl")
            if progress is not None and step > steps.get(backend, 0):
                steps[backend] = step
                progress(backend, step)

    commands = [
        ChildCommand(
            module="gandem",
            arguments=(
                *("train", model, "--json", "--backend", backend, "--out", str(folder)),
                *arguments,
            ),
            threads=1,
        )
        for backend, folder in zip(backends, folders, strict=True)
    ]
    try:
        results = run_children(commands, on_tick=report_steps)
    finally:
        with contextlib.suppress(OSError):
            folders[0].parent.rmdir()  # only if neither has begun
    for backend, result in zip(backends, results, strict=True):
        if result.code and not result.stop_reason:
            raise BackendError(f"The training on {backend} failed: {result.reason}")


def _last_step(log: Path) -> int:
    try:
        return int(json.loads(log.read_text("utf-8").splitlines()[-1])["step"])
    except (OSError, ValueError, IndexError, KeyError):
        return 0  # nothing yet, or a line half written
