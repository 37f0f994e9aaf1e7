"""Standard output and standard error of the command: a command that has done its work succeeds,
whatever has become of its output, and only JSON reaches standard output after ``--json``.
"""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from support.commands import TINY, command, gandem
from support.planted_backends import NONE, installed

from gandem.cli import main
from gandem.commands.group import SAVING
from gandem.core.runs import open_run

pytestmark = pytest.mark.skipif(os.name == "nt", reason="closes streams as a Unix shell does")


@pytest.fixture(scope="module", autouse=True)
def toy(tmp_path_factory):
    """Install backends that import no framework: one is silent, one prints in every way."""
    prints = """
os.write(1, b"from the descriptor\\n")
os.system("echo from a process")
print("from Python")
"""
    with installed(tmp_path_factory.mktemp("toy"), "toy", toy=NONE, loud=prints):
        yield


def training(data: str, *more: object, backend: str = "test/toy") -> list[str]:
    sizes = [f"--set={path}={value}" for path, value in TINY["dcgan"].items()]
    options = ["--backend", backend, "--data", data, "--steps", 3]
    return command("train", "dcgan", *sizes, *options, *more)


def run_shell(redirections: str, arguments: list[str], cwd: Path, **environment: str):
    """Run a command from a shell with redirections such as ``2>&-``."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


# --- closed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("redirections", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_training_succeeds_with_closed_streams_and_its_files_hold_no_output(
    tmp_path, data, redirections
):
    done = run_shell(redirections, training(data, "--out", "run"), tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert open_run(tmp_path / "run").record.state == "finished"
    rows = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert {json.loads(row)["step"] for row in rows} == {1, 3}


@pytest.mark.parametrize("arguments", [["list"], ["show", "dcgan", "--json"], ["--help"]])
def test_command_that_prints_succeeds_with_closed_streams(tmp_path, arguments):
    assert run_shell(">&-", command(*arguments), tmp_path).returncode == 0
    assert run_shell("2>&-", command(*arguments), tmp_path).stdout != ""


def test_error_keeps_its_exit_code_if_nobody_reads_it(tmp_path):
    assert run_shell("2>&-", command("show", "dgcan"), tmp_path).returncode == 1
    assert run_shell("2>&-", command("show", "--nope"), tmp_path).returncode == 2


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_reaches_a_pipe_before_the_command_ends(monkeypatch, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    code = """
        import sys
        from gandem.commands.output import prepare_streams
        prepare_streams()
        sys.stderr.write("a line\\n")
        sys.stdin.read()
    """
    pipes = dict.fromkeys(("stdin", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", dedent(code)], **pipes, text=True) as process:
        ready, _, _ = select.select([process.stderr], [], [], 20)
        process.stdin.close()
    assert ready


def test_a_reader_that_closes_the_pipe_is_no_error(tmp_path, data):
    read, write = os.pipe()
    os.close(read)

    done = subprocess.run(
        training(data, "--out", "run"), stdout=write, stderr=subprocess.PIPE, cwd=tmp_path
    )
    os.close(write)

    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_training_whose_output_does_not_fit_on_the_disk_succeeds_with_a_warning(tmp_path, data):
    done = run_shell(">/dev/full", training(data, "--out", "run"), tmp_path)

    assert done.returncode == 0
    assert done.stderr == ("Warning: The output: cannot be written (No space left on device).\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_messages_that_do_not_fit_on_the_disk_are_dropped(tmp_path, data):
    assert run_shell("2>/dev/full", training(data, "--out", "run"), tmp_path).returncode == 0


CLOSED_TERMINAL = """
import os, pty, sys, time
from pathlib import Path

pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.executable, sys.argv[1:])
log = Path("run", "log.jsonl")
while not (log.exists() and log.read_text()):
    os.set_blocking(terminal, False)
    try:
        os.read(terminal, 65536)
    except BlockingIOError:
        time.sleep(0.01)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_training_whose_terminal_is_closed_saves_its_step(tmp_path, data):
    training_for_long = training(data, "--out", "run", "--steps", 10**6)
    arguments = [sys.executable, "-c", CLOSED_TERMINAL, *training_for_long]

    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    run = open_run(tmp_path / "run")
    assert (done.stdout, done.stderr) == ("130\n", "")
    assert run.record.state == "interrupted"
    assert run.checkpoints()[-1].name == f"step-{run.record.steps:06d}.safetensors"


# --- encodings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii", "cp437"])
def test_characters_that_cannot_be_encoded_are_replaced(tmp_path, data, encoding):
    done = run_shell("", training(data, "--out", "猫"), tmp_path, PYTHONIOENCODING=encoding)

    assert (done.returncode, done.stderr) == (0, "")
    assert open_run(tmp_path / "猫").record.state == "finished"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_json_is_valid_in_any_encoding(tmp_path, data, encoding):
    arguments = training(data, "--out", "猫é", "--json")

    done = run_shell("", arguments, tmp_path, PYTHONIOENCODING=encoding)

    assert json.loads(done.stdout)["run"] == "猫é"


def test_name_that_is_no_text_is_printed(tmp_path, data):
    arguments = training(data, "--out", os.fsdecode(b"run-\xff"))

    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, timeout=120)

    assert (done.returncode, done.stderr) == (0, b"")


# --- what plugins print --------------------------------------------------------------------------


def test_what_a_plugin_prints_in_any_way_stays_out_of_json(tmp_path, data):
    arguments = training(data, "--out", "run", "--json", backend="test/loud")

    done = run_shell("", arguments, tmp_path)

    assert json.loads(done.stdout)["state"] == "finished"
    for line in ("from the descriptor", "from a process", "from Python"):
        assert line in done.stderr.splitlines()


def test_redirected_descriptor_can_be_switched_off(tmp_path, data):
    arguments = training(data, "--out", "run", "--json", backend="test/loud")

    done = run_shell("", arguments, tmp_path, GANDEM_PROCESS_EFFECTS="0")

    assert "from the descriptor" in done.stdout
    assert "from Python" in done.stderr


def test_output_of_this_process_is_its_own_again_after_a_command(tmp_path, data, capsys):
    done = gandem(*training(data, "--out", tmp_path / "run", "--json", backend="test/loud")[3:])
    print("mine")

    assert json.loads(done.stdout)["state"] == "finished"
    assert "from Python" in done.stderr
    assert capsys.readouterr().out == "mine\n"


def test_width_of_help_is_that_of_the_terminal_of_standard_output(tmp_path):
    code = dedent("""
        import os, pty, sys
        os.environ.pop("COLUMNS", None)
        pid, terminal = pty.fork()
        if pid == 0:
            import fcntl, struct, termios
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 60, 0, 0))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            os.execv(sys.executable, [sys.executable, "-m", "gandem", "--help"])
        text = b""
        try:
            while part := os.read(terminal, 65536):
                text += part
        except OSError:
            pass
        print(max(map(len, text.decode().splitlines())))
    """)

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )

    assert int(done.stdout) <= 60


def test_commands_that_write_a_file_succeed_although_their_output_is_lost():
    commands = (main.get_command(None, name) for name in main.list_commands(None))

    writers = {each.name for each in commands if "out" in {option.name for option in each.params}}

    assert writers - {"data"} <= SAVING  # which prints a summary besides
