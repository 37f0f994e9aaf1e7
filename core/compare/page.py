"""The page of a comparison: one HTML file that needs nothing else, drawn from its folder."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.compare.comparison import Comparison
from gandem.core.compare.grid import Cell
from gandem.core.compare.outcome import outcome_of
from gandem.core.errors import GandemError, RunError
from gandem.core.files import write_file
from gandem.core.images import read_picture
from gandem.core.runs import Run
from gandem.core.scores import MEASURES, figure

__all__ = ["COLOURS", "write_comparison"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of backends: Okabe and Ito's, which colour-blind people tell apart."""
MOST_STEPS = 12
"""Grids of samples of one training on the page."""
MOST_POINTS = 300
"""Of one curve."""
LARGEST = 4_500_000
"""Bytes of all pictures together; beyond it they are made smaller."""


def write_comparison(comparison: Comparison, path: Path | None = None) -> dict[str, Any]:
    """Write the page of a comparison, and return the figures that are on it.

    Args:
        path: left out, ``index.html`` in the comparison's folder.

    Raises:
        RunError: the place cannot be written.
        GandemError: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError:
        raise GandemError(
            "The page needs Jinja2. Install it with: pip install 'gandem[report]'"
        ) from None
    found = outcome_of(comparison)
    place = path or comparison.path / "index.html"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["figure"] = _figure
    template = files("gandem").joinpath("core", "compare", "templates", "page.html").read_text()
    text = environment.from_string(template).render(
        **_parts(comparison, found, place), colours=COLOURS, measures=MEASURES, figure=figure
    )
    write_file(place, text.encode())
    return found


def _parts(comparison: Comparison, found: dict[str, Any], place: Path) -> dict[str, Any]:
    cells = comparison.cells()
    grids = [_cell(comparison, cell, index, place) for index, cell in enumerate(cells)]
    _make_room(grids)
    columns = [*dict.fromkeys((c["model"], c["setting"]) for c in found["cells"])]
    told = {name for cell in found["cells"] for name in cell["values"]}
    series = {str(grid["index"]): grid["curves"] for grid in grids}
    return {
        "found": found,
        "grid": comparison.grid,
        "cells": [one | grid for one, grid in zip(found["cells"], grids, strict=True)],
        "columns": columns,
        "names": [name for name in MEASURES if name in told],
        "series": json.dumps(series).replace("</", "<\\/"),
        "steps": sorted({step for grid in grids for step in grid["samples"]}),
        "walks": [_walk(row) for row in found["paths"] if row["report"]],
        "command": _command(comparison),
    }


# --- a cell --------------------------------------------------------------------------------------


def _cell(comparison: Comparison, cell: Cell, index: int, place: Path) -> dict[str, Any]:
    run = comparison.run(cell)
    colour = COLOURS[comparison.grid.backends.index(cell.backend) % len(COLOURS)]
    link = comparison.folder(cell)
    if link.is_relative_to(place.parent):
        link = link.relative_to(place.parent)
    facts = run.facts if run else {}
    return {
        "index": index,
        "colour": colour,
        "link": link.as_posix(),
        "samples": _samples(run) if run else {},
        "curves": _curves(run) if run else {},
        "versions": facts.get("versions", {}),
        "device": facts.get("device", ""),
        "command": facts.get("command", ""),
    }


def _samples(run: Run) -> dict[int, np.ndarray]:
    there = run.samples()
    wanted = np.linspace(0, len(there) - 1, min(MOST_STEPS, len(there))).round().astype(int)
    found = {}
    for place in dict.fromkeys(wanted.tolist()):
        try:
            found[run.sampled_at(there[place])] = read_picture(there[place])
        except RunError:
            continue  # damaged: drawn without
    return found


def _curves(run: Run) -> dict[str, list[list[float]]]:
    """Return steps and values of each loss and score."""
    found: dict[str, list[list[float]]] = {}
    for row in run.rows():
        values = row.get("scores") if isinstance(row.get("scores"), dict) else row
        for name in ("discriminator", "generator", "frechet"):
            value = values.get(name)
            if isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(name, []).append([row["step"], float(f"{value:.5g}")])
    return {name: points[:: -(-len(points) // MOST_POINTS)] for name, points in found.items()}


def _make_room(grids: Sequence[dict[str, Any]]) -> None:
    """Turn pictures into PNGs for the page, smaller where they would be too many bytes."""
    for shrink in (1, 2, 4):
        made = [
            {step: _png(picture[::shrink, ::shrink]) for step, picture in grid["samples"].items()}
            for grid in grids
        ]
        if sum(len(png) for of in made for png in of.values()) <= LARGEST:
            break
    for grid, of in zip(grids, made, strict=True):
        grid["samples"] = of


def _png(picture: np.ndarray) -> str:
    from PIL import Image

    grey = bool((picture[..., :1] == picture).all())
    buffer = io.BytesIO()
    Image.fromarray(picture[..., 0] if grey else picture).save(buffer, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


# --- two backends side by side -------------------------------------------------------------------

WIDE, HIGH, EDGE = 640, 240, 48


def _walk(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a picture of how far two backends are apart at each mark, beside the twin."""
    marks = row["report"]["marks"]
    steps = [mark["step"] for mark in marks]
    between = [max(float(mark["weights_max"]), 1e-18) for mark in marks]
    twin = [max(float(mark["twin_max"]), 1e-18) for mark in marks]
    low = math.floor(math.log10(min(between + twin))) - 0.2
    high = math.ceil(math.log10(max(between + twin) * 10))
    last = math.log10(max(steps[-1], 2))

    def at(step: int, value: float) -> str:
        x = EDGE + (WIDE - EDGE - 8) * math.log10(step) / last
        y = 8 + (HIGH - 40) * (high - math.log10(value)) / (high - low)
        return f"{x:.1f},{y:.1f}"

    ticks = range(math.ceil(low), high + 1, max(1, (high - math.ceil(low)) // 5))
    floor = [f"{EDGE},{HIGH - 32}", *map(at, steps, [10 * t for t in twin])]
    return {
        **row,
        "between": " ".join(map(at, steps, between)),
        "twin": " ".join(map(at, steps, twin)),
        "allowed": " ".join([*floor, f"{WIDE - 8},{HIGH - 32}"]),
        "dots": [
            {"at": at(s, b).split(","), "step": s, "value": b, "twin": t}
            for s, b, t in zip(steps, between, twin, strict=True)
        ],
        "ticks": [{"y": at(1, 10.0**t).split(",")[1], "label": f"1e{t}"} for t in ticks],
        "steps": [{"x": at(s, 10.0**high).split(",")[0], "label": s} for s in steps],
        "largest": max(between),
    }


def _figure(value: Any) -> str:
    return "–" if value is None else f"{value:.3g}"


def _command(comparison: Comparison) -> str:
    grid = comparison.grid
    parts = ["gandem compare", *grid.models, "--backends", ",".join(grid.backends)]
    parts += ["--seeds", str(len(grid.seeds))]
    varied: dict[str, list[str]] = {}
    for setting in grid.settings:
        for change in setting.changes:
            path, _, value = change.partition("=")
            varied.setdefault(path, [])
            if value not in varied[path]:
                varied[path].append(value)
    parts += [f"--vary '{path}={','.join(values)}'" for path, values in varied.items()]
    parts += [f"--set '{change}'" for change in grid.changes]
    plain = {"data": grid.data, "epochs": grid.epochs, "steps": grid.steps}
    parts += [f"--{name} {value}" for name, value in plain.items() if value is not None]
    parts += ["--classes " + ",".join(map(str, grid.classes))] if grid.classes else []
    return " ".join([*parts, "--out", "DIR"])
