"""Text for the summary of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gandem.core.data.prepared import Prepared
from gandem.core.data.summary import DatasetSummary, format_few
from gandem.core.errors import printable
from gandem.core.machine import format_size

MIN_SIDE = 8
"""Pixels; smaller images are reported as a problem."""
MAX_IMBALANCE = 10
"""Largest class over smallest class; a larger ratio is reported as a problem."""
MAX_CLASSES_LISTED = 20


def list_problems(summary: DatasetSummary) -> list[str]:
    """Return likely problems of a data set, one line each."""
    problems = list(summary.notes)
    if summary.unread:
        problems.append(f"{len(summary.unread):,} left out: {format_few(summary.unread)}")
    if summary.copies:
        problems.append(f"{len(summary.copies):,} copies: {format_few(summary.copies)}")
    if len(summary.modes) > 1:
        kinds = ", ".join(f"{n:,} {mode}" for mode, n in summary.modes.items())
        problems.append(f"they differ in kind: {kinds}")
    if small := sum(n for size, n in summary.sizes.items() if min(size) < MIN_SIDE):
        problems.append(f"{small:,} are narrower than {MIN_SIDE} pixels")
    sizes = {name: n for name, n in summary.classes.items() if n}
    if sizes and max(sizes.values()) > MAX_IMBALANCE * min(sizes.values()):
        most = max(sizes, key=lambda name: sizes[name])
        least = min(sizes, key=lambda name: sizes[name])
        problems.append(
            f"classes are uneven: {sizes[most]:,} of {most!r}, {sizes[least]:,} of {least!r}"
        )
    if len(sizes) > MAX_CLASSES_LISTED and summary.count < 2 * len(sizes):
        problems.append(
            f"{len(sizes):,} classes for {summary.count:,} images: the labels may be no classes"
        )
    if empty := [name for name, n in summary.classes.items() if not n]:
        problems.append(f"classes without any image: {format_few(list(map(repr, empty)))}")
    return problems


def describe_dataset(summary: DatasetSummary) -> dict[str, Any]:
    """Return the summary of a data set as plain data."""
    sizes = [{"width": w, "height": h, "count": n} for (w, h), n in _sort_by_count(summary.sizes)]
    return {
        "name": summary.name,
        "source": summary.source,
        "count": summary.count,
        **({"points": summary.points} if summary.points else {}),
        "sizes": sizes,
        "modes": dict(summary.modes),
        "classes": dict(summary.classes),
        "problems": list_problems(summary),
        "unread": list(summary.unread),
        "copies": list(summary.copies),
    }


def format_dataset(summary: DatasetSummary) -> str:
    """Return the summary of a data set as text, several lines."""
    noun = f"points of {summary.points} numbers" if summary.points else "images"
    noun = noun if summary.count != 1 else noun.replace("s", "", 1)
    lines = [f"{summary.name}: {summary.count:,} {noun}, from {summary.source}"]
    if summary.sizes:
        lines.append(f"sizes      {_format_sizes(summary.sizes)}")
        kinds = ", ".join(f"{n:,} {mode}" for mode, n in _sort_by_count(summary.modes))
        lines.append(f"kinds      {kinds}")
    shown = list(summary.classes.items())[:MAX_CLASSES_LISTED]
    for place, (name, n) in enumerate(shown):
        lines.append(f"{'classes' if place == 0 else '':<10} {n:>7,}  {place} {name}".rstrip())
    if len(summary.classes) > len(shown):
        lines.append(f"{'':<19} and {len(summary.classes) - len(shown):,} more classes")
    if not summary.classes:
        lines.append("classes    none: it has no labels")
    lines += [f"! {problem}" for problem in list_problems(summary)]
    return "\n".join(map(printable, lines))


def describe_prepared(prepared: Prepared) -> dict[str, Any]:
    """Return a prepared data set as plain data."""
    used = datetime.fromtimestamp(prepared.used, UTC).isoformat(timespec="seconds")
    folder = str(prepared.folder)
    return {"folder": folder, "source": prepared.source, "bytes": prepared.size, "used": used}


def format_prepared(every: Sequence[Prepared], *, removed: bool = False) -> str:
    """Return prepared data sets as text, a line each."""
    lines = [
        f"{'removed' if removed else 'prepared'}   {prepared.source}, "
        f"{format_size(prepared.size)}, in {prepared.folder}"
        for prepared in every
    ]
    nothing = "There are no prepared data sets" + " that can be removed." * removed
    return printable("\n".join(lines) or f"{nothing.rstrip('.')}.", keep="\n")


def _format_sizes(sizes: Mapping[tuple[int, int], int]) -> str:
    common = [f"{w}×{h} ({n:,})" for (w, h), n in _sort_by_count(sizes)[:4]]
    if len(sizes) == 1:
        return common[0].partition(" ")[0]
    widths, heights = zip(*sizes, strict=True)
    more = f", {len(sizes) - 4:,} more" if len(sizes) > 4 else ""
    span = f"{min(widths)} to {max(widths)} wide, {min(heights)} to {max(heights)} high"
    return f"{span}: {', '.join(common)}{more}"


def _sort_by_count(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])
