"""Whether backends take one path: what came of following each two of them side by side."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gandem.compare.comparison import Comparison
from gandem.parity.tolerances import RATIO

__all__ = ["listed", "path_sentence", "paths_of", "plural"]

Mark = Mapping[str, Any]

BASELINES = {"baseline_max": "weights_max", "baseline_median": "weights_median"}
BASELINES |= {"baseline_statistics_max": "statistics_max"}
"""What a mark tells of the baseline, and what of the other backend."""
LEAST = 5e-324
"""Nothing is divided by 0."""
ENOUGH, CLEAR = 3, 100.0
"""With so many baselines a ratio above ``RATIO`` is a fault; with fewer, one above ``CLEAR``."""


def paths_of(comparison: Comparison, problems: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what came of each two backends, followed side by side with each seed.

    The largest distance of any weight hangs on the few whose gradient is next to nothing, where
    Adam amplifies rounding; it differs tenfold from one baseline to the next. So a trajectory is
    compared with the largest baseline of all seeds.
    """
    read = comparison.paths()
    found = []
    for key, report in read.items():
        model, setting, seed, pair = key
        row = {"model": model, "setting": setting.name, "seed": seed, "backends": pair}
        alike = [r for k, r in read.items() if r and (k[0], k[1], k[3]) == (model, setting, pair)]
        marks = _beside(report["marks"], [r["marks"] for r in alike]) if report else []
        problem = "" if report else problems.get(comparison.path_name(*key), "")
        found.append({**row, **_judged(marks, len(alike)), "problem": problem, "report": report})
    return found


def _beside(marks: Sequence[Mark], of_all: Sequence[Sequence[Mark]]) -> list[dict[str, Any]]:
    """Return marks beside the largest baseline of all seeds, those aside that are saturated.

    Where the baseline of the trajectory itself is not finite, nothing can be concluded; such a mark
    counts as saturated.
    """
    found = []
    for mark in marks:
        others = [other for of in of_all for other in of if other["step"] == mark["step"]]
        told = [other for other in others if not other["saturated"] and _is_finite(other)]
        told = told or [mark]
        floor = max(*(other["floor"] for other in told), LEAST)
        baselines = {name: max(other.get(name, 0.0) for other in told) for name in BASELINES}
        ratios = [
            mark.get(of, 0.0) / max(baselines[baseline], floor)
            for baseline, of in BASELINES.items()
        ]
        ratio = math.inf if any(map(math.isnan, ratios)) else max(ratios)
        over = mark["saturated"] or not _is_finite(mark)
        found.append({**mark, **baselines, "floor": floor, "ratio": ratio, "saturated": over})
    return found


def _is_finite(mark: Mark) -> bool:
    """Return whether a mark's baseline is anywhere."""
    return all(math.isfinite(mark.get(name, 0.0)) for name in BASELINES)


def _judged(marks: Sequence[Mark], baselines: int) -> dict[str, Any]:
    live = [mark for mark in marks if not mark["saturated"]]
    apart = [mark for mark in live if not mark["ratio"] <= RATIO]
    worst = max((mark["ratio"] for mark in live), default=math.inf)
    if not marks:
        same, verdict = None, ""
    elif live and not apart:
        same, verdict = True, "same path"
    elif not live or (baselines < ENOUGH and worst <= CLEAR):
        same, verdict = None, "undecided"
    else:
        same, verdict = False, "another path"
    parted = apart[0]["step"] if apart else None
    ratio = worst if math.isfinite(worst) else None
    return {"same": same, "verdict": verdict, "ratio": ratio, "parted": parted, "marks": marks}


def path_sentence(paths: Sequence[Mapping[str, Any]]) -> str:
    """Return what the walks say; nothing where there is none."""
    told = [path for path in paths if path["report"]]
    lost = sum(bool(path["problem"]) for path in paths)
    more = f" {plural(lost, 'walk')} of {len(paths)} could not be measured." if lost else ""
    return (_verdict_of(told) + more).strip()


def _verdict_of(told: Sequence[Mapping[str, Any]]) -> str:
    apart = [path for path in told if path["verdict"] == "another path"]
    unclear = [path for path in told if path["verdict"] == "undecided"]
    if apart:
        every = Counter(path["backends"] for path in told)
        pairs = Counter(path["backends"] for path in apart)
        said = [
            f"{listed(pair)} ({n} of {plural(every[pair], 'walk')})" for pair, n in pairs.items()
        ]
        first = min(path["parted"] for path in apart)
        return (
            f"Not the same path: {'; '.join(said)} part sooner than rounding explains, after "
            f"{plural(first, 'step')} at the earliest."
        )
    if unclear:
        worst = max(unclear, key=lambda path: path["ratio"] or 0.0)
        why = (
            f"they are {worst['ratio']:.0f} × as far apart as one rounding leads, 10 × is usual; "
            "three seeds tell"
            if worst["ratio"]
            else "all diverge before it could be seen"
        )
        return f"Undecided whether {listed(worst['backends'])} take the same path: {why}."
    if not told:
        return ""
    names = listed(dict.fromkeys(name for path in told for name in path["backends"]))
    walks = "the one walk" if len(told) == 1 else f"all {len(told)} walks"
    return f"{names} take the same path, in {walks} side by side."


def listed(names: Iterable[str]) -> str:
    """Join names as one does in a sentence.

    >>> listed(["torch", "keras", "jax"])
    'torch, keras and jax'
    """
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def plural(count: int, word: str) -> str:
    """Return a number of things.

    >>> plural(1, "step"), plural(3, "step")
    ('1 step', '3 steps')
    """
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
