"""The report of unusual comparisons: any names, any grid, damaged files."""

import json
import math
import re

import pytest
from support.commands import refused, said
from support.comparisons import FACTS, make_comparison, make_grid, own_facts, parse_page, write_log

from gandem.compare import make_settings, open_comparison, plan
from gandem.compare.report.charts import Line, line_chart, share_scale
from gandem.core.runs.log import read_last_row

pytest.importorskip("jinja2", reason="reports are rendered with Jinja2")
pytest.importorskip("scipy", reason="verdicts use Student's t")

EVIL = "</script><img src=x onerror=alert(1)>&\"'"


def test_names_are_escaped(tmp_path):
    grid = make_grid(
        models=(EVIL, "specs/a b.toml"),
        settings=make_settings({"name": [EVIL], "latent": [8, 16]}),
        backends=("torch", "<i>keras</i>"),
        seeds=(0,),
    )
    comparison = make_comparison(tmp_path / "out", grid)
    cell = comparison.cells()[0]
    (comparison.folder(cell) / "run.json").write_text(
        json.dumps(FACTS | own_facts(cell, 0) | {"health": {"verdict": EVIL}, "device": EVIL})
    )

    page = parse_page(comparison)

    plain = parse_page(
        make_comparison(tmp_path / "plain", make_grid(models=("a", "b"), seeds=(0,)))
    )
    assert {tag for tag, _ in page.tags} - {"wbr"} == {tag for tag, _ in plain.tags}
    assert len(page.all("script")) == 2
    assert all(img["alt"].startswith("Samples of ") for img in page.all("img"))
    assert not any(name.startswith("on") for _, of in page.tags for name in of)
    assert page.text.count(EVIL) > 10


@pytest.mark.parametrize("value", [10**400, -(10**400), True, [], math.nan])
@pytest.mark.parametrize("name", ["steps_per_second", "seconds_to_first_step", "peak_memory"])
def test_a_cost_that_is_no_number_is_left_out(tmp_path, name, value):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,), parity_steps=0))
    cell = comparison.cells()[0]
    facts = FACTS | own_facts(cell, 0) | {name: value}
    (comparison.folder(cell) / "run.json").write_text(json.dumps(facts))

    assert json.loads(said("report", comparison.path, "--json"))["cells"][0][name] is None


@pytest.mark.parametrize("seed", [[], None, "0", 1.5])
def test_a_run_without_a_seed_is_one_line(tmp_path, seed):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,)))
    cell = comparison.cells()[0]
    run = comparison.folder(cell)
    (run / "run.json").write_text(json.dumps(FACTS | own_facts(cell, 0) | {"seed": seed}))

    assert "damaged; seed: expected" in refused("report", run)


@pytest.mark.parametrize("step", [-(10**400), -1, 10**400])
def test_a_step_that_is_impossible_is_left_out(tmp_path, step):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,)))
    folder = comparison.folder(comparison.cells()[0])
    rows = [{"step": number, "generator": 1.0} for number in (1, 2, step)]
    write_log(folder, rows)

    page = parse_page(comparison)

    lines = page.all("polyline", **{"data-i": "0"})
    assert [line["points"] for line in lines] == ["1,1 2,1"]
    assert read_last_row(folder)["step"] >= 0
    assert "-1" not in said("report", folder).replace(str(tmp_path), "")


def test_only_the_end_of_a_log_is_read(tmp_path):
    log = tmp_path / "log.jsonl"
    rows = [{"step": 7, "generator": 0.5}, {"step": 8, "accuracy": {}}]
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
        {"backends": ("torch", "keras", "acme/jax"), "parity_steps": 0},
        {"models": ("mlp-gan", "dcgan"), "backends": ("torch",)},
        {"settings": make_settings({"latent": [8, 16, 32, 64]}), "backends": ("torch",)},
        {"settings": make_settings({"latent": [8, 16]}), "models": ("mlp-gan", "dcgan")},
    ],
)
def test_every_shape_of_grid_has_a_page(tmp_path, changes):
    grid = make_grid(**changes)
    comparison = make_comparison(tmp_path / "out", grid)

    page = parse_page(comparison)

    assert len(page.all("img")) == len(comparison.cells())
    assert len(page.all("polyline", **{"class": "line between"})) == len(
        comparison.parity_reports()
    )
    for cell in comparison.cells():
        assert f"seed {cell.seed}, after step 40" in page.source
    many = len(grid.settings) > 1
    assert [setting.name in page.text for setting in grid.settings] == [many] * len(grid.settings)
    assert len(page.all("input", type="checkbox")) == sum(
        len(of) for of in (grid.models, grid.settings, grid.backends, grid.seeds) if len(of) > 1
    )


def test_models_have_the_names_of_their_specs(tmp_path):
    models = ("specs/a/small.toml", "specs/b/small.toml", "specs/large.toml")
    comparison = make_comparison(
        tmp_path / "out", make_grid(models=models, seeds=(0,), parity_steps=0)
    )

    page = parse_page(comparison)

    (title,) = re.findall("<h1>(.*)</h1>", page.source.replace("<wbr>", ""))
    assert title == "small (specs/a/small.toml), small (specs/b/small.toml), large on torch, keras"


def test_a_comparison_that_has_not_started_has_a_page(tmp_path):
    page = parse_page(plan(tmp_path / "out", make_grid()))

    assert "No run has written samples yet" in page.text
    assert "No run has logged anything yet" in page.text
    assert page.text.count("waiting") == 6
    assert page.all("a") == []


def test_a_comparison_in_which_every_run_failed_has_a_page(tmp_path):
    comparison = plan(tmp_path / "out", make_grid())
    rows = [json.dumps({"job": c.folder, "reason": "out of paint"}) for c in comparison.cells()]
    (comparison.path / "ended.jsonl").write_text("\n".join(rows))

    page = parse_page(comparison)

    assert page.text.count("failed: out of paint") == 1  # all runs together
    assert len(page.all("td", title="out of paint")) == 6


def test_damaged_and_missing_samples_are_left_out(tmp_path):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,)))
    torch, keras = comparison.cells()
    for path in (comparison.folder(torch) / "samples").iterdir():
        path.write_bytes(b"nonsense")
    (comparison.folder(keras) / "samples" / "step-000040.png").unlink()

    page = parse_page(comparison)

    assert [img["alt"] for img in page.all("img")] == ["Samples of keras, seed 0, after step 30"]
    assert "no readable samples" in page.text


def test_damaged_records_and_scores_are_shown_as_far_as_they_can_be_read(tmp_path):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,)))
    torch, keras = comparison.cells()
    facts = {"backend": "torch", "precision": "float32", "seed": 0, "data": {}, "versions": [1]}
    facts |= {"spec_digest": ["odd"], "peak_memory": "much", "health": "well"}
    (comparison.folder(torch) / "run.json").write_text(json.dumps(facts))
    scores = {"values": {"frechet": 3.5}, "protocol": {"odd": 1}, "real_baseline": {}}
    (comparison.folder(keras) / "scores.json").write_text(json.dumps([scores]))
    path = (
        comparison.path
        / "parity"
        / f"{comparison.parity_name(*next(iter(comparison.parity_reports())))}.json"
    )
    path.write_text('{"holds": true, "marks": [{"step": "1"}, 7, {"ratio": "\\ud800"}]}')

    reason = {"job": torch.folder, "reason": "half a letter: \ud800"}
    (comparison.path / "ended.jsonl").write_text(json.dumps(reason))

    page = parse_page(comparison)

    assert "half a letter: ?" in page.text
    assert "A protocol of another version of gandem" in page.text
    assert "not measured yet" in page.text


def test_scores_of_two_protocols_have_a_warning(tmp_path):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,)))
    path = comparison.folder(comparison.cells()[0]) / "scores.json"
    rows = json.loads(path.read_text())
    rows[0]["protocol"]["fake"] = 7
    path.write_text(json.dumps(rows))

    assert "Scores of different protocols cannot be compared" in parse_page(comparison).text


def test_a_single_run_has_a_page(tmp_path):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,), backends=("torch",)))
    folder = comparison.folder(comparison.cells()[0])

    page = parse_page(open_comparison(folder), folder / "page.html")

    assert len(page.all("img")) == 1
    assert "gandem train mlp-gan --seed 0" in page.text
    assert "gandem compare" not in page.text


def test_a_finished_run_that_was_not_scored_is_finished(tmp_path):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,), backends=("torch",)))
    folder = comparison.folder(comparison.cells()[0])
    (folder / "scores.json").unlink()

    text = said("report", folder)

    assert "finished at step 40" in text
    assert "scoring" not in text
    assert '<p class="soft">finished; 40 steps' in (folder / "index.html").read_text()


def test_a_few_outliers_are_cut_off():
    calm = [(float(n), math.sin(n)) for n in range(200)]

    chart = line_chart([Line("one", [*calm, (200.0, 5000.0)])])

    assert chart.y.high < 2
    assert chart.y.cut == (pytest.approx(-1, abs=1e-3), 5000.0)


def test_charts_of_one_measure_have_one_scale():
    charts = [line_chart([Line("one", [(0.0, 1.0), (9.0, high)])]) for high in (2.0, 7.0)]

    assert {(chart.y.low, chart.y.high) for chart in share_scale(charts)} == {(0.0, 7.0)}


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e29, 1e-20])
def test_a_constant_curve_has_an_axis(value):
    axis = line_chart([Line("one", [(1.0, value), (2.0, value)])]).y

    assert axis.low < value < axis.high
    assert 2 <= len(axis.ticks) <= 12
