"""A fork server that has PyTorch loaded, and traps that kill, starve or halt a process at a chosen
write.

A command in a forked process starts in milliseconds; one in a fresh process imports for seconds.
"""

import atexit
import ctypes
import functools
import gc
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PATIENCE = 120
"""Seconds after which a process that hangs is killed."""
FEW = 40
"""Bytes that can be written before a cut: less than any file or line has."""
WORDS = {"os.mkdir": "make", "os.remove": "remove", "os.rename": "rename", "os.rmdir": "remove"}
"""Python's audit events of what changes a folder, beside opening a file."""


@dataclass(frozen=True)
class Trap:
    """What happens to a process just before one of its writes into a folder.

    Attributes:
        at: which write, counted from 1, or the first whose place holds this text: ``"rename
            spec.toml"``, ``"append"``, ``"write checkpoints/"``; 0 for none.
        deed: ``"kill"``; ``"cut"``, which counts only what writes bytes, and kills it within
            that; ``"starve"``, after which no file can grow beyond ``most`` bytes; or ``"halt"``,
            until SIGCONT.
        most: see there.
    """

    at: int | str = 0
    deed: str = "kill"
    most: int = 0


@dataclass(frozen=True)
class Ended:
    """What a process has left; ``places`` are its writes, as far as there was a trap."""

    code: int
    stdout: str
    stderr: str
    places: list[str]


class Fork:
    """The command under way in a process of its own."""

    def __init__(self, forks: "Forks", pid: int, folder: Path) -> None:
        self.forks, self.pid, self.folder = forks, pid, folder

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; a process that has ended does not mind."""
        os.kill(self.pid, number)

    def until(self, happened: Callable[[], bool]) -> None:
        """Wait until something has happened."""
        deadline = time.monotonic() + PATIENCE
        while not happened():
            waits = time.monotonic() < deadline and not self.is_over()
            assert waits or happened(), (self.folder / "stderr").read_text()
            time.sleep(0.002)

    def until_halted(self) -> None:
        """Wait until the trap has halted it: a SIGCONT that came before would be lost."""
        assert self.forks.ask(halted=self.pid), (self.folder / "stderr").read_text()

    def writes(self) -> int:
        """Return how many writes it has begun, where there is a trap."""
        return (self.folder / "places").read_bytes().count(b"\n")

    def handles_sigterm(self) -> bool:
        """Return True if the command has replaced the default action; this reads /proc."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        caught = int(re.search(r"^SigCgt:\s*(\w+)", status, re.M)[1], 16)
        return bool(caught >> (signal.SIGTERM - 1) & 1)

    def is_over(self) -> bool:
        """Return whether the command has come to its own end."""
        return (self.folder / "over").exists()

    def ended(self) -> Ended:
        """Wait for its end."""
        code = self.forks.ask(wait=self.pid)
        stdout, stderr, places = (
            (self.folder / name).read_text() for name in ("stdout", "stderr", "places")
        )
        return Ended(code, stdout, stderr, places.splitlines())


class Forks:
    """The fork server; use it as a context, or take the one that test files share.

    Args:
        backend: what it has loaded. TensorFlow can be forked until it executes an operation, so
            with Keras nothing else is prepared.
    """

    def __init__(self, backend: str = "torch") -> None:
        self.backend = backend

    @staticmethod
    @functools.cache
    def shared() -> "Forks":
        """Return the fork server of this process, which ends with it."""
        forks = Forks()
        atexit.register(forks.__enter__().__exit__)
        return forks

    def __enter__(self) -> "Forks":
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.forks", self.backend],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for the tests
        )
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:
            self.process.stdin.close()
        self.folder.cleanup()

    def start(
        self,
        *arguments: object,
        cwd: Path,
        trap: Trap | None = None,
        humble: bool = False,
        progress_after: float = 1e9,
        environment: Mapping[str, str] | None = None,
    ) -> Fork:
        """Start the command.

        Args:
            trap: watches the folder ``run`` of ``cwd``.
            humble: respect the modes of files and folders, even as root.
            progress_after: seconds before the first line of progress.
            environment: variables to set.
        """
        folder = Path(tempfile.mkdtemp(dir=self.folder.name))
        for name in ("stdout", "stderr", "places"):
            (folder / name).touch()
        job = {
            "arguments": [*map(str, arguments)],
            "cwd": str(cwd),
            "trap": asdict(trap) if trap else None,
            "humble": humble,
            "progress_after": progress_after,
            "environment": dict(environment or {}),
            "folder": str(folder),
        }
        return Fork(self, self.ask(start=job), folder)

    def run(self, *arguments: object, **more: Any) -> Ended:
        """Start the command and wait for its end."""
        return self.start(*arguments, **more).ended()

    def ask(self, **request: Any) -> int:
        """Send a request; return the answer."""
        self.process.stdin.write(f"{json.dumps(request)}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the process that forks has ended"
        return int(answer)


def outcome(folder: Path) -> dict[str, Any]:
    """Return what has to be the same however often a run was resumed."""
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("run.json", "log.jsonl")
    }
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    for row in rows:
        row.pop("seconds", None), row.pop("steps_per_second", None)
    facts = json.loads((folder / "run.json").read_text())
    same = ("state", "steps", "steps_planned", "losses", "best", "spec_digest", "data", "settings")
    return {"files": files, "log": rows, "facts": {name: facts[name] for name in same}}


# --- in the process that forks -------------------------------------------------------------------


def _serve(backend: str) -> None:
    from gandem.core.training import load_backend

    os.fsync = lambda file: None  # as in conftest.py
    load_backend(backend)
    if backend != "keras":
        _use_all(backend)
    gc.freeze()  # what a fork shares, it does not copy
    alive = set()
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(_changed(request["wait"]))
            alive.discard(request["wait"])
        elif "halted" in request:
            answer = os.WIFSTOPPED(_changed(request["halted"], os.WUNTRACED))
        else:
            answer = os.fork()
            if answer == 0:
                _be(**request["start"])
            alive.add(answer)
        sys.stdout.write(f"{int(answer)}\n")
        sys.stdout.flush()
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)  # a framework takes its time to end


def _use_all(backend: str) -> None:
    """Train and generate, which loads all that is loaded when it is first needed."""
    from support.commands import TINY, gandem

    with tempfile.TemporaryDirectory() as folder:
        sizes = [f"--set={name}={v}" for name, v in TINY["dcgan"].items() if name != "image"]
        run, digits = Path(folder) / "run", ("--backend", backend, "--data", "digits")
        for arguments in (
            ("train", "dcgan", *sizes, *digits, "--steps", 1, "--out", run),
            ("resume", run, "--steps", 2),
            ("runs", folder),
            ("generate", run, "-o", run / "grid.png"),
        ):
            done = gandem(*arguments)
            assert done.exit_code == 0, done.output


def _changed(pid: int, options: int = 0) -> int:
    """Return the status of a process that has ended; one that hangs is killed."""
    deadline = time.monotonic() + PATIENCE
    while True:
        result, status = os.waitpid(pid, os.WNOHANG | options)
        if result:
            return status
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)


def _be(
    arguments: list[str],
    cwd: str,
    trap: dict[str, Any] | None,
    humble: bool,
    progress_after: float,
    environment: dict[str, str],
    folder: str,
) -> None:
    """Be the command, from now on."""
    from gandem.cli import main
    from gandem.terminal import progress

    code = 70
    try:
        places = Path(folder, "places").open("a", buffering=1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(Path(folder, name), os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(cwd)
        os.environ.update(environment)
        tempfile.tempdir = None  # TMPDIR may have changed
        if humble:
            _let_modes_bind()
        if trap is not None:
            _lay(Trap(**trap), Path(cwd) / "run", places, Path(folder) / "sprung")
        progress.FIRST_LINE_DELAY = progress_after
        sys.argv = ["gandem", *arguments]
        main(prog_name="gandem")
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        Path(folder, "over").touch()
        os._exit(code)


def _lay(trap: Trap, folder: Path, places: Any, sprung: Path) -> None:
    import resource

    if trap.deed == "cut":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    count = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal count
        place = _place(folder, event, args)
        if place is None:
            return
        places.write(f"{place}\n")
        if trap.deed == "cut" and not place.startswith(("write", "append")):
            return
        count += 1
        there = trap.at in place if isinstance(trap.at, str) else trap.at == count
        if not there or sprung.exists():
            return
        sprung.touch()
        if trap.deed == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif trap.deed == "halt":
            os.kill(os.getpid(), signal.SIGSTOP)
        else:
            size = os.path.getsize(args[0]) if os.path.exists(args[0]) else 0
            most = size + FEW if trap.deed == "cut" else trap.most
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    sys.addaudithook(hook)


def _place(folder: Path, event: str, args: tuple[Any, ...]) -> str | None:
    """Return which write into a folder an audit event tells of, if any."""
    if event == "open" and not isinstance(args[0], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
        word = {os.O_APPEND: "append", os.O_TRUNC: "write"}
        word = word.get(args[2] & (os.O_APPEND | os.O_TRUNC), "open")
    elif event in WORDS:
        word = WORDS[event]
    else:
        return None
    path = args[1] if event == "os.rename" else args[0]
    name = os.path.relpath(os.fsdecode(path), folder)
    if name.startswith(".."):
        return None
    return f"{word} {re.sub(r'[.]gandem-[0-9a-f]+', '*', name)}"


def _let_modes_bind() -> None:
    """Give up root's right to read and write whatever it likes: CAP_DAC_OVERRIDE, which is bit 1,
    and CAP_DAC_READ_SEARCH, bit 2.
    """
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then again for 32 and up
    assert libc.capget(header, sets) == 0
    for i in range(3):
        sets[i] &= ~0b110
    assert libc.capset(header, sets) == 0


if __name__ == "__main__":
    _serve(sys.argv[1])
