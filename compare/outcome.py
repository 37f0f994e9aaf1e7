"""What came of a comparison, as plain data: whether backends follow one path, whether they end as
well as one another, what they cost, and the sentence on top.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from gandem.compare.comparison import Comparison
from gandem.compare.grid import AS_IT_IS, Cell, Setting
from gandem.compare.paths import listed, path_sentence, paths_of, plural
from gandem.compare.read import finite_of, is_number
from gandem.compare.verdict import difference, outcome_in_words, short
from gandem.core.errors import GandemError
from gandem.core.plugins.installation import install_command
from gandem.core.runs import Run
from gandem.metrics.evaluation import MEASURES

__all__ = ["check_needs", "comparison_in_words", "outcome_of", "sentence_of"]

KEY = ("model", "setting", "backend")
VERDICTS = ("different", "undecided", "no difference seen")
SAID = 3
"""Pairs that the sentence on top names, at most."""
NAMES = {"data": "", "extractor": ""}
"""Of a protocol, what does not count where digests are the same."""
FACTS = ("spec_digest", "gandem", "versions", "device", "machine", "command", "started")
AVERAGED = "averaged"
"""What ``gandem evaluate`` calls weights that are a moving average (EMA)."""
JUDGED = "frechet"
"""The measure that the verdict is about."""


def check_needs() -> None:
    """Raise a :class:`GandemError` unless there is what a page is drawn with.

    It is said before anything is trained.
    """
    missing = [name for name in ("jinja2", "scipy") if find_spec(name) is None]
    if missing:
        raise GandemError(
            f"A comparison needs {listed(missing)}. Install with: {install_command('report')}"
        )


def outcome_of(comparison: Comparison) -> dict[str, Any]:
    """Return all figures of a comparison, for its page and for ``--json``."""
    problems = comparison.ended()
    cells = [_cell(comparison, cell, problems) for cell in comparison.cells()]
    found = {
        "out": str(comparison.path),
        "grid": comparison.grid.to_data(),
        "cells": cells,
        "paths": paths_of(comparison, problems),
        "outcomes": _outcomes(comparison, cells),
        "costs": _costs(comparison, cells),
    }
    told: dict[str, Any] = finite({"verdict": sentence_of(found), **found})
    return told


def finite(data: Any) -> Any:
    """Return plain data without NaN and infinity, which JSON has not: None stands for them."""
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(map(finite, data))
    return None if isinstance(data, float) and not math.isfinite(data) else data


def _cell(comparison: Comparison, cell: Cell, problems: Mapping[str, str]) -> dict[str, Any]:
    run, state = comparison.run(cell), comparison.state(cell, problems)
    scores = comparison.scores(cell)
    first = _judged_by(scores or [{}])
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
        "health": _health(run),
        "values": first.get("values", {}),
        "floor": first.get("floor", {}),
        "protocol": first.get("protocol", {}),
        "weights": _weights(first),
        **{name: getattr(run.record, name) if run else None for name in FACTS},
        **_cost(run),
    }


def _judged_by(scores: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the scores that count: those of averaged weights, where a model keeps an average."""
    averaged = [row for row in scores if _weights(row) == AVERAGED]
    return averaged[0] if averaged else scores[0]


def _weights(row: Mapping[str, Any]) -> str | None:
    """Return whether scores are of averaged weights or of raw ones."""
    details = row.get("details")
    told = details.get("weights") if isinstance(details, dict) else None
    return told if told in (AVERAGED, "raw") else None


def _health(run: Run | None) -> str:
    health = run.record.health if run else None
    return str(health.get("verdict", "")) if isinstance(health, dict) else ""


def _cost(run: Run | None) -> dict[str, Any]:
    names = ("steps_per_second", "seconds_to_first_step", "seconds", "peak_memory")
    there = run.checkpoints() if run else []
    size = there[-1].stat().st_size if there else None
    return finite_of({name: getattr(run.record, name) if run else None for name in names}) | {
        "checkpoint_bytes": size
    }


def _outcomes(comparison: Comparison, cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the differences between backends within each model and setting, between settings of
    one model on one backend, and between models, for each measure.
    """
    grid, found = comparison.grid, []
    of_setting = {s: s.name if len(grid.settings) > 1 else "" for s in grid.settings}
    of_backend = {b: f"on {b}" if len(grid.backends) > 1 else "" for b in grid.backends}
    for model in grid.models:
        title = model if len(grid.models) > 1 else ""
        groups: list[tuple[str, dict[str, list[Mapping[str, Any]]]]] = []
        for setting in grid.settings:
            by = {b: _of(cells, model, setting, b) for b in grid.backends}
            groups.append((_where(title, of_setting[setting]), by))
        for backend in grid.backends:
            by = {s.name: _of(cells, model, s, backend) for s in grid.settings}
            groups.append((_where(title, of_backend[backend]), by))
        found += [row | {"model": model} for where, by in groups for row in _compared(where, by)]
    for setting, backend in itertools.product(grid.settings, grid.backends):
        by = {model: _of(cells, model, setting, backend) for model in grid.models}
        where = _where("models", of_setting[setting], of_backend[backend])
        found += [row | {"model": None} for row in _compared(where, by)]
    return found


def _where(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _compared(where: str, by: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return the differences of every two groups of cells in each measure both have, of cells that
    were scored by the protocol of most: models on data of their own were not.
    """
    found: list[dict[str, Any]] = []
    usual = Counter(_protocol(cell) for of in by.values() for cell in of).most_common()
    usual = [protocol for protocol in usual if protocol[0]]
    by = {who: [c for c in of if _protocol(c) == usual[0][0]] for who, of in by.items() if usual}
    for name in MEASURES:
        values = {who: _values(of, name) for who, of in by.items()}
        for one in difference(name, {who: there for who, there in values.items() if there}):
            found.append({"where": where, **one.to_data(), "words": outcome_in_words(one)})
    return found


def _protocol(cell: Mapping[str, Any]) -> str:
    """Return what tells a cell's protocol from others; nothing where it was not scored."""
    return json.dumps(cell["protocol"] | NAMES, sort_keys=True) if cell["protocol"] else ""


def _protocol_sentence(found: Mapping[str, Any]) -> str:
    """Say that not all scores can be compared."""
    there = {_protocol(cell) for cell in found["cells"]} - {""}
    if len(there) < 2:
        return ""
    return f"Scores were taken by {len(there)} protocols, and compared within each alone."


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
                    there = [cell[name] for cell in of if is_number(cell.get(name)) and cell[name]]
                    row[name] = statistics.median(there) if there else None
                found.append(row)
    return found


def sentence_of(found: Mapping[str, Any]) -> str:
    """Return what a comparison says, a sentence for each question that was asked."""
    if len(found["cells"]) == 1:
        return _single(found["cells"][0])
    parts = [path_sentence(found["paths"]), *_outcome_sentences(found)]
    parts += [_protocol_sentence(found), _losses_sentence(found)]
    return " ".join(part for part in parts if part) or "There is nothing to compare yet."


def _single(cell: Mapping[str, Any]) -> str:
    """Say what came of one training, which nothing is compared with."""
    said = [f"One training, {cell['state']} at step {cell['step']}"]
    if (score := cell["values"].get(JUDGED)) is not None:
        said.append(f"{MEASURES[JUDGED].title} {short(score, 3)}")
    return f"{'; '.join([*said, *filter(None, [cell['problem'] or cell['health']])])}."


def _outcome_sentences(found: Mapping[str, Any]) -> list[str]:
    """Say for each group what is best in it, and what the others are beside that."""
    judged = [row for row in found["outcomes"] if row["measure"] == JUDGED]
    if len(judged) > 1 and {row["verdict"] for row in judged} == {"no difference seen"}:
        seeds = min(min(row["seeds"]) for row in judged)
        title = MEASURES[JUDGED].title
        return [f"{title}: no difference seen at {seeds} seeds in any of {len(judged)} pairs."]
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in judged:
        groups.setdefault(row["where"], []).append(row)
    told = sorted(
        groups.items(), key=lambda group: min(VERDICTS.index(r["verdict"]) for r in group[1])
    )
    said = [f"{f'{where}: ' if where else ''}{_group(rows)}." for where, rows in told]
    more = [f"And {plural(len(said) - SAID, 'more group')}, see below."] if said[SAID:] else []
    return said[:SAID] + more


def _group(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say what came of two or more that were compared with one another."""
    if len(rows) == 1:
        return str(rows[0]["words"])
    means = {
        row[who]: row["means"][at] for row in rows for at, who in enumerate(("first", "second"))
    }
    best = min(means, key=lambda name: means[name])
    said = [f"{MEASURES[JUDGED].title} is lowest for {best}, {short(means[best], 3)}"]
    for verdict in VERDICTS:
        beside = [r for r in rows if r["verdict"] == verdict and best in (r["first"], r["second"])]
        others = [row["second"] if row["first"] == best else row["first"] for row in beside]
        if others:
            said.append(f"{verdict}: {listed(others)}")
    seeds = min(min(row["seeds"]) for row in rows)
    return f"{'; '.join(said)}, at {plural(seeds, 'seed')}"


def _losses_sentence(found: Mapping[str, Any]) -> str:
    """Say the trainings that are missing from the scores, by backend: what fails on one only is a
    difference too.
    """
    cells = found["cells"]
    said = []
    for state, words in (("diverged", "diverged"), ("failed", "failed")):
        of = Counter(cell["backend"] for cell in cells if cell["state"] == state)
        every = Counter(cell["backend"] for cell in cells)
        said += [f"{n} of {every[name]} trainings on {name} {words}" for name, n in of.items()]
    left = sum(cell["state"] not in ("done", "diverged", "failed") for cell in cells)
    said += [f"{left} of {len(cells)} trainings are not done yet"] if left else []
    return f"{'; '.join(said)}." if said else ""


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
        where = _where(*(name for name in key if name != AS_IT_IS))
        lines.append(f"  {where}: {MEASURES[JUDGED].title} {told}; {cost}")
    lines += [f"  {c['folder']}: {c['problem']}" for c in found["cells"] if c["problem"]]
    lines += [
        f"  {listed(path['backends'])} side by side, {path['model']}, seed {path['seed']}: "
        f"{path['problem']}"
        for path in found["paths"]
        if path["problem"]
    ]
    return "\n".join(lines)
