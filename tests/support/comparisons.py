"""Comparisons whose files are written without training, and their reports, parsed as HTML."""

import json
import re
import tempfile
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from gandem.compare import Cell, Comparison, Grid, plan, write_comparison
from gandem.core.data.images import draw_grid as sheet
from gandem.core.data.images import save_image
from gandem.core.documents import finite
from gandem.core.specs.loading import load_spec
from gandem.core.specs.serialization import to_toml
from support.commands import TINY

STEPS = (10, 20, 30, 40)
"""The steps of the samples."""
DIGEST = "e7c54d8855b8b107d9b79fcbfe26ef9082b81a90908d484370ba6a0c3dcf1bd0"
PROTOCOL = {
    **{"data": "digits", "data_digest": DIGEST, "of": 10_000, "real": 5000, "fake": 5000},
    **{"extractor": "lenet5:digits", "extractor_digest": DIGEST, "seed": 0, "formulas": 1},
}
REAL_BASELINE = {"frechet": 0.07, "kernel": 0.001, "kernel_error": 0.0005, "precision": 0.94}


def make_grid(**changes: object) -> Grid:
    """Return a grid of one model, two backends and three seeds, with changed fields."""
    grid = Grid(models=("mlp-gan",), backends=("torch", "keras"), data="digits", steps=STEPS[-1])
    return replace(grid, **changes)


def make_comparison(path: Path, grid: Grid) -> Comparison:
    """Write a comparison with all runs, scores and parity reports."""
    comparison = plan(path, grid)
    for cell in comparison.cells():
        write_run(comparison, cell)
    for key in comparison.parity_reports():
        write_parity_report(comparison, *key)
    return comparison


def write_run(comparison: Comparison, cell: Cell, **facts: object) -> Path:
    """Write the run of a cell, with numbers that depend on the cell; return its folder."""
    folder, number = comparison.folder(cell), comparison.cells().index(cell)
    (folder / "samples").mkdir(parents=True)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / f"step-{STEPS[-1]:06}.safetensors").write_bytes(b"0" * 2**20)
    (folder / "spec.toml").write_text(spec_text(Path(cell.model).stem))
    (folder / "run.json").write_text(json.dumps(FACTS | own_facts(cell, number) | facts))
    for step in STEPS:
        picture(folder / "samples" / f"step-{step:06}.png", 1000 * number + step)
    rows = [log_row(number, step) for step in range(1, STEPS[-1] + 1)]
    write_log(folder, rows)
    write_scores(folder, frechet=[9.5, 10.25, 11, 100, 12, 12.5][number % 6])
    return folder


FACTS = {
    "model": "mlp-gan",
    "precision": "float32",
    "spec_digest": DIGEST[::-1],
    "data": {"name": "digits", "digest": DIGEST, "count": 10_000, "source": "MNIST"},
    "steps_planned": STEPS[-1],
    "epochs": [{"batches_per_epoch": 10}],
    "state": "finished",
    "device": "cpu",
    "gandem": "0.1.0",
    "command": "gandem train mlp-gan --seed 0",
    "steps": STEPS[-1],
    "health": {"verdict": "no sign of trouble"},
    "peak_memory": 2**30,
}


def own_facts(cell: Cell, number: int) -> dict[str, object]:
    """Return the fields of run.json that depend on the cell."""
    return {
        "backend": cell.backend,
        "seed": cell.seed,
        "versions": {cell.backend: f"2.{number}"},
        "steps_per_second": [300.0, 1200.0][number % 2],
        "seconds_to_first_step": 0.25 + number,
    }


@cache
def spec_text(name: str) -> str:
    """Return the spec of every run, under a name."""
    return to_toml(replace(load_spec("dcgan", TINY["dcgan"]), name=name))


def picture(path: Path, seed: int) -> None:
    """Write a grid of samples that are noise."""
    path.write_bytes(png_of_noise(seed))


@cache
def png_of_noise(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (9, 8, 8, 1), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        save_image(Path(folder, "noise.png"), sheet(noise))
        return Path(folder, "noise.png").read_bytes()


def log_row(number: int, step: int) -> dict[str, object]:
    """Return a row of a log; the losses of cell 3 after step 20 are 3.0020 and 30.020."""
    value = number + step / 10_000
    return {"step": step, "epoch": 1, "discriminator": value, "generator": 10 * value}


def write_log(folder: Path, rows: list[dict[str, object]]) -> None:
    """Write a log, which may have NaN and infinity."""
    (folder / "log.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def write_scores(folder: Path, **values: float) -> None:
    """Write the scores of a run."""
    values = {"kernel": 0.5, "kernel_error": 0.01, "precision": 0.75, "recall": None} | values
    row = {
        "name": str(folder),
        "protocol": PROTOCOL,
        "values": values,
        "real_baseline": REAL_BASELINE,
    }
    (folder / "scores.json").write_text(json.dumps([row]))


def write_parity_report(
    comparison: Comparison,
    *key: object,
    apart: float = 1e-15,
    baseline: float = 1e-15,
    saturated: bool = False,
) -> None:
    """Write the parity report of two backends, which differ as much as the baseline or as given."""
    model, setting, seed, pair = key
    marks = [
        {
            **{"step": step, "weights_max": apart * step, "weights_median": 0.0},
            **{"loss_max": 2e-16 * step, "baseline_max": baseline * step, "baseline_median": 0.0},
            **{"within": 1.0, "floor": 2e-16, "saturated": saturated, "ratio": apart / baseline},
            **{"statistics_max": 0.0, "baseline_statistics_max": 0.0},
        }
        for step in (1, 2, 5, 10)
    ]
    report = {"model": model, "backends": pair, "steps": 10, "seed": seed, "marks": marks}
    place = (
        comparison.path / "parity" / f"{comparison.parity_name(model, setting, seed, pair)}.json"
    )
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(finite(report | {"holds": apart <= 10 * baseline})))


class Page(HTMLParser):
    """A parsed HTML page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """Return the attributes of all elements with a tag and some attributes."""
        elements = [own for name, own in self.tags if name == tag]
        return [own for own in elements if attributes.items() <= own.items()]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    @property
    def data(self) -> dict:
        """The data of the script."""
        begin = self.source.index('id="data">') + len('id="data">')
        return json.loads(self.source[begin : self.source.index("</script>", begin)])


def parse_page(comparison: Comparison, path: Path | None = None) -> Page:
    """Write the report of a comparison, and parse it."""
    write_comparison(comparison, path)
    return Page((path or comparison.path / "index.html").read_text("utf-8"))
