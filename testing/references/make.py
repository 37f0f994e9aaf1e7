"""Writes the stored references: ``python -m gandem.testing.references.make [BACKEND]``.

Without a backend it writes those of single operations, computed with plain NumPy in 80-bit long
doubles and rounded once, so that the last digit depends on no library.

With a backend it writes those of whole steps, computed by that backend in float64. Its operations
have passed the tests against the first file; every other backend is then compared with it.

Both also write ``table.tsv``, one line per case. Read its diff before you commit: a published case
never changes, and a changed case gets a new name.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gandem.core.rng import fingerprint
from gandem.core.training import Backend
from gandem.testing.cases import CASES, LOSSES, OPTIMIZERS
from gandem.testing.references.files import (
    OPERATIONS,
    STEPS,
    clear_cache,
    load_operations,
    load_steps,
    pack,
)
from gandem.testing.references.formulas import loss, optimize
from gandem.testing.references.networks import differentiate
from gandem.testing.trajectories import (
    STARTS,
    TRAJECTORIES,
    digest,
    make_step,
    run_steps,
    stack_losses,
    start_engine,
    summarize,
)

FOLDER = Path(__file__).parent
TABLE = "table.tsv"


def compute_operations() -> dict[str, dict[str, np.ndarray]]:
    """Return the reference arrays of every P1 case, by case and name."""
    references = {}
    for case in CASES:
        arguments = (case.plan, case.arrays(), case.values(), case.cotangent(), case.draws())
        references[case.name] = differentiate(*arguments, number=np.clongdouble)
    for half in LOSSES:
        results = loss(type(half.loss).__name__, half.role, half.arrays, half.target)
        references[half.name] = half.name_results(*results)
    for each in OPTIMIZERS:
        after = optimize(each.optimizer, each.arrays(), each.gradients())
        stacks = {name: np.stack([arrays[name] for arrays in after]) for name in after[0]}
        references[each.name] = stacks
    return references


def compute_steps(backend: Backend) -> dict[str, np.ndarray]:
    """Return one vector for every trajectory and moment, and the streams' fingerprint."""
    vectors = {"streams": np.array(fingerprint())}
    for case in TRAJECTORIES:
        engine, step, losses = start_engine(case, backend), 0, []
        for mark in case.marks:
            losses += run_steps(engine, case.feed(), mark, step)
            step = mark
            vectors[f"{case.name}: after {mark}"] = pack(summarize(case, engine))
        vectors[f"{case.name}: losses"] = pack(stack_losses(losses))
        for start in STARTS:
            arrays = make_step(case, engine, start)
            vectors[f"{case.name}: one step from {start}"] = pack(digest(arrays))
    return vectors


def main(backend: str | None = None) -> None:
    """Write one of the files, and the table of both."""
    if backend is not None:
        from gandem.core.training import load_backend

        _write(STEPS, compute_steps(load_backend(backend)))
        return
    if np.finfo(np.longdouble).eps > 1e-18:
        raise SystemExit("This machine has no 80-bit long double; write the references on x86-64.")
    cases = compute_operations()
    _write(OPERATIONS, {f"{c}: {k}": v for c, arrays in cases.items() for k, v in arrays.items()})


def _write(name: str, arrays: Mapping[str, np.ndarray]) -> None:
    path = FOLDER / name
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # none is allow_pickle
    size = path.stat().st_size / 1e6
    sys.stdout.write(f"{path.name}: {len(arrays)} arrays, {size:.2f} MB\n")
    clear_cache()
    (FOLDER / TABLE).write_text(format_table(), encoding="utf-8")
    sys.stdout.write(f"Read what changed: git diff {FOLDER / TABLE}\n")


def format_table() -> str:
    """Return a line for each case of both files: its number of arrays and of elements, the largest
    element, and a digest of all bytes.
    """
    cases: dict[str, list[np.ndarray]] = {}
    for name, value in (*load_operations().items(), *load_steps().items()):
        case = name if name in load_steps() else name.rpartition(": ")[0]
        cases.setdefault(case, []).append(value)
    lines = ["case\tarrays\tnumbers\tlargest\tsha256"]
    for case, arrays in cases.items():
        numbers = [value for value in arrays if value.dtype.kind == "f"]
        largest = max((np.abs(value).max(initial=0.0) for value in numbers), default=0.0)
        checksum = hashlib.sha256(b"".join(value.tobytes() for value in arrays)).hexdigest()[:12]
        count = sum(value.size for value in numbers)
        lines.append(f"{case}\t{len(arrays)}\t{count}\t{largest:.6g}\t{checksum}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(*sys.argv[1:2])
