"""Measure the cost of checkpoints at the default interval, the end of each epoch.

    python benchmarks/checkpoints.py [MODEL …] [--backend torch] [--epochs 6] [--data NAME] [--json]

One training per model in one process. Every second epoch ends without a checkpoint, so that load of
the machine affects both kinds equally. An epoch is measured from the first step after the samples
of one epoch to the same step of the next, so it includes the writing thread. The cost is the ratio
of the medians, minus 1.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from gandem.callbacks.checkpoint_writer import CheckpointWriter
from gandem.core.runs import train
from gandem.core.runs.trainer import Trainer

MODELS = ("mlp-gan", "dcgan", "cgan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = {m: measure(m, options.backend, options.data, options.epochs) for m in options.models}
    if options.json:
        print(json.dumps(result))
        return
    for model, figures in result.items():
        print(
            f"{model:<10} {figures['without']:7.2f} s an epoch, with a checkpoint "
            f"{figures['with']:7.2f} s, cost {100 * figures['cost']:+5.1f} %, "
            f"on the training's own thread {100 * figures['own']:4.2f} %"
        )


def measure(model: str, backend: str, data: str, epochs: int) -> dict[str, float]:
    """Return the seconds of an epoch with and without a checkpoint, and the cost as a share."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    own: list[float] = []
    write = CheckpointWriter._write
    last = [0.0, 0]

    def write_every_second(self: CheckpointWriter, trainer: Trainer, *, competes: bool) -> None:
        now = time.perf_counter()
        last[1] += 1
        if last[1] > 2:  # the first epoch compiles
            seconds[last[1] % 2 == 0].append(now - last[0])
        last[0] = now
        if last[1] % 2 == 1:  # the cost falls into the epoch that begins now
            write(self, trainer, competes=competes)
            own.append(time.perf_counter() - now)

    CheckpointWriter._write = write_every_second  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as folder:
            train(model, backend=backend, data=data, epochs=epochs, out=Path(folder) / "run")
    finally:
        CheckpointWriter._write = write  # type: ignore[method-assign]
    with_, without = (statistics.median(seconds[kind]) for kind in (True, False))
    return {
        "with": with_,
        "without": without,
        "cost": with_ / without - 1,
        "own": statistics.median(own[1:]) / without,
    }


if __name__ == "__main__":
    main()
