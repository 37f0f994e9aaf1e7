"""Runs in stages: resumed at every kind of moment, and what one sees of the stages."""

import json
import os
import signal
from importlib import import_module

import imageio.v3 as iio
import numpy as np
import pytest
from support.commands import HOME, THERE, needs_a_backend, needs_both, refused, said

import gandem
from gandem.core.runs import open_run
from gandem.core.runs.log import read_log
from gandem.core.training import fixed_inputs
from gandem.visualize.curves import _read
from gandem.visualize.plot import draw

SPEC = {
    **{"image": (8, 8, 1), "latent": 3, "width": 2, "batch_size": 10},
    "training.stages": [
        {"resolution": 4, "length": 4, "unit": "steps"},
        {"resolution": 8, "length": 9, "fade_in": 4, "unit": "steps", "batch_size": 6},
    ],
}
"""Steps 1 to 4 at 4 pixels; 5 to 13 at 8 pixels, of which 5 to 8 fade in."""
SAVED = {"checkpoint_steps": 3}
"""Checkpoints after the steps 3, 4, where the stage ends, 6, 9, 12 and 13."""
TIMES = {"seconds", "steps_per_second"}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A data set of 50 images, 5 batches of 10 or 8 of 6."""
    path = tmp_path_factory.mktemp("data") / "squares.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (50, 8, 8), np.uint8))
    return f"npz:{path}"


def begin(source, out, backend="toy", **more):
    options = {"changes": SPEC, "log_every": 1, "keep_last": 0} | more
    return gandem.train("progan", backend=backend, data=source, out=out, **options)


def cut(source, out, step, **more):
    """Return a run that crashed after a step."""

    def crash(progress):
        if progress.step == step:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        begin(source, out, progress=crash, **SAVED, **more)
    return open_run(out)


def files_of(run):
    paths = [
        path for folder in ("samples", "checkpoints") for path in (run.path / folder).iterdir()
    ]
    rows = [{k: v for k, v in row.items() if k not in TIMES} for row in read_log(run.path)]
    return {path.name: path.read_bytes() for path in paths}, rows


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory):
    """Return a function that returns the files of a run without interruption, made once."""
    cache = {}

    def train(backend="toy"):
        if backend not in cache:
            out = tmp_path_factory.mktemp("whole") / "run"
            cache[backend] = files_of(begin(source, out, backend, **SAVED))
        return cache[backend]

    return train


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("step", [4, 5, 8, 11])
def test_a_run_that_crashed_in_any_part_of_a_stage_continues_bit_for_bit(
    source, tmp_path, whole, step
):
    resumed = gandem.resume(cut(source, tmp_path / "cut", step))

    assert files_of(resumed) == whole()
    assert resumed.record.steps == 13


@pytest.mark.slow
@pytest.mark.parametrize("backend", THERE)
def test_a_crash_in_a_fade_in_changes_no_bit_on_a_framework(source, tmp_path, whole, backend):
    resumed = gandem.resume(cut(source, tmp_path / "cut", 8, backend=backend))

    assert files_of(resumed) == whole(backend)


@pytest.mark.slow
@needs_both
def test_another_framework_takes_over_in_a_fade_in(source, tmp_path):
    whole = begin(source, tmp_path / "whole", HOME, precision="float64")

    crashed = cut(source, tmp_path / "cut", 8, backend="keras", precision="float64")
    resumed = gandem.resume(crashed, backend="torch")

    expected, received = whole.state(), resumed.state()
    assert max(np.abs(expected[name] - received[name]).max() for name in expected) < 1e-12


@pytest.mark.usefixtures("toy")
def test_ctrl_c_in_a_fade_in_saves_a_state_to_resume(source, tmp_path):
    def press(progress):
        if progress.step == 6:
            os.kill(os.getpid(), signal.SIGINT)

    stopped = begin(source, tmp_path / "run", progress=press)

    assert (stopped.record.state, stopped.record.steps) == ("interrupted", 6)
    whole = begin(source, tmp_path / "whole")
    resumed = gandem.resume(stopped)
    assert (resumed.state()["running/fade_in"], resumed.record.state) == (1, "finished")
    assert all((resumed.state()[k] == value).all() for k, value in whole.state().items())


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("options", "steps"), [({}, 13), ({"steps": 3}, 3), ({"steps": 20}, 20), ({"epochs": 2}, 15)]
)
def test_the_stages_are_the_length_unless_another_one_is_given(source, tmp_path, options, steps):
    # 4 batches of 10 leave 10 of 50 images: one batch of 6 in the first epoch, 8 in the second
    expected = {"epochs": 4 + 1 + 8}.get(next(iter(options), ""), steps)

    run = begin(source, tmp_path / "run", **options)

    assert (run.record.steps, run.record.state) == (expected, "finished")


@pytest.mark.usefixtures("toy")
def test_log_progress_and_samples_know_the_stages(source, tmp_path):
    reports = []

    run = begin(source, tmp_path / "run", progress=reports.append, sample_steps=6)

    rows = [row for row in run.log() if "stage" in row]
    assert [row["stage"] for row in rows] == [1] * 4 + [2] * 9
    assert [row.get("fade_in") for row in rows] == [None] * 4 + [0, 0.25, 0.5, 0.75] + [1] * 5
    assert reports[3].stage == "stage 1 of 2, 4×4"
    assert reports[5].stage == "stage 2 of 2, 8×8, fade-in 25%"
    assert [path.name for path in run.samples()] == [
        *("step-000004.png", "epoch-0001.png", "step-000006.png", "step-000012.png"),
        "epoch-0002.png",
    ]
    assert len({iio.imread(path).shape for path in run.samples()}) == 1


@pytest.mark.usefixtures("toy")
def test_samples_of_all_stages_stand_side_by_side(source, tmp_path):
    run = begin(source, tmp_path / "run", sample_steps=6)

    growth = gandem.animate(run.path)
    ends = json.loads(
        said("animate", run.path, "--stages", "-o", tmp_path / "growth.png", "--json")
    )

    assert (growth.frames, ends["frames"]) == (5, 2)
    strip, sample = iio.imread(tmp_path / "growth.png"), iio.imread(run.samples()[0])
    assert strip.shape[1] >= 2 * sample.shape[1]


@pytest.mark.usefixtures("toy")
def test_a_run_without_stages_has_no_samples_of_stages(source, tmp_path):
    run = gandem.train(
        "dcgan",
        backend="toy",
        data=source,
        out=tmp_path / "run",
        steps=1,
        changes={"image": (8, 8, 1), "batch_size": 10},
    )

    line = refused("animate", run.path, "--stages", "-o", tmp_path / "growth.png")

    assert "its training has no stages; leave --stages out." in line


@pytest.mark.usefixtures("toy")
def test_the_state_of_every_stage_gives_images(source, tmp_path):
    run = begin(source, tmp_path / "run", checkpoint_steps=1)

    for step in (2, 6, 13):
        images = run.generate(3, checkpoint=step, backend="toy").images
        scale = 2 if step == 2 else 1
        assert images.shape == (3, 8, 8, 1)
        coarse = images[:, ::scale, ::scale].repeat(scale, 1).repeat(scale, 2)
        assert (images == coarse).all()


@pytest.mark.usefixtures("toy")
def test_curves_mark_the_stages(source, tmp_path):
    run = begin(source, tmp_path / "run")

    figure = draw(_read([run]))

    upper, *lower = [at for at in figure.get_axes() if at.lines]
    assert [text.get_text() for text in upper.texts] == ["4×4", "8×8"]
    for at in (upper, *lower):
        assert {0, 4} <= {line.get_xdata()[0] for line in at.lines if len(line.get_xdata()) == 2}


@pytest.mark.slow
@needs_a_backend
def test_the_network_of_a_fade_in_makes_the_images_of_the_run(source, tmp_path):
    run = begin(source, tmp_path / "run", HOME, steps=6, precision="float64")
    inputs = fixed_inputs(run.spec, 0, 2, "float64")

    network = run.native("generator", HOME)
    engine = run.engine(HOME)

    noise = inputs["noise"] if HOME == "keras" else import_module("torch").tensor(inputs["noise"])
    images = np.asarray(network(noise).detach() if HOME == "torch" else network(noise))
    images = images.transpose(0, 2, 3, 1) if HOME == "torch" else images
    assert run.state()["running/fade_in"] == 0.25
    expected = engine.forward("generator", inputs, average=True)
    np.testing.assert_allclose(images, expected, rtol=0, atol=1e-12)


def test_show_prints_the_stages():
    lines = said("show", "progan", "--set", "image=16,16,1", "--set", "batch_size=5").splitlines()

    table = lines[lines.index("stages") + 1 :]
    assert table[0].split()[:4] == ["images", "length", "fade-in", "batch"]
    assert table[1].split()[:6] == ["1", "4×4×1", "800,000", "images", "-", "5"]
    assert table[3].split()[:6] == ["3", "16×16×1", "1,600,000", "images", "800,000", "images"]
    assert not any("epochs" in line for line in lines if line.startswith("training"))
