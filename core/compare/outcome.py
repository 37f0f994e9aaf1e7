"""What came of a comparison, as plain data: whether backends follow one path, whether they end as
well as one another, what they cost, and the sentence on top.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from gandem.core.compare.comparison import Comparison
from gandem.core.compare.grid import Cell, Setting
from gandem.core.compare.verdict import difference, outcome_in_words
from gandem.core.runs import Run
from gandem.core.scores import MEASURES

__all__ = ["comparison_in_words", "outcome_of", "sentence_of"]

KEY = ("model", "setting", "backend")
JUDGED = "frechet"
"""The measure that the verdict is about."""


def outcome_of(comparison: Comparison) -> dict[str, Any]:
    """Return all figures of a comparison, for its page and for ``--json``."""
    problems = comparison.ended()
    cells = [_cell(comparison, cell, problems) for cell in comparison.cells()]
    found = {
        "out": str(comparison.path),
        "grid": comparison.grid.to_data(),
        "cells": cells,
        "paths": _paths(comparison, problems),
        "outcomes": _outcomes(comparison, cells),
        "costs": _costs(comparison, cells),
    }
    return {"verdict": sentence_of(found), **found}


def _cell(comparison: Comparison, cell: Cell, problems: Mapping[str, str]) -> dict[str, Any]:
    run, state = comparison.run(cell), comparison.state(cell, problems)
    scores = comparison.scores(cell)
    first = scores[0] if scores else {}
    return {
        "model": cell.model,
        "setting": cell.setting.name,
        "backend": cell.backend,
        "seed": cell.seed,
        "folder": str(comparison.folder(cell)),
        "state": state.words,
        "problem": state.problem,
        "step": state.step,
        "total": state.total,
        "health": state.health,
        "values": first.get("values", {}),
        "floor": first.get("floor", {}),
        "protocol": first.get("protocol", {}),
        **_cost(run),
    }


def _cost(run: Run | None) -> dict[str, Any]:
    names = ("steps_per_second", "seconds_to_first_step", "seconds", "peak_memory")
    facts = run.facts if run else {}
    there = run.checkpoints() if run else []
    size = there[-1].stat().st_size if there else None
    return {name: facts.get(name) for name in names} | {"checkpoint_bytes": size}


def _paths(comparison: Comparison, problems: Mapping[str, str]) -> list[dict[str, Any]]:
    found = []
    for (model, setting, seed, pair), report in comparison.paths().items():
        row: dict[str, Any] = {"model": model, "setting": setting.name, "seed": seed}
        row |= {"backends": pair, "report": report, "same": report and report.get("holds")}
        found.append(row)
    return found


def _outcomes(comparison: Comparison, cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the differences between backends within each model and setting, or between settings
    on one backend, for each measure.
    """
    grid, found = comparison.grid, []
    for model in grid.models:
        groups: list[tuple[str, dict[str, list[Mapping[str, Any]]]]] = []
        for setting in grid.settings:
            by = {b: _of(cells, model, setting, b) for b in grid.backends}
            groups.append((setting.name, by))
        if len(grid.settings) > 1:
            for backend in grid.backends:
                of = {s.name: _of(cells, model, s, backend) for s in grid.settings}
                groups.append((f"on {backend}", of))
        for where, by in groups:
            for name in MEASURES:
                values = {who: _values(of, name) for who, of in by.items()}
                values = {who: there for who, there in values.items() if there}
                if len(values) > 1:
                    for one in difference(name, values):
                        row = {"model": model, "where": where, **one.to_data()}
                        found.append(row | {"words": outcome_in_words(one)})
    return found


def _of(
    cells: Sequence[Mapping[str, Any]], model: str, setting: Setting, backend: str
) -> list[Mapping[str, Any]]:
    key = (model, setting.name, backend)
    return [c for c in cells if (c["model"], c["setting"], c["backend"]) == key]


def _values(cells: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    there = [cell["values"].get(name) for cell in cells]
    return [value for value in there if value is not None]


def _costs(comparison: Comparison, cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the median of what each backend took, for each model and setting."""
    found = []
    for model in comparison.grid.models:
        for setting in comparison.grid.settings:
            for backend in comparison.grid.backends:
                of = _of(cells, model, setting, backend)
                row: dict[str, Any] = {"model": model, "setting": setting.name, "backend": backend}
                names = ("steps_per_second", "seconds_to_first_step", "peak_memory")
                for name in (*names, "checkpoint_bytes"):
                    there = [cell[name] for cell in of if isinstance(cell.get(name), int | float)]
                    row[name] = statistics.median(there) if there else None
                found.append(row)
    return found


def sentence_of(found: Mapping[str, Any]) -> str:
    """Return what a comparison says, in a sentence or two."""
    said = []
    told = [path for path in found["paths"] if path["report"]]
    if told:
        apart = [path for path in told if not path["same"]]
        if apart:
            pairs = sorted({" and ".join(path["backends"]) for path in apart})
            said.append(
                f"{', '.join(pairs)} do not take the same path: in {len(apart)} of {len(told)} "
                "walks side by side they part sooner than rounding explains."
            )
        else:
            said.append(
                f"All backends take the same path: in {len(told)} walks side by side they stay as "
                "near to one another as one backend to itself, begun one rounding away."
            )
    judged = [row for row in found["outcomes"] if row["measure"] == JUDGED]
    for verdict in ("different", "undecided", "no difference seen"):
        rows = [row for row in judged if row["verdict"] == verdict]
        if rows:
            said.append(f"{rows[0]['model']}, {rows[0]['where']}: {rows[0]['words']}.")
            break
    failed = [cell for cell in found["cells"] if cell["state"] in ("failed", "diverged")]
    if failed:
        said.append(f"{len(failed)} of {len(found['cells'])} trainings did not end well.")
    return " ".join(said) or "There is nothing to compare yet."


def comparison_in_words(found: Mapping[str, Any]) -> str:
    """Return a comparison for a terminal: the verdict, then scores and costs."""
    lines = [found["verdict"], ""]
    for row in found["costs"]:
        key = tuple(row[name] for name in KEY)
        of = [cell for cell in found["cells"] if tuple(cell[name] for name in KEY) == key]
        scores = [cell["values"].get(JUDGED) for cell in of]
        told = ", ".join("–" if score is None else f"{score:.3g}" for score in scores)
        rate, first = row["steps_per_second"], row["seconds_to_first_step"]
        cost = f"{rate:.1f} steps/s, {first:.1f} s to the first" if rate and first else "no steps"
        lines.append(f"  {', '.join(key)}: Fréchet distance {told}; {cost}")
    lines += [f"  {c['folder']}: {c['problem']}" for c in found["cells"] if c["problem"]]
    return "\n".join(lines)
