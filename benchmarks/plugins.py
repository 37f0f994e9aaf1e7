"""Measure the cost of `gandem list` with many plugins installed.

    python benchmarks/plugins.py [--plugins 50] [--runs 25] [--json]

Creates distributions as pip installs them, each a module with a model, a data set and a layer, and
a README in its metadata. Starts `gandem list` with none and with all of them in turns, so that load
of the machine affects both equally, and reports the ratio of the medians. On a busy machine CPU
time is more reliable than wall time.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple


class Times(NamedTuple):
    """Seconds of one run."""

    clock: float
    processor: float


MODULE = '''"""Plugin {number}."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_models() -> list[Entry]:
    return [Entry(id="fake{number}/gan", target="fake_{number}.models:gan", title="A GAN")]


@hookimpl
def gandem_datasets() -> list[Entry]:
    return [Entry(id="fake{number}/data", target="fake_{number}.data:load", title="Images")]


@hookimpl
def gandem_layers() -> list[Entry]:
    return [Entry(id="fake{number}/block", target="fake_{number}.layers:block", title="A block")]
'''
METADATA = """Metadata-Version: 2.4
Name: fake-{number}
Version: 1.0
Summary: A plugin for gandem
Requires-Python: >=3.11
Description-Content-Type: text/markdown
Requires-Dist: gandem<1,>=0.1
Requires-Dist: numpy
Provides-Extra: dev
Requires-Dist: pytest>=8.2; extra == "dev"

"""
README = "A GAN for gandem, with a long description.\n" * 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugins", type=int, default=50)
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    counts = (0, options.plugins)
    times: dict[int, list[Times]] = {count: [] for count in counts}
    with tempfile.TemporaryDirectory() as folder:
        install(Path(folder), options.plugins)
        for _ in range(options.runs + 1):
            for count in counts:
                times[count].append(listing(Path(folder), count))
    report({count: values[1:] for count, values in times.items()}, options.json)


def install(folder: Path, plugins: int) -> None:
    for number in range(plugins):
        (folder / f"fake_{number}.py").write_text(MODULE.format(number=number))
        info = folder / f"fake_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(METADATA.format(number=number) + README)
        (info / "entry_points.txt").write_text(f"[gandem]\nfake{number} = fake_{number}\n")


def listing(folder: Path, plugins: int) -> Times:
    """Run `gandem list` with the plugins in a folder, or none at all."""
    environment = os.environ | {
        "GANDEM_PLUGINS": ",".join(f"fake{number}" for number in range(plugins)),
        "PYTHONPATH": str(folder) if plugins else "",
        "PYTHONPYCACHEPREFIX": str(folder / "cache"),  # compiled once, whatever the shell says
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started, before = time.perf_counter(), processor()
    done = subprocess.run(
        [sys.executable, "-m", "gandem", "list", "--json"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    times = Times(time.perf_counter() - started, processor() - before)
    listed = [row["id"] for row in json.loads(done.stdout)["models"] if "/" in row["id"]]
    if len(listed) != plugins:
        sys.exit(f"{len(listed)} of {plugins} plugins are listed")
    return times


def processor() -> float:
    """Return the processor's seconds of all finished child processes."""
    used = os.times()
    return used.children_user + used.children_system


def report(times: dict[int, list[Times]], as_json: bool) -> None:
    facts = {
        count: {
            clock: {
                "median": statistics.median(seconds),
                "quartiles": statistics.quantiles(seconds, n=4)[::2],
            }
            for clock, seconds in zip(Times._fields, zip(*values, strict=True), strict=True)
        }
        for count, values in times.items()
    }
    none, all_ = facts.values()
    ratios = {clock: all_[clock]["median"] / none[clock]["median"] for clock in Times._fields}
    if as_json:
        print(json.dumps({"seconds": facts, "ratios": ratios, "runs": len(times[0])}))
        return
    print(f"gandem list, {len(times[0])} runs each: median (quartiles)")
    for count, clocks in facts.items():
        print(f"{count:>3} plugins" + "".join(f"   {words(clocks[c])} {c}" for c in Times._fields))
    print("ratio      " + "".join(f"   {ratios[clock]:17.2f} {clock}" for clock in Times._fields))


def words(fact: dict) -> str:
    low, high = fact["quartiles"]
    return f"{1000 * fact['median']:4.0f} ({1000 * low:.0f} – {1000 * high:.0f}) ms"


if __name__ == "__main__":
    main()
