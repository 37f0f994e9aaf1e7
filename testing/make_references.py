"""Writes the stored references: ``python -m gandem.testing.make_references``.

They are computed in 80-bit long doubles and rounded once, so that the last digit depends on no
library.  Read the table before you commit: a published case never changes, a changed one gets a
new name.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from gandem.testing.cases import CASES, LOSSES, OPTIMISERS
from gandem.testing.formulas import loss, optimise
from gandem.testing.reference import differentiate
from gandem.testing.stored import OPERATIONS, flatten

__all__ = ["compute", "main"]


def compute() -> dict[str, dict[str, np.ndarray]]:
    """Return the reference arrays of every P1 case, by case and name."""
    found = {}
    for case in CASES:
        given = (case.plan, case.arrays(), case.values(), case.cotangent(), case.masks())
        found[case.name] = flatten(differentiate(*given, number=np.clongdouble))
    for half in LOSSES:
        value, gradient = loss(type(half.rule).__name__, half.role, half.logits, half.target)
        found[half.name] = {"value": np.array(value), "gradient": gradient}
    for each in OPTIMISERS:
        after = optimise(each.optimiser, each.arrays(), each.gradients())
        found[each.name] = {name: np.stack([step[name] for step in after]) for name in after[0]}
    return found


def main() -> None:
    """Write the file and print a table of what is in it."""
    if np.finfo(np.longdouble).eps > 1e-18:
        raise SystemExit("This machine has no 80-bit long double; write the references on x86-64.")
    results = compute()
    for case, arrays in results.items():
        sys.stdout.write(f"{case}\n")
        for name, value in arrays.items():
            largest = np.abs(value).max()
            sys.stdout.write(f"    {name:45} {value.shape!s:20} largest {largest:.4g}\n")
    path = Path(__file__).parent / OPERATIONS
    path.parent.mkdir(exist_ok=True)
    flat = {f"{case}: {k}": v for case, arrays in results.items() for k, v in arrays.items()}
    np.savez_compressed(path, **flat)  # type: ignore[arg-type]  # none is allow_pickle
    size = path.stat().st_size / 1e6
    sys.stdout.write(f"{path.name}: {len(results)} cases, {len(flat)} arrays, {size:.2f} MB\n")


if __name__ == "__main__":
    main()
