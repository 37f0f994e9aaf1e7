"""The outcome of a comparison in sentences, and as text for a terminal."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from typing import Any

from gandem.compare.analysis.parity_verdicts import join_with_and, parity_sentence
from gandem.compare.analysis.ranking import key_protocol
from gandem.compare.analysis.statistics import format_digits
from gandem.compare.sweeps import DEFAULT_NAME
from gandem.core.errors import format_count
from gandem.metrics.evaluation import MEASURES

MAIN_MEASURE = "frechet"
"""The measure of the verdict."""
KEY = ("model", "setting", "backend")


def summarize(outcome: Mapping[str, Any]) -> str:
    """Return the verdict of a comparison: a sentence for each question."""
    if len(outcome["cells"]) == 1:
        return _summarize_run(outcome["cells"][0])
    if len(outcome["costs"]) == 1:
        return _summarize_seeds(outcome)
    parts = [parity_sentence(outcome["parity"]), _summarize_groups(outcome)]
    parts += [_summarize_protocols(outcome), _summarize_states(outcome)]
    return " ".join(part for part in parts if part) or "There is nothing to compare yet."


def join_names(*parts: str) -> str:
    """Join the names that are not empty."""
    return ", ".join(part for part in parts if part)


def _summarize_run(cell: Mapping[str, Any]) -> str:
    parts = [f"One run, {cell['state']} at step {cell['step']}"]
    if (score := cell["values"].get(MAIN_MEASURE)) is not None:
        parts.append(f"{MEASURES[MAIN_MEASURE].title} {format_digits(score, 3)}")
    return f"{'; '.join([*parts, *filter(None, [cell['problem'] or cell['health']])])}."


def _summarize_seeds(outcome: Mapping[str, Any]) -> str:
    """Return the mean over the seeds of one model, setting and backend."""
    values = [cell["values"].get(MAIN_MEASURE) for cell in outcome["cells"]]
    values = [value for value in values if value is not None]
    if not values:
        return _summarize_states(outcome)
    text = f"{MEASURES[MAIN_MEASURE].title} {format_digits(statistics.fmean(values), 3)}"
    text += f" ± {format_digits(statistics.stdev(values), 2)}" if len(values) > 1 else ""
    backend = outcome["cells"][0]["backend"]
    text += f" over {format_count(len(values), 'seed')} on {backend}."
    return " ".join(filter(None, [text, _summarize_states(outcome)]))


def _summarize_groups(outcome: Mapping[str, Any]) -> str:
    """Return the difference of two groups of runs, or which of several is best."""
    if len(outcome["costs"]) > 2:
        rankings = outcome["rankings"]
        return next((row["text"] for row in rankings if row["measure"] == MAIN_MEASURE), "")
    rows = [row for row in outcome["differences"] if row["measure"] == MAIN_MEASURE]
    return f"{rows[0]['text']}." if rows else ""


def _summarize_protocols(outcome: Mapping[str, Any]) -> str:
    count = len({*map(key_protocol, outcome["cells"])} - {""})
    return f"The scores have {count} protocols and are compared within each only." * (count > 1)


def _summarize_states(outcome: Mapping[str, Any]) -> str:
    """Return the numbers of runs that diverged, failed, or are not done, by backend."""
    cells, texts = outcome["cells"], []
    totals = Counter(cell["backend"] for cell in cells)
    for state in ("diverged", "failed"):
        counts = Counter(cell["backend"] for cell in cells if cell["state"] == state)
        texts += [
            f"{n} of {format_count(totals[b], 'run')} on {b} {state}" for b, n in counts.items()
        ]
    left = sum(cell["state"] not in ("done", "diverged", "failed") for cell in cells)
    texts += [f"{left} of {format_count(len(cells), 'run')} not done yet"] if left else []
    return f"{'; '.join(texts)}." if texts else ""


def format_comparison(outcome: Mapping[str, Any]) -> str:
    """Return a comparison for a terminal: the verdict, then scores, costs and failures."""
    lines = [outcome["verdict"], ""]
    for row in outcome["costs"]:
        key = tuple(row[name] for name in KEY)
        cells = [c for c in outcome["cells"] if tuple(c[name] for name in KEY) == key]
        values = [cell["values"].get(MAIN_MEASURE) for cell in cells]
        scores = ", ".join("–" if value is None else f"{value:.3g}" for value in values)
        rate, first = row["steps_per_second"], row["seconds_to_first_step"]
        cost = f"{rate:.1f} steps/s, {first:.1f} s to the first" if rate and first else "no steps"
        name = join_names(*(part for part in key if part != DEFAULT_NAME))
        lines.append(f"  {name}: {MEASURES[MAIN_MEASURE].title} {scores}; {cost}")
    for row in outcome["final_differences"]:
        pixels = row["pixels_max"]
        samples = "" if pixels is None else f", pixels of the samples by at most {pixels} of 255"
        lines.append(
            f"  {_name_pair(row)}: after {format_count(row['step'], 'step')}, weights differ by at "
            f"most {row['weights_max']:.1e}{samples}"
        )
    lines += [f"  {c['folder']}: {c['problem']}" for c in outcome["cells"] if c["problem"]]
    failed = [row for row in outcome["parity"] if row["problem"]]
    lines += [
        f"  {_name_pair(row)}: the parity measurement failed: {row['problem']}" for row in failed
    ]
    return "\n".join(lines)


def _name_pair(row: Mapping[str, Any]) -> str:
    setting = "" if row["setting"] == DEFAULT_NAME else row["setting"]
    return join_names(row["model"], setting, join_with_and(row["backends"]), f"seed {row['seed']}")
