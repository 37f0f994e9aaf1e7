"""The HTML report of a comparison: one file that needs no other."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import statistics
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gandem.compare.analysis.outcome import AVERAGED, analyze
from gandem.compare.analysis.statistics import LEVEL, format_digits
from gandem.compare.comparison import CellRecord, Comparison
from gandem.compare.labels import Labels, label_grid
from gandem.compare.report.charts import dot_axis
from gandem.compare.report.panels import draw_curves, draw_trajectory, make_panels
from gandem.compare.report.reproduction import describe_settings, whole_command
from gandem.compare.report.samples import limit_size, read_pictures
from gandem.core.errors import GandemError
from gandem.core.files import check_file, write_file
from gandem.core.plugins.installation import install_command
from gandem.core.runs import Run
from gandem.metrics.evaluation import MEASURES, Protocol, format_protocol, format_value

KEY = ("model", "setting", "backend")
HTML_PAGE = "index.html"
FEW_CELLS = 4
"""The largest number of runs whose samples start at twice their size."""

Row = Mapping[str, Any]


def write_comparison(comparison: Comparison, path: Path | None = None) -> dict[str, Any]:
    """Write the report of a comparison, and return its data.

    Args:
        path: by default ``index.html`` in the folder of the comparison.

    Raises:
        RunError: the path cannot be written.
        GandemError: Jinja2 is not installed.
    """
    try:
        from jinja2 import DictLoader, Environment, StrictUndefined
    except ImportError:
        raise GandemError(
            f"The report needs Jinja2. Install it with: {install_command('report')}"
        ) from None
    path = path or comparison.path / HTML_PAGE
    check_file(path)
    records = comparison.read_all()
    outcome = analyze(comparison, records)
    folder = files("gandem").joinpath("compare", "report", "templates")
    texts = {part.name: part.read_text("utf-8") for part in folder.iterdir() if part.is_file()}
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=DictLoader(texts),
    )
    environment.filters |= {"figure": _format_figure, "short": format_digits}
    environment.filters |= {"csv": _join_values, "wrap": _add_breaks}
    script = texts["page.js"].strip()
    page = environment.get_template("page.html").render(
        **_collect_context(comparison, records, outcome, path),
        style=texts["page.css"],
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    write_file(path, page.encode(errors="replace"))  # lone surrogates from damaged files
    return outcome


def _collect_context(
    comparison: Comparison, records: Sequence[CellRecord], outcome: Row, path: Path
) -> dict[str, Any]:
    """Return everything that the templates name."""
    grid = comparison.grid
    runs = [record.run for record in records]
    labels = label_grid(grid, comparison.cells(), runs)
    cells = _collect_cells(comparison, outcome, labels, runs, path)
    samples = _collect_samples(cells, runs)
    panels = list(make_panels(labels, cells))
    measured = {name for cell in cells for name in cell["values"]}
    names = [name for name in MEASURES if name in measured]
    groups = _collect_groups(labels, cells, names, outcome["costs"])
    return {
        "outcome": outcome,
        "grid": grid,
        "labels": labels,
        "about": _describe(comparison, cells),
        "cells": cells,
        "problems": _group_problems(cells),
        "panels": panels,
        "groups": groups,
        "rankings": [_prepare_ranking(ranking, groups) for ranking in outcome["rankings"]],
        "steps": samples["steps"],
        "zoom": 2 if len(cells) <= FEW_CELLS else 1,
        "data": samples,
        "curves": draw_curves(panels, runs),
        "trajectories": [draw_trajectory(labels, row) for row in outcome["parity"]],
        "names": names,
        "measures": MEASURES,
        "better": {"less": "↓", "more": "↑", "as real": "="},
        "level": round(100 * LEVEL),
        "baselines": _collect_baselines(cells),
        "has_averages": any(cell["weights"] == AVERAGED for cell in cells),
        "command": whole_command(comparison, cells),
        "descriptions": list(describe_settings(comparison, labels, cells)),
        "format_value": format_value,
    }


def _describe(comparison: Comparison, cells: Sequence[Row]) -> str:
    """Return what was compared, in one line."""
    facts = [cell["facts"] for cell in cells if cell["facts"]]
    done = sum(cell["state"] == "done" for cell in cells)
    is_single = len(cells) == 1
    parts = []
    if totals := sorted({cell["total"] for cell in cells if cell["total"]}):
        each = "" if is_single else " each"
        parts.append(f"{' or '.join(f'{total:,}' for total in totals)} steps{each}")
    data = [str(_as_dict(fact.get("data")).get("name", "")) for fact in facts]
    parts += [f"on {', '.join(dict.fromkeys(filter(None, data)))}"] if any(data) else []
    precisions = [str(fact["precision"]) for fact in facts] or [comparison.grid.precision]
    parts.append(f"in {', '.join(dict.fromkeys(precisions))}")
    versions = {k: v for fact in facts for k, v in _as_dict(fact.get("versions")).items()}
    parts += [f"{name} {version}" for name, version in versions.items() if name != "python"]
    state = cells[0]["state"] if is_single else f"{done} of {len(cells)} runs done"
    return f"{state}; {', '.join(parts)}"


def _group_problems(cells: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the runs that failed or diverged, by state and reason."""
    problems: dict[tuple[str, str], list[Row]] = {}
    for cell in cells:
        if cell["problem"] or cell["state"] in ("failed", "diverged"):
            problems.setdefault((cell["state"], cell["problem"]), []).append(cell)
    return problems


# --- cells and groups ----------------------------------------------------------------------------


def _collect_cells(
    comparison: Comparison, outcome: Row, labels: Labels, runs: Sequence[Run | None], path: Path
) -> list[dict[str, Any]]:
    cells = []
    for index, (cell, row, run) in enumerate(
        zip(comparison.cells(), outcome["cells"], runs, strict=True)
    ):
        cells.append(
            {
                **row,
                **_label_row(labels, row),
                "index": index,
                "name": labels.join(row, f"seed {row['seed']}"),
                "link": _link(comparison.folder(cell), path) if run else "",
                "facts": run.record.to_data() if run else {},
            }
        )
    return cells


def _label_row(labels: Labels, row: Row) -> dict[str, Any]:
    return {
        "marks": labels.marks(row),
        "style": labels.style(row),
        "keys": [
            {"name": name, "label": labels.get(row, name), "full": row[name]}
            for name in labels.dimensions
        ],
    }


def _collect_groups(
    labels: Labels, cells: Sequence[Row], names: Sequence[str], costs: Sequence[Row]
) -> list[dict[str, Any]]:
    """Return the groups of runs, each with its costs and the means of its scores."""
    groups = []
    for cost in costs:
        own = [cell for cell in cells if all(cell[name] == cost[name] for name in KEY)]
        means = {name: _average(own, name) for name in names}
        groups.append({**cost, **_label_row(labels, cost), "seeds": len(own), "means": means})
    return groups


def _prepare_ranking(ranking: Row, groups: Sequence[Row]) -> dict[str, Any]:
    """Return a ranking with the axis of its scores, and the group of each place."""
    by_key = {tuple(group[name] for name in KEY): group for group in groups}
    places = [
        {**place, "group": by_key[tuple(place[name] for name in KEY)]}
        for place in ranking["places"]
    ]
    axis = dot_axis([score for place in places for score in place["scores"].values()])
    return {**ranking, "places": places, "axis": axis}


def _average(cells: Sequence[Row], name: str) -> dict[str, Any]:
    """Return the mean and the deviation of a score over seeds, and their number."""
    values = [v for cell in cells if isinstance(v := cell["values"].get(name), int | float)]
    return {
        "mean": statistics.fmean(values) if values else None,
        "deviation": statistics.stdev(values) if len(values) > 1 else None,
        "count": len(values),
        "scored": any(name in cell["values"] for cell in cells),
    }


def _collect_baselines(cells: Sequence[Row]) -> dict[str, Row]:
    """Return the scores of real images, by protocol as text."""
    baselines: dict[str, Row] = {}
    for cell in cells:
        if not cell["protocol"]:
            continue
        try:
            protocol = format_protocol(Protocol(**cell["protocol"]))
        except (TypeError, ValueError):
            protocol = "A protocol of another version of gandem."
        baselines.setdefault(protocol, cell["real_baseline"])
    return baselines


def _link(folder: Path, page: Path) -> str:
    """Return the address of a folder, relative to the page."""
    try:
        return quote(Path(os.path.relpath(folder.resolve(), page.resolve().parent)).as_posix())
    except ValueError:  # on another drive
        return folder.resolve().as_uri()


def _collect_samples(cells: Sequence[dict[str, Any]], runs: Sequence[Run | None]) -> dict[str, Any]:
    """Return every picture once, in base64, and the picture of each cell at each step.

    The last picture of each cell is set as its ``sample``, to be embedded in the page itself.
    """
    samples = limit_size(read_pictures(runs))
    places: dict[bytes, int] = {}
    texts: list[str | None] = []
    by_cell = []
    for cell, pictures in zip(cells, samples, strict=True):
        for picture in pictures.values():
            if picture.png not in places:
                places[picture.png] = len(texts)
                texts.append(picture.text)
        by_cell.append({step: places[picture.png] for step, picture in pictures.items()})
        cell["sample"] = None
        if pictures:
            step = max(pictures)
            place = places[pictures[step].png]
            picture = pictures[step]
            cell["sample"] = {
                "step": step,
                "place": place,
                "text": texts[place],
                "picture": picture,
            }
            texts[place] = None
    steps = sorted({step for pictures in samples for step in pictures})
    return {"steps": steps, "pictures": texts, "cells": by_cell}


def _as_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _format_figure(value: Any) -> str:
    if not isinstance(value, int | float):
        return "–"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def _add_breaks(name: str) -> Any:
    """Return a name that a browser breaks after punctuation."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"([,=_/…](?=\w)|\.(?=[^\W\d]))", r"\1<wbr>", str(escape(name))))


def _join_values(values: Sequence[Any]) -> str:
    """Return the values of a cell that has several columns in a CSV file."""
    return "|".join("" if value is None else str(value) for value in values)
