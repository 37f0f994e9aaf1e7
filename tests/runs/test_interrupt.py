"""Ctrl-C and SIGTERM: a training keeps its progress, any other command ends at once in one line."""

import importlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.commands import (
    HOME,
    THERE,
    TINY,
    command,
    needs_a_backend,
    needs_both,
    on_each,
    tiny,
)
from support.forks import Forks

import gandem
from gandem.core import files
from gandem.core.files import fill_file
from gandem.core.runs import Progress
from gandem.core.runs.setup import train as train_function
from gandem.core.signals import COMMANDS, WARNINGS, catch_stop_request, exit_on_interrupt
from gandem.core.training import initial_state

pytestmark = needs_a_backend
proc = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks into /proc")
ALL = (*COMMANDS, *WARNINGS)
LIBRARY = {"torch": "libtorch", "keras": "libtensorflow"}


@pytest.fixture(autouse=True)
def signals():
    """Signals as at a prompt: a background job of a shell ignores Ctrl-C, and so would ours."""
    before = {number: signal.getsignal(number) for number in ALL}
    for number in ALL:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def press(number=signal.SIGINT):
    os.kill(os.getpid(), number)


def begin(source, out, **more):
    """Train a tiny dcgan for three steps, unless told otherwise."""
    usual = {"changes": TINY["dcgan"], "backend": HOME, "data": source, "steps": 3, "out": out}
    return gandem.train("dcgan", **usual | more)


# --- in this process -----------------------------------------------------------------------------


def test_ctrl_c_ends_after_the_step_and_keeps_everything(data, tmp_path):
    def at_step_2(at: Progress) -> None:
        if at.step == 2:
            press()

    run = begin(data, tmp_path / "run", steps=100, progress=at_step_2)

    assert run.record.state == "interrupted"
    assert run.record.steps == 2
    assert run.record.steps_planned == 100
    assert [row["step"] for row in run.log()] == [1, 2]
    assert run.record.losses["discriminator"] == run.log()[-1]["discriminator"]
    assert [path.name for path in run.checkpoints()] == ["step-000002.safetensors"]
    assert [path.name for path in run.samples()] == ["step-000002.png"]
    assert run.state()["optimizer/generator/updates"] == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("number", ALL)
def test_a_training_stopped_after_k_steps_has_the_weights_of_one_of_k_steps(data, tmp_path, number):
    def at_step_4(at: Progress) -> None:
        if at.step == 4:
            press(number)

    stopped = begin(data, tmp_path / "stopped", steps=100, progress=at_step_4)
    whole = begin(data, tmp_path / "whole", steps=4)

    assert stopped.checkpoints()[0].read_bytes() == whole.checkpoints()[0].read_bytes()


def test_ctrl_c_before_the_first_step_keeps_the_initial_weights(data, tmp_path, monkeypatch):
    real = train_function.__globals__["create_run_dir"]

    def and_press(*arguments):
        started = real(*arguments)
        press()
        return started

    monkeypatch.setitem(train_function.__globals__, "create_run_dir", and_press)

    run = begin(data, tmp_path / "run")

    assert run.record.state == "interrupted"
    assert run.record.steps == 0
    expected = initial_state(run.spec, 0, "float32")
    for name, value in run.state().items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    assert [path.name for path in run.samples()] == ["step-000000.png"]


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_ends_at_once(data, tmp_path, first):
    def twice(at: Progress) -> None:
        if at.step == 2:
            press(first)
            press(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        begin(data, tmp_path / "run", progress=twice)

    run = gandem.open_run(tmp_path / "run")
    assert run.record.state == "interrupted"
    assert run.record.steps == 2
    files = {path.name for path in run.path.rglob("*") if path.is_file()}
    assert files == {"spec.toml", "run.json", "log.jsonl", ".lock"}


@pytest.mark.parametrize("number", WARNINGS)
def test_a_warning_of_the_system_that_comes_several_times_stops_after_the_step(
    data, tmp_path, number
):
    """A closed connection sends SIGHUP from the kernel, then from the shell."""

    def several(at: Progress) -> None:
        for _ in range(3):
            press(number)

    with exit_on_interrupt():
        run = begin(data, tmp_path / "run", progress=several)

    assert (run.record.state, run.record.steps) == ("interrupted", 1)
    assert run.checkpoints()


def test_ctrl_c_after_a_warning_of_the_system_ends_at_once():
    with catch_stop_request() as stop:
        press(WARNINGS[0])
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            press()


@pytest.mark.parametrize("number", ALL)
def test_a_signal_that_is_ignored_stays_ignored(data, tmp_path, number):
    signal.signal(number, signal.SIG_IGN)

    run = begin(data, tmp_path / "run", progress=lambda at: press(number))

    assert run.record.state == "finished"


def test_a_training_in_another_thread_leaves_signals_alone(data, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(begin, data, tmp_path / "run").result()

    assert run.record.state == "finished"


def test_outside_of_a_training_all_signals_interrupt_and_are_given_back():
    for number in ALL:
        with pytest.raises(KeyboardInterrupt), exit_on_interrupt():
            press(number)

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("number", COMMANDS)
def test_a_second_signal_ends_the_process_while_the_first_is_obeyed(monkeypatch, capfd, number):
    def end(code):
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", end)

    def clean_up_slowly() -> None:
        with exit_on_interrupt():
            try:
                press()
            finally:
                press(number)

    with pytest.raises(SystemExit, match="130"):
        clean_up_slowly()
    assert capfd.readouterr().err == "Interrupted.\n"


def test_an_exit_during_an_import_leaves_no_unfinished_file(monkeypatch, tmp_path, capfd):
    def end(code):
        raise SystemExit(code)

    def fill(temporary):
        temporary.write_bytes(b"half")
        assert [path.name for path in tmp_path.iterdir()] == [temporary.name]
        importlib.import_module("interrupted_import")

    modules = tmp_path.with_name(f"{tmp_path.name}_modules")
    modules.mkdir()
    (modules / "interrupted_import.py").write_text("import os; os.kill(os.getpid(), 2)\n")
    monkeypatch.syspath_prepend(modules)
    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(files, "_remove", lambda path: removed.append(path.read_bytes()))
    removed = []

    with pytest.raises(SystemExit, match="130"), exit_on_interrupt():
        fill_file(tmp_path / "made.npz", fill)

    assert removed[0] == b"half", "the exit must not rely on the end of the block"
    assert capfd.readouterr().err == "Interrupted.\n"


@pytest.mark.parametrize("number", WARNINGS)
def test_a_warning_that_comes_again_does_not_disturb_what_the_first_began(number):
    def clean_up() -> None:
        with exit_on_interrupt():
            try:
                press(number)
            finally:
                press(number)
                cleaned.append(True)

    cleaned = []
    with pytest.raises(KeyboardInterrupt):
        clean_up()

    assert cleaned


@pytest.mark.parametrize("number", [signal.SIGTERM, *WARNINGS])
def test_a_handler_of_the_users_own_is_left_in_place(number):
    noted = []
    signal.signal(number, lambda number, frame: noted.append(number))

    with exit_on_interrupt():
        press(number)

    assert noted == [number]


@pytest.mark.parametrize("number", WARNINGS)
def test_a_training_leaves_a_users_handler_of_a_warning_in_place(number):
    """That of submitit puts the job into the queue again."""
    noted = []
    signal.signal(number, lambda number, frame: noted.append(number))

    with catch_stop_request() as stop:
        press(number)

    assert (noted, stop.is_set()) == ([number], False)


def test_an_interrupt_that_a_finalizer_swallows_is_raised_at_the_end_of_the_block(capfd):
    class Presses:
        def __del__(self) -> None:
            press()

    def go_on_after_a_finalizer(gone_on: list[bool]) -> None:
        with exit_on_interrupt():
            Presses()
            gone_on.append(True)

    gone_on: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        go_on_after_a_finalizer(gone_on)

    assert gone_on
    assert capfd.readouterr().err == ""


def test_a_swallowed_interrupt_stops_the_training_that_begins_after_it():
    class Presses:
        def __del__(self) -> None:
            press()

    requests = []

    def train_after_a_finalizer() -> None:
        with exit_on_interrupt():
            Presses()
            with catch_stop_request() as stop:
                requests.append(stop.is_set())

    with pytest.raises(KeyboardInterrupt):
        train_after_a_finalizer()

    assert requests == [True]


def test_within_a_block_that_waits_for_a_step_the_second_signal_goes_to_the_one_before():
    requests = []

    def press_twice() -> None:
        with exit_on_interrupt(), catch_stop_request() as stop:
            requests.append(stop.is_set())
            press()
            requests.append(stop.is_set())
            press(signal.SIGTERM)
            requests.append("not interrupted")

    with pytest.raises(KeyboardInterrupt):
        press_twice()

    assert requests == [False, True]


# --- in a process of its own ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def forks():
    """A fork server: what is interrupted in a fork has PyTorch loaded already."""
    if "torch" not in THERE or not hasattr(os, "fork"):
        pytest.skip("needs PyTorch, and processes that fork")
    return Forks.shared()


class Child:
    """The command in a fresh process, which imports a framework first, to be interrupted."""

    def __init__(self, folder: Path, *arguments: object, terminal: bool = False) -> None:
        self.folder, self.terminal = folder, terminal
        self.process = subprocess.Popen(
            command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=os.environ | {"TMPDIR": str(folder)},
            start_new_session=terminal,
        )

    def until(self, happened) -> None:
        """Wait until something has happened."""
        deadline = time.monotonic() + 120
        while not happened():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def imports(self, library: str) -> bool:
        """Say whether a library is being imported, or has been."""
        return library in Path(f"/proc/{self.process.pid}/maps").read_text()

    def children(self) -> list[str]:
        """Return the ids of the child's children."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [number for task in tasks for number in task.read_text().split()]

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Send a signal, as a terminal to all processes at once; return the exit code, and what was
        said on standard output and error.
        """
        if self.terminal:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        stdout, stderr = self.process.communicate(timeout=60)
        assert "Traceback" not in stderr
        return self.process.returncode, stdout, stderr


def endless(data: str, *more: object) -> list[object]:
    """Return arguments of a training that does not end by itself."""
    return [*tiny(), "--data", data, "--epochs", 10**6, "--out", "run", *more]


def assert_an_interrupted_run_is_whole(path: Path, code: int, said: str) -> None:
    """Check a run of :func:`endless` that was interrupted, and what the command printed."""
    run = gandem.open_run(path)
    steps = run.record.steps
    assert code == 130
    assert run.record.state == "interrupted"
    assert re.search(rf"^state +interrupted after {steps} of 3000000 steps", said, re.M)
    assert re.search(r"^saved +the log, samples and state so far$", said, re.M)
    assert re.search(r"^resume +gandem resume run$", said, re.M)
    assert f"run/checkpoints/step-{steps:06d}.safetensors" in said
    assert run.checkpoints()[-1].name == f"step-{steps:06d}.safetensors"
    assert run.state()["optimizer/discriminator/updates"] == steps >= 1
    rows = [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == steps
    assert not list(path.parent.rglob("*.part"))


@pytest.mark.parametrize("number", ALL)
def test_a_training_interrupted_at_a_random_moment_is_whole(forks, data, tmp_path, number):
    fork = forks.start(*endless(data), cwd=tmp_path)
    fork.until((tmp_path / "run" / "log.jsonl").exists)
    time.sleep(random.uniform(0, 0.2))
    fork.signal(number)

    done = fork.ended()

    assert_an_interrupted_run_is_whole(tmp_path / "run", done.code, done.stdout)
    assert done.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "number"), list(zip(THERE, (signal.SIGINT, signal.SIGTERM), strict=False))
)
def test_a_training_in_a_fresh_process_interrupted_at_a_random_moment_is_whole(
    data, tmp_path, backend, number
):
    child = Child(tmp_path, *endless(data, "--backend", backend))
    child.until((tmp_path / "run" / "log.jsonl").exists)
    time.sleep(random.uniform(0, 0.4))

    code, output, _ = child.stop(number)

    assert_an_interrupted_run_is_whole(tmp_path / "run", code, output)


def test_an_interrupted_training_prints_json_for_machines_too(forks, data, tmp_path):
    fork = forks.start(*endless(data, "--json"), cwd=tmp_path)
    fork.until((tmp_path / "run" / "run.json").exists)
    fork.signal(signal.SIGINT)

    done = fork.ended()

    printed = json.loads(done.stdout)
    assert (done.code, done.stderr) == (130, "")
    assert printed["state"] == "interrupted"
    assert printed["steps"] == gandem.open_run(tmp_path / "run").record.steps


def test_a_second_ctrl_c_is_one_line_and_prompt(forks, tmp_path):
    slow = ["train", "dcgan", "--backend", HOME, "--data", "digits"]
    slow += ["--batch-size", "1000", "--out", "run"]
    fork = forks.start(*slow, cwd=tmp_path)
    fork.until((tmp_path / "run" / "run.json").exists)
    fork.signal(signal.SIGINT)
    time.sleep(0.05)
    fork.signal(signal.SIGINT)

    done = fork.ended()

    assert done.code == 130
    if done.stdout == "":  # else the first was enough
        assert done.stderr == "Interrupted.\n"
    if (tmp_path / "run").exists():  # else there had been no step yet
        assert gandem.open_run(tmp_path / "run").record.state == "interrupted"


PRESSES_AT_IMPORT = """
import os, runpy, signal, sys

class Finder:
    def find_spec(self, name, path, target=None):
        if name == "MODULE":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
runpy.run_module("gandem", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    "module", ["click", "gandem.cli", "gandem.commands.show", "gandem.core.specs"]
)
def test_ctrl_c_while_the_command_starts_is_one_line(tmp_path, module):
    code = PRESSES_AT_IMPORT.replace("MODULE", module)
    arguments = [sys.executable, "-c", code, "show", "dcgan"]

    done = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


@proc
@on_each
@pytest.mark.parametrize("doing", ["train", pytest.param("generate", marks=pytest.mark.slow)])
def test_ctrl_c_while_a_framework_starts_is_one_line_and_leaves_nothing(
    run, tmp_path, backend, doing
):
    digits = ["--data", "digits"]
    arguments = {
        "train": [*tiny(image="[28, 28, 1]"), "--backend", backend, *digits, "--out", "made"],
        "generate": ["generate", run, "--backend", backend, "-o", "made.png"],
    }
    child = Child(tmp_path, *arguments[doing])
    child.until(lambda: child.imports(LIBRARY[backend]))
    time.sleep(random.uniform(0, 0.3))

    assert child.stop() == (130, "", "Interrupted.\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_ctrl_c_at_any_moment_of_the_start_leaves_no_folder_or_a_whole_one(data, tmp_path):
    for trial in range(3):
        child = Child(tmp_path, *tiny(), "--data", data, "--epochs", 10**6, "--out", str(trial))
        time.sleep(random.uniform(0.3, 4))

        code, output, complaint = child.stop()

        assert code == 130
        if (tmp_path / str(trial)).exists():
            assert gandem.open_run(tmp_path / str(trial)).state()
        else:
            assert (output, complaint) == ("", "Interrupted.\n")


def test_ctrl_c_while_images_are_made_leaves_none(forks, run, tmp_path):
    fork = forks.start(
        *("generate", run, "-n", 1_000_000, "-o", "made.npz"),
        cwd=tmp_path,
        progress_after=0.1,
        environment={"TMPDIR": str(tmp_path)},
    )
    fork.until(lambda: (fork.folder / "stderr").read_text().startswith("generate  "))
    fork.signal(signal.SIGINT)

    done = fork.ended()

    assert (done.code, done.stdout) == (130, "")
    assert done.stderr.endswith("Interrupted.\n")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@proc
@needs_both
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_parity_measurement_with_all_its_processes(data, tmp_path, number):
    child = Child(tmp_path, "parity", "dcgan", "--steps", 10**6)
    child.until(lambda: len(child.children()) == 2)
    workers = child.children()
    time.sleep(random.uniform(0, 2))

    code, output, complaint = child.stop(number)

    assert (code, output) == (130, "")
    assert complaint.endswith("Interrupted.\n")
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]
    assert not list(tmp_path.iterdir()), "a temporary folder was left"
    assert tempfile.gettempdir() != str(tmp_path)


# --- evaluations ---------------------------------------------------------------------------------


@pytest.fixture
def scoring(run, tmp_path):
    """Arguments of an evaluation that takes a while; its cache is empty."""
    images = np.random.default_rng(0).integers(0, 256, (20_000, 8, 8), np.uint8)
    np.savez(tmp_path / "real.npz", images=images)
    return ["evaluate", run, "--data", "npz:real.npz", "--json"]


def assert_scoring_has_left_nothing(folder: Path) -> None:
    left = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {name for name in left if not name.endswith(".safetensors")} == {"real.npz"}


@proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_images_are_scored_is_one_line_and_leaves_nothing(
    forks, scoring, tmp_path, number
):
    fork = forks.start(
        *scoring,
        cwd=tmp_path,
        environment={"TMPDIR": str(tmp_path), "GANDEM_CACHE": str(tmp_path / "cache")},
    )
    fork.until(fork.handles_sigterm)
    time.sleep(random.uniform(0, 2))
    fork.signal(number)

    done = fork.ended()

    assert (done.code, done.stdout, done.stderr) == (130, "", "Interrupted.\n")
    assert_scoring_has_left_nothing(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_at_any_moment_of_an_evaluation_is_one_line_and_leaves_nothing(
    scoring, tmp_path, monkeypatch, number
):
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    child = Child(tmp_path, *scoring)
    time.sleep(random.uniform(0.5, 6))

    assert child.stop(number) == (130, "", "Interrupted.\n")
    assert_scoring_has_left_nothing(tmp_path)
