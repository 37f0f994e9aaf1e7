"""The page of a comparison: what is on it, that it needs nothing else, and that it is drawn from
whatever trainings have left.
"""

import base64
import io
import json
import math
import re
import shutil
import statistics
import sys
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image
from support.commands import refused, said
from support.comparisons import (
    FLOOR,
    STEPS,
    comparison_of,
    finish,
    grid_of,
    page_of,
    picture,
    walk,
    write_log,
)

from gandem.compare import plan, write_comparison
from gandem.compare.report.charts import walk_chart
from gandem.compare.report.samples import pictures_of, room_for
from gandem.core.data.images import read_picture
from gandem.core.errors import GandemError

pytest.importorskip("jinja2", reason="pages are drawn with Jinja2")
pytest.importorskip("scipy", reason="verdicts take Student's t")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return comparison_of(tmp_path_factory.mktemp("made") / "out", grid_of())


@pytest.fixture(scope="module")
def page(made):
    return page_of(made)


# --- what is on it -------------------------------------------------------------------------------


def test_the_verdict_on_top_is_that_of_the_report(made, page):
    told = json.loads(said("report", made.path, "--json"))

    assert f'<p class="verdict" id="verdict">{told["verdict"]}</p>' in page.source
    assert "torch and keras take the same path" in told["verdict"]


def test_every_difference_is_told_in_words_the_fréchet_distance_first(made, page):
    outcomes = json.loads(said("report", made.path, "--json"))["outcomes"]

    places = [page.text.rindex(row["words"]) for row in outcomes]

    assert len(places) >= 3
    assert places == sorted(places)
    assert outcomes[0]["measure"] == "frechet"
    assert page.text.index(outcomes[0]["words"]) < places[0]  # and once more by itself


def test_scores_stand_with_their_protocol_the_floor_and_every_seed(made, page):
    scores = [9.5, 11, 12]  # of torch

    assert f"{statistics.fmean(scores):.3g} ± {statistics.stdev(scores):.2g}" in page.text
    assert "5,000 images each, against 5,000 of the 10,000 of digits" in page.text
    assert re.search(
        rf">real images</th><td></td><td></td><td[^>]*>{FLOOR['frechet']}<", page.source
    )
    told = [cell.get("data-value") for cell in page.all("td", **{"class": "number"})]
    assert {"9.5", "10.25", "11", "100", "12", "12.5"} <= set(told)
    assert "not finite" in page.text  # the recall


def test_curves_are_what_was_logged(made, page):
    lines = page.all("polyline", **{"data-i": "3"})

    assert len(lines) == 2  # the losses of two players
    for line, scale in zip(lines, (1, 10), strict=True):
        points = [[float(n) for n in pair.split(",")] for pair in line["points"].split()]
        assert [x for x, _ in points] == list(range(1, STEPS[-1] + 1))
        assert points[19] == [20, pytest.approx(3.002 * scale)]


def test_losses_that_are_not_finite_leave_a_line_that_ends(tmp_path):
    made = plan(tmp_path / "out", grid_of(seeds=(0,), backends=("torch",)))
    folder = finish(made, made.cells()[0], state="diverged")
    losses = [0.5, 0.25, math.nan, math.inf, -math.inf, 1e300]
    rows = [{"step": n, "discriminator": d, "generator": math.nan} for n, d in enumerate(losses)]
    write_log(folder, rows)

    page = page_of(made)

    assert [line["points"] for line in page.all("polyline")] == ["0,0.5 1,0.25"]
    assert "diverged" in page.text


def test_a_walk_is_drawn_with_its_baseline_on_logarithmic_axes(page):
    lines = {
        line["data-line"]: line["points"] for line in page.all("polyline") if "data-i" not in line
    }

    assert lines == {
        "between": "0,-15 0.30103,-14.699 0.69897,-14.301 1,-14",
        "losses": "0,-15.699 0.30103,-15.3979 0.69897,-15 1,-14.699",
        "baseline": "0,-15 0.30103,-14.699 0.69897,-14.301 1,-14",
    }
    assert len(page.all("polygon")) == 3  # of each seed


def test_backends_that_part_are_told_from_which_step_on(tmp_path):
    made = comparison_of(tmp_path / "out", grid_of(seeds=(0,)))
    walk(made, *next(iter(made.paths())), apart=3e-13)

    assert "another path, apart from step 1 on: up to 300 × the baseline" in page_of(made).text


def test_no_distance_at_all_can_be_drawn():
    marks = [{"step": n, "weights_max": 0.0, "loss_max": 0.0, "baseline_max": 0.0} for n in (1, 2)]

    chart = walk_chart(marks)

    assert {y for line in chart.lines for _, y in line.points} == {-18.0}
    assert walk_chart([]) is None


def test_a_measurement_that_is_missing_says_why(tmp_path):
    made = plan(tmp_path / "out", grid_of(seeds=(0,)))
    name = made.path_name(*next(iter(made.paths())))
    (made.path / "ended.jsonl").write_text(json.dumps({"job": name, "reason": "no <memory>"}))

    assert "no &lt;memory&gt;" in page_of(made).source


def test_what_failed_is_a_row_with_its_reason(tmp_path):
    made = comparison_of(tmp_path / "out", grid_of())
    first = made.cells()[0]
    shutil.rmtree(made.folder(first))
    reason = {"job": first.folder, "reason": "killed by SIGKILL <b>"}
    (made.path / "ended.jsonl").write_text(json.dumps(reason))

    page = page_of(made)

    assert "failed: killed by SIGKILL <b>" in page.text
    assert re.search(r"<tr[^>]*><th[^>]*><svg.*?</svg>torch, seed 0</th><td>failed: ", page.source)


# --- it needs nothing else -----------------------------------------------------------------------


def test_nothing_is_taken_from_anywhere_else(page):
    assert "://" not in page.source
    assert not re.search(r"@import|url\(", page.source)
    assert page.all("link") == [{"rel": "icon", "href": "data:,"}]
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert policy.startswith("default-src 'none'; img-src data:; ")


def test_links_lead_to_the_runs_as_seen_from_the_page(made, tmp_path):
    for place in (made.path / "index.html", tmp_path / "else where" / "page.html"):
        place.parent.mkdir(exist_ok=True)
        page = page_of(made, place)

        links = {unquote(link["href"]) for link in page.all("a")}

        there = {(place.parent / link).resolve() for link in links}
        assert {made.folder(cell).resolve() for cell in made.cells()} < there
        assert all(path.exists() for path in there)


def test_each_picture_is_there_once(made, page):
    once = [text for text in page.data["pictures"] if text]
    shown = [img["src"].partition(",")[2] for img in page.all("img")]
    pictures = [_pixels(text) for text in once + shown]

    wanted = [
        read_picture(p)[::2, ::2, 0] for cell in made.cells() for p in made.run(cell).samples()
    ]

    assert len(pictures) == len(wanted) == 6 * len(STEPS)
    assert {p.tobytes() for p in pictures} == {np.ascontiguousarray(w).tobytes() for w in wanted}


def test_equal_pictures_are_kept_once(tmp_path):
    made = comparison_of(tmp_path / "out", grid_of(seeds=(0,)))
    for cell in made.cells():
        for step in STEPS:
            picture(made.folder(cell) / "samples" / f"step-{step:06}.png", seed=0)

    page = page_of(made)

    assert len(re.findall("iVBORw0KGgo", page.source)) == 1


def test_every_picture_says_what_it_shows(page):
    assert [img["alt"] for img in page.all("img")] == [
        f"Samples of {backend}, seed {seed}, after step 40"
        for seed in range(3)
        for backend in ("torch", "keras")
    ]
    for svg in page.all("svg"):
        assert svg.get("aria-hidden") == "true" or (svg["role"] == "img" and svg["aria-label"])


def test_many_cells_stay_small(tmp_path):
    made = plan(tmp_path / "out", grid_of(seeds=tuple(range(12))))
    noise = np.random.default_rng(0)
    for cell in made.cells():
        folder = finish(made, cell)
        large = noise.integers(0, 256, (300, 300, 3), np.uint8)
        Image.fromarray(large).save(folder / "samples" / "step-000040.png")

    page = page_of(made)

    assert len(page.all("img")) == 24
    assert all("src" in img for img in page.all("img"))
    assert len(page.source) < 5_000_000


def test_room_is_made_by_smaller_pictures_and_then_by_fewer_steps(made):
    pictures = pictures_of([made.run(cell) for cell in made.cells()])
    every = sum(len(p.png) for of in pictures for p in of.values())

    smaller, fewer, none = (room_for(pictures, n) for n in (every // 2, 1500, 10))

    assert [sorted(of) for of in smaller] == [list(STEPS)] * 6
    assert smaller[0][40].width < pictures[0][40].width
    assert [max(of) for of in fewer] == [40] * 6
    assert len(fewer[0]) < 4
    assert none == [{}] * 6


def test_of_many_samples_those_of_the_same_steps_are_shown(made):
    runs = [made.run(cell) for cell in made.cells()[:2]]
    for cell, count in zip(made.cells()[:2], (100, 60), strict=True):
        for step in range(100, 100 + count):
            name = made.folder(cell) / "samples" / f"step-{step:06}.png"
            shutil.copy(made.folder(cell) / "samples" / "step-000040.png", name)

    long, short = pictures_of(runs)

    for cell in made.cells()[:2]:
        for path in (made.folder(cell) / "samples").glob("step-0001*.png"):
            path.unlink()
    assert len(long) == 12
    assert max(long) == 199
    assert set(short) - {159} < set(long)


# --- refused -------------------------------------------------------------------------------------


def test_a_place_that_cannot_be_written_is_one_line_and_the_page_stays(made):
    write_comparison(made)
    before = (made.path / "index.html").read_bytes()

    for place in (made.path, made.path / "no" / "such" / "page.html", made.path / "a.html" / "b"):
        (made.path / "a.html").write_text("a file")
        assert "cannot be written" in refused("report", made.path, "-o", place)

    (made.path / "a.html").unlink()
    assert (made.path / "index.html").read_bytes() == before


def test_a_folder_of_nothing_is_one_line(tmp_path):
    assert "neither a comparison" in refused("report", tmp_path)


def test_without_jinja2_it_is_said_what_to_install(made, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)

    with pytest.raises(GandemError, match="jinja2>="):
        write_comparison(made)


def _pixels(text: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        return np.asarray(image)
