"""Measure the difference between the backends on every model: the table in docs/parity.md.

    python benchmarks/parity_table.py [MODEL …] [--backends torch,keras] [--again] [--only-write]

Each model at its small size in float64 and each pair of installed backends trains 200 steps, with
the 1-ulp baseline and a hand-over after half of them. Results are stored in docs/parity.json and
measured again only if the model or a version has changed; the table is written from that file.
"""

import argparse
import itertools
import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gandem.core.files import write_file, write_json
from gandem.core.machine import describe_machine
from gandem.core.plugins.discovery import format_versions
from gandem.core.plugins.registry import registry
from gandem.core.specs import digest, load_spec
from gandem.core.training import installed_backends
from gandem.parity import Report, measure
from gandem.terminal.progress import ProgressBars

DOCS = Path(__file__).parents[1] / "docs"
MEASURED, PAGE = DOCS / "parity.json", DOCS / "parity.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
STEPS = 200
TIERS = ("trajectory", "handover")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=models())
    parser.add_argument("--backends", metavar="A,B", help="only this pair (default: every pair)")
    parser.add_argument("--tier", choices=TIERS, help="only this one (default: both)")
    parser.add_argument("--again", action="store_true", help="measure what has been measured too")
    parser.add_argument("--only-write", action="store_true", help="measure nothing")
    options = parser.parse_args()
    chosen = [tuple(options.backends.split(","))] if options.backends else pairs()
    tiers = (options.tier,) if options.tier else TIERS
    if not options.only_write:
        for tier, pair, model in itertools.product(tiers, chosen, options.models):
            measure_cell(model, pair, tier, force=options.again)
    write_table()


def models() -> list[str]:
    """Return the ids of gandem's own models, in the order of the catalog."""
    return [row.id for row in registry().entries("models") if "/" not in row.id]


def pairs() -> list[tuple[str, str]]:
    """Return every two backends that are installed, gandem's own first."""
    backends = sorted(installed_backends(), key=lambda name: ("/" in name, name != "torch", name))
    return list(itertools.combinations(backends, 2))


def measure_cell(model: str, pair: tuple[str, ...], tier: str, *, force: bool) -> None:
    """Measure one cell of the table and store it, unless it is stored already."""
    facts = {
        "spec": digest(load_spec(model, small=True)),
        "tolerance": registry().find("models", model).tolerance,
        "versions": {name: versions(name) for name in pair},
    }
    key = f"{model} {','.join(pair)} {tier}"
    measured = read()
    if not force and {name: measured.get(key, {}).get(name) for name in facts} == facts:
        return
    print(f"{key} …", flush=True)
    with ProgressBars(quiet=False) as bars:
        report = measure(
            model,
            backends=pair,
            steps=STEPS,
            tier=tier,
            progress=lambda name, step: bars.show(name, step, STEPS),
        )
    cell = facts | {"machine": measured_on()} | summary(report)
    write_json(MEASURED, dict(sorted((read() | {key: cell}).items())))
    write_table()
    print(
        f"{key}: {report.marks[-1].weights_max:.1e}, {'holds' if report.holds else 'DOES NOT HOLD'}"
    )


def summary(report: Report) -> dict[str, Any]:
    """Return the fields of a report that the table shows."""
    last = report.marks[-1]
    result: dict[str, Any] = {"steps": report.steps, "holds": report.holds, "data": report.data}
    if report.handover is None:
        largest = max(mark.weights_max for mark in report.marks)
        return result | {
            "weights_max": last.weights_max,
            "largest": largest,
            "baseline_max": last.baseline_max,
        }
    across = [direction for direction in report.handover.directions if direction.identical is None]
    return result | {
        "weights_max": max(direction.weights_max for direction in across),
        "faults": [direction.fault for direction in report.handover.faults],
    }


def measured_on() -> str:
    """Return the machine and the versions of the measurement."""
    return (
        f"{describe_machine()}, Python {platform.python_version()}, {format_versions(('numpy',))}"
    )


def versions(backend: str) -> str | None:
    """Return the packages of a backend with their versions."""
    return format_versions(registry().find("backends", backend).requires)


def read() -> dict[str, Any]:
    """Return what has been measured, by model, pair and tier."""
    data: dict[str, Any] = json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else {}
    return data


def write_table() -> None:
    """Write the table between its two marks in docs/parity.md."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE.name}: the marks {BEGIN} and {END} are missing.")
    text = "\n".join(["", *table(read()), ""])
    write_file(PAGE, f"{before}{BEGIN}\n{text}\n{END}{after}".encode())


def table(measured: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the table, and what it was measured with."""
    heads = ("model", "small size", "backends", "difference", "1-ulp baseline", "tolerance")
    yield f"| {' | '.join((*heads, 'handed over', 'holds'))} |"
    yield "|---|---|---|---|---|---|---|---|"
    used: dict[str, None] = {}
    for model, pair in itertools.product(models(), dict.fromkeys(k.split()[1] for k in measured)):
        walked, handed = (measured.get(f"{model} {pair} {tier}", {}) for tier in TIERS)
        if not (walked or handed):
            continue
        row = registry().find("models", model)
        small = ", ".join(f"{k} {json.dumps(v)}" for k, v in row.small.items())
        holds = [each["holds"] for each in (walked, handed) if each]
        cells = (
            f"`{model}`",
            small,
            pair.replace(",", ", "),
            figure(walked, "weights_max"),
            figure(walked, "baseline_max"),
            f"{row.tolerance:.0e}",
            figure(handed, "weights_max"),
            "yes" if all(holds) else "**no**",
        )
        yield f"| {' | '.join(cells)} |"
        for each in (walked, handed):
            words = (each.get("machine"), *each.get("versions", {}).values())
            used |= dict.fromkeys(word for word in words if word)
    if used:
        yield ""
        yield f"Measured on a CPU: {'; '.join(used)}."


def figure(cell: dict[str, Any], name: str) -> str:
    return f"{cell[name]:.1e}" if name in cell else "—"


if __name__ == "__main__":
    main()
