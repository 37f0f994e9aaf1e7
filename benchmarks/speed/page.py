"""Writes the table of docs/speed.md."""

from pathlib import Path
from typing import Any

BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"
HEAD = (
    "| model | on | threads | notebook | expert | gandem | ÷ notebook | ÷ expert | first step, s | "
    "peak memory, MiB |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
)
KINDS = ("notebook", "expert", "gandem")


def write(path: Path, report: dict[str, Any], name: str = "measured") -> None:
    """Replace the text between the two marks of that name on a page by the table."""
    text, (begin, end) = path.read_text("utf-8"), (mark.format(name) for mark in (BEGIN, END))
    before, _, rest = text.partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise SystemExit(f"{path}: expected the lines {begin} and {end}.")
    path.write_text(f"{before}{begin}\n{table(report)}\n{end}{after}", "utf-8")


def table(report: dict[str, Any]) -> str:
    """Return the table, and a line with the machine and the settings of the measurement."""
    lines = "\n".join(map(line, report["rows"]))
    fields = (
        f"{report['machine']}; {report['versions']}; {report['data']}; median of "
        f"{report['rounds']} rounds of {report['seconds']:g} s, quartiles in brackets; float32."
    )
    return f"{HEAD}{lines}\n\n{fields}"


def line(row: dict[str, Any]) -> str:
    """Return one row: steps per second, ratios, seconds and memory."""
    contenders, ratios = row["contenders"], row["ratios"]
    measured = [contenders[kind] for kind in KINDS if kind in contenders]
    rates = [
        f"{contenders[kind]['steps_per_second']:.3g}" if kind in contenders else "—"
        for kind in KINDS
    ]
    first = " / ".join(f"{results['seconds_to_first_step']:.1f}" for results in measured)
    memory = " / ".join(f"{results['peak_memory'] / 2**20:.0f}" for results in measured)
    output = [
        f"{r['median']:.2f} ({r['low']:.2f}-{r['high']:.2f})" if (r := ratios.get(kind)) else "—"
        for kind in KINDS[:2]
    ]
    cells = [
        f"`{row['model']}`",
        row["backend"],
        str(row["threads"]),
        *rates,
        *output,
        first,
        memory,
    ]
    return f"| {' | '.join(cells)} |"
