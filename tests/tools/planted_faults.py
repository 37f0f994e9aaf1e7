"""Measure which planted faults the fast tests catch: a mutation check with chosen faults.

    python tests/tools/planted_faults.py [-j JOBS] [NAME ...]

Each fault in planted_faults.toml replaces one piece of code in a copy of the tree, in which the
fast tests it names then run. Prints one line per fault and the share that was caught; exits with 1
if the share is below 95 %.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
REQUIRED_SHARE = 0.95
IGNORED = (".git", ".venv*", ".types", "*_cache", "__pycache__", "*.egg-info")
OUTPUTS = ("build", "dist", "runs")
"""Folders at the root that commands write; folders of these names elsewhere are sources."""


def copy_tree(root):
    """Copy the sources to root."""
    ignore = shutil.ignore_patterns(*IGNORED)

    def list_ignored(folder, names):
        outputs = OUTPUTS if Path(folder) == ROOT else ()
        return ignore(folder, names) | {*outputs}.intersection(names)

    shutil.copytree(ROOT, root, ignore=list_ignored)


def plant(fault, root):
    """Put a fault into the tree at root."""
    path = root / fault["file"]
    text = path.read_text("utf-8")
    count = text.count(fault["code"])
    if count != 1:
        sys.exit(f"{fault['name']}: expected its code once in {fault['file']}, found {count}.")
    path.write_text(text.replace(fault["code"], fault["fault"]), "utf-8")


def is_caught(fault):
    """Return True if a fast test fails with the fault."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "gandem"
        copy_tree(root)
        plant(fault, root)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-qx",
            "-m",
            "not slow",
            "-p",
            "no:cacheprovider",
        ]
        done = subprocess.run(
            [*command, *fault["tests"]],
            cwd=root,
            env=os.environ | {"PYTHONPATH": folder, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode not in (0, 1):  # 2: a file of tests cannot be imported
        sys.exit(f"{fault['name']}: pytest ended with {done.returncode}.\n{done.stdout[-2000:]}")
    return done.returncode != 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-j", "--jobs", type=int, default=1, help="faults that are tried at once")
    parser.add_argument("names", nargs="*", help="faults to try; all by default")
    arguments = parser.parse_args()
    path = Path(__file__).with_suffix(".toml")
    faults = tomllib.loads(path.read_text("utf-8"))["faults"]
    unknown = set(arguments.names) - {fault["name"] for fault in faults}
    if unknown:
        sys.exit(f"No fault is named {', '.join(sorted(unknown))}.")
    chosen = [f for f in faults if not arguments.names or f["name"] in arguments.names]
    caught = 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for fault, outcome in zip(chosen, pool.map(is_caught, chosen), strict=True):
            caught += outcome
            print(f"{'caught' if outcome else 'MISSED'}  {fault['name']}", flush=True)
    share = caught / len(chosen)
    print(f"{caught} of {len(chosen)} planted faults caught ({share:.0%})")
    return 0 if share >= REQUIRED_SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
