"""The command: its output for people and for machines, and the effect of its options."""

import json
import os
import re
import shlex
import sys
import threading
from pathlib import Path

import click
import imageio.v3 as iio
import numpy as np
import pytest
from click.testing import CliRunner
from support.commands import (
    HOME,
    TINY,
    gandem,
    needs_a_backend,
    needs_both,
    on_each,
    process,
    refused,
    said,
    tiny,
)

from gandem.cli import main
from gandem.core.specs import change, digest, from_toml, to_data, to_json, to_toml
from gandem.core.specs.layers import LAYERS
from gandem.core.specs.loading import load_spec
from gandem.parity import Mark, Report
from gandem.terminal.progress import ProgressBars

PARITY = sys.modules["gandem.parity"]  # gandem.parity is the function

COMMANDS = main.list_commands(None)


# --- help ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_option_and_shows_every_default(command):
    text = CliRunner().invoke(main, [command, "--help"], terminal_width=200).stdout
    help_ = " ".join(text.split())

    for parameter in main.get_command(None, command).params:
        if not isinstance(parameter, click.Option):
            continue
        assert parameter.opts[0] in help_
        assert parameter.help, f"{parameter.opts[0]} is not explained"
        assert parameter.help.split("\n")[0] in help_
        if parameter.name in ("as_json", "as_toml", "ema", "changes", "help") or parameter.required:
            continue
        shown = parameter.show_default
        default = f"({shown})" if isinstance(shown, str) else str(parameter.default)
        assert f"default: {default}" in help_, f"{parameter.opts[0]} shows no default"


def test_help_describes_each_command():
    text = said("--help").partition("Train and resume:")[2]
    lines = [line for line in text.splitlines() if line.startswith("  ")]

    assert [line.split()[0] for line in lines] == COMMANDS
    assert not [line for line in lines if len(line.split()) < 5]


@pytest.mark.parametrize("group", [[], ["plugins"]])
def test_help_of_a_group_cuts_no_line_on_a_narrow_terminal(group):
    text = CliRunner().invoke(main, [*group, "--help"], terminal_width=44).stdout

    assert "..." not in text.replace("[ARGS]...", "")


def test_a_misspelled_command_suggests_the_nearest():
    words = "No command named 'trian'. Did you mean 'train'? See 'gandem --help'."

    assert refused("trian", code=2) == words


def test_a_misspelled_option_is_one_line():
    words = refused("train", "dcgan", "--epoch", 3, code=2)

    assert "--epochs" in words
    assert words.endswith("See 'gandem train --help'.")


def test_python_dash_m_is_the_command(tmp_path):
    done = process("--version", cwd=tmp_path)

    assert re.fullmatch(r"gandem, version \d+\.\d+\.\d+\n", done.stdout)
    assert done.stderr == ""


# --- list ----------------------------------------------------------------------------------------


def test_list_json_names_models_backends_and_data_sets():
    data = json.loads(said("list", "--json"))

    tables = {"models", "backends", "datasets", "losses", "layers", "extractors", "metrics"}
    tables |= {"launchers", "callbacks", "schedules", "exporters", "pretrained"}
    assert set(data) == tables
    assert {"lenet5", "inception", "pixels"} <= {row["id"] for row in data["extractors"]}
    assert {"local", "dask", "slurm"} <= {row["id"] for row in data["launchers"]}
    assert {"mlp-gan", "dcgan", "cgan"} <= {row["id"] for row in data["models"]}
    assert {"torch", "keras"} <= {row["id"] for row in data["backends"]}
    assert {"digits", "mnist", "fashion-mnist", "npz"} <= {row["id"] for row in data["datasets"]}
    assert {row["id"] for row in data["layers"]} == set(LAYERS)
    for row in data["models"]:
        assert {"id", "title", "paper", "provider"} <= set(row)
    for row in data["backends"]:
        assert {"id", "installed", "version"} <= set(row)
        assert isinstance(row["installed"], bool)
        assert (row["version"] is not None) is row["installed"]


def test_list_takes_a_pattern():
    data = json.loads(said("list", "w*", "--json"))["models"]
    assert [row["id"] for row in data] == ["wgan", "wgan-gp"]
    assert "lsgan" not in said("list", "w*")


def test_list_prints_aligned_models_with_papers():
    lines = said("list").splitlines()

    rows = lines[1 : lines.index("backends")]
    papers = {row["id"]: row["paper"] for row in json.loads(said("list", "--json"))["models"]}
    assert len({line.index(papers[line.split()[0]]) for line in rows}) == 1
    assert {line.split()[0] for line in rows} >= {"mlp-gan", "dcgan", "cgan"}
    assert all("arXiv:" in line for line in rows)


def test_a_pattern_without_a_match_suggests_the_nearest():
    assert "No model matches 'dcgn'. Did you mean 'dcgan'?" in said("list", "dcgn")
    assert json.loads(said("list", "dcgn", "--json"))["models"] == []


# --- show ----------------------------------------------------------------------------------------


def test_show_json_counts_the_parameters_of_the_lessons():
    assert json.loads(said("show", "cgan", "--json"))["parameters"] == {
        "generator": 1491215,
        "discriminator": 80385,
    }


def test_show_json_has_name_kind_shape_and_parameters_of_each_layer():
    data = json.loads(said("show", "dcgan", "--json"))

    assert data["model"] == "dcgan"
    for player, layers in data["networks"].items():
        keys = {"name", "kind", "output_shape", "parameters", "reads"}
        assert all(set(row) == keys for row in layers)
        assert len({row["name"] for row in layers}) == len(layers)
        assert sum(row["parameters"] for row in layers) == data["parameters"][player]
    first = data["networks"]["discriminator"][0]
    assert first == {
        "name": "conv2d",
        "kind": "conv2d",
        "output_shape": [14, 14, 64],
        "parameters": 4 * 4 * 64 + 64,
        "reads": [],
    }
    assert data["digest"] == digest(load_spec("dcgan"))
    assert data["spec"] == json.loads(json.dumps(to_data(load_spec("dcgan"))))


def test_show_prints_layers_shapes_totals_and_protocol():
    text = said("show", "cgan")

    assert "generator: 1,491,215 parameters, reads noise (128,), label (10,)" in text
    assert "discriminator: 80,385 parameters, reads image (28, 28, 1), label (10,)" in text
    assert re.search(r"conv2d_transpose +\(14, 14, 128\) +282,752", text)
    assert "learning_rate 0.0003" in text
    assert "name non-saturating, halves mean" in text


def test_show_takes_the_small_size_and_changes():
    assert "reads noise (16,)" in said("show", "dcgan", "--size", "small")
    assert "reads noise (33,)" in said("show", "dcgan", "--set", "latent=33")


def test_show_toml_is_a_spec_that_shows_the_same(tmp_path):
    text = said("show", "dcgan", "--set", "latent=33", "--toml")
    (tmp_path / "mine.toml").write_text(text, "utf-8")

    assert from_toml(text) == load_spec("dcgan", {"latent": 33})
    assert said("show", tmp_path / "mine.toml", "--toml") == text
    shown = said("show", "dcgan", "--set", "latent=33")
    assert said("show", tmp_path / "mine.toml") + "recipe     mnist\n" == shown


def test_show_prints_the_results_of_a_run(run):
    text = said("show", run)

    assert re.search(r"^state +finished after 6 steps", text, re.M)
    assert re.search(rf"^on +{HOME} \(cpu, float32\), seed 3", text, re.M)
    assert re.search(r"^data +npz:.*, 40 images", text, re.M)
    assert re.search(r"^losses +discriminator \d+\.\d+, generator \d+\.\d+", text, re.M)
    assert re.search(r"^accuracy +real \d+%, fake \d+%", text, re.M)
    assert "generator: " in text
    data = json.loads(said("show", run, "--json"))
    assert data["run"]["path"] == str(run)
    assert data["run"]["state"] == "finished"
    assert data["digest"] == digest(load_spec("dcgan", TINY["dcgan"]))


@pytest.mark.parametrize("option", [("--set", "latent=3"), ("--size", "small")])
def test_show_of_a_run_refuses_to_change_it(run, option):
    words = "--set and --size change a model; a run cannot be changed. See 'gandem show --help'."

    assert refused("show", run, *option, code=2) == words


def test_a_model_takes_precedence_over_a_folder_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dcgan").mkdir()

    assert "(28, 28, 1)" in said("show", "dcgan")


def copy_of_record(run: Path, folder: Path, **changes: object) -> None:
    """Write the spec and the record of a run into a folder, with changes."""
    (folder / "spec.toml").write_bytes((run / "spec.toml").read_bytes())
    record = json.loads((run / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | changes))


def test_show_of_a_diverged_run_shows_nan(run, tmp_path):
    copy_of_record(run, tmp_path, losses={"discriminator": None}, state="diverged")

    assert "discriminator nan" in said("show", tmp_path)


def test_show_of_a_run_with_a_wrong_record_is_refused(run, tmp_path):
    copy_of_record(run, tmp_path, steps="many")

    assert "run.json: damaged; steps: expected a whole number" in refused("show", tmp_path)


# --- plugins and doctor --------------------------------------------------------------------------


def test_plugins_list_shows_the_built_in_entries():
    (own, *_) = json.loads(said("plugins", "list", "--json"))["plugins"]

    assert own["name"] == "gandem"
    assert own["loaded"] is True
    assert own["problems"] == []
    assert {"models", "backends", "datasets", "losses"} <= set(own["adds"])
    assert "dcgan" in said("plugins", "list")


@pytest.mark.slow
def test_doctor_reports_versions_and_devices_of_each_backend():
    facts = json.loads(said("doctor", "--json"))

    assert {"python", "platform", "cores", "packages", "backends", "plugins"} <= set(facts)
    assert {"gandem", "numpy"} <= set(facts["packages"])
    for name, result in facts["backends"].items():
        if result["ok"]:
            assert "cpu" in result["devices"]
            assert result["versions"]
        else:
            assert "pip install" in result["problem"], name


# --- train ---------------------------------------------------------------------------------------


@needs_a_backend
def test_train_json_is_one_object_and_nothing_else(data, tmp_path):
    printed = json.loads(
        said(*tiny(), "--data", data, "--steps", 2, "--out", tmp_path / "r", "--json")
    )

    assert printed["run"] == str(tmp_path / "r")
    assert printed["state"] == "finished"
    assert printed["steps"] == 2
    assert printed["seconds"] > 0
    assert printed["steps_per_second"] > 0
    assert set(printed["losses"]) == {
        "discriminator",
        "generator",
        "real_accuracy",
        "fake_accuracy",
    }


@needs_a_backend
def test_every_option_of_train_reaches_the_run(data, tmp_path):
    name, folder = data.removeprefix("npz:").rpartition("/")[::-2]

    said(
        *(*tiny(), "--data", f"npz:{name}", "--data-dir", folder),
        *("--classes", "2,0", "--epochs", 3, "--seed", 5, "--batch-size", 10),
        *("--set", "generator.optimizer.learning_rate=1e-3", "--set", "loss.name=hinge"),
        *("--set", 'partial_batch="drop"', "--precision", "float64", "--device", "cpu"),
        *("--log-every", 2, "--checkpoint-steps", 4, "--checkpoint-minutes", 7, "--keep-last", 2),
        *("--best", "real_accuracy:max", "--out", tmp_path / "run"),
    )

    shown = json.loads(said("show", tmp_path / "run", "--json"))
    spec, facts = shown["spec"], shown["run"]
    assert spec["training"]["batch_size"] == 10
    assert spec["training"]["partial_batch"] == "drop"
    assert spec["loss"]["name"] == "hinge"
    rates = {p["name"]: p["optimizer"]["learning_rate"] for p in spec["players"]}
    assert rates == {"generator": 1e-3, "discriminator": 0.03}
    assert facts["data"]["name"] == f"npz:{name}[2,0]"
    assert facts["data"]["count"] == 27
    assert facts["seed"] == 5
    assert facts["precision"] == "float64"
    assert facts["settings"]["log_every"] == 2
    assert facts["settings"]["checkpoint_steps"] == 4
    assert facts["settings"]["checkpoint_minutes"] == 7
    assert facts["settings"]["keep_last"] == 2
    assert facts["settings"]["best"] == "real_accuracy:max"
    assert facts["steps"] == 3 * 2
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 3


@needs_a_backend
def test_without_epochs_or_steps_the_length_is_that_of_the_spec(data, tmp_path):
    said(*tiny(**{"training.epochs": 2}), "--data", data, "--out", tmp_path / "run")

    assert json.loads((tmp_path / "run" / "run.json").read_text())["steps"] == 2 * 3


@needs_a_backend
@pytest.mark.parametrize("form", ["toml", "json"])
def test_a_spec_file_can_be_trained(data, tmp_path, form):
    spec = change(load_spec("dcgan", TINY["dcgan"]), {"name": "mine"})
    path = tmp_path / f"mine.{form}"
    path.write_text(to_toml(spec) if form == "toml" else to_json(spec), "utf-8")

    said("train", path, "--backend", HOME, "--data", data, "--steps", 1, "--out", tmp_path / "run")

    assert from_toml((tmp_path / "run" / "spec.toml").read_text("utf-8")) == spec
    assert json.loads(said("show", path, "--json"))["model"] == "mine"


def test_epochs_and_steps_together_are_refused(data, tmp_path):
    words = refused("train", "dcgan", "--epochs", 1, "--steps", 1, "--out", tmp_path / "run")

    assert words == "Give epochs or steps, not both."
    assert not (tmp_path / "run").exists()


@needs_a_backend
def test_the_commands_printed_after_training_run_in_a_shell(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = said(*tiny(), "--data", data, "--steps", 1, "--out", "my run's")
    (line,) = [line for line in words.splitlines() if line.startswith("next")]
    _, program, *arguments = shlex.split(line)

    said(*arguments)

    assert program == "gandem"
    assert (tmp_path / "grid.png").is_file()


RATE = r"\d+(\.\d+)?"
LAST_WORDS = (
    r"run        run\n"
    rf"state      finished after 2 steps, {RATE} s \({RATE} steps/s\)\n"
    r"on         {backend} \(cpu, float32\), seed 0\n"
    r"data       npz:\S+, 40 images\n"
    rf"losses     discriminator {RATE}, generator {RATE}\n"
    r"accuracy   real \d+%, fake \d+% \(discriminator, last batch\)\n"
    r"health     no sign of trouble, but too few steps to tell \(2\)\n"
    r"samples    run/samples/step-000002\.png\n"
    r"weights    run/checkpoints/step-000002\.safetensors\n"
    r"next       gandem generate run -o grid\.png\n"
)


@on_each
def test_a_training_prints_exactly_this_and_nothing_from_a_framework(data, tmp_path, backend):
    done = process(
        *(*tiny(), "--backend", backend, "--data", data, "--steps", 2, "--out", "run"),
        cwd=tmp_path,
    )

    assert re.fullmatch(LAST_WORDS.replace("{backend}", backend), done.stdout), done.stdout
    assert done.stderr == ""
    assert done.returncode == 0


@needs_a_backend
def test_on_a_terminal_a_bar_shows_losses_rate_and_time_left(data, tmp_path, monkeypatch, capsys):
    pty = pytest.importorskip("pty", reason="terminals of this kind are of Unix")
    ours, theirs = pty.openpty()
    for name, value in {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}.items():
        monkeypatch.setenv(name, value)
    shown = bytearray()
    reader = threading.Thread(target=read_terminal, args=(ours, shown))
    reader.start()
    with open(theirs, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        arguments = [*tiny(), "--data", data, "--steps", 40, "--out", tmp_path / "run"]
        main(list(map(str, arguments)), standalone_mode=False)
    reader.join()
    os.close(ours)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())

    assert b"\x1b[" in shown
    assert re.search(r"━+ *\d+/40 d \d+\.\d+  g \d+\.\d+  \d+\.\d+ steps/s \d+:\d\d", plain), plain
    assert shown.rstrip().endswith(b"\x1b[2K"), "the bar is not wiped away"
    assert capsys.readouterr().out.startswith(f"run        {tmp_path / 'run'}\n")


def read_terminal(ours: int, shown: bytearray) -> None:
    """Collect what is written on a terminal until its other end is closed."""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # on Linux, when the other end is closed
            return
        if not piece:
            return
        shown += piece


# --- progress ------------------------------------------------------------------------------------


class Clock:
    """A clock that moves only when a test sets it."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr("gandem.terminal.progress.time.monotonic", lambda: self.now)


def test_work_under_two_seconds_prints_no_progress(monkeypatch, capsys):
    clock = Clock(monkeypatch)
    with ProgressBars() as bars:
        for step in range(1, 11):
            bars.show("dcgan", step, 10)
            clock.now += 0.19

    assert capsys.readouterr().err == ""


def test_long_work_prints_a_line_every_ten_seconds_and_the_last(monkeypatch, capsys):
    clock = Clock(monkeypatch)
    with ProgressBars() as bars:
        for step in range(1, 26):
            bars.show("dcgan", step, 25, "d 1.000  g 2.000")
            clock.now += 1

    assert capsys.readouterr().err.splitlines() == [
        "dcgan  3/25 steps  d 1.000  g 2.000  1.0 steps/s, 22 s left",
        "dcgan  13/25 steps  d 1.000  g 2.000  1.0 steps/s, 12 s left",
        "dcgan  23/25 steps  d 1.000  g 2.000  1.0 steps/s, 2 s left",
        "dcgan  25/25 steps  d 1.000  g 2.000  1.0 steps/s",
    ]


def test_the_rate_excludes_the_start(monkeypatch, capsys):
    clock = Clock(monkeypatch)
    with ProgressBars() as bars:
        for step in (0, 0, 0, 8):
            bars.show("torch", step, 80)
            clock.now += 4

    assert capsys.readouterr().err.splitlines()[-1] == "torch  8/80 steps  2.0 steps/s, 36 s left"


def test_a_closed_progress_stream_does_not_stop_a_command(monkeypatch):
    class Closed:
        def isatty(self):
            return False

        def write(self, text):
            raise BrokenPipeError

    clock = Clock(monkeypatch)
    monkeypatch.setattr("sys.stderr", Closed())
    with ProgressBars() as bars:
        for step in (1, 2, 3):
            bars.show("dcgan", step, 3)
            clock.now += 100

    assert bars.quiet


# --- generate ------------------------------------------------------------------------------------


def test_generate_writes_a_grid_of_the_right_size(run, tmp_path):
    words = said("generate", run, "-n", 7, "-o", tmp_path / "grid.png")

    assert words == f"7 images in {tmp_path / 'grid.png'}\n"
    assert iio.imread(tmp_path / "grid.png").shape == (3 * 18 + 2, 3 * 18 + 2, 3)


def test_generate_writes_arrays_with_the_labels_of_a_conditional_model(run, conditional, tmp_path):
    said("generate", run, "-o", tmp_path / "a.npz")
    said("generate", conditional, "-n", 1, "--label", 2, "-o", tmp_path / "b.npz")

    with np.load(tmp_path / "a.npz") as plain, np.load(tmp_path / "b.npz") as labeled:
        assert plain.files == ["images"]
        assert plain["images"].shape == (25, 8, 8, 1)
        assert plain["images"].dtype == np.uint8
        assert labeled["images"].shape == (1, 8, 8, 1)
        assert labeled["labels"].tolist() == [2]


def test_generate_makes_a_thousand_images(run, tmp_path):
    said("generate", run, "-n", 1000, "-o", tmp_path / "a.npz")
    said("generate", run, "-n", 1000, "-o", tmp_path / "a.PNG")

    with np.load(tmp_path / "a.npz") as arrays:
        assert len(arrays["images"]) == 1000
    assert iio.imread(tmp_path / "a.PNG").shape[1] == 32 * 18 + 2


def test_generated_arrays_can_be_trained_on(run, tmp_path):
    said("generate", run, "-n", 20, "-o", tmp_path / "made.npz")

    done = gandem(
        *(*tiny(), "--data", f"npz:{tmp_path / 'made.npz'}"),
        *("--steps", 1, "--out", tmp_path / "second"),
    )

    assert done.exit_code == 0, done.output  # images of a tiny model may have one color: a warning


def test_a_grid_of_a_conditional_model_has_a_column_for_each_class(conditional, tmp_path):
    said("generate", conditional, "-n", 12, "-o", tmp_path / "all.png")
    said("generate", conditional, "-n", 4, "--label", 1, "-o", tmp_path / "ones.png")

    assert iio.imread(tmp_path / "all.png").shape[:2] == (4 * 18 + 2, 3 * 18 + 2)
    assert iio.imread(tmp_path / "ones.png").shape[:2] == (2 * 18 + 2, 2 * 18 + 2)


@needs_both
def test_generate_takes_the_other_backend_and_another_seed(run, tmp_path):
    results = {}
    for backend, seed in (("torch", 0), ("keras", 0), ("torch", 1)):
        out = tmp_path / f"{backend}{seed}.npz"
        said("generate", run, "--backend", backend, "--seed", seed, "-o", out)
        with np.load(out) as arrays:
            results[backend, seed] = arrays["images"].astype(int)

    assert np.abs(results["torch", 0] - results["keras", 0]).max() <= 1
    assert (results["torch", 0] != results["torch", 1]).any()


@pytest.mark.parametrize("out", ["x.npz", "each.npz"])
def test_truncated_noise_gives_images_that_differ_less(conditional, tmp_path, out):
    more = ["--each-label", 4] if out.startswith("each") else ["-n", 12]
    spread = []
    for truncation in ([], ["--truncation", 0.1]):
        said("generate", conditional, *more, *truncation, "-o", tmp_path / out)
        with np.load(tmp_path / out) as arrays:
            first = arrays["images"][arrays["labels"] == 0]
        spread.append(first.astype(float).std(0).mean())

    assert spread[1] < spread[0] / 2


def test_generate_json_has_the_paths_of_the_images(run, tmp_path):
    out = tmp_path / "x.png"

    data = json.loads(said("generate", run, "-o", out, "--json"))

    assert data == {"out": str(out), "count": 25, "run": str(run)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "x.gif"], "x.gif: expected a name that ends in .png (a grid) or .npz (arrays) or "),
        (["-o", "no/x.png"], "no/x.png: there is no folder no."),
        (["-o", "x.png", "--label", 1], "The model 'dcgan' has no classes; leave the label out."),
        (["-o", "x.png", "--backend", "torhc"], "No backend named 'torhc'. Did you mean"),
        (["-o", "x.png", "--device", "cuda:99"], "sees no device 'cuda:99'; it has cpu"),
    ],
)
def test_generate_refuses_in_one_line_and_writes_nothing(
    run, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)

    assert words in refused("generate", run, *arguments)
    assert not list(tmp_path.iterdir())


def test_generate_refuses_a_class_that_is_not_there(conditional, tmp_path):
    words = refused("generate", conditional, "--label", 3, "-o", tmp_path / "x.png")

    assert words == "No class 3; expected 0 to 2."


@pytest.mark.parametrize(
    "arguments", [["-n", 0], ["-n", "many"], ["--seed", -1], ["--truncation", 0]]
)
def test_generate_refuses_misuse_in_one_line_with_exit_code_2(run, tmp_path, arguments):
    words = refused("generate", run, *arguments, "-o", tmp_path / "x.png", code=2)

    assert words.endswith("See 'gandem generate --help'.")
    assert not list(tmp_path.iterdir())


# --- parity --------------------------------------------------------------------------------------


def report(holds: bool) -> Report:
    """Return a measurement of one mark, without measuring."""
    mark = Mark(
        step=1,
        weights_max=1.5e-13,
        weights_median=1e-17,
        loss_max=1e-15,
        baseline_max=2e-13,
        baseline_median=2e-17,
        within=1.0,
        floor=1e-16,
        saturated=False,
    )
    return Report(
        model="mine",
        size="small",
        precision="float64",
        backends=("torch", "keras"),
        steps=1,
        seed=0,
        data="digits",
        tier="trajectory",
        tolerance="all weights within 1e-12 at every mark",
        marks=(mark,),
        holds=holds,
    )


def test_every_option_of_parity_reaches_the_measurement(monkeypatch):
    requests = {}

    def measure(model, **options):
        requests.update(options, model=model)
        return report(holds=True)

    monkeypatch.setattr(PARITY, "measure", measure)

    said(
        *("parity", "mine.toml", "--backends", "keras, torch", "--steps", 7, "--seed", 3),
        *("--precision", "float32", "--size", "full", "--tier", "baseline"),
        *("--data", "npz:x.npz", "--set", "latent.size=3"),
        *("--data-dir", "there", "--classes", "3,8"),
    )

    del requests["progress"]
    assert requests == {
        "model": "mine.toml",
        "backends": ["keras", "torch"],
        "steps": 7,
        "seed": 3,
        "precision": "float32",
        "size": "full",
        "tier": "baseline",
        "data": "npz:x.npz",
        "data_dir": Path("there"),
        "classes": (3, 8),
        "changes": {"latent.size": 3},
    }


@pytest.mark.parametrize("holds", [True, False])
def test_parity_reports_its_verdict_as_text_json_and_exit_code(monkeypatch, holds):
    monkeypatch.setattr(PARITY, "measure", lambda *_, **__: report(holds))

    for_people, for_machines = gandem("parity", "mine"), gandem("parity", "mine", "--json")

    assert for_people.exit_code == for_machines.exit_code == (0 if holds else 1)
    assert for_people.stdout.splitlines()[0] == (
        "mine (small), float64, torch against keras, tier trajectory"
    )
    verdict = for_people.stdout.splitlines()[-1]
    assert (
        verdict
        == f"{'holds' if holds else 'DOES NOT HOLD'}: all weights within 1e-12 at every mark"
    )
    data = json.loads(for_machines.stdout)
    assert data["holds"] is holds
    assert data["backends"] == ["torch", "keras"]
    (mark,) = data["marks"]
    expected = {
        "step",
        "weights_max",
        "weights_median",
        "loss_max",
        "baseline_max",
        "baseline_median",
    }
    assert expected <= set(mark)
