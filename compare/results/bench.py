"""Training models over several seeds, each in a process of its own, and scoring what came out."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gandem.compare.results.rows import FIGURES, Result, spread
from gandem.core.errors import RunError
from gandem.core.files import make_folder
from gandem.core.runs import Run, Settings, open_run
from gandem.core.signals import block_interrupts_in_children, catch_stop_request
from gandem.core.specs import Spec, digest, load_spec, parse_setting
from gandem.core.training import find_backend, resolve_loss
from gandem.metrics.evaluation.features import find_extractor

__all__ = ["Bench", "bench", "check_bench"]

SEED = 1
"""Of the scores."""
LOOK = 0.1
"""Seconds between two looks at whether Ctrl-C was pressed."""
PATIENCE = 10.0
"""Seconds for a process to end at once before it is killed."""
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and of how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is to be measured.

    Attributes:
        seeds: how many trainings of each model, with the seeds 0, 1, 2, ….
        steps, epochs: how long; left out, as long as the model's spec says.
        changes: fields of the spec, or parameters of the model, ``"width=32"``.
        data, classes, data_dir: left out, the model's own.
        count: images that are scored.
        out: where the runs go; what is there already is not trained again, and what was
            interrupted goes on.
    """

    backend: str = "torch"
    seeds: int = 3
    steps: int | None = None
    epochs: int | None = None
    changes: tuple[str, ...] = ()
    data: str | None = None
    classes: tuple[int | str, ...] | None = None
    data_dir: Path | None = None
    count: int = 10_000
    extractor: str | None = None
    evaluate_every: int = 1
    out: Path = Path("runs/quality")


def check_bench(models: Iterable[str], asked: Bench) -> list[Spec]:
    """Return the specs of models, if all that can be known before a training is right.

    Raises:
        GandemError: a model or the backend is not there, or a setting fits nothing.
    """
    changes = dict(parse_setting(text) for text in asked.changes)
    specs = [load_spec(model, changes) for model in models]
    for spec in specs:
        resolve_loss(spec)
    find_backend(asked.backend)
    if asked.extractor is not None:
        find_extractor(asked.extractor)
    Settings(backend=asked.backend, steps=asked.steps, epochs=asked.epochs)
    return specs


def bench(
    model: str, asked: Bench, progress: Progress | None = None
) -> tuple[Result, list[Mapping[str, Any]]]:
    """Train a model with several seeds, score each run's last and best checkpoint, and return the
    row, with the scores it was made from.

    Raises:
        GandemError: the model, the data or the backend is not there, or a training failed; what is
            done stays in its folder and is not done again.
    """
    show = progress or (lambda what, done, total: None)
    (spec,) = check_bench([model], asked)
    make_folder(asked.out)
    runs, scores = [], []
    for seed in range(asked.seeds):
        folder = asked.out / _name(model, asked, digest(spec), seed)
        runs.append(_trained(model, asked, seed, folder, show))
        scores.append(_scored(runs[-1], asked, show))
    return _result(model, asked, runs, scores), [entry for of in scores for entry in of]


def _name(model: str, asked: Bench, spec: str, seed: int) -> str:
    length = f"{asked.steps}steps" if asked.steps else f"{asked.epochs or 'usual'}epochs"
    data = asked.data or "own"
    if asked.classes is not None:
        data += f"-{_classes(asked).replace(',', '-')}"
    parts = [Path(model).stem, asked.backend, data, length, spec[:8], f"seed{seed}"]
    if (asked.extractor, asked.evaluate_every) != (None, 1):  # they choose the best
        parts.insert(-1, f"{asked.extractor or 'usual'}-every{asked.evaluate_every}")
    return "_".join(part.replace("/", "-").replace(":", "-") for part in parts)


def _classes(asked: Bench) -> str:
    return ",".join(map(str, asked.classes or ())) or "all"


def _trained(model: str, asked: Bench, seed: int, folder: Path, show: Progress) -> Run:
    """Return a finished run: that which is there, or a new one."""
    if (folder / "spec.toml").exists():
        run = open_run(folder)
        if run.record.state != "finished":
            _call(["resume", str(folder)], folder, show)
    else:
        options: dict[str, Any] = {
            "backend": asked.backend,
            "seed": seed,
            "out": folder,
            "steps": asked.steps,
            "epochs": asked.epochs,
            "data": asked.data,
            "data-dir": asked.data_dir,
            "extractor": asked.extractor,
            "evaluate-every": asked.evaluate_every,
            "classes": None if asked.classes is None else _classes(asked),
        }
        given = [f"--{name}={value}" for name, value in options.items() if value is not None]
        given += [f"--set={change}" for change in asked.changes]
        _call(["train", model, *given], folder, show)
    return open_run(folder)


def _scored(run: Run, asked: Bench, show: Progress) -> list[Mapping[str, Any]]:
    show(f"{run.path.name}: scores", 0, 1)
    # not the noise and the real images by which the best was chosen
    options = ["-n", str(asked.count), "--seed", str(SEED)]
    options += ["--extractor", asked.extractor] if asked.extractor else []
    options += ["--data-dir", str(asked.data_dir)] if asked.data_dir else []
    found: list[Mapping[str, Any]] = json.loads(_call(["evaluate", str(run.path), *options]))
    show(f"{run.path.name}: scores", 1, 1)
    return found


def _call(arguments: list[str], folder: Path | None = None, show: Progress | None = None) -> str:
    """Run gandem in a process of its own, so that what befalls it befalls nothing else; return what
    it prints.
    """
    command = [sys.executable, "-m", "gandem", *arguments, "--json"]
    with catch_stop_request() as stop, contextlib.ExitStack() as following:
        with block_interrupts_in_children():
            child = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
            )
        if folder is not None and show is not None:
            following.enter_context(_following(folder, show))
        said, complaint = _heard(child, stop)
    if stop.is_set():
        raise KeyboardInterrupt
    if child.returncode:
        last = complaint.strip().splitlines()[-1:] or [f"exit code {child.returncode}"]
        raise RunError(f"gandem {' '.join(arguments[:2])} failed: {last[0]}")
    return said


def _heard(child: subprocess.Popen[str], stop: threading.Event) -> tuple[str, str]:
    """Return what a process says until its end; Ctrl-C is passed on to it as it is, the first time
    as a request, the second as an order.
    """
    asked = False
    with child:
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return child.communicate(timeout=LOOK)
                if stop.is_set() and not asked:
                    child.terminate()
                    asked = True
        except BaseException:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(PATIENCE)
            child.kill()
            raise


@contextlib.contextmanager
def _following(folder: Path, show: Progress) -> Iterator[None]:
    """Show how far a training is, from what it writes."""
    done = threading.Event()

    def watch() -> None:
        seen = 0
        while not done.wait(0.5):
            with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
                facts = json.loads((folder / "run.json").read_text("utf-8"))
                log = (folder / "log.jsonl").read_text("utf-8").splitlines()
                step = int(json.loads(log[-1])["step"])
                if step > seen:
                    show(folder.name, step, int(facts["steps_planned"]))
                seen = step

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _result(
    model: str, asked: Bench, runs: Sequence[Run], scores: Sequence[list[Mapping[str, Any]]]
) -> Result:
    record = runs[0].record
    picked = {"final": [_of(found, "last") for found in scores]}
    picked["best"] = [_of(found, "best") for found in scores]
    figures: dict[str, float | None] = {}
    for which, entries in picked.items():
        for name in FIGURES:
            values = [entry["values"].get(name) for entry in entries]
            figures[f"{which}_{name}_mean"], figures[f"{which}_{name}_sd"] = spread(values)
    floor, protocol = scores[0][0]["floor"], scores[0][0]["protocol"]
    figures |= {f"floor_{name}": floor.get(name) for name in FIGURES}
    versions = {"gandem": record.gandem, **record.versions}
    return Result(
        model=runs[0].spec.name if model.endswith((".toml", ".json")) else model,
        spec=digest(runs[0].spec),
        data=protocol["data"],
        backend=record.backend,
        device=record.device,
        precision=record.precision,
        steps=record.steps,
        epochs=_epochs(runs[0]),
        seeds=len(runs),
        figures=figures,
        real=protocol["real"],
        fake=protocol["fake"],
        of=protocol["of"],
        extractor=protocol["extractor"],
        extractor_digest=protocol["extractor_digest"],
        data_digest=protocol["data_digest"],
        scored_with_seed=protocol["seed"],
        formulas=protocol["formulas"],
        options=" ".join(asked.changes),
        seconds=round(sum(run.record.seconds for run in runs), 1),
        date=datetime.now(UTC).date().isoformat(),
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
    )


def _epochs(run: Run) -> float:
    """Return how often a run has seen the data: a step takes a batch for each of the
    discriminator's updates.
    """
    batches = run.record.steps * run.spec.training.discriminator_steps
    return round(batches / max(run.record.batches_per_epoch, 1), 2)


def _of(found: Sequence[Mapping[str, Any]], which: str) -> Mapping[str, Any]:
    """Return the scores of a checkpoint: averaged weights before raw ones; the last where it is the
    best too.
    """
    fits: dict[str, Mapping[str, Any]]
    fits = {entry["details"]["checkpoint"]: entry for entry in reversed(found)}
    return fits[which] if which in fits else fits["last"]
