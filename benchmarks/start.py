"""Measure the start-up time of commands that load no framework, against a bare click program.

    python benchmarks/start.py [--runs 15] [--json]

The bare program has a group and one command that prints a line. Runs are interleaved, and each is
compared with the bare one of its round, so that load of the machine affects both equally. Reports
the median of the ratios, with quartiles. On a busy machine use CPU time instead of wall time.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

BARE = '''import click


@click.group()
def main() -> None:
    """Commands."""


@main.command("list")
def list_() -> None:
    """Print a line."""
    click.echo("one line")


main()
'''
GANDEM = os.path.join(sysconfig.get_path("scripts"), "gandem")
COMMANDS = {
    "bare click program": [sys.executable, "bare.py", "list"],
    "gandem list": [GANDEM, "list"],
    "python -m gandem list": [sys.executable, "-m", "gandem", "list"],
    "gandem --help": [GANDEM, "--help"],
    "gandem show dcgan": [GANDEM, "show", "dcgan"],
}


class Times(NamedTuple):
    """Seconds of one run."""

    clock: float
    processor: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    times: dict[str, list[Times]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "bare.py").write_text(BARE)
        for _ in range(options.runs + 1):
            for name, command in COMMANDS.items():
                times[name].append(run(command, folder))
    report({name: values[1:] for name, values in times.items()}, options.json)


def run(command: list[str], folder: str) -> Times:
    environment = os.environ | {"PYTHONPYCACHEPREFIX": os.path.join(folder, "cache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, whatever the shell says
    started, before = time.perf_counter(), processor()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return Times(time.perf_counter() - started, processor() - before)


def processor() -> float:
    """Return the processor's seconds of all finished child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report(times: dict[str, list[Times]], as_json: bool) -> None:
    bare = times["bare click program"]
    facts = {
        name: {
            clock: {
                "median": statistics.median(getattr(one, clock) for one in values),
                "ratio": statistics.quantiles(
                    (getattr(one, clock) / getattr(against, clock))
                    for one, against in zip(values, bare, strict=True)
                ),
            }
            for clock in Times._fields
        }
        for name, values in times.items()
    }
    if as_json:
        print(json.dumps({"seconds": facts, "runs": len(bare)}))
        return
    print(f"{len(bare)} runs each: median, and ratio to the bare program (quartiles)")
    for name, clocks in facts.items():
        print(f"{name:<22}" + "".join(f"   {words(clocks[c])} {c}" for c in Times._fields))


def words(fact: dict) -> str:
    low, middle, high = fact["ratio"]
    return f"{1000 * fact['median']:4.0f} ms {middle:5.2f} × ({low:.2f} – {high:.2f})"


if __name__ == "__main__":
    main()
