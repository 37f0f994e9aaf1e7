"""A run that is still being trained can be read: its checkpoints come and go."""

import os
import shutil
import sys

import numpy as np
import pytest
from support.commands import SMALL, refused

import gandem
from gandem.commands.run_summaries import find_runs
from gandem.core.errors import RunError
from gandem.core.runs import checkpoint as checkpoint_module
from gandem.core.runs.checkpoint import checkpoint_path
from gandem.core.runs.run_dir import lock_run_dir
from gandem.metrics.evaluation.evaluate import evaluate

TINY = SMALL | {"width": 2, "batch_size": 20}
MAX_FILES = 2
"""Files of a run that its summary may open."""


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (200, 8, 8), np.uint8))
    return path


@pytest.fixture
def run(toy, images, tmp_path):
    options = {"steps": 4, "checkpoint_steps": 1, "keep_last": 2, "changes": TINY}
    data, out = f"npz:{images}", tmp_path / "run"
    return gandem.train("dcgan", backend=toy, data=data, out=out, **options)


@pytest.fixture
def rotation(run, monkeypatch):
    """Replace the newest checkpoint while it is read, as a training in another process does."""
    last = checkpoint_path(run.path, 4)
    renamed = checkpoint_path(run.path, 9)

    def read_late(path, read=gandem.core.runs.run_folder.read_checkpoint):
        if path == last and not renamed.exists():
            last.unlink()
            state = run.checkpoint(3)
            gandem.core.runs.write_checkpoint(
                run.path, 9, state.state, run.spec, 0, {"metrics": {}, "data": {}}
            )
        return read(path)

    monkeypatch.setattr(gandem.core.runs.run_folder, "read_checkpoint", read_late)


def test_last_checkpoint_that_is_removed_while_it_is_read_is_looked_up_again(run, rotation):
    with lock_run_dir(run.path):
        assert run.checkpoint().step == 9


def test_checkpoint_of_a_step_that_is_removed_is_an_error(run, rotation):
    with lock_run_dir(run.path), pytest.raises(RunError, match="step-000004"):
        run.checkpoint(4)


def test_evaluation_keeps_the_checkpoint_that_it_begins_with(run, images):
    def remove_checkpoints(*_):
        for path in run.checkpoints():
            path.unlink()

    with lock_run_dir(run.path):
        scored = evaluate(
            [run], num_samples=20, extractor="pixels", backend="toy", progress=remove_checkpoints
        )

    assert scored[0].details["step"] == 4
    assert run.checkpoints() == []


def test_number_of_images_that_a_file_lacks_is_refused_before_anything_is_computed(
    images, tmp_path, monkeypatch
):
    few = tmp_path / "few.npz"
    np.savez(few, images=np.load(images)["images"][:30])
    monkeypatch.setattr("gandem.metrics.evaluation.evaluate.load_extractor", pytest.fail)

    line = refused("evaluate", few, "--data", f"npz:{images}", "-n", 40)

    assert line == (
        f"{few}: it has 30 images, expected at least 40; score 30 images of each with -n 30."
    )


class Mover(gandem.Callback):
    """Changes the working directory in the middle of a training."""

    def __init__(self, folder):
        self.folder = folder

    def on_step_end(self, trainer):
        os.chdir(self.folder)


@pytest.mark.parametrize("resumed", [False, True])
def test_callback_may_change_the_working_directory(toy, images, tmp_path, monkeypatch, resumed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    callbacks = [Mover(tmp_path / "elsewhere")]
    first = {"callbacks": () if resumed else callbacks, "steps": 2 if resumed else 4}

    run = gandem.train("dcgan", backend=toy, data=f"npz:{images}", out="run", changes=TINY, **first)
    if resumed:
        run = gandem.resume(run, steps=4, callbacks=callbacks)

    assert (run.path, run.record.state) == (tmp_path / "run", "finished")
    assert len(run.checkpoint().state) > 1
    assert list((tmp_path / "elsewhere").iterdir()) == []


class LogRemover(gandem.Callback):
    def on_step_end(self, trainer):
        if trainer.step == 3:
            (trainer.run_dir / "log.jsonl").unlink()


def test_log_that_is_removed_during_a_training_is_reported(toy, images, tmp_path):
    notes = []
    run = gandem.train(
        "dcgan",
        **{"backend": toy, "data": f"npz:{images}", "out": tmp_path / "run", "changes": TINY},
        **{"steps": 6, "log_every": 1, "callbacks": [LogRemover()], "notice": notes.append},
    )

    assert notes == [
        f"{tmp_path / 'run' / 'log.jsonl'}: it was removed or cut; rows before step 4 are lost."
    ]
    assert [row["step"] for row in run.log()] == [4, 5, 6]


def test_resume_with_a_best_metric_reads_the_arrays_of_one_checkpoint(
    toy, images, tmp_path, monkeypatch
):
    options = {"steps": 4, "checkpoint_steps": 1, "keep_last": 0, "best": "generator"}
    out = tmp_path / "run"
    run = gandem.train("dcgan", backend=toy, data=f"npz:{images}", out=out, changes=TINY, **options)
    read = []
    check = checkpoint_module._check_arrays
    monkeypatch.setattr(
        checkpoint_module, "_check_arrays", lambda *given: read.append(given) or check(*given)
    )

    resumed = gandem.resume(run, steps=5)

    assert len(read) == 1
    best = min(resumed.log(), key=lambda row: row["generator"])
    assert resumed.record.best.step == best["step"]


def test_the_list_of_runs_opens_few_files_and_no_weights(run, tmp_path):
    for number in range(20):
        shutil.copytree(run.path, tmp_path / "runs" / str(number))
    opened = None

    def note(event, arguments):
        if opened is not None and event == "open":
            opened.append(str(arguments[0]))

    sys.addaudithook(note)  # hooks cannot be removed: this one ends with the list
    opened = []
    summaries = find_runs(tmp_path / "runs")
    paths, opened = opened, None

    assert [summary.state for summary in summaries] == ["finished"] * 20
    assert not [path for path in paths if path.endswith(".safetensors")]
    assert 20 <= len(paths) <= 20 * MAX_FILES
