"""Measure what the tests cost: seconds, Python processes and framework imports for each file.

    python tests/tools/costs.py [PYTEST ARGUMENTS]

Runs pytest with these arguments and prints one row per test file, most expensive first. A
forked process counts only where it imports a framework itself.
"""

import collections
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SITE = Path(__file__).parent / "costs_site"


def pytest_runtest_logreport(report):
    """Log the seconds of one phase; with xdist only the controller does."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        with open(os.environ["GANDEM_TEST_COSTS"], "a", encoding="utf-8") as file:
            file.write(f"seconds {report.duration}\t0\t{report.nodeid}\n")


def measure(arguments):
    """Run pytest; return its exit code and a Counter for each test file."""
    costs = collections.defaultdict(collections.Counter)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "costs"
        log.touch()
        here = str(Path(__file__).parent)
        search = os.pathsep.join([str(SITE), here, *filter(None, [os.getenv("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "costs", *arguments],
            env=os.environ | {"GANDEM_TEST_COSTS": str(log), "PYTHONPATH": search},
            check=False,
        )
        for line in log.read_text("utf-8").splitlines():
            event, _, test = line.split("\t", 2)
            file = test.partition("::")[0] or "(outside tests)"
            name, _, amount = event.partition(" ")
            costs[file][name] += float(amount or 1)
    return done.returncode, costs


def main():
    code, costs = measure(sys.argv[1:])
    columns = ("seconds", "process", "torch", "tensorflow", "jax")
    total = sum(costs.values(), collections.Counter())
    rows = sorted(costs.items(), key=lambda item: -item[1]["seconds"])
    print("".join(f"{name:>11}" for name in columns), " file")
    for file, cost in [*rows, ("total", total)]:
        print("".join(f"{cost[name]:>11.0f}" for name in columns), "", file)
    return code


if __name__ == "__main__":
    sys.exit(main())
