"""gandem compare: a grid in a folder, its report, and what is refused before training begins.

Most trainings here are those of a toy backend, whose processes import no framework.
"""

import json
import shutil
from importlib.util import find_spec

import pytest
from support.commands import (
    HOME,
    TINY,
    gandem,
    needs_both,
    process,
    refused,
)
from support.in_process import in_process
from support.planted_backends import (
    EPSILON,
    MOMENTUM,
    NONE,
    PADDING,
    ROUNDING,
    installed,
)

import gandem as gandem_package
from gandem.compare import Grid, JobResult, Setting, analyze, open_comparison, plan, run_job
from gandem.compare.grid import check_grid
from gandem.core.errors import RunError

pytestmark = [
    pytest.mark.skipif(find_spec("scipy") is None, reason="needs scipy"),
    pytest.mark.skipif(find_spec("jinja2") is None, reason="needs Jinja2"),
]
SMALL = [f"--set={path}={value}" for path, value in TINY["dcgan"].items()]
FREE = [change for change in SMALL if not change.startswith(("--set=width", "--set=latent"))]
QUICK = ["--epochs=2", "--num-samples=20", "--extractor=pixels", "--parity-steps=5"]
BROKEN = """
raise RuntimeError("this backend is broken [/x] <b>")
"""


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """Install toy backends: test/one and test/two agree, test/broken cannot train."""
    folder = tmp_path_factory.mktemp("toys")
    with installed(folder, "toy", one=NONE, two=ROUNDING, broken=BROKEN):
        yield


def compare_arguments(backends, seeds, data):
    """Return the arguments that compare two backends."""
    grid = (f"--backends={backends}", f"--seeds={seeds}", *SMALL, *QUICK)
    return ("compare", "dcgan", *grid, f"--data={data}", "--json", "--out=out")


@pytest.fixture(scope="module")
def both(tmp_path_factory, data, toys):
    """A comparison of two backends with two seeds, and the completed process."""
    folder = tmp_path_factory.mktemp("compare")
    return folder / "out", process(*compare_arguments("test/one,test/two", 2, data), cwd=folder)


def times(folder):
    """Return when every file of the runs was written."""
    return {path: path.stat().st_mtime_ns for path in (folder / "cells").rglob("*")}


# --- a whole comparison --------------------------------------------------------------------------


def test_a_comparison_measures_parity_scores_and_costs(both):
    folder, done = both
    assert (done.returncode, done.stderr) == (0, "")
    outcome = json.loads(done.stdout)

    assert [(c["backend"], c["seed"], c["state"]) for c in outcome["cells"]] == [
        ("test/one", 0, "done"),
        ("test/two", 0, "done"),
        ("test/one", 1, "done"),
        ("test/two", 1, "done"),
    ]
    assert [path["same"] for path in outcome["parity"]] == [True, True]
    same = "test/one and test/two compute the same up to rounding, in 2 measurements"
    assert outcome["verdict"].startswith(same)
    assert "undecided: 2 seeds are too few" in outcome["verdict"]
    assert all(cell["values"]["frechet"] > 0 for cell in outcome["cells"])
    assert len({cell["spec_digest"] for cell in outcome["cells"]}) == 1
    for cost in outcome["costs"]:
        assert cost["steps_per_second"] > 0
        assert cost["seconds_to_first_step"] > 0
        assert cost["checkpoint_bytes"] > 1000
    assert (folder / "index.html").stat().st_size > 10_000


@pytest.mark.slow
@needs_both
def test_both_frameworks_are_compared(tmp_path, data):
    done = process(*compare_arguments("torch,keras", 1, data), cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    outcome = json.loads(done.stdout)
    assert [(c["backend"], c["state"]) for c in outcome["cells"]] == [
        ("torch", "done"),
        ("keras", "done"),
    ]
    assert [path["same"] for path in outcome["parity"]] == [True]
    assert outcome["verdict"].startswith("torch and keras compute the same up to rounding")
    assert all(cell["values"]["frechet"] > 0 for cell in outcome["cells"])
    assert all(cost["steps_per_second"] > 0 for cost in outcome["costs"])


def test_each_cell_is_an_ordinary_run(both):
    folder, _ = both
    comparison = open_comparison(folder)

    for cell in comparison.cells():
        run = comparison.run(cell)
        assert run.record.backend == cell.backend
        assert run.record.seed == cell.seed
        assert run.record.command.startswith("gandem train dcgan ")
        assert run.record.peak_memory > 20e6


def test_finished_runs_are_skipped(both, data):
    folder, done = both
    before = times(folder)

    second = process(*compare_arguments("test/one,test/two", 2, data), cwd=folder.parent)

    assert json.loads(second.stdout) == json.loads(done.stdout)
    assert times(folder) == before


def test_a_report_has_the_same_outcome(both):
    folder, done = both

    printed = gandem("report", folder, "--json")

    outcome, expected = json.loads(printed.stdout), json.loads(done.stdout)
    assert outcome["verdict"] == expected["verdict"]
    assert outcome["differences"] == expected["differences"]


def test_a_single_run_has_a_report(both, tmp_path):
    folder, _ = both
    (cell, *_) = open_comparison(folder).cells()
    run = shutil.copytree(folder / "cells" / cell.folder, tmp_path / "run")

    printed = gandem("report", run, "--json")

    assert printed.exit_code == 0, printed.stderr
    (cell,) = json.loads(printed.stdout)["cells"]
    assert (cell["backend"], cell["seed"], cell["state"]) == ("test/one", 0, "done")
    assert (run / "index.html").is_file()


def test_fields_that_change_together_are_compared(tmp_path, data, toys):
    options = ("--backends=test/one", "--seeds=2", "--sweep=width:latent=2:4,3:5", *FREE, *QUICK)

    with in_process():
        done = gandem("compare", "dcgan", *options, f"--data={data}", "--out", tmp_path / "out")

    assert done.exit_code == 0, done.stderr
    comparison = open_comparison(tmp_path / "out")
    assert {comparison.run(cell).spec.latent.size for cell in comparison.cells()} == {4, 5}
    assert "width=3, latent=5 minus width=2, latent=4" in done.stdout


def test_python_takes_settings_as_dictionaries(tmp_path, data, toys):
    options = {
        "epochs": 2,
        "num_samples": 20,
        "extractor": "pixels",
        "parity_steps": 0,
        "data": data,
    }
    changes = TINY["dcgan"] | {"loss": {"name": "hinge"}}
    del changes["latent"]

    with in_process():
        comparison = gandem_package.compare(
            "dcgan",
            backends=["test/one"],
            seeds=1,
            sweep={"latent": [3, 4]},
            changes=changes,
            out=tmp_path / "out",
            **options,
        )

    specs = [comparison.run(cell).spec for cell in comparison.cells()]
    assert [(spec.latent.size, spec.loss.name) for spec in specs] == [(3, "hinge"), (4, "hinge")]
    assert (tmp_path / "out" / "index.html").is_file()


def test_one_model_on_one_backend_is_scored_over_its_seeds(tmp_path, data, toys):
    options = ("--backends=test/one", "--seeds=2", *SMALL, *QUICK, f"--data={data}")

    with in_process():
        done = gandem("compare", "dcgan", *options, "--out", tmp_path / "out")

    assert done.exit_code == 0, done.stderr
    assert "over 2 seeds on test/one." in done.stdout


def test_all_runs_start_from_the_weights_of_a_run(tmp_path, data, toys):
    first, out = tmp_path / "first", tmp_path / "out"
    options = ("--backends=test/one", "--seeds=1", f"--data={data}", *QUICK, "--from", first)
    with in_process():
        train = ("train", "dcgan", "--backend=test/one", "--steps=1", f"--data={data}", *SMALL)
        assert gandem(*train, "--out", first).exit_code == 0

        line = refused("compare", "dcgan", *options, *SMALL, "--set=latent=5", "--out", out)
        assert "generator/dense/kernel" in line
        assert not out.exists()
        done = gandem("compare", "dcgan", *options, *SMALL, "--out", out)

    assert done.exit_code == 0, done.stderr
    comparison = open_comparison(out)
    origins = [comparison.run(cell).record.origin for cell in comparison.cells()]
    assert [origin.source for origin in origins] == [str(first)]


def test_runs_in_float64_are_compared_at_their_end(tmp_path, data, toys):
    options = ("--backends=test/one,test/two", "--seeds=1", "--precision=float64", *SMALL, *QUICK)

    with in_process():
        done = gandem(
            "compare", "dcgan", *options, f"--data={data}", "--json", "--out", tmp_path / "out"
        )

    assert done.exit_code == 0, done.stderr
    (row,) = json.loads(done.stdout)["final_differences"]
    assert 0 < row["weights_max"] < 1e-13
    assert (row["pixels_max"], row["step"]) == (0, 6)
    assert row["backends"] == ["test/one", "test/two"]


def test_settings_of_one_backend_are_compared(tmp_path, data, toys):
    options = ("--backends=test/one", "--seeds=2", "--sweep=width=2,3", *FREE, "--set=latent=4")
    more = (*QUICK, f"--data={data}", "--device=cpu")

    with in_process():
        done = gandem("compare", "dcgan", *options, *more, "--out", tmp_path / "out")

    assert done.exit_code == 0, done.stderr
    comparison = open_comparison(tmp_path / "out")
    assert {comparison.run(c).record.settings.device for c in comparison.cells()} == {"cpu"}
    assert "Fréchet distance, width=3 minus width=2" in done.stdout
    assert "dcgan, width=2, test/one: Fréchet distance" in done.stdout


# --- planted faults ------------------------------------------------------------------------------


@pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch")
@pytest.mark.parametrize(
    ("fault", "same"),
    [(NONE, True), (EPSILON, False), (PADDING, False), (MOMENTUM, False)],
    ids=["none", "epsilon", "padding", "momentum"],
)
def test_a_planted_fault_is_not_equal(tmp_path, fault, same):
    kernels = [f"players.discriminator.layers.{at}.kernel=[3,3]" for at in ("conv2d", "conv2d_1")]
    grid = Grid(
        models=("dcgan",),
        backends=("torch", "test/planted"),
        seeds=(0,),
        data="digits",
        parity_steps=5,
        base=Setting(("width=2", "latent=4", "batch_size=16", *kernels)),
    )
    comparison = plan(tmp_path / "out", grid)

    (measurement,) = [job for job in comparison.jobs(1) if not job.run]
    (tmp_path / "out" / "parity").mkdir()
    with installed(tmp_path, planted=fault), in_process():
        assert run_job(measurement) == JobResult()

    outcome = analyze(comparison)
    assert [path["same"] for path in outcome["parity"]] == [same]
    expected = (
        "torch and test/planted compute the same up to rounding"
        if same
        else "Not equal: torch and test/planted (1 of 1 measurement) differ"
    )
    assert outcome["verdict"].startswith(expected)


def test_a_run_that_fails_does_not_stop_the_others(tmp_path, data, toys):
    options = ("--backends=test/one,test/broken", "--seeds=1", *SMALL, *QUICK, f"--data={data}")

    done = process("compare", "dcgan", *options, "--out=out", "--json", cwd=tmp_path)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    outcome = json.loads(done.stdout)
    right, broken = outcome["cells"]
    assert (right["state"], broken["state"]) == ("done", "failed")
    assert "this backend is broken" in broken["problem"]
    assert "1 of 1 run on test/broken failed" in outcome["verdict"]
    (row,) = outcome["parity"]
    assert "this backend is broken" in row["problem"]
    assert row["same"] is None


def test_a_run_that_diverged_is_not_repeated(tmp_path, data, toys):
    players = ("generator", "discriminator")
    rates = [f"--set=players.{player}.optimizer.learning_rate=1e30" for player in players]
    options = ("--backends=test/one", "--sweep=latent=4,5", *FREE, "--set=width=2", *QUICK)
    more = ("--seeds=1", *rates, f"--data={data}", "--json")

    with in_process():
        done = gandem("compare", "dcgan", *options, *more, "--out", tmp_path / "out")

    outcome = json.loads(done.stdout)
    assert {cell["state"] for cell in outcome["cells"]} == {"diverged"}
    assert "2 of 2 runs on test/one diverged" in outcome["verdict"]
    comparison = open_comparison(tmp_path / "out")
    assert comparison.jobs(1) == []


# --- what is refused -----------------------------------------------------------------------------


TEN = "--sweep=width=2,3,4,5,6,7,8,9,10,11"


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        (["dgcan"], "No model named 'dgcan'", 1),
        (["dcgan", "--backends=torhc"], "torhc", 1),
        (["dcgan", f"--backends={HOME},{HOME}"], "occurs twice", 1),
        (["dcgan", "--num-samples=19"], "scores need at least 20 images and 40", 1),
        (["dcgan", "--format=pdf"], "'html', 'md', 'csv', 'json'", 2),
        (["dcgan", "--results=."], "--results needs --format md or csv", 1),
        (["dcgan", f"--backends={HOME}", "--sweep=latent:width=2:3,4"], "a value for each of", 1),
        (["dcgan", f"--backends={HOME}", "--sweep=widht=2,3"], "widht", 1),
        (["dcgan", f"--backends={HOME}", "--sweep=width=2,x"], "expected a whole number", 1),
        (["dcgan", f"--backends={HOME}", "--sweep=width"], "expected FIELD=A,B,C", 1),
        (["dcgan", f"--backends={HOME}", "--sweep=width=2,3", "--data=digist"], "digist", 1),
        (["dcgan", f"--backends={HOME}", "--sweep=width=2,3", "--classes=3,11"], "class 11", 1),
        (["dcgan", f"--backends={HOME}", "--sweep=width=2,3", "--extractor=lent5"], "lent5", 1),
        (["dcgan", "--seeds=0"], "--seeds", 2),
        (
            ["dcgan", f"--backends={HOME}", "--sweep=width=2,3", "--epochs=1", "--steps=1"],
            "both",
            1,
        ),
        (
            ["dcgan", f"--backends={HOME}", "--seeds=1000", TEN],
            "10,000 runs; confirm with --yes",
            2,
        ),
        (["dcgan", "--seeds=500"], "00 runs; confirm with --yes", 2),
        (["dcgan", "--seeds=3000000", "--yes"], "expected 1 to 1000", 1),
        (["dcgan", f"--backends={HOME}", "--sweep=learning_rate=1e-4,0.0001"], "occurs twice", 1),
        (
            ["dcgan", f"--backends={HOME}", "--sweep=width=2,3", "--set=width=4"],
            "is set with --set",
            1,
        ),
    ],
)
def test_a_comparison_that_cannot_run_is_refused_before_anything_is_written(
    tmp_path, options, words, code
):
    options = options if any("--data" in word for word in options) else [*options, "--data=digits"]

    assert words in refused("compare", *options, "--out", tmp_path / "out", code=code)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("asked", "words"), [("--launcher=locla", "locla"), ("--address=x", "takes no --address")]
)
def test_a_launcher_that_cannot_be_used_starts_no_run(tmp_path, asked, words):
    grid = (f"--backends={HOME}", "--sweep=width=2,3", "--data=digits")

    assert words in refused("compare", "dcgan", *grid, asked, "--out", tmp_path / "out")
    assert not (tmp_path / "out" / "cells").exists()


def test_without_a_backend_an_installation_is_suggested(tmp_path, monkeypatch):
    monkeypatch.setattr("gandem.core.training.backends.installed_backends", list)

    message = refused("compare", "dcgan", "--out", tmp_path / "out")

    assert message.startswith("No backend is installed. Install one with: pip install")


def test_the_folder_of_another_comparison_is_not_changed(tmp_path, monkeypatch):
    grid = Grid(models=("dcgan",), backends=(HOME, "test/other"), seeds=(0,), steps=1)
    plan(tmp_path / "out", grid)
    before = (tmp_path / "out" / "comparison.json").read_bytes()
    options = ("dcgan", f"--backends={HOME}", "--sweep=width=2,3", "--data=digits", "--steps=1")

    assert "holds another comparison" in refused("compare", *options, "--out", tmp_path / "out")
    assert (tmp_path / "out" / "comparison.json").read_bytes() == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["comparison.json"]


def test_a_changed_spec_file_is_refused(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    spec = gandem("show", "dcgan", *SMALL, "--toml").stdout
    (tmp_path / "mine.toml").write_text(spec)
    settings = (Setting(("training.epochs=1",)), Setting(("training.epochs=2",)))
    grid = Grid(models=("mine.toml",), backends=(HOME,), settings=settings, data=data)
    plan(tmp_path / "out", check_grid(grid))
    (tmp_path / "mine.toml").write_text(spec.replace("slope = 0.2", "slope = 0.3"))

    with pytest.raises(RunError, match="a spec of this comparison has changed"):
        plan(tmp_path / "out", check_grid(grid))


@pytest.mark.parametrize("name", ["nowhere", "thesis"])
def test_a_report_of_an_empty_folder_is_refused(tmp_path, name):
    (tmp_path / "thesis").mkdir()

    assert "neither a comparison" in refused("report", tmp_path / name)
