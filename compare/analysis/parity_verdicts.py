"""Verdicts on the parity of backends, from the reports of ``gandem parity``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gandem.compare.comparison import Comparison
from gandem.core.errors import format_count
from gandem.parity.tolerances import RATIO

Mark = Mapping[str, Any]

BASELINES = {
    "baseline_max": "weights_max",
    "baseline_median": "weights_median",
    "baseline_statistics_max": "statistics_max",
}
"""The fields of a mark with the 1-ulp baseline, and those that are compared with them."""
MIN_BASELINES, CLEAR_RATIO = 3, 100.0
"""From this number of baselines, a ratio above ``RATIO`` is a difference; with fewer, one above
``CLEAR_RATIO``.
"""
SMALLEST = 5e-324
"""Avoids division by 0."""


def judge_parity(comparison: Comparison, reasons: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a verdict for each pair of backends and each seed.

    The largest difference depends on the few weights with almost no gradient, where Adam amplifies
    rounding; it varies tenfold between baselines. So each trajectory is compared with the largest
    baseline of all seeds.

    Args:
        reasons: why jobs failed, by name.
    """
    reports = comparison.parity_reports()
    rows = []
    for key, report in reports.items():
        model, setting, seed, pair = key
        same = [r for k, r in reports.items() if r and (k[0], k[1], k[3]) == (model, setting, pair)]
        marks = _fill_baselines(report["marks"], [r["marks"] for r in same]) if report else []
        rows.append(
            {
                "model": model,
                "setting": setting.name,
                "seed": seed,
                "backends": pair,
                **_judge(marks, len(same)),
                "problem": "" if report else reasons.get(comparison.parity_name(*key), ""),
                "report": report,
            }
        )
    return rows


def _fill_baselines(
    marks: Sequence[Mark], of_all_seeds: Sequence[Sequence[Mark]]
) -> list[dict[str, Any]]:
    """Return marks with the largest baseline of all seeds, except saturated ones.

    A baseline that is not finite proves nothing; its mark counts as saturated.
    """
    rows = []
    for mark in marks:
        others = [m for of in of_all_seeds for m in of if m["step"] == mark["step"]]
        usable = [m for m in others if not m["saturated"] and _has_finite_baseline(m)] or [mark]
        floor = max(*(m["floor"] for m in usable), SMALLEST)
        baselines = {name: max(m[name] for m in usable) for name in BASELINES}
        ratios = [mark[of] / max(baselines[name], floor) for name, of in BASELINES.items()]
        ratio = math.inf if any(map(math.isnan, ratios)) else max(ratios)
        saturated = mark["saturated"] or not _has_finite_baseline(mark)
        rows.append({**mark, **baselines, "floor": floor, "ratio": ratio, "saturated": saturated})
    return rows


def _has_finite_baseline(mark: Mark) -> bool:
    return all(math.isfinite(mark[name]) for name in (*BASELINES, "floor"))


def _judge(marks: Sequence[Mark], baselines: int) -> dict[str, Any]:
    usable = [mark for mark in marks if not mark["saturated"]]
    beyond = [mark for mark in usable if not mark["ratio"] <= RATIO]
    worst = max((mark["ratio"] for mark in usable), default=math.inf)
    if not marks:
        same, verdict = None, ""
    elif usable and not beyond:
        same, verdict = True, "equal"
    elif not usable or (baselines < MIN_BASELINES and worst <= CLEAR_RATIO):
        same, verdict = None, "undecided"
    else:
        same, verdict = False, "different"
    return {
        "same": same,
        "verdict": verdict,
        "ratio": worst if math.isfinite(worst) else None,
        "first_step": beyond[0]["step"] if beyond else None,
        "marks": marks,
    }


def parity_sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the verdicts as a sentence, empty if there are none."""
    measured = [row for row in rows if row["report"]]
    failed = sum(bool(row["problem"]) for row in rows)
    more = f" {failed} of {format_count(len(rows), 'parity measurement')} failed." if failed else ""
    return (_summarize(measured) + more).strip()


def _summarize(rows: Sequence[Mapping[str, Any]]) -> str:
    different = [row for row in rows if row["verdict"] == "different"]
    undecided = [row for row in rows if row["verdict"] == "undecided"]
    if different:
        counts = Counter(row["backends"] for row in rows)
        pairs = Counter(row["backends"] for row in different)
        texts = [
            f"{join_with_and(pair)} ({count} of {format_count(counts[pair], 'measurement')})"
            for pair, count in pairs.items()
        ]
        first = min(row["first_step"] for row in different)
        return (
            f"Not equal: {'; '.join(texts)} differ by more than rounding explains, "
            f"from step {first} on."
        )
    if undecided:
        worst = max(undecided, key=lambda row: row["ratio"] or 0.0)
        why = (
            f"they differ by {worst['ratio']:.0f} × the 1-ulp baseline, where up to 10 × is "
            "rounding; three seeds decide"
            if worst["ratio"]
            else "all trainings diverge too early"
        )
        return f"Undecided whether {join_with_and(worst['backends'])} compute the same: {why}."
    if not rows:
        return ""
    names = join_with_and(dict.fromkeys(name for row in rows for name in row["backends"]))
    count = format_count(len(rows), "measurement")
    return f"{names} compute the same up to rounding, in {count}."


def join_with_and(names: Iterable[str]) -> str:
    """Join names for a sentence.

    >>> join_with_and(["torch", "keras", "jax"])
    'torch, keras and jax'
    """
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
