"""TensorBoard: the event files of a training, read as TensorBoard reads them."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import math
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.commands import HOME, TINY, needs_a_backend

import gandem
from gandem.callbacks import gandem_callbacks
from gandem.callbacks.tensorboard import TensorBoard
from gandem.core.data.images import save_image
from gandem.core.plugins.loading import import_target
from gandem.core.plugins.registry import Registry, registry
from gandem.core.plugins.validation import check_entry, collect_hooks
from gandem.core.runs.record import DataRecord, RunRecord
from gandem.core.runs.trainer import WrittenCheckpoint

LOSSES = {"discriminator": 1.5, "generator": 0.5, "real_accuracy": 0.75, "fake_accuracy": 0.25}

RECORD = RunRecord(model="dcgan", backend="torch", seed=3, precision="float32", data=DataRecord())

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed"
)


@dataclass
class FakeTrainer:
    """The attributes of a trainer that TensorBoard reads."""

    run_dir: Path
    first_step: int = 0
    step: int = 0
    total_steps: int = 40
    losses: dict[str, float] = field(default_factory=lambda: LOSSES)
    record: RunRecord = RECORD
    inputs: Any = field(
        default_factory=lambda: SimpleNamespace(dataset=SimpleNamespace(name="digits"))
    )


class Board:
    """A training with TensorBoard, which a test drives by hand."""

    def __init__(self, trainer: FakeTrainer) -> None:
        self.trainer, self.callback = trainer, TensorBoard()
        self.callback.on_train_start(trainer)

    def log(self, step: int, losses: dict[str, float] = LOSSES) -> None:
        self.trainer.step = step
        self.callback.on_log(self.trainer, {"step": step, "seconds": 1.0, **losses})

    def evaluate(self, step: int, scores: dict[str, float]) -> None:
        self.trainer.step = step
        self.callback.on_evaluate(self.trainer, scores)

    def checkpoint(self, step: int, samples: Path | None) -> None:
        self.trainer.step = step
        self.callback.on_checkpoint(
            self.trainer, WrittenCheckpoint(step, self.trainer.run_dir / "x", samples)
        )


@pytest.fixture
def trainer(tmp_path):
    """A trainer whose folder exists."""
    (tmp_path / "samples").mkdir()
    return FakeTrainer(tmp_path)


@pytest.fixture
def events(monkeypatch):
    """Return a function that reads a run as TensorBoard does, without TensorFlow."""
    monkeypatch.setitem(sys.modules, "tensorboard.compat.notf", ModuleType("notf"))

    def read(run_dir):
        from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

        everything = dict.fromkeys(["scalars", "images", "text"], 0)
        folder = os.fspath(run_dir / "tensorboard")
        return EventAccumulator(folder, tensor_size_guidance=everything).Reload()

    return read


def scalars(reader, tag: str = "loss/generator") -> list[tuple[int, float]]:
    """Return the steps and values of a curve."""
    from tensorboard.util.tensor_util import make_ndarray

    return [(event.step, make_ndarray(event.tensor_proto).item()) for event in reader.Tensors(tag)]


def save_grid(trainer: FakeTrainer, name: str) -> Path:
    """Save a grid of samples, 4 high and 6 wide."""
    path = trainer.run_dir / "samples" / name
    save_image(path, np.zeros((4, 6, 3), np.uint8))
    return path


# --- losses and scores ---------------------------------------------------------------------------


@needs_tensorboard
def test_losses_and_accuracies_are_curves_by_step(events, trainer):
    board = Board(trainer)
    board.log(2)
    board.log(4, LOSSES | {"generator": 0.25})

    reader = events(trainer.run_dir)
    assert set(reader.PluginTagToContent("scalars")) == {
        "loss/discriminator",
        "loss/generator",
        "accuracy/real",
        "accuracy/fake",
    }
    assert scalars(reader) == [(2, 0.5), (4, 0.25)]
    assert scalars(reader, "accuracy/real") == [(2, 0.75), (4, 0.75)]


@needs_tensorboard
def test_scores_are_curves_by_step(events, trainer):
    board = Board(trainer)
    board.evaluate(3, {"frechet": 2.5, "kernel": 0.5})
    board.evaluate(6, {"frechet": 1.5})

    reader = events(trainer.run_dir)
    assert scalars(reader, "score/frechet") == [(3, 2.5), (6, 1.5)]
    assert scalars(reader, "score/kernel") == [(3, 0.5)]


@needs_tensorboard
def test_loss_that_is_not_finite_is_left_out(events, trainer):
    """The row of the log holds None for it."""
    Board(trainer).log(2, LOSSES | {"generator": None})

    tags = events(trainer.run_dir).PluginTagToContent("scalars")
    assert "loss/generator" not in tags
    assert "loss/discriminator" in tags


@needs_tensorboard
def test_loss_beyond_float32_is_infinite(events, trainer):
    Board(trainer).log(2, {"generator": 1e300})

    ((step, shown),) = scalars(events(trainer.run_dir))
    assert (step, shown) == (2, math.inf)


# --- the facts of the run ------------------------------------------------------------------------


@needs_tensorboard
def test_description_of_the_run_is_shown_once(events, trainer):
    board = Board(trainer)
    board.log(2)
    board.log(4)

    (event,) = events(trainer.run_dir).Tensors("run")
    (text,) = event.tensor_proto.string_val
    assert "- model: `dcgan`\n- backend: `torch`\n" in text.decode()


# --- samples -------------------------------------------------------------------------------------


@needs_tensorboard
def test_grid_is_shown_as_it_was_saved(events, trainer):
    samples = save_grid(trainer, "epoch-0001.png")
    os.utime(samples, ns=(1, 1))
    board = Board(trainer)
    samples = save_grid(trainer, "epoch-0001.png")
    board.checkpoint(7, samples)

    (event,) = events(trainer.run_dir).Tensors("samples")
    assert event.step == 7
    assert event.tensor_proto.string_val == [b"6", b"4", samples.read_bytes()]


@needs_tensorboard
def test_grid_is_shown_once_however_many_checkpoints_there_are(events, trainer):
    board = Board(trainer)
    first = save_grid(trainer, "epoch-0001.png")
    board.checkpoint(2, first)
    board.checkpoint(4, first)
    board.checkpoint(6, save_grid(trainer, "epoch-0002.png"))

    assert [event.step for event in events(trainer.run_dir).Tensors("samples")] == [2, 6]


@needs_tensorboard
def test_checkpoint_without_samples_adds_no_image(events, trainer):
    board = Board(trainer)
    board.checkpoint(2, None)
    board.log(2)

    assert "samples" not in events(trainer.run_dir).Tags()["tensors"]


# --- resumed trainings ---------------------------------------------------------------------------


@needs_tensorboard
def test_resumed_training_shows_no_step_twice(events, trainer):
    first = Board(trainer)
    for step in (2, 4, 6, 8):  # killed after 8; the last checkpoint is of step 4
        first.log(step)
    first.checkpoint(8, save_grid(trainer, "epoch-0002.png"))

    second = Board(replace(trainer, first_step=4))
    for step in (6, 8, 10):
        second.log(step, LOSSES | {"generator": 0.25})

    reader = events(trainer.run_dir)
    assert scalars(reader) == [(2, 0.5), (4, 0.5), (6, 0.25), (8, 0.25), (10, 0.25)]
    assert reader.Tensors("samples") == []


@needs_tensorboard
def test_training_resumed_twice_from_one_step_shows_no_step_twice(events, trainer):
    Board(trainer).log(4)
    for value in (0.25, 0.125):
        Board(replace(trainer, first_step=4)).log(6, {"generator": value})

    reader = events(trainer.run_dir)
    assert scalars(reader) == [(4, 0.5), (6, 0.125)]
    assert [event.step for event in reader.Tensors("run")] == [1, 5]


@needs_tensorboard
def test_resumed_training_does_not_show_earlier_samples_as_its_own(events, trainer):
    old = save_grid(trainer, "epoch-0001.png")
    board = Board(replace(trainer, first_step=4))
    board.checkpoint(6, old)
    os.utime(old, ns=(1, 1))  # drawn again
    board.checkpoint(8, old)

    assert [event.step for event in events(trainer.run_dir).Tensors("samples")] == [8]


# --- files ---------------------------------------------------------------------------------------


@needs_tensorboard
def test_two_trainings_at_once_do_not_mix(events, tmp_path):
    values = {"one": 0.25, "two": 0.5}

    def run(name):
        folder = tmp_path / name
        folder.mkdir()
        board = Board(FakeTrainer(folder))
        for step in range(1, 50):
            board.log(step, {"generator": values[name]})

    threads = [threading.Thread(target=run, args=(name,)) for name in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for name, value in values.items():
        assert scalars(events(tmp_path / name)) == [(step, value) for step in range(1, 50)]


@needs_tensorboard
def test_nothing_is_written_before_there_is_something_to_show(trainer):
    Board(trainer)

    assert [path.name for path in trainer.run_dir.iterdir()] == ["samples"]


@pytest.mark.parametrize("found", ["nothing", "a folder"])
def test_without_tensorboard_nothing_is_written(monkeypatch, trainer, found):
    namespace = importlib.machinery.ModuleSpec("tensorboard", None, is_package=True)
    spec = {"nothing": None, "a folder": namespace}[found]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)

    board = Board(trainer)
    board.log(2)
    board.evaluate(2, {"frechet": 1.0})
    board.checkpoint(2, save_grid(trainer, "epoch-0001.png"))

    assert [path.name for path in trainer.run_dir.iterdir()] == ["samples"]


@needs_tensorboard
def test_tensorboard_imports_no_framework(trainer):
    code = f"""
import sys
from pathlib import Path
from types import SimpleNamespace as N
from gandem.callbacks.tensorboard import RECORD_FIELDS, TensorBoard

assert "tensorboard" not in sys.modules
folder = Path({str(trainer.run_dir)!r})
losses = {{"generator": 0.5}}
trainer = N(run_dir=folder, first_step=0, step=2, total_steps=4, losses=losses,
            record=N(**dict.fromkeys(RECORD_FIELDS)), inputs=N(dataset=N(name="digits")))
callback = TensorBoard()
callback.on_train_start(trainer)
callback.on_log(trainer, losses)
print({{"torch", "tensorflow", "keras", "tensorboardX"}} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )

    assert (done.stdout, done.stderr) == ("set()\n", "")
    assert len(list((trainer.run_dir / "tensorboard").iterdir())) == 1


# --- the plugin ----------------------------------------------------------------------------------


@pytest.fixture
def chosen(monkeypatch):
    """Add TensorBoard to the callbacks; the tests switch plugins off."""
    added = [replace(e, kind="callbacks", provider="gandem") for e in gandem_callbacks()]
    kinds = {"callbacks": [*registry().entries("callbacks"), *added]}
    monkeypatch.setattr("gandem.core.runs.callbacks.registry", lambda: Registry([], kinds))


@needs_a_backend
@needs_tensorboard
def test_training_writes_losses_samples_and_scores(chosen, data, tmp_path, events):
    run = gandem.train(
        *("dcgan",),
        **{"backend": HOME, "data": data, "steps": 4, "log_every": 2, "seed": 3},
        **{"evaluate_every": 1, "evaluate_count": 20, "extractor": "pixels"},
        changes=TINY["dcgan"],
        out=tmp_path / "run",
    )

    reader = events(run.path)
    assert [step for step, _ in scalars(reader)] == [row["step"] for row in run.log()]
    assert [step for step, _ in scalars(reader, "score/frechet")] == [3, 4]
    assert [event.step for event in reader.Tensors("samples")] == [3, 4]


@needs_a_backend
@needs_tensorboard
def test_folder_that_cannot_be_written_is_reported_once(chosen, data, tmp_path):
    class Block(gandem.Callback):
        def on_train_start(self, trainer):
            (trainer.run_dir / "tensorboard").write_text("a file")

    notices = []

    run = gandem.train(
        *("dcgan",),
        **{"backend": HOME, "data": data, "steps": 4, "log_every": 1, "notice": notices.append},
        changes=TINY["dcgan"],
        callbacks=[Block()],
        out=tmp_path / "run",
    )

    assert run.checkpoint().step == 4
    assert [notice.partition(" raised ")[0] for notice in notices] == [
        "The callback 'tensorboard/events' of gandem: on_log"
    ]


def test_plugin_adds_one_valid_callback():
    (hook,) = collect_hooks(gandem.callbacks).values()

    (entry,) = [check_entry(entry, "callbacks", "tensorboard", "gandem") for entry in hook()]

    assert (entry.id, entry.requires) == ("tensorboard/events", ("tensorboard",))
    assert import_target(entry) is TensorBoard
