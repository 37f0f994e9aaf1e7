"""How long commands that only look take to start, against a bare `import click`.

    python benchmarks/start.py [--runs 15] [--json]

Runs are interleaved, so that a busy moment of the machine meets all of them; the ratio of the
medians counts.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "import click": ["-c", "import click"],
    "gandem list": ["-m", "gandem", "list"],
    "gandem show dcgan": ["-m", "gandem", "show", "dcgan"],
    "gandem --help": ["-m", "gandem", "--help"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(options.runs + 1):
        for name, arguments in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    bare = medians["import click"]
    if options.json:
        print(json.dumps({name: {"seconds": m, "ratio": m / bare} for name, m in medians.items()}))
        return
    for name, median in medians.items():
        print(f"{name:<20} {1000 * median:6.0f} ms   {median / bare:4.1f} × import click")


if __name__ == "__main__":
    main()
