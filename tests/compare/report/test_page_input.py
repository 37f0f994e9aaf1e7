"""The page of a comparison, drawn from whatever there is: any names, any grid, any damage."""

import json
import math

import pytest
from support.commands import refused, said
from support.comparisons import FACTS, comparison_of, grid_of, own_facts, page_of, write_log

from gandem.compare import make_settings, open_comparison, plan
from gandem.compare.report.charts import Line as Drawn
from gandem.compare.report.charts import linear, same_scale
from gandem.core.runs.log import read_last_row

pytest.importorskip("jinja2", reason="pages are drawn with Jinja2")
pytest.importorskip("scipy", reason="verdicts take Student's t")

EVIL = "</script><img src=x onerror=alert(1)>&\"'"


def test_names_may_be_anything(tmp_path):
    grid = grid_of(
        models=(EVIL, "specs/a b.toml"),
        settings=make_settings({"name": [EVIL], "latent": [8, 16]}),
        backends=("torch", "<i>keras</i>"),
        seeds=(0,),
    )
    made = comparison_of(tmp_path / "out", grid)
    cell = made.cells()[0]
    (made.folder(cell) / "run.json").write_text(
        json.dumps(FACTS | own_facts(cell, 0) | {"health": {"verdict": EVIL}, "device": EVIL})
    )

    page = page_of(made)

    plain = page_of(comparison_of(tmp_path / "plain", grid_of()))
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in plain.tags}
    assert len(page.all("script")) == 2
    assert all(img["alt"].startswith("Samples of ") for img in page.all("img"))
    assert not any(name.startswith("on") for _, of in page.tags for name in of)
    assert page.text.count(EVIL) > 20


@pytest.mark.parametrize("value", [10**400, -(10**400), True, [], math.nan])
@pytest.mark.parametrize("name", ["steps_per_second", "seconds_to_first_step", "peak_memory"])
def test_a_cost_that_is_no_number_is_left_out(tmp_path, name, value):
    made = comparison_of(tmp_path / "out", grid_of(seeds=(0,), path_steps=0))
    cell = made.cells()[0]
    facts = FACTS | own_facts(cell, 0) | {name: value}
    (made.folder(cell) / "run.json").write_text(json.dumps(facts))

    assert json.loads(said("report", made.path, "--json"))["cells"][0][name] is None


@pytest.mark.parametrize("seed", [[], None, "0", 1.5])
def test_a_run_whose_seed_is_none_is_one_line(tmp_path, seed):
    made = comparison_of(tmp_path / "out", grid_of(seeds=(0,)))
    cell = made.cells()[0]
    run = made.folder(cell)
    (run / "run.json").write_text(json.dumps(FACTS | own_facts(cell, 0) | {"seed": seed}))

    assert "damaged; seed: expected" in refused("report", run)


def test_steps_that_no_axis_has_are_left_out(tmp_path):
    made = comparison_of(tmp_path / "out", grid_of(seeds=(0,)))
    rows = [{"step": step, "generator": 1.0} for step in (-(10**400), 1, 2, 10**400)]
    write_log(made.folder(made.cells()[0]), rows)

    lines = page_of(made).all("polyline", **{"data-i": "0"})

    assert [line["points"] for line in lines] == ["1,1 2,1"]


def test_only_the_end_of_a_log_is_read(tmp_path):
    log = tmp_path / "log.jsonl"
    rows = [{"step": 7, "generator": 0.5}, {"step": 8, "judged": {}}]
    log.write_bytes(b"\xff" * 200_000 + b"\n" + b"\n".join(json.dumps(r).encode() for r in rows))
    with log.open("ab") as file:
        file.write(b'\n{"step": 9, "gener')

    assert read_last_row(tmp_path) == {"step": 7, "generator": 0.5}
    assert read_last_row(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"backends": ("keras",)},
        {"seeds": (4,)},
        {"backends": ("keras",), "seeds": (0,)},
        {"backends": ("torch", "keras", "acme/jax"), "path_steps": 0},
        {"models": ("mlp-gan", "dcgan"), "backends": ("torch",)},
        {"settings": make_settings({"latent": [8, 16, 32, 64]}), "backends": ("torch",)},
        {"settings": make_settings({"latent": [8, 16]}), "models": ("mlp-gan", "dcgan")},
    ],
)
def test_grids_of_any_shape_are_drawn(tmp_path, changes):
    grid = grid_of(**changes)
    made = comparison_of(tmp_path / "out", grid)

    page = page_of(made)

    assert len(page.all("img")) == len(made.cells())
    assert len(page.all("polyline", **{"class": "line between"})) == len(made.paths())
    for cell in made.cells():
        assert f", seed {cell.seed}, after step 40" in page.source
    many = len(grid.settings) > 1
    assert [setting.name in page.text for setting in grid.settings] == [many] * len(grid.settings)
    assert len(page.all("input", type="checkbox")) == sum(
        len(of) for of in (grid.models, grid.settings, grid.backends, grid.seeds) if len(of) > 1
    )


def test_what_was_not_begun_is_drawn_too(tmp_path):
    page = page_of(plan(tmp_path / "out", grid_of()))

    assert "No training has drawn samples yet" in page.text
    assert "No training has logged anything yet" in page.text
    assert page.text.count("waiting") == 6
    assert page.all("a") == []


def test_what_all_failed_is_drawn_too(tmp_path):
    made = plan(tmp_path / "out", grid_of())
    rows = [json.dumps({"job": cell.folder, "reason": "out of paint"}) for cell in made.cells()]
    (made.path / "ended.jsonl").write_text("\n".join(rows))

    page = page_of(made)

    assert page.text.count("failed: out of paint") == 1 + 6  # together on top, and each in its row


def test_damaged_and_missing_samples_are_left_out(tmp_path):
    made = comparison_of(tmp_path / "out", grid_of(seeds=(0,)))
    torch, keras = made.cells()
    for path in (made.folder(torch) / "samples").iterdir():
        path.write_bytes(b"nonsense")
    (made.folder(keras) / "samples" / "step-000040.png").unlink()

    page = page_of(made)

    assert [img["alt"] for img in page.all("img")] == ["Samples of keras, seed 0, after step 30"]
    assert "no samples that can be read" in page.text


def test_facts_and_scores_of_a_stranger_are_drawn_as_far_as_they_go(tmp_path):
    made = comparison_of(tmp_path / "out", grid_of(seeds=(0,)))
    torch, keras = made.cells()
    facts = {"backend": "torch", "precision": "float32", "seed": 0, "data": {}, "versions": [1]}
    facts |= {"spec_digest": ["odd"], "peak_memory": "much", "health": "well"}
    (made.folder(torch) / "run.json").write_text(json.dumps(facts))
    told = {"values": {"frechet": 3.5}, "protocol": {"odd": 1}, "floor": {}}
    (made.folder(keras) / "scores.json").write_text(json.dumps([told]))
    path = made.path / "paths" / f"{made.path_name(*next(iter(made.paths())))}.json"
    path.write_text('{"holds": true, "marks": [{"step": "1"}, 7, {"ratio": "\\ud800"}]}')

    reason = {"job": torch.folder, "reason": "half a letter: \ud800"}
    (made.path / "ended.jsonl").write_text(json.dumps(reason))

    page = page_of(made)

    assert "half a letter: ?" in page.text
    assert "A protocol of another gandem" in page.text
    assert "not measured yet" in page.text


def test_scores_by_two_protocols_are_told_apart(tmp_path):
    made = comparison_of(tmp_path / "out", grid_of(seeds=(0,)))
    place = made.folder(made.cells()[0]) / "scores.json"
    told = json.loads(place.read_text())
    told[0]["protocol"]["fake"] = 7
    place.write_text(json.dumps(told))

    assert "such scores do not compare" in page_of(made).text


def test_a_run_alone_has_a_page(tmp_path):
    made = comparison_of(tmp_path / "out", grid_of(seeds=(0,), backends=("torch",)))
    folder = made.folder(made.cells()[0])

    page = page_of(open_comparison(folder), folder / "page.html")

    assert len(page.all("img")) == 1
    assert "gandem train mlp-gan --seed 0" in page.text
    assert "gandem compare" not in page.text


def test_a_few_outliers_are_cut_off_and_told():
    calm = [(float(n), math.sin(n)) for n in range(200)]

    chart = linear([Drawn("one", [*calm, (200.0, 5000.0)])])

    assert chart.y.high < 2
    assert chart.y.cut == (pytest.approx(-1, abs=1e-3), 5000.0)


def test_charts_of_one_measure_have_one_scale():
    charts = [linear([Drawn("one", [(0.0, 1.0), (9.0, high)])]) for high in (2.0, 7.0)]

    assert {(chart.y.low, chart.y.high) for chart in same_scale(charts)} == {(0.0, 7.0)}


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e29, 1e-20])
def test_a_curve_that_does_not_move_is_drawn(value):
    axis = linear([Drawn("one", [(1.0, value), (2.0, value)])]).y

    assert axis.low < value < axis.high
    assert 2 <= len(axis.ticks) <= 12
