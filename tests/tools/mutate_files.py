"""Read mutated files with every reader of gandem; none may end in a traceback.

    python tests/tools/mutate_files.py [--files N] [--seed S] [--processes P] [SUBJECT ...]

Prints a line per subject: files, how many of them were read and refused, and failures with the
number of the file. Exits with 1 if there is a failure.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

os.environ["GANDEM_PLUGINS"] = ""  # ignore installed plugins
os.environ["GANDEM_CACHE"] = tempfile.mkdtemp(prefix="gandem-mutations-")
sys.path.insert(0, str(Path(__file__).parents[1]))

from support.mutated_files import SUBJECTS, Failure, read_mutated

WEIGHTS = {"resumed runs": 1, "caches": 1, "comparisons": 1}
"""Shares of the files; the others have 5."""
CHUNK_SIZE = 250
MEMORY_LIMIT = 8 << 30
"""Bytes of a process, so that a file which claims to be huge fails here and not elsewhere."""


def read_chunk(name, numbers, seed):
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    with tempfile.TemporaryDirectory(prefix="gandem-mutations-") as folder:
        return name, list(read_mutated(name, Path(folder), numbers, seed))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    arguments = parser.parse_args()
    names = arguments.subjects or list(SUBJECTS)
    weights = {name: WEIGHTS.get(name, 5) for name in names}
    started, counts, failures = time.monotonic(), Counter(), []
    with ProcessPoolExecutor(arguments.processes) as pool:
        chunks = []
        for name, weight in weights.items():
            total = -(-arguments.files * weight // sum(weights.values()))
            for first in range(0, total, CHUNK_SIZE):
                numbers = range(first, min(first + CHUNK_SIZE, total))
                chunks.append(pool.submit(read_chunk, name, numbers, arguments.seed))
        for chunk in as_completed(chunks):
            name, results = chunk.result()
            for result in results:
                kind = "failed" if isinstance(result, Failure) else "read" if result else "refused"
                counts[name, kind] += 1
                failures += [result] if isinstance(result, Failure) else []
    for failure in failures[:20]:
        print(f"{failure.subject} {failure.number} ({failure.path}):\n{failure.problem}\n")
    for name in names:
        read, refused, failed = (counts[name, kind] for kind in ("read", "refused", "failed"))
        total = read + refused + failed
        print(f"{name:14}{total:8} files{read:8} read{refused:8} refused{failed:6} failed")
    files, seconds = sum(counts.values()), time.monotonic() - started
    print(f"{files} files, {len(failures)} failures, seed {arguments.seed}, {seconds:.0f} s")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
