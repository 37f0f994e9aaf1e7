"""Measure the training speed of gandem against a notebook's loop and an expert's hand-written loop.

    python benchmarks/speed [MODEL …] [--backends torch,keras] [--threads 1,2] [--rounds 9]
        [--seconds 1.5] [--data DATA] [--quick] [--json] [--write docs/speed.md]

Three processes per model, backend and number of threads train in turns, in an order that changes
each round, so that load of the machine affects all equally. A ratio above 1 means that gandem is
faster; reported is the median over rounds, with quartiles.

The images of DATA are repeated to the number of images in the model's lesson. sngan, sagan, r3gan
and stylegan2 are measured at a small size, on PyTorch, against an expert's loop only; --write then
writes the second table of the page.
"""

import argparse
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
MODELS = ("dcgan", "cgan", "upsample-gan", "dcgan-dropout", "mlp-gan", "wgan-gp")
KINDS = ("notebook", "expert", "gandem")
WIDTHS = {"image": "[28, 28, 1]", "width": "32"}
NARROW = {
    "sngan": WIDTHS | {"discriminator_width": "32", "blocks": "2"},
    "sagan": WIDTHS | {"discriminator_width": "32", "blocks": "2"},
    "r3gan": WIDTHS | {"groups": "4", "stages": "3", "blocks": "1", "batch_size": "64"},
    "msg-gan": WIDTHS | {"latent": "64", "batch_size": "64"},
    "stylegan2": WIDTHS | {"capacity": "512", "latent": "64", "batch_size": "64"},
}
"""Models of 32×32 images at a small size, which have no lesson and no notebook."""
CLASSES = {"upsample-gan": (7,), "dcgan-dropout": (3, 8)}
COUNTS = {"cgan": 70_000, "upsample-gan": 6_265, "dcgan-dropout": 11_982}
DEFAULT_COUNT = 60_000
WARM_STEPS, WARM_SECONDS = 150, 5.0
QUICK = {"models": ("mlp-gan",), "threads": (1,), "rounds": 3, "seconds": 0.3}


@dataclass
class Figures:
    """Costs of one contender: seconds per step in each round, seconds to the first step, bytes."""

    first: float = 0.0
    steps: list[float] = field(default_factory=list)
    peak_memory: int = 0

    @property
    def rate(self) -> float:
        return 1 / statistics.median(self.steps)


@dataclass
class Ratio:
    """The median over rounds and its quartiles; above 1 gandem is faster."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, other: Figures, ours: Figures) -> "Ratio":
        results = [a / b for a, b in zip(other.steps, ours.steps, strict=True)]
        low, median, high = statistics.quantiles(results, n=4) if results[1:] else 3 * results
        return cls(median, low, high)


@dataclass
class Row:
    """The costs of one model on one backend with a number of threads."""

    model: str
    backend: str
    threads: int
    figures: dict[str, Figures]

    def ratio(self, to: str) -> Ratio:
        return Ratio.of(self.figures[to], self.figures["gandem"])

    def as_json(self) -> dict[str, object]:
        ratios = {kind: asdict(self.ratio(kind)) for kind in self.figures if kind != "gandem"}
        figures = {
            kind: {
                "steps_per_second": figures.rate,
                "seconds_to_first_step": figures.first,
                "peak_memory": figures.peak_memory,
                "seconds_per_step": figures.steps,
            }
            for kind, figures in self.figures.items()
        }
        where = {"model": self.model, "backend": self.backend, "threads": self.threads}
        return {**where, "ratios": ratios, "contenders": figures}


class Contender:
    """A process that trains on request; see contender.py."""

    def __init__(self, arguments: list[str], threads: int) -> None:
        names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "GANDEM_PLUGINS": ""}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "contender.py"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if "-v" not in sys.argv else None,
            text=True,
            env=os.environ | quiet | {name: str(threads) for name in names},
        )
        self.arguments = arguments

    def train(self, steps: int) -> dict[str, float]:
        """Train a number of steps, or end the process with 0; return its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(steps, file=self.process.stdin, flush=True)
        output = self.process.stdout.readline()
        if not output:
            errors = self.process.stderr.read() if self.process.stderr else ""
            raise SystemExit(f"{' '.join(self.arguments)} failed:\n{errors[-3000:]}")
        return dict(json.loads(output))

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def measure(
    model: str, backend: str, threads: int, data: Path, rounds: int, seconds: float
) -> dict[str, Figures]:
    """Measure the contenders in turns."""
    kinds = KINDS[1:] if model in NARROW else KINDS
    options = [f"{key}={value}" for key, value in NARROW.get(model, {}).items()]
    figures = {kind: Figures() for kind in kinds}
    contenders: dict[str, Contender] = {}
    try:
        for kind in kinds:
            given = options if kind == "gandem" else []
            contenders[kind] = Contender([kind, model, backend, str(data), *given], threads)
            figures[kind].first = contenders[kind].train(1)["seconds"]
        blocks = {kind: _block(contenders[kind], seconds) for kind in kinds}
        for turn in range(rounds):
            for kind in (kinds[(turn + i) % len(kinds)] for i in range(len(kinds))):
                answer = contenders[kind].train(blocks[kind])
                steps = blocks[kind] + answer.get("steps", 0)
                figures[kind].steps.append(answer["seconds"] / steps)
        for kind in kinds:
            figures[kind].peak_memory = int(contenders[kind].train(0)["peak_memory"])
    finally:
        for contender in contenders.values():
            contender.close()
    return figures


def _block(contender: Contender, seconds: float) -> int:
    """Return the number of steps that take ``seconds``.

    The steps before warm it up: a graph of several steps is compiled after a while.
    """
    steps, seconds_spent, pace = 0, 0.0, 0.0
    while steps < WARM_STEPS and seconds_spent < WARM_SECONDS:
        block = contender.train(5)["seconds"]
        steps, seconds_spent, pace = steps + 5, seconds_spent + block, block / 5
    return max(2, round(seconds / pace))


@contextlib.contextmanager
def write_images(model: str, data: str, data_dir: str | None) -> Iterator[Path]:
    """Write the images of a model's lesson to a file, repeated to the number in the lesson."""
    from gandem.core.data.dataset import load_dataset

    dataset = load_dataset(data, data_dir, (28, 28, 1), CLASSES.get(model, ()))
    chosen = np.arange(COUNTS.get(model, DEFAULT_COUNT)) % len(dataset.images)
    assert dataset.labels is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npz"
        labels = dataset.labels.astype(np.int64)[chosen]
        np.savez(path, images=dataset.images[chosen], labels=labels)
        yield path


def run(options: argparse.Namespace) -> list[Row]:
    """Measure each model on each backend with each number of threads."""
    rows = []
    for model in options.models:
        with write_images(model, options.data, options.data_dir) as data:
            backends = [name for name in options.backends if name == "torch" or model not in NARROW]
            for backend, threads in itertools.product(backends, options.threads):
                figures = measure(model, backend, threads, data, options.rounds, options.seconds)
                rows.append(Row(model, backend, threads, figures))
                if not options.json:
                    print(line(rows[-1]), flush=True)
    return rows


def line(row: Row) -> str:
    """Return a row for a terminal."""
    rates = "  ".join(f"{kind} {figures.rate:7.2f}/s" for kind, figures in row.figures.items())
    output = [
        f"{row.model:<14} {row.backend:<6} {row.threads} thread{'s'[: row.threads > 1]:<2}",
        rates,
    ]
    for kind in [kind for kind in row.figures if kind != "gandem"]:
        ratio = row.ratio(kind)
        output.append(f"÷{kind} {ratio.median:5.2f} ({ratio.low:.2f}-{ratio.high:.2f})")
    first = "/".join(f"{figures.first:.1f}" for figures in row.figures.values())
    memory = "/".join(f"{figures.peak_memory / 2**20:.0f}" for figures in row.figures.values())
    return "  ".join([*output, f"first {first} s", f"memory {memory} MiB"])


def main() -> None:
    options = parse()
    measured = describe_conditions(options) | {"rows": [row.as_json() for row in run(options)]}
    if options.json:
        print(json.dumps(measured, indent=2))
    if options.write:
        from page import write

        is_narrow = set(options.models) <= set(NARROW)
        write(options.write, measured, "narrow" if is_narrow else "measured")


def describe_conditions(options: argparse.Namespace) -> dict[str, object]:
    """Return the machine, the versions and the settings of a measurement."""
    from gandem.core.machine import describe_machine
    from gandem.core.plugins.discovery import format_versions

    return {
        "machine": describe_machine(),
        "versions": format_versions(("torch", "tensorflow", "keras", "numpy")),
        "data": options.data,
        "rounds": options.rounds,
        "seconds": options.seconds,
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])

    def listed(text: str) -> tuple[str, ...]:
        return tuple(text.split(","))

    parser.add_argument("models", nargs="*")
    parser.add_argument("--backends", type=listed, default=("torch", "keras"))
    parser.add_argument("--threads", type=lambda text: tuple(map(int, listed(text))))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of one block")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--quick", action="store_true", help="one small model, few rounds")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, help="the page to write the table to")
    parser.add_argument("-v", action="store_true", help="show what the contenders print")
    options = parser.parse_args()
    defaults = {"models": MODELS, "threads": (1, 2), "rounds": 9, "seconds": 1.5}
    for name, value in (QUICK if options.quick else defaults).items():
        if not getattr(options, name):
            setattr(options, name, value)
    return options


if __name__ == "__main__":
    main()
