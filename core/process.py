"""The one way to start a child process: environment, threads, output, stopping and killing.

A child has a session of its own, so Ctrl-C in the terminal reaches it through this process only.
It gets SIGTERM when this process ends in any way: its standard input is a pipe whose other end this
process holds, and ``python -m gandem.core.process MODULE ARGUMENTS`` watches that pipe.
"""

from __future__ import annotations

import contextlib
import math
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from gandem.core.signals import catch_stop_request

POLL_INTERVAL = 0.1
"""Seconds between two checks of the children."""
STOP_TIMEOUT = 120.0
"""Seconds between SIGTERM and SIGKILL: a training first finishes its step."""
INTERRUPT_TIMEOUT = 10.0
"""The same after the second Ctrl-C or an error in this process, in seconds."""
MAX_ERROR_LINES = 100
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildCommand:
    """A Python module to run in a child process, which finds modules where this process does.

    Attributes:
        threads: CPU threads of NumPy and the frameworks; None leaves the environment as it is.
        folder: the working directory; by default that of this process.
        environment: variables to set; None removes one.
        on_line: called with each line of standard output and standard error; returns True if the
            line reports progress and need not be kept.
    """

    module: str
    arguments: tuple[str, ...] = ()
    threads: int | None = None
    folder: Path | str | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)
    on_line: Callable[[str], bool] | None = None

    def full_environment(self) -> dict[str, str]:
        """Return all environment variables of the child."""
        variables: dict[str, str | None] = {**os.environ}
        variables["PYTHONPATH"] = os.pathsep.join(place or os.getcwd() for place in sys.path)
        variables["PYTHONIOENCODING"] = "utf-8:backslashreplace"
        if self.threads is not None:
            variables |= dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        variables |= self.environment
        return {name: value for name, value in variables.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildResult:
    """How a child process ended.

    Attributes:
        code: its exit code; a negative number is the signal that killed it.
        stderr: its last lines.
        stop_reason: why this process stopped or did not start it; empty if it ended by itself.
    """

    code: int
    stdout: str = ""
    stderr: str = ""
    stop_reason: str = ""

    @property
    def reason(self) -> str:
        """Why it failed, on one line: its error message if it printed one."""
        if self.stop_reason or self.code < 0:  # the last line of a killed process is not the reason
            return self.stop_reason or describe_exit(self.code)
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
        return (errors or lines or [describe_exit(self.code)])[-1]


def describe_exit(code: int) -> str:
    """Return an exit code as text.

    >>> describe_exit(3), describe_exit(-9)
    ('exit code 3', 'killed by SIGKILL, often because memory ran out')
    """
    if code >= 0:
        return f"exit code {code}"
    names = {number.value: number.name for number in signal.Signals}
    hint = ", often because memory ran out" if names.get(-code) == "SIGKILL" else ""
    return f"killed by {names.get(-code, f'signal {-code}')}{hint}"


def run_child(
    command: ChildCommand,
    *,
    stop: threading.Event | None = None,
    on_tick: Callable[[], None] | None = None,
    timeout: float | None = None,
) -> ChildResult:
    """Run one child process; see :func:`run_children`."""
    return run_children([command], stop=stop, on_tick=on_tick, timeout=timeout)[0]


def run_children(
    commands: Sequence[ChildCommand],
    *,
    at_once: int | None = None,
    stop: threading.Event | None = None,
    on_tick: Callable[[], None] | None = None,
    timeout: float | None = None,
) -> list[ChildResult]:
    """Run child processes side by side until all have ended; the first failure stops the others.

    Ctrl-C and SIGTERM stop the children, which may finish their step; the second one gives them
    ten seconds. Nothing that a child started outlives it.

    Args:
        at_once: how many run at the same time; all by default.
        stop: stops the children when it is set.
        on_tick: called every tenth of a second, and after the end.
        timeout: seconds after which the children are stopped.

    Raises:
        KeyboardInterrupt: after Ctrl-C or SIGTERM, when all children have ended.
    """
    waiting, running = deque(enumerate(commands)), dict[int, _Child]()
    results: dict[int, ChildResult] = {}
    activity, reason = threading.Event(), ""
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    with catch_stop_request() as interrupted:
        try:
            while waiting or running:
                while waiting and len(running) < (at_once or len(commands)):
                    number, command = waiting.popleft()
                    running[number] = _Child(command, activity)
                activity.wait(POLL_INTERVAL)
                activity.clear()
                for number in [number for number, child in running.items() if child.has_ended()]:
                    results[number] = running.pop(number).result()
                if on_tick is not None:
                    on_tick()
                if interrupted.is_set() or (stop is not None and stop.is_set()):
                    reason = "stopped on request"
                elif any(result.code for result in results.values()):
                    reason = reason or "stopped because another process failed"
                elif time.monotonic() > deadline:
                    reason = f"no result within {timeout:g} s"
                if reason:
                    waiting.clear()
                    for child in running.values():
                        child.stop(reason)
        finally:
            _end(running.values())
    if interrupted.is_set():
        raise KeyboardInterrupt
    missing = ChildResult(code=-signal.SIGTERM, stop_reason=reason)
    return [results.get(number, missing) for number in range(len(commands))]


class _Child:
    """A running child process, whose output is read by threads.

    Args:
        activity: set whenever it prints, or closes its output.
    """

    def __init__(self, command: ChildCommand, activity: threading.Event) -> None:
        self.command, self.activity = command, activity
        self.lines: deque[tuple[bool, str]] = deque()  # read, and not yet forwarded
        self.stdout: list[str] = []
        self.stderr: deque[str] = deque(maxlen=MAX_ERROR_LINES)
        self.stop_reason, self.kill_time = "", math.inf
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, command.module, *command.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            cwd=command.folder,
            env=command.full_environment(),
            start_new_session=True,
        )
        self.readers = [
            threading.Thread(target=self._read, args=(stream, is_error), daemon=True)
            for stream, is_error in ((self.process.stdout, False), (self.process.stderr, True))
        ]
        for reader in self.readers:
            reader.start()

    def _read(self, stream: IO[str], is_error: bool) -> None:
        with stream:
            for line in stream:  # universal newlines: a carriage return ends a line
                self.lines.append((is_error, line))
                self.activity.set()
        self.activity.set()

    def has_ended(self) -> bool:
        """Forward the lines read so far; return True if there are no more."""
        is_printing = any(reader.is_alive() for reader in self.readers)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0 if is_printing else POLL_INTERVAL)
        has_ended = self.process.returncode is not None
        if has_ended:
            self.kill()
            for reader in self.readers:
                reader.join(INTERRUPT_TIMEOUT)
        while self.lines:
            is_error, line = self.lines.popleft()
            if self.command.on_line is None or not self.command.on_line(line):
                (self.stderr if is_error else self.stdout).append(line)
        return has_ended

    def result(self) -> ChildResult:
        return ChildResult(
            code=self.process.returncode,
            stdout="".join(self.stdout),
            stderr="".join(self.stderr),
            stop_reason=self.stop_reason,
        )

    def stop(self, reason: str) -> None:
        """Send SIGTERM the first time; kill it when its time to stop is over."""
        if not self.stop_reason:
            self.stop_reason, self.kill_time = reason, time.monotonic() + STOP_TIMEOUT
            self.process.terminate()
        elif time.monotonic() > self.kill_time:
            self.kill()

    def kill(self) -> None:
        """Kill the process and everything it started."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended
                os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        if self.process.stdin is not None:
            self.process.stdin.close()


def _end(children: Iterable[_Child]) -> None:
    """End the children after an error or a second interrupt."""
    for child in children:
        child.process.terminate()
    deadline = time.monotonic() + INTERRUPT_TIMEOUT
    try:
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
    finally:
        for child in children:
            child.kill()
            child.process.wait()


# --- in the child --------------------------------------------------------------------------------


def _watch_parent() -> None:
    """Stop this process as after SIGTERM when the parent ends; kill it if that takes too long."""
    pipe = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def wait_and_stop() -> None:
        os.read(pipe, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_TIMEOUT)
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=wait_and_stop, daemon=True).start()


if __name__ == "__main__":
    _watch_parent()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
