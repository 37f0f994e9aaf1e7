"""One contender in its own process, which trains a number of steps on request.

    python contender.py {notebook,expert,gandem} MODEL BACKEND DATA.npz [OPTION=VALUE …]

Reads a number of steps per line from standard input, trains them, and answers with a line of JSON:
``{"seconds": …}``. The first answer covers building and the first step, without the import of the
framework. At the end of the input it prints its peak memory.
"""

import json
import os
import resource
import sys
import tempfile
import time
import warnings
from importlib import import_module

import numpy as np

MAX_STEPS = 1_000_000
OUT = os.fdopen(os.dup(1), "w")  # what frameworks print goes to standard error
os.dup2(2, 1)


def answer(**fields: object) -> None:
    """Print a line of JSON."""
    print(json.dumps(fields), file=OUT, flush=True)


def read_steps() -> int:
    """Wait for the next number of steps; 0 at the end."""
    return int(sys.stdin.readline() or 0)


def finish() -> None:
    answer(peak_memory=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    OUT.close()
    os._exit(0)


def train_by_hand(kind: str, model: str, backend: str, data: str) -> None:
    """Train with a loop that does not use gandem."""
    loops = getattr(import_module(f"{kind}s_{backend}"), f"{kind}s".upper())
    if model not in loops:
        families = {"stylegan2": "styles", "msg-gan": "multiscale"}
        family = families.get(model, "residual")
        loops = getattr(import_module(f"{kind}s_{family}_{backend}"), f"{kind}s".upper())
    with np.load(data) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    steps = read_steps()
    started = time.perf_counter()
    train = loops[model](images, labels)
    while steps:
        train(steps)
        answer(seconds=time.perf_counter() - started)
        steps = read_steps()
        started = time.perf_counter()
    finish()


def train_with_gandem(model: str, backend: str, data: str, options: dict[str, str]) -> None:
    """Train as ``gandem train`` does, with its log, measurements, samples and checkpoints."""
    from gandem.core.runs import Progress, train
    from gandem.core.specs import parse_setting
    from gandem.core.training import load_backend

    load_backend(backend)
    steps = read_steps()
    started = time.perf_counter()
    until = steps

    def progress(now: Progress) -> None:
        nonlocal until, started
        if now.step < until:
            return
        answer(seconds=time.perf_counter() - started, steps=now.step - until)
        steps = read_steps()
        if not steps:
            finish()
        until = now.step + steps
        started = time.perf_counter()

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        values = dict(parse_setting(f"{key}={value}") for key, value in options.items())
        changes = {key: value for key, value in values.items() if "." in key}
        more = {key: value for key, value in values.items() if "." not in key}
        settings = {"backend": backend, "data": f"npz:{data}", "steps": MAX_STEPS, **more}
        train(model, changes=changes, out=f"{folder}/run", progress=progress, **settings)


def main() -> None:
    kind, model, backend, data, *options = sys.argv[1:]
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    if kind == "gandem":
        train_with_gandem(model, backend, data, dict(option.split("=", 1) for option in options))
    else:
        train_by_hand(kind, model, backend, data)


if __name__ == "__main__":
    main()
