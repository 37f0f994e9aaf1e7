"""Export every model in every format and write the table of docs/exports.md.

    python docs/make_exports.py [FORMAT …] [--model NAME …] [--player NAME …] [--only-write]

Each model at its small size with random weights. Results are kept in docs/exports.json. Formats of
PyTorch and of Keras need a process each.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from gandem.core.errors import SpecError
from gandem.core.export import export_runs, load_exporter
from gandem.core.files import write_file, write_json
from gandem.core.plugins.discovery import BUILTIN
from gandem.core.plugins.registry import registry
from gandem.testing.untrained_run import make_run

DOCS = Path(__file__).parent
RESULTS, PAGE = DOCS / "exports.json", DOCS / "exports.md"
PLAYERS = ("generator", "discriminator")
CHANGES = {"point-gan": {"image": 2}, "msg-gan": {"width": 16}, "progan": {"width": 16}}
"""Settings beside the small size: points, and widths at which rounding is not magnified."""
INTRODUCTION = """\
# Exports of every model

<!-- Written by docs/make_exports.py. Do not edit. -->

Each model of the catalog at its small size, with random weights, is exported in each
[format](sharing.md). A number is the largest difference from gandem's own output for 64 fixed
latent vectors, relative to the largest value of the output if that is above 1. The tolerance is
that of the format, 1e-6 or 1e-5, or 10 times the 1-ulp baseline of the network if that is more, as
of pixel norms. A dash is a network that the format cannot express; the reasons are below the
tables. Of `safetensors`, `web` and `space` the weights are compared, in the network of the run; the
tests generate the images of each page in a browser, and they differ by at most 1 of 255.

```sh
python docs/make_exports.py torch onnx    # measures these formats again
```
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", default=list_formats())
    parser.add_argument("--model", action="append", dest="models")
    parser.add_argument("--player", action="append", dest="players")
    parser.add_argument("--only-write", action="store_true", help="measure nothing")
    options = parser.parse_args()
    if not options.only_write:
        for model in options.models or list_models():
            for player in options.players or PLAYERS:
                for format in options.formats:
                    measure(model, player, format)
    write_file(PAGE, make_page().encode())


def list_formats() -> list[str]:
    """Return gandem's own formats, in their order in the registry."""
    return [entry.id for entry in registry().entries("exporters") if entry.provider == BUILTIN]


def list_models() -> list[str]:
    """Return the ids of gandem's own models."""
    return [entry.id for entry in registry().entries("models") if entry.provider == BUILTIN]


def measure(model: str, player: str, format: str) -> None:
    """Export a player of a model in a format, and store the difference or the reason."""
    run, result = make_run(model, **CHANGES.get(model, {})), {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network{load_exporter(format).suffix}"
        try:
            export = export_runs([run], format, path, player=player)
            result["difference"] = float(f"{export.difference:.1e}")
        except SpecError as error:
            result["refused"] = str(error)
    print(model, player, format, *result.values(), flush=True)
    results = read()
    results.setdefault(player, {}).setdefault(model, {})[format] = result
    write_json(RESULTS, results)


def read() -> dict[str, Any]:
    """Return the stored results: by player, model and format."""
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}


def make_page() -> str:
    """Return the page with a table for each player."""
    results, formats = read(), list_formats()
    lines = [INTRODUCTION]
    for player in PLAYERS:
        rows = results.get(player, {})
        lines += [f"## {player.capitalize()}", "", f"| model | {' | '.join(formats)} |"]
        lines.append(f"|---|{'---|' * len(formats)}")
        for model in list_models():
            cells = [_format_cell(rows.get(model, {}).get(format)) for format in formats]
            lines.append(f"| {model} | {' | '.join(cells)} |")
        lines.append("")
        lines += _list_refusals(rows)
    return "\n".join(lines)


def _format_cell(result: dict[str, Any] | None) -> str:
    if result is None:
        return ""
    difference = result.get("difference")
    return "–" if difference is None else "0" if difference == 0 else f"{difference:.0e}"


def _list_refusals(rows: dict[str, Any]) -> list[str]:
    """Return a line for each reason, with the formats and models that it concerns."""
    reasons: dict[str, dict[str, dict[str, None]]] = {}
    for model, row in rows.items():
        for format, result in row.items():
            if text := result.get("refused"):
                group = reasons.setdefault(text, {"models": {}, "formats": {}})
                group["models"][model] = group["formats"][format] = None
    lines = [
        f"- {', '.join(group['models'])} as {', '.join(group['formats'])}: {text}"
        for text, group in reasons.items()
    ]
    return [*lines, ""] if lines else []


if __name__ == "__main__":
    main()
