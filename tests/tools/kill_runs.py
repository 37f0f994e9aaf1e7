"""Kill trainings at random moments, resume them, and compare each end with an undisturbed one.

    python tests/tools/kill_runs.py [--kills N] [--seed S] [--backends toy,torch,keras]

Each trial trains a small model, kills it at a random moment, resumes and kills it again some times,
and lets it finish. After SIGKILL alone every file must be that of the undisturbed training, bit for
bit (times apart). A signal that stops a training after its step, such as SIGTERM, adds a
checkpoint, a sample and a row; then the last checkpoint and all that the undisturbed training has
must be equal.

The kills are spread evenly over the backends. For each, prints the number of kills and of different
ends, with what repeats each; exits with 1 if there are any. The toy backend is NumPy. Trainings are
forks of a process that has imported the framework.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.commands import TINY
from support.forks import Ended, Forks, Trap, outcome
from support.planted_backends import NONE, installed

BACKENDS = {"toy": "test/toy", "torch": "torch", "keras": "keras"}
KINDS = {
    "steps": ("--steps", 25, "--checkpoint-steps", 3, "--set=training.discriminator_steps=2"),
    "best": (
        *("--epochs", 8, "--checkpoint-steps", 2, "--keep-last", 1),
        *("--best", "real_accuracy:max"),
    ),
    "epochs": ("--epochs", 9, "--log-every", 2, "--keep-last", 0),
    "scores": (
        *("--epochs", 6, "--evaluate-every", 2, "--extractor", "pixels"),
        *("--checkpoint-steps", 4, "--set=training.ema_decay=0.9"),
    ),
}
"""Trainings that write files at different moments."""
STOPS = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2")]
KILL_SHARE = 0.75
"""Of SIGKILL among the signals."""
MAX_DELAY = 0.03
"""Seconds between a write and the signal."""
END_SHARE = 0.3
"""How often a trial ends after a signal, and not with another one."""


def interrupt(
    forks: Forks,
    arguments: tuple[object, ...],
    cwd: Path,
    length: int,
    number: int,
    draw: random.Random,
) -> tuple[Ended, str]:
    """Run a command and send a signal at a random moment; return how it ended, and when.

    Args:
        length: how often an undisturbed training writes.
    """
    writes, delay = draw.randint(0, length), draw.uniform(0, MAX_DELAY)
    fork = forks.start(*arguments, cwd=cwd, trap=Trap())
    fork.until(lambda: fork.writes() >= writes or fork.is_over())
    time.sleep(delay)
    fork.signal(number)
    return fork.ended(), f"{delay * 1000:.0f} ms after write {writes}"


@dataclass
class Report:
    """What was counted: signals that ended a process, trials, and different ends."""

    signals: Counter = field(default_factory=Counter)
    trials: int = 0
    different: list[str] = field(default_factory=list)


def try_training(forks, kind, arguments, expected, length, folder, draw, report) -> None:
    """Interrupt a training some times, let it finish, and compare."""
    cwd = Path(tempfile.mkdtemp(dir=folder))
    moments, only_kills = [], True
    for _ in range(20):
        number = signal.SIGKILL if draw.random() < KILL_SHARE else draw.choice(STOPS)
        asked = next_arguments(cwd, arguments)
        ended, moment = interrupt(forks, asked, cwd, length, number, draw)
        if ended.code == 0:
            break
        name = signal.Signals(number).name
        moments.append(f"{name} {moment}")
        report.signals[name] += 1
        only_kills = only_kills and number == signal.SIGKILL
        if ended.code not in (-number, 130) or "Traceback" in ended.stderr:
            moments.append(f"exit code {ended.code}: {ended.stderr[-300:]}")
            report.different.append(f"{kind}: {'; '.join(moments)}")
            return
        if draw.random() < END_SHARE:
            break
    ended = forks.run(*next_arguments(cwd, arguments), cwd=cwd)
    report.trials += 1
    if ended.code:
        problem = f"the last resume failed: {ended.stderr[-300:]}"
    else:
        problem = find_difference(expected, outcome(cwd / "run"), only_kills=only_kills)
    if problem:
        report.different.append(f"{kind}: {'; '.join(moments)}: {problem}")
    else:
        shutil.rmtree(cwd)


def next_arguments(cwd: Path, arguments: tuple[object, ...]) -> tuple[object, ...]:
    """Return what a person does after a kill: resume, or train again where nothing had begun."""
    return ("resume", "run") if (cwd / "run" / "spec.toml").exists() else arguments


def find_difference(expected: dict, found: dict, *, only_kills: bool) -> str:
    """Return how two ends differ; empty if they do not."""
    if only_kills:
        names = [name for name in expected if expected[name] != found[name]]
        files = {f for f in expected["files"] | found["files"]}
        differing = [f for f in files if expected["files"].get(f) != found["files"].get(f)]
        return f"different {names} {sorted(differing)}" if names else ""
    last = max(name for name in expected["files"] if name.startswith("checkpoints/step-"))
    kept = [name for name in expected["files"] if name.startswith("samples/")]
    differing = [f for f in (last, *kept) if expected["files"][f] != found["files"].get(f)]
    missing = [row["step"] for row in expected["log"] if row not in found["log"]]
    states = (expected["facts"]["state"], found["facts"]["state"])
    problem = f"different {differing}, missing rows {missing}, states {states}"
    return problem if differing or missing or states[0] != states[1] else ""


def kill_backend(name: str, kills: int, seed: int, folder: Path) -> Report:
    """Run trials on a backend until there were enough kills."""
    draw, report = random.Random(seed), Report()
    sizes = [f"--set={path}={value}" for path, value in TINY["dcgan"].items()]
    usual = ("train", "dcgan", *sizes, "--backend", BACKENDS[name])
    usual += ("--data", f"npz:{folder / 'tiny.npz'}", "--out", "run")
    with Forks(BACKENDS[name]) as forks:
        undisturbed = {}
        for kind, settings in KINDS.items():
            cwd = Path(tempfile.mkdtemp(dir=folder))
            ended = forks.run(*usual, *settings, cwd=cwd, trap=Trap())
            assert ended.code == 0, ended.stderr
            undisturbed[kind] = outcome(cwd / "run"), len(ended.places)
        while report.signals.total() < kills:
            kind = draw.choice(list(KINDS))
            arguments = (*usual, *KINDS[kind])
            try_training(forks, kind, arguments, *undisturbed[kind], folder, draw, report)
    return report


def main() -> int:
    """Kill trainings on each backend; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=120, help="signals that end a process")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--backends", default=",".join(BACKENDS), help="of the trainings")
    options = parser.parse_args()
    names, failed = options.backends.split(","), False
    with tempfile.TemporaryDirectory() as place, installed(Path(place), "toy", toy=NONE):
        images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
        np.savez(Path(place) / "tiny.npz", images=images, labels=np.arange(40) % 3)
        for name in names:
            begun = time.monotonic()
            report = kill_backend(name, -(-options.kills // len(names)), options.seed, Path(place))
            counts = ", ".join(f"{count} {kind}" for kind, count in sorted(report.signals.items()))
            print(
                f"{name}, seed {options.seed}: {report.signals.total()} signals ({counts}), "
                f"{report.trials} trainings, {len(report.different)} different ends, "
                f"{time.monotonic() - begun:.0f} s",
                *report.different,
                sep="\n",
                flush=True,
            )
            failed = failed or bool(report.different)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
