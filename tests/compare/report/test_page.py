"""The report of a comparison: its contents, that it needs no other file, and its size."""

import base64
import io
import json
import math
import re
import shutil
import statistics
import sys
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image
from support.commands import refused, said
from support.comparisons import (
    REAL_BASELINE,
    STEPS,
    make_comparison,
    make_grid,
    parse_page,
    picture,
    write_log,
    write_parity_report,
    write_run,
)

from gandem.compare import plan, write_comparison
from gandem.compare.report.charts import trajectory_chart
from gandem.compare.report.samples import limit_size, read_pictures
from gandem.core.data.images import draw_grid as tile
from gandem.core.data.images import save_image
from gandem.core.errors import GandemError
from gandem.visualize.images import read_image

pytest.importorskip("jinja2", reason="reports are rendered with Jinja2")
pytest.importorskip("scipy", reason="verdicts use Student's t")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return make_comparison(tmp_path_factory.mktemp("comparison") / "out", make_grid())


@pytest.fixture(scope="module")
def page(comparison):
    return parse_page(comparison)


# --- contents ------------------------------------------------------------------------------------


def test_the_verdict_at_the_top_is_that_of_the_command(comparison, page):
    verdict = json.loads(said("report", comparison.path, "--json"))["verdict"]

    assert f'<p class="verdict" id="verdict">{verdict}</p>' in page.source.replace("<wbr>", "")
    assert "torch and keras compute the same" in verdict


def test_every_pair_is_described_the_fréchet_distance_first(comparison, page):
    outcomes = json.loads(said("report", comparison.path, "--json"))["differences"]

    places = [page.text.rindex(row["text"]) for row in outcomes]

    assert len(places) >= 3
    assert places == sorted(places)
    assert outcomes[0]["measure"] == "frechet"


def test_scores_have_a_protocol_a_real_baseline_and_every_seed(comparison, page):
    scores = [9.5, 11, 12]  # of torch

    assert f"{statistics.fmean(scores):.3g} ± {statistics.stdev(scores):.2g}" in page.text
    assert "5,000 images each, against 5,000 of the 10,000 of digits" in page.text
    assert re.search(rf"real images</td><td[^>]*>{REAL_BASELINE['frechet']}<", page.source)
    values = [cell.get("data-value") for cell in page.all("td", **{"class": "number"})]
    assert {"9.5", "10.25", "11", "100", "12", "12.5"} <= set(values)
    assert "not finite" in page.text  # the recall


def test_curves_are_what_was_logged(comparison, page):
    lines = page.all("polyline", **{"data-i": "3"})

    assert len(lines) == 2  # the losses of two players
    for line, scale in zip(lines, (1, 10), strict=True):
        points = [[float(n) for n in pair.split(",")] for pair in line["points"].split()]
        assert [x for x, _ in points] == list(range(1, STEPS[-1] + 1))
        assert points[19] == [20, pytest.approx(3.002 * scale)]


def test_losses_that_are_not_finite_end_the_line(tmp_path):
    comparison = plan(tmp_path / "out", make_grid(seeds=(0,), backends=("torch",)))
    folder = write_run(comparison, comparison.cells()[0], state="diverged")
    losses = [0.5, 0.25, None, 1e300, math.nan]
    rows = [{"step": n, "discriminator": d, "generator": None} for n, d in enumerate(losses)]
    write_log(folder, rows)

    page = parse_page(comparison)

    assert [line["points"] for line in page.all("polyline")] == ["0,0.5 1,0.25"]
    assert "diverged" in page.text


def test_a_trajectory_is_drawn_with_its_baseline_on_logarithmic_axes(page):
    lines = {
        line["data-line"]: line["points"] for line in page.all("polyline") if "data-i" not in line
    }

    assert lines == {
        "between": "0,-15 0.30103,-14.699 0.69897,-14.301 1,-14",
        "losses": "0,-15.699 0.30103,-15.3979 0.69897,-15 1,-14.699",
        "baseline": "0,-15 0.30103,-14.699 0.69897,-14.301 1,-14",
    }
    assert len(page.all("polygon")) == 3  # of each seed


def test_backends_that_differ_are_reported_with_the_first_step(tmp_path):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,)))
    write_parity_report(comparison, *next(iter(comparison.parity_reports())), apart=3e-13)

    text = parse_page(comparison).text

    assert "different from step 1 on: up to 300 × the baseline" in text


def test_equal_backends_have_a_chart():
    marks = [{"step": n, "weights_max": 0.0, "loss_max": 0.0, "baseline_max": 0.0} for n in (1, 2)]

    chart = trajectory_chart(marks)

    assert {y for line in chart.lines for _, y in line.points} == {-18.0}
    assert trajectory_chart([]) is None


def test_a_missing_trajectory_has_a_reason(tmp_path):
    comparison = plan(tmp_path / "out", make_grid(seeds=(0,)))
    name = comparison.parity_name(*next(iter(comparison.parity_reports())))
    (comparison.path / "ended.jsonl").write_text(json.dumps({"job": name, "reason": "no <memory>"}))

    assert "no &lt;memory&gt;" in parse_page(comparison).source


def test_a_failed_run_has_a_reason_and_a_row(tmp_path):
    comparison = make_comparison(tmp_path / "out", make_grid())
    first = comparison.cells()[0]
    shutil.rmtree(comparison.folder(first))
    reason = {"job": first.folder, "reason": "killed by SIGKILL <b>"}
    (comparison.path / "ended.jsonl").write_text(json.dumps(reason))

    page = parse_page(comparison)

    assert "failed: killed by SIGKILL <b>torch, seed 0" in page.text
    assert 'title="killed by SIGKILL &lt;b&gt;">failed</td>' in page.source


# --- one file ------------------------------------------------------------------------------------


def test_nothing_is_loaded_from_elsewhere(page):
    assert "://" not in page.source
    assert not re.search(r"@import|url\(", page.source)
    assert page.all("link") == [{"rel": "icon", "href": "data:,"}]
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert policy.startswith("default-src 'none'; img-src data:; ")


def test_links_to_the_runs_are_relative_to_the_page(comparison, tmp_path):
    for path in (comparison.path / "index.html", tmp_path / "else where" / "page.html"):
        path.parent.mkdir(exist_ok=True)
        page = parse_page(comparison, path)

        links = {unquote(link["href"]) for link in page.all("a")}

        targets = {(path.parent / link).resolve() for link in links}
        assert {comparison.folder(cell).resolve() for cell in comparison.cells()} < targets
        assert all(target.exists() for target in targets)


# --- samples -------------------------------------------------------------------------------------


def test_each_picture_is_embedded_once(comparison, page):
    later = [text for text in page.data["pictures"] if text]
    first = [img["src"].partition(",")[2] for img in page.all("img")]
    embedded = [decode(text) for text in later + first]

    runs = [comparison.run(cell) for cell in comparison.cells()]
    samples = [read_image(path)[::2, ::2, 0] for run in runs for path in run.samples()]

    assert len(embedded) == len(samples) == 6 * len(STEPS)
    assert {p.tobytes() for p in embedded} == {np.ascontiguousarray(s).tobytes() for s in samples}


def test_equal_pictures_are_embedded_once(tmp_path):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,)))
    for cell in comparison.cells():
        for step in STEPS:
            picture(comparison.folder(cell) / "samples" / f"step-{step:06}.png", seed=0)

    page = parse_page(comparison)

    assert len(re.findall("iVBORw0KGgo", page.source)) == 1


def test_every_picture_has_a_description(page):
    assert [img["alt"] for img in page.all("img")] == [
        f"Samples of {backend}, seed {seed}, after step 40"
        for seed in range(3)
        for backend in ("torch", "keras")
    ]
    for svg in page.all("svg"):
        assert svg.get("aria-hidden") == "true" or (svg["role"] == "img" and svg["aria-label"])


@pytest.mark.parametrize(
    ("size", "count", "columns", "shown"),
    [(8, 9, 3, 98), (28, 25, 5, 146), (64, 25, 5, 326), (64, 20, 10, 651), (16, 40, 20, 299)],
)
def test_every_sample_is_at_least_28_pixels_wide(tmp_path, size, count, columns, shown):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,), backends=("torch",)))
    run = comparison.run(comparison.cells()[0])
    image = replace(run.spec.image, height=size, width=size)
    noise = np.random.default_rng(0).integers(0, 256, (count, size, size, 1), np.uint8)
    save_image(run.path / "samples" / "step-000040.png", tile(noise, columns))

    (pictures,) = read_pictures([replace(run, spec=replace(run.spec, image=image))])

    picture = pictures[40]
    assert picture.shown == pytest.approx(shown, abs=1)
    assert picture.shown / min(columns, 10) >= 28
    assert picture.width == min(columns, 10) * (size + 1) + 1  # wider grids are stacked


def test_a_page_of_many_large_samples_stays_small(tmp_path):
    comparison = plan(tmp_path / "out", make_grid(seeds=tuple(range(8))))
    noise = np.random.default_rng(0)
    for cell in comparison.cells():
        folder = write_run(comparison, cell)
        large = noise.integers(0, 256, (300, 300, 3), np.uint8)
        Image.fromarray(large).save(folder / "samples" / "step-000040.png")

    page = parse_page(comparison)

    assert len(page.all("img")) == 16
    assert all("src" in img for img in page.all("img"))
    assert len(page.source) < 5_000_000


def test_too_many_pictures_become_smaller_and_then_fewer(comparison):
    pictures = read_pictures([comparison.run(cell) for cell in comparison.cells()])
    total = sum(len(p.png) for of_run in pictures for p in of_run.values())

    smaller, fewer, none = (limit_size(pictures, n) for n in (total // 2, 1500, 10))

    assert [sorted(of_run) for of_run in smaller] == [list(STEPS)] * 6
    assert smaller[0][40].width < pictures[0][40].width
    assert smaller[0][40].shown == pictures[0][40].shown
    assert [max(of_run) for of_run in fewer] == [40] * 6
    assert len(fewer[0]) < 4
    assert none == [{}] * 6


def test_of_many_samples_those_of_the_same_steps_are_shown(tmp_path):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,)))
    for cell, count in zip(comparison.cells(), (100, 60), strict=True):
        samples = comparison.folder(cell) / "samples"
        for step in range(100, 100 + count):
            shutil.copy(samples / "step-000040.png", samples / f"step-{step:06}.png")

    long, short = read_pictures([comparison.run(cell) for cell in comparison.cells()])

    assert len(long) == 12
    assert max(long) == 199
    assert set(short) - {159} < set(long)


# --- errors --------------------------------------------------------------------------------------


def test_a_page_that_cannot_be_replaced_is_kept(tmp_path):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,)))
    write_comparison(comparison)
    before = (comparison.path / "index.html").read_bytes()
    (tmp_path / "file").write_text("")

    for path in (comparison.path, tmp_path / "no" / "such" / "page.html", tmp_path / "file" / "b"):
        assert re.search(
            "cannot be written|no folder", refused("report", comparison.path, "-o", path)
        )

    assert (comparison.path / "index.html").read_bytes() == before


def test_a_folder_without_a_comparison_is_one_line(tmp_path):
    assert "neither a comparison" in refused("report", tmp_path)


def test_without_jinja2_the_error_names_the_extra(comparison, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)

    with pytest.raises(GandemError, match="jinja2>="):
        write_comparison(comparison)


def decode(text: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        return np.asarray(image)
