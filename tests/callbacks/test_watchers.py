"""Watchers observe a training and can neither stop nor change it; TensorBoard is one of them."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import math
import os
import subprocess
import sys
import threading
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import gandem
from gandem.callbacks import tensorboard
from gandem.core.data.images import save_image
from gandem.core.plugins import discovery as module
from gandem.core.plugins.discovery import WATCHES, find_plugins
from gandem.core.plugins.hookspecs import RunInfo
from gandem.core.plugins.registry import registry
from gandem.core.runs.callbacks import Watching

RUN = RunInfo(
    path=Path("run"),
    model="dcgan",
    backend="torch",
    device="cpu",
    precision="float32",
    seed=3,
    data="digits",
    first_step=0,
    steps=40,
    log_every=2,
)
LOSSES = {"discriminator": 1.5, "generator": 0.5, "real_accuracy": 0.75, "fake_accuracy": 0.25}


class Point:
    """An entry point of the distribution ``NAME-gans`` that leads to an object of the test."""

    def __init__(self, name: str, plugin: object, distribution: str = "") -> None:
        self.name, self.plugin = name, plugin
        text = f"Name: {distribution or f'{name}-gans'}\n"
        self.dist = SimpleNamespace(read_text=lambda name: text)

    def load(self) -> object:
        return self.plugin


@pytest.fixture
def find(monkeypatch):
    """Return a function that installs plugins by name and finds them: plugins, rows, watchers."""

    def found(**plugins):
        points = [Point(name, plugin) for name, plugin in plugins.items()]
        monkeypatch.setattr(module, "entry_points", lambda group: points)
        monkeypatch.delenv("GANDEM_PLUGINS", raising=False)
        return find_plugins(object())

    return found


@pytest.fixture
def notices():
    """What the user is told."""
    return []


@pytest.fixture
def watch(find, notices):
    """Return a function that begins a training, watched by plugins by name."""
    return lambda **plugins: Watching(RUN, find(**plugins)[2], notices.append)


def train(watching: Watching) -> None:
    """Tell what a training of four steps does."""
    watching.before_training()
    watching.after_log(2, LOSSES)
    watching.after_checkpoint(2, Path("two"), None)
    watching.after_log(4, LOSSES)
    watching.after_checkpoint(4, Path("four"), None)
    watching.after_training(4, "finished", LOSSES)


class Diary:
    """A watcher that writes down what it hears."""

    def __init__(self) -> None:
        self.heard = []

    @gandem.hookimpl
    def gandem_before_training(self, run):
        self.heard.append(("before training", run))

    @gandem.hookimpl
    def gandem_after_log(self, run, step, losses):
        self.heard.append(("after log", run, step, dict(losses)))

    @gandem.hookimpl
    def gandem_after_checkpoint(self, run, step, path, samples):
        self.heard.append(("after checkpoint", run, step, path, samples))

    @gandem.hookimpl
    def gandem_after_training(self, run, step, state, losses):
        self.heard.append(("after training", run, step, state, dict(losses)))


def raising(moment: str, error: BaseException) -> object:
    """Return a watcher of every moment that raises at one; ``heard`` are the moments it was told
    of.
    """

    class Raising:
        heard = ()

    def told(at):
        def hook(self):
            self.heard += (at,)
            if at == moment:
                raise error

        return gandem.hookimpl(hook)

    for at in WATCHES:
        setattr(Raising, f"gandem_{at}", told(at))
    return Raising()


# --- what a watcher hears ------------------------------------------------------------------------


def test_a_watcher_hears_of_every_moment_in_order(watch):
    diary = Diary()

    train(watch(acme=diary))

    assert diary.heard == [
        ("before training", RUN),
        ("after log", RUN, 2, LOSSES),
        ("after checkpoint", RUN, 2, Path("two"), None),
        ("after log", RUN, 4, LOSSES),
        ("after checkpoint", RUN, 4, Path("four"), None),
        ("after training", RUN, 4, "finished", LOSSES),
    ]


def test_a_watcher_takes_the_arguments_that_it_names(watch):
    class Terse:
        heard = ()

        @gandem.hookimpl
        def gandem_after_log(self, losses, step):  # another order, and no run
            self.heard += (losses["generator"], step)

        @gandem.hookimpl
        def gandem_after_training(self):
            self.heard += ("over",)

    terse = Terse()

    train(watch(acme=terse))

    assert terse.heard == (0.5, 2, 0.5, 4, "over")


def test_a_module_can_watch(watch):
    heard = []
    plugin = ModuleType("acme")
    plugin.gandem_after_log = gandem.hookimpl(lambda step: heard.append(step))

    train(watch(acme=plugin))

    assert heard == [2, 4]


def test_two_functions_of_one_plugin_may_watch_the_same_moment(watch):
    class Twice:
        heard = ()

        @gandem.hookimpl(specname="gandem_after_log")
        def note(self):
            self.heard += ("note",)

        @gandem.hookimpl(specname="gandem_after_log")
        def plot(self):
            self.heard += ("plot",)

    twice = Twice()

    watch(acme=twice).after_log(2, LOSSES)

    assert sorted(twice.heard) == ["note", "plot"]


@pytest.mark.parametrize("moment", ["after_log", "after_training"])
def test_losses_are_read_only(watch, notices, moment):
    def change(losses):
        losses["generator"] = 0.0

    plugin = ModuleType("acme")
    setattr(plugin, f"gandem_{moment}", gandem.hookimpl(change))

    train(watch(acme=plugin))

    assert "TypeError: 'mappingproxy' object does not support item assignment" in notices[0]


def test_losses_that_a_watcher_keeps_stay_as_they_were(watch):
    kept, losses = [], dict(LOSSES)
    plugin = ModuleType("acme")
    plugin.gandem_after_log = gandem.hookimpl(lambda losses: kept.append(losses))

    watch(acme=plugin).after_log(2, losses)
    losses["generator"] = 9.0

    assert kept == [LOSSES]


def test_losses_are_python_floats(watch):
    kinds = []
    plugin = ModuleType("acme")
    plugin.gandem_after_log = gandem.hookimpl(
        lambda losses: kinds.extend(map(type, losses.values()))
    )

    watch(acme=plugin).after_log(2, {"generator": np.float32(0.5), "discriminator": 1})

    assert kinds == [float, float]


def test_the_facts_of_a_training_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        RUN.seed = 4  # type: ignore[misc]


def test_a_training_that_nobody_watches_says_nothing(watch, notices):
    train(watch())

    assert notices == []


def test_what_a_watcher_prints_stays_out_of_the_way(watch, capsys):
    plugin = ModuleType("acme")
    plugin.gandem_after_log = gandem.hookimpl(lambda step: print(f"step {step}"))

    watch(acme=plugin).after_log(2, {})

    assert capsys.readouterr() == ("", "step 2\n")


# --- a watcher that raises -----------------------------------------------------------------------


@pytest.mark.parametrize("moment", WATCHES)
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no"), "ValueError: no"),
        (SystemExit(3), "SystemExit: 3"),
        (GeneratorExit(), "GeneratorExit"),
    ],
    ids=["raises", "exits", "raises what nobody catches"],
)
def test_a_watcher_that_raises_is_reported_once_in_one_line(watch, notices, moment, error, said):
    train(watch(acme=raising(moment, error)))

    assert notices == [
        f"The plugin 'acme' (acme-gans): gandem_{moment} raised {said}; it is muted for the rest "
        "of this training."
    ]


@pytest.mark.parametrize("moment", WATCHES)
def test_a_watcher_that_raises_is_called_no_more(watch, moment):
    plugin = raising(moment, ValueError("no"))

    train(watch(acme=plugin))

    assert plugin.heard[-1] == moment
    assert plugin.heard.count(moment) == 1


@pytest.mark.parametrize("moment", WATCHES)
@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_watchers_beside_one_that_raises_hear_everything(watch, moment, name):
    diary = Diary()

    train(watch(acme=raising(moment, ValueError("no")), **{name: diary}))

    assert len(diary.heard) == 6


def test_each_watcher_that_raises_is_reported(watch, notices):
    train(watch(one=raising("after_log", OSError("a")), two=raising("after_log", OSError("b"))))

    assert [line.partition(":")[0] for line in notices] == [
        "The plugin 'one' (one-gans)",
        "The plugin 'two' (two-gans)",
    ]


def test_a_watcher_muted_in_one_training_hears_of_the_next(find, notices):
    plugin = raising("after_log", ValueError("no"))
    watchers = find(acme=plugin)[2]

    train(Watching(RUN, watchers, notices.append))
    train(Watching(RUN, watchers, notices.append))

    assert plugin.heard == ("before_training", "after_log") * 2
    assert len(notices) == 2


def test_an_error_of_many_lines_is_reported_in_one(watch, notices):
    train(watch(acme=raising("after_log", OSError("a\nb\n  c"))))

    assert "raised OSError: a b c; it is muted" in notices[0]


def test_an_error_that_cannot_even_be_printed_is_reported_by_its_type(watch, notices):
    class Sour(Exception):
        def __str__(self):
            raise ValueError("no")

    train(watch(acme=raising("after_log", Sour())))

    assert "raised Sour; it is muted" in notices[0]


@pytest.mark.parametrize("moment", WATCHES)
def test_an_interrupt_during_a_watcher_is_an_interrupt(watch, notices, moment):
    with pytest.raises(KeyboardInterrupt):
        train(watch(acme=raising(moment, KeyboardInterrupt())))

    assert notices == []


# --- a watcher in the list of plugins ------------------------------------------------------------


def test_a_plugin_that_watches_is_listed_with_the_moments(find):
    class Watcher:
        @gandem.hookimpl
        def gandem_after_training(self): ...

        @gandem.hookimpl
        def gandem_after_log(self): ...

    (_, acme), _, _ = find(acme=Watcher())

    assert acme.adds == {"watches": ["after_log", "after_training"]}
    assert acme.problems == []


def test_a_plugin_may_add_and_watch(find):
    class Both:
        @gandem.hookimpl
        def gandem_models(self):
            return [gandem.Entry(id="acme/gan", target="acme:gan")]

        @gandem.hookimpl
        def gandem_after_log(self): ...

    (_, acme), rows, (watcher,) = find(acme=Both())

    assert acme.adds == {"models": ["acme/gan"], "watches": ["after_log"]}
    assert [row.id for row in rows["models"]] == ["acme/gan"]
    assert (watcher.name, watcher.distribution) == ("acme", "acme-gans")


def test_a_plugin_that_only_adds_does_not_watch(find):
    class Adds:
        @gandem.hookimpl
        def gandem_models(self):
            return [gandem.Entry(id="acme/gan", target="acme:gan")]

    assert find(acme=Adds())[2] == []


BROKEN = {
    "misspelt": (
        "def gandem_after_logs(step): ...",
        "has a hook that gandem does not know: 'gandem_after_logs'. Did you mean "
        "'gandem_after_log'?",
    ),
    "unknown argument": (
        "def gandem_after_log(loss): ...",
        "could not be loaded: PluginValidationError: ",
    ),
    "async": ("async def gandem_after_log(step): ...", "gandem_after_log is never called: it must"),
    "yields": ("def gandem_after_log(step): yield", "gandem_after_log is never called: it must be"),
}


@pytest.mark.parametrize(("code", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_hook_that_could_never_watch_is_reported_in_one_line(find, code, problem):
    plugin = ModuleType("acme")
    exec(f"import gandem\n@gandem.hookimpl\n{code}", vars(plugin))

    (_, acme), _, watchers = find(acme=plugin)

    (line,) = acme.problems
    assert line.startswith(problem)
    assert line.splitlines() == [line]
    assert watchers == []


def test_a_checkout_without_entry_points_has_its_rows_and_no_watcher(monkeypatch):
    monkeypatch.setattr(module, "entry_points", lambda group: [])
    monkeypatch.delenv("GANDEM_PLUGINS", raising=False)
    found = registry.__wrapped__()

    assert found.watchers == []
    assert found.find("models", "dcgan").provider == "gandem"
    assert [plugin.problems for plugin in found.plugins] == [[]]


# --- TensorBoard: among the plugins --------------------------------------------------------------


@pytest.fixture
def installed(monkeypatch):
    """Return a function that reads the registry where gandem and a stranger's plugin are
    installed.
    """
    points = [Point("tensorboard", tensorboard, "gandem"), Point("acme", Diary())]
    monkeypatch.setattr(module, "entry_points", lambda group: points)
    monkeypatch.delenv("GANDEM_PLUGINS", raising=False)
    return registry.__wrapped__


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        (None, ["acme", "tensorboard"]),
        ("tensorboard", ["tensorboard"]),
        ("gandem", ["tensorboard"]),
        ("TensorBoard, acme", ["acme", "tensorboard"]),
        ("acme", ["acme"]),
        ("", []),
    ],
)
def test_gandem_plugins_chooses_who_watches(installed, monkeypatch, wanted, there):
    if wanted is not None:
        monkeypatch.setenv("GANDEM_PLUGINS", wanted)

    assert [watcher.name for watcher in installed().watchers] == there


@pytest.mark.parametrize("wanted", ["tensorboard", "gandem"])
def test_choosing_tensorboard_is_no_problem_and_leaves_our_rows_alone(
    installed, monkeypatch, wanted
):
    monkeypatch.setenv("GANDEM_PLUGINS", wanted)
    found = installed()

    assert [(p.name, p.distribution, p.problems) for p in found.plugins] == [
        ("gandem", "gandem", []),
        ("tensorboard", "gandem", []),
    ]
    assert found.find("models", "dcgan").provider == "gandem"


def test_the_command_lists_tensorboard_and_what_it_watches(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GANDEM")}
    done = subprocess.run(
        [sys.executable, "-m", "gandem", "plugins", "--json"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    (listed,) = [p for p in json.loads(done.stdout)["plugins"] if p["name"] == "tensorboard"]
    assert listed["distribution"] == "gandem"
    assert listed["adds"] == {"watches": list(WATCHES)}
    assert listed["problems"] == []


# --- TensorBoard: its files ----------------------------------------------------------------------

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed"
)


@pytest.fixture
def run(tmp_path):
    """The facts of a training whose folder is there."""
    (tmp_path / "samples").mkdir()
    return replace(RUN, path=tmp_path)


@pytest.fixture
def board(find, notices):
    """Return a function that begins a training that TensorBoard watches; it reports nothing."""

    def begin(run):
        watching = Watching(run, find(tensorboard=tensorboard)[2], notices.append)
        watching.before_training()
        return watching

    yield begin
    assert notices == []


@pytest.fixture
def events(monkeypatch):
    """Return a function that reads a run as TensorBoard does, without TensorFlow."""
    monkeypatch.setitem(sys.modules, "tensorboard.compat.notf", ModuleType("notf"))

    def read(run):
        from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

        everything = dict.fromkeys(["scalars", "images", "text"], 0)
        folder = os.fspath(run.path / "tensorboard")
        return EventAccumulator(folder, tensor_size_guidance=everything).Reload()

    return read


def scalars(read, tag: str = "loss/generator") -> list[tuple[int, float]]:
    from tensorboard.util.tensor_util import make_ndarray

    return [(event.step, make_ndarray(event.tensor_proto).item()) for event in read.Tensors(tag)]


def grid(run: RunInfo, name: str, color: int = 0) -> Path:
    """Make a grid of samples, 4 high and 6 wide."""
    path = run.path / "samples" / name
    save_image(path, np.full((4, 6, 3), color, np.uint8))
    return path


@needs_tensorboard
def test_tensorboard_shows_losses_and_accuracies_by_step(board, events, run):
    watching = board(run)
    watching.after_log(2, LOSSES)
    watching.after_log(4, LOSSES | {"generator": 0.25})

    found = events(run)
    assert set(found.PluginTagToContent("scalars")) == {
        "loss/discriminator",
        "loss/generator",
        "accuracy/real",
        "accuracy/fake",
    }
    assert scalars(found) == [(2, 0.5), (4, 0.25)]
    assert scalars(found, "accuracy/real") == [(2, 0.75), (4, 0.75)]


@needs_tensorboard
def test_tensorboard_shows_the_facts_once(board, events, run):
    watching = board(run)
    watching.after_log(2, LOSSES)
    watching.after_log(4, LOSSES)

    (event,) = events(run).Tensors("run")
    (text,) = event.tensor_proto.string_val
    assert "- model: `dcgan`\n- backend: `torch`\n" in text.decode()


@needs_tensorboard
def test_tensorboard_shows_a_grid_as_it_was_saved(board, events, run):
    watching = board(run)
    samples = grid(run, "epoch-0001.png")
    watching.after_checkpoint(7, Path("seven"), samples)

    (event,) = events(run).Tensors("samples")
    assert event.step == 7
    assert event.tensor_proto.string_val == [b"6", b"4", samples.read_bytes()]


@needs_tensorboard
def test_tensorboard_shows_a_grid_once_however_many_checkpoints_there_are(board, events, run):
    watching = board(run)
    first = grid(run, "epoch-0001.png")
    watching.after_checkpoint(2, Path("two"), first)
    watching.after_checkpoint(4, Path("four"), first)
    watching.after_checkpoint(6, Path("six"), grid(run, "epoch-0002.png"))

    assert [event.step for event in events(run).Tensors("samples")] == [2, 6]


@needs_tensorboard
def test_a_checkpoint_without_samples_adds_no_image(board, events, run):
    watching = board(run)
    watching.after_checkpoint(2, Path("two"), None)
    watching.after_log(2, LOSSES)

    assert "samples" not in events(run).Tags()["tensors"]


@needs_tensorboard
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_tensorboard_takes_losses_that_are_no_number_or_too_large_for_it(board, events, run, value):
    board(run).after_log(2, {"generator": value})

    ((step, shown),) = scalars(events(run))
    assert step == 2
    assert not math.isfinite(shown)


@needs_tensorboard
def test_a_resumed_training_shows_no_step_twice(board, events, run):
    first = board(run)
    for step in (2, 4, 6, 8):  # killed after 8; the last checkpoint is of step 4
        first.after_log(step, LOSSES)
    first.after_checkpoint(8, Path("eight"), grid(run, "epoch-0002.png"))

    again = board(replace(run, first_step=4))
    for step in (6, 8, 10):
        again.after_log(step, LOSSES | {"generator": 0.25})

    found = events(run)
    assert scalars(found) == [(2, 0.5), (4, 0.5), (6, 0.25), (8, 0.25), (10, 0.25)]
    assert found.Tensors("samples") == []


@needs_tensorboard
def test_a_training_resumed_twice_from_one_step_shows_no_step_twice(board, events, run):
    board(run).after_log(4, LOSSES)
    for value in (0.25, 0.125):
        watching = board(replace(run, first_step=4))
        watching.after_log(6, {"generator": value})
        watching.after_training(6, "interrupted", {})

    found = events(run)
    assert scalars(found) == [(4, 0.5), (6, 0.125)]
    assert [event.step for event in found.Tensors("run")] == [1, 5]


@needs_tensorboard
def test_a_resumed_training_does_not_show_the_samples_of_before_as_its_own(board, events, run):
    old = grid(run, "epoch-0001.png")
    watching = board(replace(run, first_step=4))
    watching.after_checkpoint(6, Path("six"), old)
    os.utime(old, ns=(1, 1))  # made again
    watching.after_checkpoint(8, Path("eight"), old)

    assert [event.step for event in events(run).Tensors("samples")] == [8]


@needs_tensorboard
def test_two_trainings_at_once_do_not_mix(board, events, run):
    others = [replace(run, path=run.path / name) for name in ("one", "two")]

    def go(other, losses):
        other.path.mkdir()
        watching = board(other)
        for step in range(1, 50):
            watching.after_log(step, losses)
        watching.after_training(49, "finished", losses)

    threads = [
        threading.Thread(target=go, args=(other, {"generator": value}))
        for other, value in zip(others, (0.25, 0.5), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for other, value in zip(others, (0.25, 0.5), strict=True):
        assert scalars(events(other)) == [(step, value) for step in range(1, 50)]


@needs_tensorboard
def test_nothing_is_written_before_there_is_something_to_show(board, run):
    board(run)

    assert [path.name for path in run.path.iterdir()] == ["samples"]


@needs_tensorboard
@pytest.mark.parametrize("state", ["finished", "interrupted", "diverged", "failed"])
def test_a_training_that_has_ended_is_forgotten(board, run, state):
    watching = board(run)
    watching.after_log(2, LOSSES)
    watching.after_training(2, state, LOSSES)

    assert run.path not in tensorboard._trainings


@needs_tensorboard
def test_a_folder_that_cannot_be_written_mutes_tensorboard_alone(find, notices, run):
    (run.path / "tensorboard").write_text("a file")
    diary = Diary()

    train(Watching(run, find(diary=diary, tensorboard=tensorboard)[2], notices.append))

    assert len(diary.heard) == 6
    assert [line.partition(" raised ")[0] for line in notices] == [
        "The plugin 'tensorboard' (tensorboard-gans): gandem_after_log"
    ]


@pytest.mark.parametrize("there", ["nothing", "a folder"])
def test_without_tensorboard_nothing_is_written_and_nothing_said(monkeypatch, board, run, there):
    namespace = importlib.machinery.ModuleSpec("tensorboard", None, is_package=True)
    found = {"nothing": None, "a folder": namespace}[there]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: found)

    watching = board(run)
    watching.after_log(2, LOSSES)
    watching.after_checkpoint(2, Path("two"), grid(run, "epoch-0001.png"))
    watching.after_training(2, "finished", LOSSES)

    assert [path.name for path in run.path.iterdir()] == ["samples"]


@needs_tensorboard
def test_tensorboard_watches_without_importing_a_framework(run):
    code = f"""
import os, sys
from pathlib import Path, PosixPath, WindowsPath
from gandem.core.plugins.hookspecs import RunInfo
from gandem.callbacks import tensorboard

run, samples = {run!r}, {grid(run, "epoch-0001.png")!r}
assert "tensorboard" not in sys.modules and "numpy" not in sys.modules
tensorboard.gandem_before_training(run)
tensorboard.gandem_after_log(run, 2, {LOSSES!r})
os.utime(samples, ns=(1, 1))  # made again
tensorboard.gandem_after_checkpoint(run, 2, samples)
tensorboard.gandem_after_training(run)
print({{"torch", "tensorflow", "keras", "tensorboardX"}} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )

    assert (done.stdout, done.stderr) == ("set()\n", "")
    assert len(list((run.path / "tensorboard").iterdir())) == 1
