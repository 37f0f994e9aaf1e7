"""Tables of results over seeds: rows, the Markdown page, and ``gandem compare --format md``."""

import csv
import errno
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.commands import HOME, TINY, gandem, refused, said
from support.comparisons import make_comparison, make_grid, write_run, write_scores
from support.in_process import in_process
from support.planted_backends import NONE, installed

from gandem.compare import make_settings, open_comparison, plan
from gandem.compare.results import (
    Result,
    check_results,
    collect_results,
    merge,
    read_results,
    write_results,
)
from gandem.compare.results.curves import merge_curves, read_curves
from gandem.compare.results.markdown import write_markdown
from gandem.compare.results.rows import FIGURES, spread
from gandem.compare.results.score_curves import make_figure
from gandem.core.errors import DataError, RunError

CHANGES = [f"--set={path}={value}" for path, value in TINY["dcgan"].items()]

ROW = Result(
    model="dcgan",
    spec="a" * 64,
    data="digits",
    backend="torch",
    device="cpu",
    precision="float32",
    steps=1500,
    epochs=9.55,
    recipe_epochs=20,
    seeds=3,
    diverged=0,
    figures={
        **{f"{which}_{name}_mean": 2.0 for which in ("final", "best") for name in FIGURES},
        **{f"{which}_{name}_sd": 0.25 for which in ("final", "best") for name in FIGURES},
        **{f"real_baseline_{name}": 0.5 for name in FIGURES},
    },
    real=5000,
    fake=5000,
    of=10_000,
    extractor="lenet5:digits",
    extractor_digest="e7c54d88" * 8,
    data_digest="b" * 64,
    scored_with_seed=0,
    formulas=1,
    classifier="",
    options="width=16",
    origin="",
    seconds=90.5,
    date="2026-11-22",
    versions="gandem 0.1.0, torch 2.15.0",
)


# --- rows ----------------------------------------------------------------------------------------


def test_rows_are_read_as_they_were_written(tmp_path):
    rows = [replace(ROW, model="cgan", options='a="b, c"'), ROW]

    write_results(tmp_path / "results.csv", rows)

    assert sorted(read_results(tmp_path / "results.csv"), key=lambda row: row.model) == rows


def test_a_missing_measure_is_an_empty_cell(tmp_path):
    figures = ROW.figures | {"final_accuracy_mean": None}
    write_results(tmp_path / "results.csv", [replace(ROW, figures=figures)])

    with (tmp_path / "results.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["final_accuracy_mean"] == ""
    assert read_results(tmp_path / "results.csv")[0].figures["final_accuracy_mean"] is None


def test_a_missing_file_has_no_rows(tmp_path):
    assert read_results(tmp_path / "results.csv") == []


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", b"\xff\xfe\x00", "model\n" * 3])
def test_a_file_that_is_no_table_is_refused_and_not_changed(tmp_path, text):
    path = tmp_path / "results.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(DataError, match=r"results\.csv"):
        read_results(path)
    options = ("compare", "dcgan", "--format=csv", "--data=digits", "--out", tmp_path / "out")
    assert "results.csv" in refused(*options, "--results", tmp_path, "--backends", HOME)

    assert path.read_bytes() == (text if isinstance(text, bytes) else text.encode())


def test_a_new_row_replaces_one_with_the_same_key():
    second = replace(ROW, date="2027-01-01")
    longer = replace(ROW, steps=3000)
    other = replace(ROW, extractor_digest="0" * 64)

    assert merge([ROW], [second]) == [second]
    assert merge([ROW], [longer]) == [ROW, longer]
    assert merge([ROW], [other]) == [ROW, other]


def test_the_deviation_is_that_of_a_sample():
    mean, deviation = spread([1.0, 2.0, 6.0])

    assert (mean, deviation) == (3.0, pytest.approx(math.sqrt(7)))
    assert spread([4.0]) == (4.0, None)
    assert spread([4.0, None]) == (None, None)


# --- the page ------------------------------------------------------------------------------------


def test_the_page_shows_final_best_real_and_protocol(tmp_path):
    write_markdown(tmp_path / "results.md", [ROW])

    text = (tmp_path / "results.md").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("| dcgan")]
    assert "`width=16`" in line
    assert line.count("2 ± 0.25") == 13  # twelve measures of the final, one of the best
    assert "| *real* |  |  |  |  | 0.5 |" in text
    assert "5,000 of the 10,000 of digits, features of lenet5:digits (e7c54d88)" in text
    assert "torch 2.15.0" in text


def test_modes_are_columns_of_the_tables_that_have_them(tmp_path):
    counted = ("modes", "mode_divergence")
    plain = {
        key: None if "mode" in key or "quality" in key else v for key, v in ROW.figures.items()
    }
    stacks = plain | {f"final_{name}_mean": 948.0 for name in counted}
    rows = [
        replace(ROW, data="digits", figures=plain),
        replace(ROW, data="stacked-mnist", data_digest="c" * 64, figures=stacks),
    ]

    write_markdown(tmp_path / "results.md", rows)

    text = (tmp_path / "results.md").read_text()
    digits, stacked = text.split("## digits")[1].split("## stacked-mnist")
    assert "modes" not in digits
    assert "final: modes found | final: divergence of modes, nats | final: Fréchet" in stacked
    assert "| 948 | 948 |" in stacked


def test_each_protocol_has_a_table(tmp_path):
    write_markdown(tmp_path / "results.md", [ROW, replace(ROW, fake=1000, real=1000)])

    assert (tmp_path / "results.md").read_text().count("## digits") == 2


def test_published_results_are_listed_with_their_protocol(tmp_path):
    published = tmp_path / "published.csv"
    published.write_text(
        "model,data,score,spread,protocol,source\nNS GAN,MNIST,6.8,0.5,FID of Inception,a paper\n"
    )

    write_markdown(tmp_path / "results.md", [ROW], published)

    _, _, below = (tmp_path / "results.md").read_text().partition("## Published by others")
    assert "| NS GAN | MNIST | 6.8 | 0.5 | FID of Inception | a paper |" in below
    assert "dcgan" not in below


def test_a_published_file_without_protocols_is_refused(tmp_path):
    published = tmp_path / "published.csv"
    published.write_text("model,score\nNS GAN,6.8\n")

    with pytest.raises(DataError, match="protocol"):
        write_markdown(tmp_path / "results.md", [ROW], published)


def test_two_data_sets_with_one_name_have_two_tables(tmp_path):
    write_markdown(tmp_path / "results.md", [ROW, replace(ROW, data_digest="c" * 64)])

    assert (tmp_path / "results.md").read_text().count("## digits") == 2


def test_the_page_tells_the_length_of_a_training(tmp_path):
    write_markdown(tmp_path / "results.md", [ROW, replace(ROW, epochs=20, steps=3000)])

    text = (tmp_path / "results.md").read_text()
    assert "| 1,500 (9.55 of 20 epochs) | 0.503 |" in text
    assert "| 3,000 (20 epochs) | 0.503 |" in text


def test_the_page_counts_diverged_runs(tmp_path):
    write_markdown(tmp_path / "results.md", [replace(ROW, seeds=2, diverged=1)])

    assert "| 2 (1 diverged) |" in (tmp_path / "results.md").read_text()


def test_a_bar_in_a_name_does_not_break_the_table(tmp_path):
    write_markdown(tmp_path / "results.md", [replace(ROW, options="name=a|b")])

    assert "`name=a\\|b`" in (tmp_path / "results.md").read_text()


def test_the_page_in_the_docs_is_up_to_date(tmp_path):
    docs = Path(__file__).parents[2] / "docs"
    rows = read_results(docs / "results.csv")
    (tmp_path / "results").symlink_to(docs / "results")

    write_markdown(tmp_path / "results.md", rows, docs / "published.csv")

    assert (tmp_path / "results.md").read_text() == (docs / "results.md").read_text()


# --- rows of a comparison ------------------------------------------------------------------------


def test_each_model_setting_and_backend_is_a_row(tmp_path):
    settings = make_settings({"latent": [8, 16]})
    comparison = make_comparison(tmp_path / "out", make_grid(settings=settings, seeds=(0, 1)))
    for cell in comparison.cells():
        write_scores(comparison.folder(cell), frechet=10 + 2 * cell.seed)

    rows = collect_results(comparison)

    assert [(row.model, row.options, row.backend) for row in rows] == [
        ("mlp-gan", "latent=8", "torch"),
        ("mlp-gan", "latent=8", "keras"),
        ("mlp-gan", "latent=16", "torch"),
        ("mlp-gan", "latent=16", "keras"),
    ]
    for row in rows:
        assert row.seeds == 2
        assert row.figures["final_frechet_mean"] == 11
        assert row.figures["final_frechet_sd"] == pytest.approx(math.sqrt(2))


def test_the_best_checkpoint_has_columns_of_its_own(tmp_path):
    comparison = make_comparison(tmp_path / "out", make_grid(backends=("torch",), seeds=(0,)))
    place = comparison.folder(comparison.cells()[0]) / "scores.json"
    (row,) = json.loads(place.read_text())
    best = row | {"values": {"frechet": 5.0}, "details": {"checkpoint": "best", "step": 20}}
    last = row | {"values": {"frechet": 7.0}, "details": {"checkpoint": "last", "step": 40}}
    place.write_text(json.dumps([best, last]))

    (result,) = collect_results(comparison)

    assert result.figures["best_frechet_mean"] == 5
    assert result.figures["final_frechet_mean"] == 7


def test_a_row_counts_runs_that_diverged(tmp_path):
    comparison = plan(tmp_path / "out", make_grid(backends=("torch",)))
    for cell in comparison.cells():
        write_run(comparison, cell, state="diverged" if cell.seed == 2 else "finished")
    (comparison.folder(comparison.cells()[2]) / "scores.json").unlink()

    (row,) = collect_results(comparison)

    assert (row.seeds, row.diverged) == (2, 1)


def test_a_group_that_is_not_done_has_no_row(tmp_path):
    comparison = plan(tmp_path / "out", make_grid())
    for cell in comparison.cells():
        if (cell.backend, cell.seed) != ("keras", 1):
            write_run(comparison, cell)

    assert [row.backend for row in collect_results(comparison)] == ["torch"]


@pytest.mark.parametrize("protocol", [{"odd": 1}, {}, {"data": [], "data_digest": 3}])
def test_scores_without_a_valid_protocol_have_no_row(tmp_path, protocol):
    comparison = make_comparison(tmp_path / "out", make_grid(backends=("torch",), seeds=(0,)))
    place = comparison.folder(comparison.cells()[0]) / "scores.json"
    (row,) = json.loads(place.read_text())
    place.write_text(json.dumps([row | {"protocol": protocol}]))

    assert collect_results(comparison) == []


def test_a_report_in_markdown_keeps_the_rows_of_other_comparisons(tmp_path):
    pytest.importorskip("scipy")
    (tmp_path / "docs").mkdir()
    write_results(tmp_path / "docs" / "results.csv", [ROW])
    comparison = make_comparison(tmp_path / "out", make_grid())

    printed = said("report", comparison.path, "--format=md", "--results", tmp_path / "docs")

    assert printed.endswith(f"{tmp_path / 'docs' / 'results.md'}\n")
    rows = read_results(tmp_path / "docs" / "results.csv")
    assert sorted((row.model, row.backend) for row in rows) == [
        ("dcgan", "torch"),
        ("mlp-gan", "keras"),
        ("mlp-gan", "torch"),
    ]
    assert "mlp-gan" in (tmp_path / "docs" / "results.md").read_text()


# --- rows of single runs -------------------------------------------------------------------------


@pytest.fixture
def runs(tmp_path):
    """Three seeds of a run and one of another spec, scored, and with scores in their logs."""
    grid = make_grid(models=("mlp-gan", "dcgan"), backends=("torch",))
    comparison = plan(tmp_path / "out", grid)
    chosen = [cell for cell in comparison.cells() if cell.model == "mlp-gan" or not cell.seed]
    folders = [write_run(comparison, cell, model=cell.model, command=COMMAND) for cell in chosen]
    for folder in folders:
        scores = {"step": 20, "epoch": 1, "scores": {"frechet": 30.5}}
        with (folder / "log.jsonl").open("a") as file:
            file.write(json.dumps({"step": 19, "generator": 1, "seconds": 90}) + "\n")
            file.write(json.dumps(scores) + "\n")
        facts = json.loads((folder / "run.json").read_text())
        facts["evaluation"] = {"real_baseline": {"frechet": 0.4}}
        (folder / "run.json").write_text(json.dumps(facts))
    return folders


COMMAND = "gandem train mlp-gan --set hidden=[8,8] --set=latent=4 --out runs/a"


def test_runs_that_differ_in_their_seed_are_a_row(runs, tmp_path):
    (tmp_path / "docs").mkdir()

    printed = said("report", *runs, "--format=md", "--results", tmp_path / "docs")

    assert printed == f"2 rows\n\n{tmp_path / 'docs' / 'results.md'}\n"
    rows = {row.model: row for row in read_results(tmp_path / "docs" / "results.csv")}
    assert [(name, row.seeds) for name, row in rows.items()] == [("dcgan", 1), ("mlp-gan", 3)]
    assert rows["mlp-gan"].options == "hidden=[8,8] latent=4"


def test_a_run_that_started_from_other_weights_is_a_row_of_its_own(runs, tmp_path):
    facts = json.loads((runs[0] / "run.json").read_text())
    facts["origin"] = {"source": "dcgan@digits", "digest": "0123456789" * 6}
    (runs[0] / "run.json").write_text(json.dumps(facts))
    (tmp_path / "docs").mkdir()

    said("report", *runs, "--format=md", "--results", tmp_path / "docs")

    rows = read_results(tmp_path / "docs" / "results.csv")
    origins = {(row.model, row.origin): row.seeds for row in rows}
    assert origins["mlp-gan", "dcgan@digits (01234567)"] == 1
    assert origins["mlp-gan", ""] == 2
    assert len({row.picture for row in rows}) == len({row.key for row in rows}) == 3
    assert len({point.row for point in read_curves(tmp_path / "docs" / "curves.csv")}) == 3
    page = (tmp_path / "docs" / "results.md").read_text()
    assert "| mlp-gan `hidden=[8,8] latent=4`, from dcgan@digits (01234567) |" in page


def test_the_page_shows_the_curves_and_the_samples_of_runs(runs, tmp_path):
    (tmp_path / "docs").mkdir()

    said("report", *runs, "--format=md", "--results", tmp_path / "docs")

    pictures = {path.name for path in (tmp_path / "docs" / "results").iterdir()}
    linked = re.findall(r"\]\(results/([^)]+)\)", (tmp_path / "docs" / "results.md").read_text())
    assert set(linked) == pictures
    assert [name.partition("-")[0] for name in sorted(pictures)] == ["curves", "dcgan", "mlp"]
    points = read_curves(tmp_path / "docs" / "curves.csv")
    assert [(point.seed, point.step) for point in points] == [(0, 20), (0, 20), (1, 20), (2, 20)]
    assert {(point.minutes, point.frechet, point.real_baseline) for point in points} == {
        (1.5, 30.5, 0.4)
    }
    again = merge_curves(points, points[:1])
    assert sorted(again, key=str) == sorted(points, key=str)


@pytest.mark.parametrize("state", ["finished", "running"])
def test_a_run_without_scores_is_refused(runs, tmp_path, state):
    (tmp_path / "docs").mkdir()
    (runs[0] / "scores.json").unlink()
    facts = json.loads((runs[0] / "run.json").read_text())
    (runs[0] / "run.json").write_text(json.dumps(facts | {"state": state}))

    line = refused("report", *runs, "--format=csv", "--results", tmp_path / "docs")

    remedy = {
        "finished": f"score it with: gandem evaluate {runs[0]} --seed 1 --save",
        "running": "it is not finished",
    }
    assert f"{runs[0]}: no scores for the tables; {remedy[state]}." in line


def test_one_training_given_twice_is_refused(runs, tmp_path):
    options = ("--format=md", "--results", tmp_path)

    assert refused("report", runs[0], runs[1], runs[0], *options) == (
        f"{runs[0]}, {runs[0]}: the same training with the same seed, 0; leave one of them out."
    )


def test_single_runs_with_different_protocols_are_refused(runs, tmp_path):
    scores = json.loads((runs[-1] / "scores.json").read_text())
    for row in scores:
        row["protocol"]["seed"] += 1
    (runs[-1] / "scores.json").write_text(json.dumps(scores))

    assert refused("report", *runs, "--format=md", "--results", tmp_path) == (
        f"{runs[0]}, {runs[-1]}: scored with different protocols, so they cannot be one row; score "
        "both with the same options of gandem evaluate."
    )
    assert not (tmp_path / "results.csv").exists()


def test_several_folders_have_no_html_report(runs):
    assert "add --format md and --results FOLDER" in refused("report", *runs, code=2)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", b"\xff\xfe\x00"])
def test_a_file_that_has_no_curves_is_refused(tmp_path, text):
    (tmp_path / "curves.csv").write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(DataError) as caught:
        check_results(tmp_path)
    assert str(caught.value).count("curves.csv") == 1


def test_a_report_in_csv_is_a_table_in_the_folder_of_the_comparison(tmp_path):
    pytest.importorskip("scipy")
    comparison = make_comparison(tmp_path / "out", make_grid())

    said("report", comparison.path, "--format=csv")

    assert len(read_results(comparison.path / "results.csv")) == 2
    assert not (comparison.path / "results.md").exists()
    assert not (comparison.path / "index.html").exists()


def test_a_report_in_json_writes_no_file(tmp_path):
    pytest.importorskip("scipy")
    comparison = make_comparison(tmp_path / "out", make_grid())
    before = sorted(tmp_path.rglob("*"))

    outcome = json.loads(said("report", comparison.path, "--format=json"))

    assert outcome["cells"][0]["state"] == "done"
    assert sorted(tmp_path.rglob("*")) == before


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Install test/toy, whose processes import no framework."""
    with installed(tmp_path_factory.mktemp("toy"), "toy", toy=NONE):
        yield "test/toy"


def test_a_model_is_tabulated_over_seeds(tmp_path, data, toy):
    pytest.importorskip("scipy")
    options = ["compare", "dcgan", f"--backends={toy}", *CHANGES, f"--data={data}", "--seeds=2"]
    options += ["--epochs=2", "--evaluate-every=1", "--format=md", "--results", tmp_path]
    options += ["--set=training.discriminator_steps=3", "--json", "--out", tmp_path / "out"]

    with in_process():
        done = gandem(*options)

    assert done.exit_code == 0, done.stderr
    (row,) = read_results(tmp_path / "results.csv")
    assert (row.seeds, row.steps, row.epochs, row.real) == (2, 2, 2, 20)  # three batches a step
    comparison = open_comparison(tmp_path / "out")
    scores = [score for cell in comparison.cells() for score in comparison.read(cell).scores]
    finals = [of["values"]["frechet"] for of in scores if of["details"]["checkpoint"] == "last"]
    assert row.figures["final_frechet_mean"] == pytest.approx(sum(finals) / 2)
    assert {of["protocol"]["seed"] for of in scores} == {row.scored_with_seed} == {1}
    run = comparison.run(comparison.cells()[0])
    assert run.record.evaluation["protocol"]["seed"] == 0  # other images selected the best
    assert json.loads(done.stdout)["results"][0]["model"] == "dcgan"
    assert "dcgan" in (tmp_path / "results.md").read_text()


def missing(folder):
    return folder / "nowhere", "no such folder"


def with_a_folder_for_a_page(folder):
    (folder / "results.md").mkdir()
    return folder, "results.md: expected a file, found a folder"


def with_other_columns(folder):
    (folder / "published.csv").write_text("model,score\nNS GAN,6.8\n")
    return folder, "published.csv: expected the columns model, data, score"


def with_bytes(folder):
    (folder / "published.csv").write_bytes(b"\xff\xfe\x00")
    return folder, "published.csv: cannot be read"


@pytest.mark.parametrize(
    "spoil", [missing, with_a_folder_for_a_page, with_other_columns, with_bytes]
)
def test_a_folder_that_cannot_hold_results_is_refused_before_any_run(tmp_path, spoil):
    folder, message = spoil(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    line = refused(
        *("compare", "dcgan", "--backends", HOME, "--steps", 2, "--format", "md"),
        *("--out", tmp_path / "runs", "--results", folder),
    )

    assert message in line
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", fail)  # root may write anywhere

    with pytest.raises(RunError, match=r"cannot be written \(Permission denied\)"):
        check_results(tmp_path)


def test_the_legend_of_the_curves_is_inside_of_the_picture():
    pytest.importorskip("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    settings = "latent=32 hidden=[128,256,512] training.ema_decay=0.999 learning_rate=0.0003"
    name = f"mlp-gan {settings}, torch"
    trainings = [(f"{name} {index}", [((1, 2), (0.5, 1.0), (9.0, 3.0))]) for index in range(7)]

    figure = make_figure(trainings, 0.4)

    FigureCanvasAgg(figure).draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= box.y0
