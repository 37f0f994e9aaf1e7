"""The table of docs/speed.md, from what was measured."""

from pathlib import Path
from typing import Any

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HEAD = (
    "| model | on | threads | notebook | expert | gandem | ÷ notebook | ÷ expert | first step, s | "
    "peak memory, MiB |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
)
KINDS = ("notebook", "expert", "gandem")


def write(path: Path, measured: dict[str, Any]) -> None:
    """Put the table between the marks of a page, which has the words around it."""
    text = path.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{path}: expected the lines {BEGIN} and {END}.")
    path.write_text(f"{before}{BEGIN}\n{table(measured)}\n{END}{after}", "utf-8")


def table(measured: dict[str, Any]) -> str:
    """Return the rows, and what they were measured on and how."""
    lines = "\n".join(map(line, measured["rows"]))
    fields = (
        f"{measured['machine']}; {measured['versions']}; {measured['data']}; median of "
        f"{measured['rounds']} rounds of {measured['seconds']:g} s, quartiles in brackets; float32."
    )
    return f"{HEAD}{lines}\n\n{fields}"


def line(row: dict[str, Any]) -> str:
    """Return one row: steps a second, ratios, seconds and memory."""
    each = [row["contenders"][kind] for kind in KINDS]
    rates = [f"{results['steps_per_second']:.3g}" for results in each]
    first = " / ".join(f"{results['seconds_to_first_step']:.1f}" for results in each)
    memory = " / ".join(f"{results['peak_memory'] / 2**20:.0f}" for results in each)
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
