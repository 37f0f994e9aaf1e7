"""Signals that end a program: a training stops after its current step, everything else stops at
once, and no traceback is shown. Whoever cannot wait for that sends a second one.

These are Ctrl-C, SIGTERM, SIGHUP (the terminal or the connection was closed), and SIGUSR1 and
SIGUSR2 (which Slurm and submitit send before a job's time is over).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from gandem.core.files import remove_temporaries

Handlers = dict[signal.Signals, Any]
EXIT_CODE = 130
"""128 + SIGINT, as in shells."""
COMMANDS = (signal.SIGINT, signal.SIGTERM)
"""A person sends them; the second one means "at once"."""
WARNINGS = tuple(
    getattr(signal, name) for name in ("SIGHUP", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)
"""A system sends them, often several times."""
MESSAGE = b"Interrupted.\n"
SHOW_CURSOR = b"\r\x1b[2K\x1b[?25h"
"""Clears the line of a terminal, and shows the cursor that a progress bar has hidden."""
_received = threading.Event()
"""Set while a command goes on after a signal: it is being obeyed, or was swallowed."""


@contextlib.contextmanager
def exit_on_interrupt() -> Iterator[None]:
    """Make the signals raise ``KeyboardInterrupt`` during a block, or else at its end.

    Ctrl-C or SIGTERM after that prints a line and ends the process at once: the first is being
    obeyed, which may take long, or was swallowed. Child processes then stop by themselves.

    So does the first while a module is being imported: an exception inside the import of a
    framework is printed, swallowed or turned into an ``ImportError`` by C code and callbacks. Files
    that are half-written at such a moment are removed.
    """
    with contextlib.ExitStack() as stack:
        try:  # a backend may redirect standard error while it starts
            terminal = os.dup(2)
            stack.callback(os.close, terminal)
        except OSError:
            terminal = None

        def stop(number: int, frame: FrameType | None) -> None:
            is_second = _received.is_set()
            if is_second and number in WARNINGS:
                return
            _received.set()
            if not (is_second or _is_importing(frame)):
                raise KeyboardInterrupt
            if terminal is not None:
                with contextlib.suppress(OSError):
                    os.write(terminal, SHOW_CURSOR * os.isatty(terminal) + MESSAGE)
            remove_temporaries()
            os._exit(EXIT_CODE)

        replaced: Handlers = {}
        stack.callback(_received.clear)
        stack.callback(_restore, replaced)
        _install(stop, replaced, replaces_users=False)
        stack.enter_context(_hide_swallowed_interrupts())
        yield
        if _received.is_set():  # a finalizer or a callback of C code has swallowed the exception
            raise KeyboardInterrupt


@contextlib.contextmanager
def _hide_swallowed_interrupts() -> Iterator[None]:
    """Print no traceback of a ``KeyboardInterrupt`` that cannot be raised where it happens."""
    previous = sys.unraisablehook

    def report(unraisable: Any) -> None:
        if unraisable.exc_type is not KeyboardInterrupt:
            previous(unraisable)

    sys.unraisablehook = report
    try:
        yield
    finally:
        sys.unraisablehook = previous


@contextlib.contextmanager
def catch_stop_request() -> Iterator[threading.Event]:
    """Set an event at the first signal during a block; a second Ctrl-C or SIGTERM acts as usual.

    It is set from the start if a signal before the block was swallowed. Outside the main thread,
    which alone can handle signals, it is never set.
    """
    requested = threading.Event()
    replaced: Handlers = {}

    def note(number: int, frame: object) -> None:
        requested.set()
        _restore({number: replaced[number] for number in COMMANDS if number in replaced})

    try:
        _install(note, replaced, replaces_users=True)
        if _received.is_set():
            requested.set()
        yield requested
    finally:
        _restore(replaced)


@contextlib.contextmanager
def block_interrupts_in_children() -> Iterator[None]:
    """Keep Ctrl-C in the terminal from processes that are started during a block."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # children inherit it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _install(handler: Any, replaced: Handlers, *, replaces_users: bool) -> None:
    """Install a handler for all signals, and store the previous ones in ``replaced``.

    A signal that is ignored (nohup) or that C code handles stays as it is.

    Args:
        replaces_users: also replace a handler of the user's for Ctrl-C and SIGTERM.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (*COMMANDS, *WARNINGS):
        current = signal.getsignal(number)  # None is a handler that C code installed
        is_ours = getattr(current, "__module__", None) == __name__
        is_early = getattr(current, "__name__", None) == "exit_early"  # of __main__.py
        is_default = current in (signal.default_int_handler, signal.SIG_DFL)
        is_users = replaces_users and number in COMMANDS and callable(current)
        if is_ours or is_early or is_default or is_users:
            replaced[number] = current
            signal.signal(number, handler)


def _restore(handlers: Handlers) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
