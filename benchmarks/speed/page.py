"""Writes the table of docs/speed.md."""

from pathlib import Path
from typing import Any

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HEAD = (
    "| model | on | threads | notebook | expert | gandem | ÷ notebook | ÷ expert | first step, s | "
    "peak memory, MiB |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
)
KINDS = ("notebook", "expert", "gandem")


def write(path: Path, report: dict[str, Any]) -> None:
    """Replace the text between the two marks of a page by the table."""
    text = path.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{path}: expected the lines {BEGIN} and {END}.")
    path.write_text(f"{before}{BEGIN}\n{table(report)}\n{END}{after}", "utf-8")


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
    contenders = [row["contenders"][kind] for kind in KINDS]
    rates = [f"{results['steps_per_second']:.3g}" for results in contenders]
    first = " / ".join(f"{results['seconds_to_first_step']:.1f}" for results in contenders)
    memory = " / ".join(f"{results['peak_memory'] / 2**20:.0f}" for results in contenders)
    ratios = [row["ratios"][kind] for kind in KINDS[:2]]
    output = [f"{r['median']:.2f} ({r['low']:.2f}-{r['high']:.2f})" for r in ratios]
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
