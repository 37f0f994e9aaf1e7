"""Child processes: what they get, how they end, and that nothing of them is left."""

import ast
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest
from support.layout import ROOT, shipped_sources

from gandem.core import process
from gandem.core.process import ChildCommand, ChildResult, describe_exit, run_child, run_children
from gandem.core.signals import exit_on_interrupt

unix = pytest.mark.skipif(not hasattr(os, "fork"), reason="signals and process groups of Unix")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a function that writes a module and returns a command that runs it."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(code: str, *arguments: object, **options: object) -> ChildCommand:
        name = f"program_{len(list(tmp_path.glob('*.py')))}"
        (tmp_path / f"{name}.py").write_text(code)
        return ChildCommand(module=name, arguments=tuple(map(str, arguments)), **options)

    return write


def wait_for(happened, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not (value := happened()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value


def is_running(pid: int) -> bool:
    """Return True for a process that has not ended; a zombie has."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


# --- what a child gets ---------------------------------------------------------------------------


def test_child_gets_arguments_environment_folder_and_modules_of_its_parent(
    program, tmp_path, monkeypatch
):
    monkeypatch.setenv("KEPT", "yes")
    monkeypatch.setenv("REMOVED", "no")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    code = """
import json, os, sys
names = ("KEPT", "REMOVED", "ADDED", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
facts = {name: os.environ.get(name) for name in names}
print(sys.argv[1:], sys.stdin.read() == "", os.getcwd(), sys.stdout.encoding, facts)
"""
    folder = tmp_path / "here"
    folder.mkdir()
    command = program(
        code, "a b", "ü", threads=2, folder=folder, environment={"ADDED": "1", "REMOVED": None}
    )

    result = run_child(command)

    facts = {"KEPT": "yes", "REMOVED": None, "ADDED": "1"}
    facts |= {"OMP_NUM_THREADS": "2", "TF_NUM_INTRAOP_THREADS": "2"}
    expected = f"['a b', 'ü'] True {folder.resolve()} utf-8 {facts}\n"
    assert result == ChildResult(code=0, stdout=expected)


def test_working_folder_of_the_child_does_not_hide_modules(program, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "json.py").write_text("raise RuntimeError('the wrong one')")

    assert run_child(program("import json", folder=tmp_path / "here")).code == 0


def test_long_output_arrives_whole_and_of_the_errors_the_end(program):
    code = "import sys\nfor i in range(20000): print(i); print('error', i, file=sys.stderr)"

    result = run_child(program(code))

    assert result.stdout == "".join(f"{i}\n" for i in range(20000))
    assert result.stderr.endswith("error 19998\nerror 19999\n")
    assert len(result.stderr) < 10_000


def test_lines_of_progress_are_passed_on_and_not_kept(program):
    lines = []

    def take(line: str) -> bool:
        lines.append(line)
        return line.startswith("step")

    result = run_child(program("print('step 1\\rstep 2\\nother')", on_line=take))

    assert lines == ["step 1\n", "step 2\n", "other\n"]
    assert result.stdout == "other\n"


# --- how it ended --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit(3)", "exit code 3"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        (
            "import sys; sys.exit('Error: No such model.\\nSee the list.')",
            "No such model.",
        ),
        pytest.param(
            "import os, sys; print('loading', file=sys.stderr); os.kill(os.getpid(), 9)",
            "killed by SIGKILL, often because memory ran out",
            marks=unix,
        ),
    ],
)
def test_reason_of_a_failure_is_one_line(program, code, reason):
    result = run_child(program(code))

    assert result.code != 0
    assert result.reason == reason


def test_unknown_signal_has_its_number():
    assert describe_exit(-250) == "killed by signal 250"


def test_child_that_takes_too_long_is_stopped(program):
    result = run_child(program("import time; time.sleep(60)"), timeout=0.5)

    assert (result.code < 0, result.reason) == (True, "no result within 0.5 s")


# --- stopping ------------------------------------------------------------------------------------

PATIENT = """
import pathlib, signal, sys, time
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
pathlib.Path(sys.argv[1]).touch()
while not stopped:
    time.sleep(0.01)
pathlib.Path(sys.argv[1] + "-saved").touch()
sys.exit(130)
"""
STUBBORN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
"""


def set_when(stop: threading.Event, happened) -> None:
    threading.Thread(target=lambda: wait_for(happened) and stop.set(), daemon=True).start()


@unix
def test_child_that_is_asked_to_stop_may_finish_its_work(program, tmp_path):
    stop = threading.Event()
    set_when(stop, (tmp_path / "begun").exists)

    result = run_child(program(PATIENT, tmp_path / "begun"), stop=stop)

    assert (result.code, result.reason) == (130, "stopped on request")
    assert (tmp_path / "begun-saved").exists()


@unix
def test_child_that_does_not_stop_is_killed(program, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "STOP_TIMEOUT", 0.2)
    stop = threading.Event()
    set_when(stop, (tmp_path / "begun").exists)

    assert run_child(program(STUBBORN, tmp_path / "begun"), stop=stop).code == -signal.SIGKILL


@unix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_child_and_is_raised_when_it_has_ended(program, tmp_path, number):
    sent = []

    def interrupt() -> None:
        if (tmp_path / "begun").exists() and not sent:
            sent.append(True)
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt), exit_on_interrupt():
        run_child(program(PATIENT, tmp_path / "begun"), on_tick=interrupt)

    assert (tmp_path / "begun-saved").exists()


@unix
def test_second_ctrl_c_kills_a_child_that_does_not_stop(program, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "INTERRUPT_TIMEOUT", 0.2)
    pids = []

    def interrupt() -> None:
        if (tmp_path / "begun").exists():
            os.kill(os.getpid(), signal.SIGINT)

    def take(line: str) -> bool:
        pids.append(int(line))
        return True

    code = "import os; print(os.getpid(), flush=True)" + STUBBORN
    command = program(code, tmp_path / "begun", on_line=take)
    with pytest.raises(KeyboardInterrupt), exit_on_interrupt():
        run_child(command, on_tick=interrupt)

    assert not is_running(pids[0])


@unix
def test_nothing_that_a_child_started_outlives_it(program):
    code = """
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid)
"""
    started = time.monotonic()

    result = run_child(program(code))  # the second process holds the output open

    assert result.code == 0
    assert time.monotonic() - started < 20
    wait_for(lambda: not is_running(int(result.stdout)))


@unix
def test_child_of_a_killed_parent_stops_as_for_sigterm(program, tmp_path):
    child = program(PATIENT, tmp_path / "begun")
    code = f"""
import os
from gandem.core.process import ChildCommand, run_child
print(os.getpid(), flush=True)
run_child(ChildCommand(module={child.module!r}, arguments={child.arguments!r}))
"""

    def kill_parent(line: str) -> bool:
        wait_for((tmp_path / "begun").exists)
        os.kill(int(line), signal.SIGKILL)
        return True

    assert run_child(program(code, on_line=kill_parent)).code == -signal.SIGKILL

    wait_for((tmp_path / "begun-saved").exists)


# --- several -------------------------------------------------------------------------------------


def test_results_are_in_the_order_of_the_commands(program):
    slow, quick = program("import time; time.sleep(0.3); print(1)"), program("print(2)")

    assert [result.stdout for result in run_children([slow, quick])] == ["1\n", "2\n"]


def test_no_more_run_at_once_than_asked(program):
    running = []

    def count(line: str) -> bool:
        running.append(line.strip())
        return True

    code = "import time; print('+', flush=True); time.sleep(0.1); print('-', flush=True)"
    run_children([program(code, on_line=count) for _ in range(3)], at_once=1)

    assert running == ["+", "-"] * 3


def test_first_failure_stops_the_others_and_starts_no_more(program, tmp_path):
    commands = [
        program("import time; time.sleep(60)"),
        program("raise SystemExit('no luck')"),
        program("import sys; open(sys.argv[1], 'w')", tmp_path / "started"),
    ]

    results = run_children(commands, at_once=2)

    assert [bool(result.stop_reason) for result in results] == [True, False, True]
    assert results[1].reason == "no luck"
    assert all(result.code for result in results)
    assert not (tmp_path / "started").exists()


# --- the only place ------------------------------------------------------------------------------

STARTERS = {
    *("subprocess", "multiprocessing", "pty", "asyncio.subprocess"),
    *("os.fork", "os.forkpty", "os.popen", "os.system", "os.killpg"),
}
STARTER_PREFIXES = ("os.spawn", "os.exec", "os.posix_spawn")


def test_no_other_module_starts_processes():
    users = set()
    for path in shipped_sources():
        text = (ROOT / path).read_text("utf-8")
        if not re.search(r"subprocess|multiproc|import pty|os[.]|from os", text):
            continue  # parsing takes its time
        for node in ast.walk(ast.parse(text)):
            names = set()
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                names = {f"{node.value.id}.{node.attr}"}
            roots = names | {name.partition(".")[0] for name in names}
            if roots & STARTERS or any(name.startswith(STARTER_PREFIXES) for name in names):
                users.add(path.as_posix())

    assert users == {"core/process.py"}
