"""The outcome of a comparison in sentences, and as text for a terminal."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gandem.compare.analysis.parity_verdicts import listed, parity_sentence, plural
from gandem.compare.analysis.statistics import short
from gandem.compare.sweeps import DEFAULT_NAME
from gandem.metrics.evaluation import MEASURES

__all__ = ["format_comparison", "join_names", "summarize"]

VERDICTS = ("different", "undecided", "no difference seen")
"""The verdicts on a difference, in the order in which they are reported."""
MAX_GROUPS = 3
"""Groups of compared runs in the verdict."""
MAIN_MEASURE = "frechet"
"""The measure of the verdict."""
KEY = ("model", "setting", "backend")


def summarize(outcome: Mapping[str, Any]) -> str:
    """Return the verdict of a comparison: a sentence for each question."""
    if len(outcome["cells"]) == 1:
        return _summarize_run(outcome["cells"][0])
    if len(outcome["costs"]) == 1:
        return _summarize_seeds(outcome)
    parts = [parity_sentence(outcome["parity"]), *_summarize_groups(outcome)]
    parts += [_summarize_protocols(outcome), _summarize_states(outcome)]
    return " ".join(part for part in parts if part) or "There is nothing to compare yet."


def join_names(*parts: str) -> str:
    """Join the names that are not empty."""
    return ", ".join(part for part in parts if part)


def _summarize_run(cell: Mapping[str, Any]) -> str:
    parts = [f"One run, {cell['state']} at step {cell['step']}"]
    if (score := cell["values"].get(MAIN_MEASURE)) is not None:
        parts.append(f"{MEASURES[MAIN_MEASURE].title} {short(score, 3)}")
    return f"{'; '.join([*parts, *filter(None, [cell['problem'] or cell['health']])])}."


def _summarize_seeds(outcome: Mapping[str, Any]) -> str:
    """Return the mean over the seeds of one model, setting and backend."""
    values = [cell["values"].get(MAIN_MEASURE) for cell in outcome["cells"]]
    values = [value for value in values if value is not None]
    if not values:
        return _summarize_states(outcome)
    text = f"{MEASURES[MAIN_MEASURE].title} {short(statistics.fmean(values), 3)}"
    text += f" ± {short(statistics.stdev(values), 2)}" if len(values) > 1 else ""
    backend = outcome["cells"][0]["backend"]
    text += f" over {plural(len(values), 'seed')} on {backend}."
    return " ".join(filter(None, [text, _summarize_states(outcome)]))


def _summarize_groups(outcome: Mapping[str, Any]) -> list[str]:
    """Return for each group which is best, and how the others compare with it."""
    rows = [row for row in outcome["differences"] if row["measure"] == MAIN_MEASURE]
    if len(rows) > 1 and {row["verdict"] for row in rows} == {"no difference seen"}:
        seeds = min(min(row["seeds"]) for row in rows)
        title = MEASURES[MAIN_MEASURE].title
        return [f"{title}: no difference seen with {seeds} seeds in any of {len(rows)} pairs."]
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row)
    ordered = sorted(
        groups.items(), key=lambda group: min(VERDICTS.index(r["verdict"]) for r in group[1])
    )
    texts = [f"{f'{name}: ' if name else ''}{_summarize_group(of)}." for name, of in ordered]
    more = len(texts) - MAX_GROUPS
    return texts[:MAX_GROUPS] + ([f"{plural(more, 'more group')} below."] if more > 0 else [])


def _summarize_group(rows: Sequence[Mapping[str, Any]]) -> str:
    if len(rows) == 1:
        return str(rows[0]["text"])
    means = {
        row[name]: row["means"][place]
        for row in rows
        for place, name in enumerate(("first", "second"))
    }
    best = min(means, key=lambda name: means[name])
    parts = [f"{MEASURES[MAIN_MEASURE].title} is lowest for {best}, {short(means[best], 3)}"]
    for verdict in VERDICTS:
        pairs = [r for r in rows if r["verdict"] == verdict and best in (r["first"], r["second"])]
        others = [row["second"] if row["first"] == best else row["first"] for row in pairs]
        if others:
            parts.append(f"{verdict}: {listed(others)}")
    seeds = min(min(row["seeds"]) for row in rows)
    return f"{'; '.join(parts)}; with {plural(seeds, 'seed')}, corrected for {len(rows)} pairs"


def _summarize_protocols(outcome: Mapping[str, Any]) -> str:
    protocols = [cell["protocol"] for cell in outcome["cells"] if cell["protocol"]]
    names = ("data", "extractor")
    keys = {
        json.dumps({k: v for k, v in of.items() if k not in names}, sort_keys=True)
        for of in protocols
    }
    if len(keys) < 2:
        return ""
    return f"The scores have {len(keys)} protocols and are compared within each only."


def _summarize_states(outcome: Mapping[str, Any]) -> str:
    """Return the numbers of runs that diverged, failed, or are not done, by backend."""
    cells, texts = outcome["cells"], []
    totals = Counter(cell["backend"] for cell in cells)
    for state in ("diverged", "failed"):
        counts = Counter(cell["backend"] for cell in cells if cell["state"] == state)
        texts += [f"{n} of {plural(totals[b], 'run')} on {b} {state}" for b, n in counts.items()]
    left = sum(cell["state"] not in ("done", "diverged", "failed") for cell in cells)
    texts += [f"{left} of {plural(len(cells), 'run')} not done yet"] if left else []
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
            f"  {_name_pair(row)}: after {plural(row['step'], 'step')}, weights differ by at most "
            f"{row['weights_max']:.1e}{samples}"
        )
    lines += [f"  {c['folder']}: {c['problem']}" for c in outcome["cells"] if c["problem"]]
    failed = [row for row in outcome["parity"] if row["problem"]]
    lines += [
        f"  {_name_pair(row)}: the parity measurement failed: {row['problem']}" for row in failed
    ]
    return "\n".join(lines)


def _name_pair(row: Mapping[str, Any]) -> str:
    setting = "" if row["setting"] == DEFAULT_NAME else row["setting"]
    return join_names(row["model"], setting, listed(row["backends"]), f"seed {row['seed']}")
