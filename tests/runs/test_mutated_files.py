"""Mutated files are read, or refused in one line; tests/tools/mutate_files.py reads many more."""

import json

import pytest
from support.commands import gandem, refused, said
from support.mutated_files import SUBJECTS, Failure, read_mutated
from support.mutations import DEEP


@pytest.mark.parametrize("name", SUBJECTS)
def test_mutated_file_is_read_or_refused_in_one_line(name, tmp_path, monkeypatch):
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "files"
    folder.mkdir()

    results = list(read_mutated(name, folder, range(25), seed=0))

    assert [result for result in results if isinstance(result, Failure)] == []


@pytest.fixture
def comparison(tmp_path):
    SUBJECTS["comparisons"](tmp_path)
    return tmp_path / "comparison"


@pytest.mark.parametrize("name", ["changes", "settings", "seeds", "specs"])
def test_plan_of_a_comparison_with_an_empty_table_is_refused(comparison, name):
    path = comparison / "comparison.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: {}}))

    line = refused("report", comparison)

    assert line.startswith(f"{path}: ")


def test_reason_nested_deeply_is_skipped(comparison):
    (comparison / "ended.jsonl").write_text(f"{DEEP}\n")

    assert "index.html" in said("report", comparison)


@pytest.fixture
def run(tmp_path):
    SUBJECTS["runs"](tmp_path)
    return tmp_path / "runs" / "run"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
def test_number_that_json_or_a_float_does_not_have_is_damage(run, number):
    path = run / "run.json"
    path.write_text(path.read_text().replace('"seconds": ', f'"seconds": {number}, "_": ', 1))

    assert f"{path}: damaged; " in refused("show", run)
    assert gandem("runs", run.parent, "--json").exit_code == 0


@pytest.mark.parametrize(
    "row",
    [
        {"step": -1, "generator": 1.0},
        {"step": 10**30, "generator": 1.0},
        {"step": 3, "generator": "low"},
        {"step": 3, "scores": [1]},
        {"step": 3, "accuracy": {"real": 1.0}},
        {"step": 3, "health": 7},
    ],
    ids=str,
)
def test_damaged_row_of_a_log_is_skipped_by_all_readers(run, row):
    path = run / "log.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], json.dumps(row), *lines[1:]]))

    assert "index.html" in said("report", run)
    assert "finished" in said("show", run)


def test_json_of_a_command_has_null_for_a_number_that_is_not_finite(capsys):
    from gandem.commands.output import print_json

    print_json({"loss": float("nan"), "scores": [float("inf"), 1.5]})

    assert json.loads(capsys.readouterr().out) == {"loss": None, "scores": [None, 1.5]}
