"""Writes the stored references: ``python -m gandem.testing.make_references [BACKEND]``.

Without a backend it writes those of single operations, in plain NumPy: computed in 80-bit long
doubles and rounded once, so that the last digit depends on no library.

With a backend it writes those of whole steps, which that backend makes in float64; its operations
have passed the tests against the first file, and every other backend then checks it.

Both times it writes ``references/table.tsv`` anew, a line for each case.  Read what changed in it
before you commit: a published case never changes, a changed one gets a new name.
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
from gandem.testing.formulas import loss, optimize
from gandem.testing.reference import differentiate
from gandem.testing.stored import OPERATIONS, STEPS, flatten, forget, operations, pack, steps
from gandem.testing.walks import STARTS, WALKS, begin, digest_of, outcome, path, step_once, walk

__all__ = ["TABLE", "compute", "compute_steps", "main", "table"]

HERE = Path(__file__).parent
TABLE = "references/table.tsv"


def compute() -> dict[str, dict[str, np.ndarray]]:
    """Return the reference arrays of every P1 case, by case and name."""
    found = {}
    for case in CASES:
        given = (case.plan, case.arrays(), case.values(), case.cotangent(), case.masks())
        found[case.name] = flatten(differentiate(*given, number=np.clongdouble))
    for half in LOSSES:
        value, gradient = loss(type(half.loss).__name__, half.role, half.logits, half.target)
        found[half.name] = {"value": np.array(value), "gradient": gradient}
    for each in OPTIMIZERS:
        after = optimize(each.optimizer, each.arrays(), each.gradients())
        found[each.name] = {name: np.stack([step[name] for step in after]) for name in after[0]}
    return found


def compute_steps(backend: Backend) -> dict[str, np.ndarray]:
    """Return one vector for every walk and moment, and the streams' fingerprint."""
    found = {"streams": np.array(fingerprint())}
    for case in WALKS:
        engine, at, losses = begin(case, backend), 0, []
        for mark in case.marks:
            losses += walk(engine, case.feed(), mark, at)
            at = mark
            found[f"{case.name}: after {mark}"] = pack(outcome(case, engine))
        found[f"{case.name}: losses"] = pack(path(losses))
        for start in STARTS:
            made = step_once(case, engine, start)
            found[f"{case.name}: one step from {start}"] = pack(digest_of(made))
    return found


def main(backend: str | None = None) -> None:
    """Write one of the files, and the table of both."""
    if backend is not None:
        from gandem.core.training import load_backend

        _write(STEPS, compute_steps(load_backend(backend)))
        return
    if np.finfo(np.longdouble).eps > 1e-18:
        raise SystemExit("This machine has no 80-bit long double; write the references on x86-64.")
    results = compute()
    _write(OPERATIONS, {f"{c}: {k}": v for c, arrays in results.items() for k, v in arrays.items()})


def _write(name: str, arrays: Mapping[str, np.ndarray]) -> None:
    path = HERE / name
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # none is allow_pickle
    size = path.stat().st_size / 1e6
    sys.stdout.write(f"{path.name}: {len(arrays)} arrays, {size:.2f} MB\n")
    forget()
    (HERE / TABLE).write_text(table(), encoding="utf-8")
    sys.stdout.write(f"Read what changed: git diff {HERE / TABLE}\n")


def table() -> str:
    """Return a line for each case of both files: its arrays, how many numbers, the largest, and a
    digest of all their bytes.
    """
    cases: dict[str, list[np.ndarray]] = {}
    for name, value in (*operations().items(), *steps().items()):
        case = name if name in steps() else name.rpartition(": ")[0]
        cases.setdefault(case, []).append(value)
    lines = ["case\tarrays\tnumbers\tlargest\tsha256"]
    for case, arrays in cases.items():
        numbers = [value for value in arrays if value.dtype.kind == "f"]
        largest = max((np.abs(value).max(initial=0.0) for value in numbers), default=0.0)
        digest = hashlib.sha256(b"".join(value.tobytes() for value in arrays)).hexdigest()[:12]
        count = sum(value.size for value in numbers)
        lines.append(f"{case}\t{len(arrays)}\t{count}\t{largest:.6g}\t{digest}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(*sys.argv[1:2])
