"""Python functions and commands of the same name do the same, with the same defaults."""

import json

import pytest
from support.commands import needs_a_backend, said

import gandem

CASES = {
    "animate": ([], "gif", lambda run, out: gandem.animate(run).save(out)),
    "interpolate": (
        ["--from", 2, "--to", 3, "--frames", 4, "--bounce", "-n", 2, "--no-ema"],
        "gif",
        lambda run, out: gandem.interpolate(
            run, 2, 3, frames=4, bounce=True, num_samples=2, ema=False
        ).save(out),
    ),
    "plot": ([], "png", gandem.plot),
    "traverse": (
        ["--values", "-1:1:3", "--dimension", "0,2", "--seed", 5, "--checkpoint", "last"],
        "png",
        lambda run, out: gandem.traverse(
            run, "-1:1:3", dimensions="0,2", seed=5, checkpoint="last"
        ).save(out),
    ),
}


@needs_a_backend
@pytest.mark.parametrize("name", CASES)
def test_a_function_and_its_command_write_equal_files(name, run, tmp_path):
    arguments, form, write = CASES[name]

    said(name, run, *arguments, "-o", tmp_path / f"command.{form}")
    write(run, tmp_path / f"python.{form}")

    files = [(tmp_path / f"{source}.{form}").read_bytes() for source in ("command", "python")]
    assert files[0] == files[1]


@needs_a_backend
def test_evaluate_returns_what_the_command_prints(run):
    scores = gandem.evaluate(run, num_samples=20, checkpoint="last", seed=1)

    printed = json.loads(
        said("evaluate", run, "-n", 20, "--checkpoint", "last", "--seed", 1, "--json")
    )
    assert json.loads(json.dumps([score.to_data() for score in scores])) == printed


@needs_a_backend
@pytest.mark.parametrize("name", ["animate", "interpolate", "plot", "traverse"])
def test_a_run_may_be_opened_before(name, run, tmp_path):
    _, form, write = CASES[name]

    write(gandem.open_run(run), tmp_path / f"x.{form}")

    assert (tmp_path / f"x.{form}").stat().st_size > 0


# --- the output file by default ------------------------------------------------------------------


@needs_a_backend
@pytest.mark.parametrize(
    ("name", "arguments", "ending"),
    [
        ("generate", [], "generate.png"),
        ("interpolate", ["--frames", 2], "interpolate.gif"),
        ("traverse", ["--values", "0"], "traverse.png"),
        ("animate", [], "animate.gif"),
        ("plot", [], "plot.png"),
    ],
)
def test_without_out_a_new_file_in_this_folder_is_written(
    name, arguments, ending, run, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    first = f"{run.name}-{ending}"
    stem, _, form = first.rpartition(".")
    (tmp_path / first).write_text("of the user")

    out = json.loads(said(name, run, *arguments, "--json"))["out"]

    assert out == f"{stem}-2.{form}"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([first, out])
    assert (tmp_path / first).read_text() == "of the user"
