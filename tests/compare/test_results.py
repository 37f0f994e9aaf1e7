"""Results over seeds: trained once, scored, written as a table that nobody types."""

import csv
import errno
import json
import math
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from support.commands import HOME, TINY, needs_a_backend, refused, said
from support.planted_backends import NONE, installed

from gandem.compare.results import (
    Bench,
    Result,
    bench,
    merge,
    read_folder,
    read_results,
    write_page,
    write_results,
)
from gandem.compare.results.rows import FIGURES, in_words, spread
from gandem.core.errors import DataError, RunError
from gandem.core.runs import open_run

CHANGES_OF_TINY = [f"{path}={value}" for path, value in TINY["dcgan"].items()]
CHANGES = [f"--set={change}" for change in CHANGES_OF_TINY]

benching = import_module("gandem.compare.results.bench")  # its name means the function, too

ROW = Result(
    model="dcgan",
    spec="a" * 64,
    data="digits",
    backend="torch",
    device="cpu",
    precision="float32",
    steps=1500,
    epochs=9.55,
    seeds=3,
    figures={
        **{f"{which}_{name}_mean": 2.0 for which in ("final", "best") for name in FIGURES},
        **{f"{which}_{name}_sd": 0.25 for which in ("final", "best") for name in FIGURES},
        **{f"floor_{name}": 0.5 for name in FIGURES},
    },
    real=5000,
    fake=5000,
    of=10_000,
    extractor="lenet5:digits",
    extractor_digest="e7c54d88" * 8,
    data_digest="b" * 64,
    scored_with_seed=0,
    formulas=1,
    options="width=16",
    seconds=90.5,
    date="2026-11-22",
    versions="gandem 0.1.0, torch 2.15.0",
)


# --- rows ----------------------------------------------------------------------------------------


def test_rows_survive_the_file(tmp_path):
    there = [ROW, replace(ROW, model="cgan", options='a="b, c"')]

    write_results(tmp_path / "results.csv", there)

    assert sorted(read_results(tmp_path / "results.csv"), key=lambda row: row.model) == there[::-1]


def test_what_does_not_apply_stays_empty(tmp_path):
    figures = ROW.figures | {"final_accuracy_mean": None}
    write_results(tmp_path / "results.csv", [replace(ROW, figures=figures)])

    with (tmp_path / "results.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["final_accuracy_mean"] == ""
    assert read_results(tmp_path / "results.csv")[0].figures["final_accuracy_mean"] is None


def test_no_file_has_no_rows(tmp_path):
    assert read_results(tmp_path / "results.csv") == []


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", b"\xff\xfe\x00", "model\n" * 3])
def test_another_file_is_refused_and_kept(tmp_path, text):
    path = tmp_path / "results.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(DataError, match=r"results\.csv"):
        read_results(path)
    said_now = refused("bench-quality", "dcgan", "--results", tmp_path, "--backend", HOME)

    assert "results.csv" in said_now
    assert path.read_bytes() == (text if isinstance(text, bytes) else text.encode())


def test_a_row_measured_again_takes_the_place_of_the_old():
    again = replace(ROW, date="2027-01-01")
    longer = replace(ROW, steps=3000)
    other = replace(ROW, extractor_digest="0" * 64)

    assert merge([ROW], [again]) == [again]
    assert merge([ROW], [longer]) == [ROW, longer]
    assert merge([ROW], [other]) == [ROW, other]


def test_mean_and_deviation_are_those_of_a_sample():
    mean, deviation = spread([1.0, 2.0, 6.0])

    assert (mean, deviation) == (3.0, pytest.approx(math.sqrt(7)))
    assert spread([4.0]) == (4.0, None)
    assert spread([4.0, None]) == (None, None)  # of one that failed there is no mean


# --- the page ------------------------------------------------------------------------------------


def test_the_page_shows_final_best_floor_and_protocol(tmp_path):
    write_page(tmp_path / "results.md", [ROW])

    text = (tmp_path / "results.md").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("| dcgan")]
    assert "`width=16`" in line
    assert line.count("2 ± 0.25") == 7  # six measures of the final, one of the best
    assert "| *real* |  |  |  | 0.5 |" in text
    assert "5,000 of the 10,000 of digits, features of lenet5:digits (e7c54d88)" in text
    assert "torch 2.15.0" in text


def test_protocols_have_a_table_each(tmp_path):
    write_page(tmp_path / "results.md", [ROW, replace(ROW, fake=1000, real=1000)])

    assert (tmp_path / "results.md").read_text().count("## digits") == 2


def test_published_results_stand_below_with_their_protocol(tmp_path):
    published = tmp_path / "published.csv"
    published.write_text(
        "model,data,score,spread,protocol,source\nNS GAN,MNIST,6.8,0.5,FID of Inception,a paper\n"
    )

    write_page(tmp_path / "results.md", [ROW], published)

    _, _, below = (tmp_path / "results.md").read_text().partition("## Published elsewhere")
    assert "| NS GAN | MNIST | 6.8 | 0.5 | FID of Inception | a paper |" in below
    assert "dcgan" not in below


def test_a_published_file_without_protocols_is_refused(tmp_path):
    published = tmp_path / "published.csv"
    published.write_text("model,score\nNS GAN,6.8\n")

    with pytest.raises(DataError, match="protocol"):
        write_page(tmp_path / "results.md", [ROW], published)


def test_a_row_in_words():
    assert in_words(ROW) == (
        "dcgan on digits, 3 seeds of 1500 steps: Fréchet distance 2 at the end, 2 at best; "
        "real images get 0.5"
    )


def test_the_page_in_the_docs_is_that_of_its_table(tmp_path):
    docs = Path(__file__).parents[2] / "docs"
    rows = read_results(docs / "results.csv")

    write_page(tmp_path / "results.md", rows, docs / "published.csv")

    assert (tmp_path / "results.md").read_text() == (docs / "results.md").read_text()
    assert all(row.seeds >= 3 for row in rows)


# --- training ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Install test/toy, whose processes import no framework."""
    with installed(tmp_path_factory.mktemp("toy"), "toy", toy=NONE):
        yield "test/toy"


def test_a_bench_trains_scores_and_writes_and_does_nothing_twice(tmp_path, data, monkeypatch, toy):
    asked = ["bench-quality", "dcgan", "--backend", toy, *CHANGES, "--data", data]
    asked += ["--seeds", 2, "--epochs", 2, "--out", tmp_path / "runs", "--results", tmp_path]

    (found,) = json.loads(said(*asked, "--json"))

    result = found["result"]
    finals = [
        e["values"]["frechet"] for e in found["scores"] if e["details"]["checkpoint"] == "last"
    ]
    assert result["figures"]["final_frechet_mean"] == pytest.approx(sum(finals) / 2)
    assert (result["seeds"], result["steps"], result["real"]) == (2, 6, 20)
    assert result["extractor"] == "pixels"
    seeds = [open_run(path).record.seed for path in sorted((tmp_path / "runs").iterdir())]
    assert seeds == [0, 1]
    assert "dcgan" in (tmp_path / "results.md").read_text()

    called = []
    call = benching._call
    monkeypatch.setattr(benching, "_call", lambda a, *m: called.append(a[0]) or call(a, *m))
    assert json.loads(said(*asked, "--json"))[0]["result"] == result
    assert called == ["evaluate", "evaluate"]
    assert len(read_results(tmp_path / "results.csv")) == 1


def test_an_interrupted_training_goes_on(tmp_path, data, monkeypatch, toy):
    told = tuple(f"{path}={value}" for path, value in TINY["dcgan"].items())
    asked = Bench(backend=toy, seeds=1, epochs=2, changes=told, data=data, out=tmp_path)
    called = []

    def call(arguments, *more):
        called.append(arguments[0])
        raise RunError("stopped")

    folder = tmp_path / benching._name("dcgan", asked, benching.digest(spec_of(told)), 0)
    said(
        *("train", "dcgan", "--backend", toy, *CHANGES, "--data", data, "--steps", 2),
        *("--out", folder, "--json"),
    )
    facts = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(facts | {"state": "interrupted"}))
    monkeypatch.setattr(benching, "_call", call)

    with pytest.raises(RunError, match="stopped"):
        bench("dcgan", asked)

    assert called == ["resume"]


def spec_of(changes):
    from gandem.core.specs import parse_setting
    from gandem.core.specs.loading import load_spec

    return load_spec("dcgan", dict(parse_setting(text) for text in changes))


def test_a_training_that_fails_says_so_in_one_line(tmp_path, toy):
    line = refused(
        *("bench-quality", "dcgan", "--backend", toy, "--data", f"npz:{tmp_path / 'none.npz'}"),
        *("--steps", 2, "--out", tmp_path / "runs", "--results", tmp_path),
    )

    assert line.startswith("gandem train dcgan failed: ")
    assert "none.npz" in line
    assert not (tmp_path / "results.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dcgam"], "dcgan"),
        (["dcgan", "--backend", "torhc"], "torch"),
        (["dcgan", "--set", "widht=3"], "width"),
        (["dcgan", "--epochs", "2", "--steps", "3"], "not both"),
    ],
)
def test_slips_are_found_before_anything_is_trained(tmp_path, arguments, words):
    out = tmp_path / "runs"
    line = refused("bench-quality", *arguments, "--out", out, "--results", tmp_path)

    assert words in line
    assert not out.exists()


def test_a_slip_in_the_second_model_is_found_before_the_first_is_trained(tmp_path):
    out = tmp_path / "runs"
    line = refused("bench-quality", "dcgan", "dcgam", "--out", out, "--results", tmp_path)

    assert "Did you mean 'dcgan'?" in line
    assert not out.exists()


def nowhere(folder):
    return folder / "nowhere", "there is no such folder"


def with_a_folder_for_a_page(folder):
    (folder / "results.md").mkdir()
    return folder, "results.md: it is a folder"


def with_other_columns(folder):
    (folder / "published.csv").write_text("model,score\nNS GAN,6.8\n")
    return folder, "published.csv: expected the columns model, data, score"


def with_bytes(folder):
    (folder / "published.csv").write_bytes(b"\xff\xfe\x00")
    return folder, "published.csv: cannot be read"


@pytest.mark.parametrize(
    "spoilt", [nowhere, with_a_folder_for_a_page, with_other_columns, with_bytes]
)
def test_a_place_that_takes_no_results_is_found_before_anything_is_trained(tmp_path, spoilt):
    place, words = spoilt(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    line = refused(
        *("bench-quality", "dcgan", "--backend", HOME, "--steps", 2),
        *("--out", tmp_path / "runs", "--results", place),
    )

    assert words in line
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_is_nobody_s_to_write_is_found_before_anything_is_trained(
    tmp_path, monkeypatch
):
    def full(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", full)  # root may write anywhere

    with pytest.raises(RunError, match=r"cannot be written \(Permission denied\)"):
        read_folder(tmp_path)


@needs_a_backend
def test_all_classes_are_asked_for_in_so_many_words(tmp_path, monkeypatch):
    """Left out they are the model's own: here the threes and eights."""
    called = []

    def call(arguments, *more):
        called.append(arguments)
        raise RunError("stopped")

    monkeypatch.setattr(benching, "_call", call)
    asked = {"backend": HOME, "seeds": 1, "out": tmp_path}
    for classes in (None, (), (3, 8)):
        with pytest.raises(RunError, match="stopped"):
            bench("dcgan-dropout", Bench(classes=classes, **asked))

    told = [[word for word in one if word.startswith("--classes")] for one in called]
    assert told == [[], ["--classes=all"], ["--classes=3,8"]]
    folders = {word for one in called for word in one if word.startswith("--out=")}
    assert len(folders) == 3


def test_an_epoch_is_once_all_the_data_however_often_the_discriminator_learns(tmp_path, data, toy):
    told = ("training.discriminator_steps=3", *CHANGES_OF_TINY)
    asked = Bench(backend=toy, seeds=1, epochs=2, changes=told, data=data, out=tmp_path)

    row, scores = bench("dcgan", asked)

    (run,) = (open_run(path) for path in tmp_path.iterdir())
    assert row.epochs == 2
    assert row.steps == run.record.steps == 2  # six batches, three a step
    assert {entry["protocol"]["seed"] for entry in scores} == {row.scored_with_seed} == {1}
    assert run.record.evaluation["protocol"]["seed"] == 0  # other images chose the best


def test_two_data_sets_of_one_name_have_a_table_each(tmp_path):
    write_page(tmp_path / "results.md", [ROW, replace(ROW, data_digest="c" * 64)])

    assert (tmp_path / "results.md").read_text().count("## digits") == 2


def test_what_chooses_the_best_is_part_of_a_folder_s_name():
    name = benching._name

    assert name("dcgan", Bench(), "a", 0) != name("dcgan", Bench(evaluate_every=2), "a", 0)
    assert name("dcgan", Bench(), "a", 0) != name("dcgan", Bench(extractor="pixels"), "a", 0)
