"""The page of a comparison: one HTML file that needs nothing else, drawn from its folder."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gandem.compare.again import command_again, makings_of
from gandem.compare.analysis.outcome import AVERAGED, outcome_of
from gandem.compare.analysis.statistics import LEVEL
from gandem.compare.comparison import Comparison
from gandem.compare.report.charts import Chart, Line, curves_of, linear, same_scale, walk_chart
from gandem.compare.report.panels import (
    WIDTHS,
    Panel,
    floors_of,
    marks_of,
    means_of,
    name_of,
    panels_of,
    styles,
)
from gandem.compare.report.samples import pictures_of, room_for
from gandem.core.errors import GandemError
from gandem.core.files import write_file
from gandem.core.plugins.installation import install_command
from gandem.core.runs import Run
from gandem.metrics.evaluation import MEASURES, format_value

__all__ = ["write_comparison"]

CURVES = {
    "discriminator": "discriminator’s loss",
    "generator": "generator’s loss",
    "frechet": "Fréchet distance, while training",
}
MOST_POINTS = 20_000
"""Of the curves of one measure, all together."""
BETTER = {"less": "↓", "more": "↑", "as real": "="}
TAGS = {"different": "apart", "no difference seen": "same", "undecided": "soft"}
"""How verdicts are shown."""

Found = Mapping[str, Any]


def write_comparison(comparison: Comparison, path: Path | None = None) -> dict[str, Any]:
    """Write the page of a comparison, and return the figures that are on it.

    Args:
        path: left out, ``index.html`` in the comparison's folder.

    Raises:
        RunError: the place cannot be written.
        GandemError: Jinja2 is not installed.
    """
    try:
        from jinja2 import DictLoader, Environment, StrictUndefined
    except ImportError:
        raise GandemError(
            f"The page needs Jinja2. Install it with: {install_command('report')}"
        ) from None
    found = outcome_of(comparison)
    place = path or comparison.path / "index.html"
    folder = files("gandem").joinpath("compare", "report", "templates")
    texts = {part.name: part.read_text("utf-8") for part in folder.iterdir() if part.is_file()}
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=DictLoader(texts),
    )
    environment.filters["figure"] = _figure
    script = texts["page.js"].strip()
    text = environment.get_template("page.html").render(
        **_parts(comparison, found, place),
        style=texts["page.css"],
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    write_file(place, text.encode(errors="replace"))  # halves of letters, of strangers
    return found


def _parts(comparison: Comparison, found: Found, place: Path) -> dict[str, Any]:
    """Return everything that the template names."""
    grid = comparison.grid
    runs = [comparison.run(cell) for cell in comparison.cells()]
    cells = _cells(comparison, found, runs, place)
    pictures = _pictures(cells, runs)
    panels = list(panels_of(grid, cells))
    told = {name for cell in cells for name in cell["values"]}
    names = [name for name in MEASURES if name in told]
    colored, drawn = styles(grid)
    return {
        "found": found,
        "grid": grid,
        "settings": [setting.name for setting in grid.settings],
        "colored": colored,
        "styles": drawn,
        "about": _about(comparison, cells),
        "cells": cells,
        "bad": _bad(cells),
        "panels": panels,
        "steps": pictures["steps"],
        "data": _json(pictures),
        "curves": _curves(panels, runs),
        "walks": [_walk(comparison, row) for row in found["paths"]],
        "names": names,
        "measures": MEASURES,
        "better": BETTER,
        "tags": TAGS,
        "level": round(100 * LEVEL),
        "means": [means_of(panel, found["outcomes"], names) for panel in panels],
        "floors": floors_of(cells),
        "averaged": any(cell["weights"] == AVERAGED for cell in cells),
        "costs": [
            {**row, "marks": marks_of(grid, row), "name": name_of(grid, row, row["backend"])}
            for row in found["costs"]
        ],
        "compared": any(len(panel.columns) > 1 for panel in panels),
        "command": command_again(comparison, cells),
        "makings": list(makings_of(comparison, cells)),
        "figure": format_value,
    }


def _about(comparison: Comparison, cells: Sequence[Found]) -> str:
    """Return what was compared, in a line."""
    grid, facts = comparison.grid, [cell["facts"] for cell in cells if cell["facts"]]
    done = sum(cell["state"] == "done" for cell in cells)
    alone = cells[0]["state"] if len(cells) == 1 else ""
    parts = [alone or f"{done} of {len(cells)} trainings done"]
    totals = {cell["total"] for cell in cells if cell["total"]}
    if totals:
        parts.append(
            f"{' or '.join(f'{n:,}' for n in sorted(totals))} steps{'' if alone else ' each'}"
        )
    data = dict.fromkeys(str(_dict(fact.get("data")).get("name", "")) for fact in facts)
    parts += [f"on {', '.join(name for name in data if name)}"] if any(data) else []
    precisions = dict.fromkeys(str(fact["precision"]) for fact in facts) or [grid.precision]
    parts.append(f"in {', '.join(precisions)}")
    versions = {k: v for fact in facts for k, v in _dict(fact.get("versions")).items()}
    parts += [f"{name} {version}" for name, version in versions.items() if name != "python"]
    return "; ".join((" ".join(parts[:1]), ", ".join(parts[1:])))


def _bad(cells: Sequence[Found]) -> dict[tuple[str, str], list[Found]]:
    """Return what did not end well, by how and why."""
    found: dict[tuple[str, str], list[Found]] = {}
    for cell in cells:
        if cell["problem"] or cell["state"] in ("failed", "diverged"):
            found.setdefault((cell["state"], cell["problem"]), []).append(cell)
    return found


# --- cells ---------------------------------------------------------------------------------------


def _cells(
    comparison: Comparison, found: Found, runs: Sequence[Run | None], place: Path
) -> list[dict[str, Any]]:
    grid, cells = comparison.grid, []
    colored, drawn = styles(grid)
    for index, cell in enumerate(comparison.cells()):
        told, run = found["cells"][index], runs[index]
        marks = marks_of(grid, told)
        cells.append(
            {
                **told,
                "index": index,
                "cell": cell,
                "marks": marks,
                "name": name_of(grid, told, told["backend"], f"seed {told['seed']}"),
                "style": drawn[int(marks[colored])],
                "link": _link(comparison.folder(cell), place) if run else "",
                "facts": run.record.to_data() if run else {},
            }
        )
    return cells


def _link(path: Path, page: Path) -> str:
    """Return where something is, as seen from the page."""
    try:
        return quote(Path(os.path.relpath(path.resolve(), page.resolve().parent)).as_posix())
    except ValueError:  # on another drive
        return path.resolve().as_uri()


def _pictures(cells: Sequence[dict[str, Any]], runs: Sequence[Run | None]) -> dict[str, Any]:
    """Return every picture once, in base64, and which of them each cell shows after each step;
    the last of each cell goes to the cell, to stand on the page itself.
    """
    samples = room_for(pictures_of(runs))
    places: dict[bytes, int] = {}
    texts: list[str | None] = []
    shown = []
    for cell, of in zip(cells, samples, strict=True):
        for picture in of.values():
            if picture.png not in places:
                places[picture.png] = len(texts)
                texts.append(picture.text)
        shown.append({step: places[picture.png] for step, picture in of.items()})
        cell["first"] = None
        if of:
            step = max(of)
            at = places[of[step].png]
            cell["first"] = {"step": step, "place": at, "text": texts[at], "picture": of[step]}
            texts[at] = None
    steps = sorted({step for of in samples for step in of})
    return {"steps": steps, "pictures": texts, "cells": shown}


# --- charts --------------------------------------------------------------------------------------


def _curves(panels: Sequence[Panel], runs: Sequence[Run | None]) -> list[list[dict[str, Any]]]:
    """Return the charts of each panel; those of a model and a measure have the same scale."""
    most = max(20, min(300, MOST_POINTS // max(1, len(runs))))
    told = [curves_of(run, [*CURVES], most) if run else {} for run in runs]
    found: list[list[dict[str, Any]]] = [[] for _ in panels]
    for model in dict.fromkeys(panel.model for panel in panels):
        for name, title in CURVES.items():
            charts = {
                place: chart
                for place, panel in enumerate(panels)
                if panel.model == model and (chart := _chart(panel, told, name))
            }
            for place, chart in zip(charts, same_scale([*charts.values()]), strict=True):
                group = f"{panels[place].marks['m']} {name}"
                ends = {line.marks["i"]: _end(line, chart) for line in chart.lines}
                row = {"name": name, "title": title, "group": group, "chart": chart, "ends": ends}
                found[place].append(row)
    return found


def _chart(panel: Panel, told: Sequence[Mapping[str, Any]], name: str) -> Chart | None:
    lines = []
    for cell in panel.cells:
        points, marks = told[cell["index"]].get(name), cell["marks"]
        if points:
            style = f"{cell['style']} w{marks['s'] % WIDTHS}"
            lines.append(Line(cell["name"], points, style, {"i": cell["index"], **marks}))
    return linear(lines) if lines else None


def _end(line: Line, chart: Chart) -> str:
    """Return a line's last value in words; of one that ended before the others, none."""
    step, value = line.points[-1]
    return f"{value:.4g}" if step >= chart.x.high else "–"


def _walk(comparison: Comparison, row: Found) -> dict[str, Any]:
    grid = comparison.grid
    chart = walk_chart(row["marks"])
    return {
        **row,
        "marks": marks_of(grid, row),
        "name": name_of(grid, row, " and ".join(row["backends"]), f"seed {row['seed']}"),
        "chart": chart,
        "last": f"{10 ** chart.lines[0].points[-1][0]:,.0f}" if chart else "",
        "ends": {line.name: _power(line.points[-1][1]) for line in chart.lines} if chart else {},
        "problem": row.get("problem") or "",
    }


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _figure(value: Any) -> str:
    if not isinstance(value, int | float):
        return "–"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def _power(value: float) -> str:
    """Return 10 to the power of ``value`` in words; what counts as none is 0."""
    return "0" if value <= -18 else f"{10**value:.1e}"


def _json(data: Any) -> str:
    """Return JSON that can stand within a script element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
