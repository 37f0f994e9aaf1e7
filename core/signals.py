"""Ctrl-C and SIGTERM: a training stops after its current step, everything else stops at once, and
no traceback is shown.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["EXIT_CODE", "block_interrupts_in_children", "catch_stop_request", "exit_on_interrupt"]

Handlers = dict[signal.Signals, Any]
EXIT_CODE = 130
"""128 + SIGINT, as in shells."""


@contextlib.contextmanager
def exit_on_interrupt(message: str) -> Iterator[None]:
    """Make Ctrl-C and SIGTERM raise ``KeyboardInterrupt`` during a block.

    While a module is being imported, they print ``message`` and end the process instead: an
    exception inside the import of a framework is printed, swallowed or turned into an
    ``ImportError`` by C code and callbacks. No file is half-written at such a moment.
    """
    with contextlib.ExitStack() as stack:
        try:  # a backend may redirect standard error while it starts
            terminal = os.dup(2)
            stack.callback(os.close, terminal)
        except OSError:
            terminal = None

        def stop(number: int, frame: FrameType | None) -> None:
            if not _is_importing(frame):
                raise KeyboardInterrupt
            if terminal is not None:
                os.write(terminal, f"{message}\n".encode())
            os._exit(EXIT_CODE)

        replaced: Handlers = {}
        stack.callback(_restore, replaced)
        _install(stop, replaced, instead_of=(signal.default_int_handler, signal.SIG_DFL))
        yield


@contextlib.contextmanager
def catch_stop_request() -> Iterator[threading.Event]:
    """Set an event at the first Ctrl-C or SIGTERM during a block; the second one acts as usual.

    Outside the main thread, which alone can handle signals, the event is never set.
    """
    requested = threading.Event()
    replaced: Handlers = {}

    def note(number: int, frame: object) -> None:
        requested.set()
        _restore(replaced)

    try:
        _install(note, replaced)
        yield requested
    finally:
        _restore(replaced)


@contextlib.contextmanager
def block_interrupts_in_children() -> Iterator[None]:
    """Keep Ctrl-C in the terminal from processes that are started during a block.

    The parent forwards it to them once, as SIGTERM.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # children inherit it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _install(handler: Any, replaced: Handlers, instead_of: tuple[Any, ...] = ()) -> None:
    """Install a handler for both signals, and store the previous ones in ``replaced``.

    Args:
        instead_of: replace only these handlers; by default all but ignored signals (nohup).
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        current = signal.getsignal(number)  # None is a handler that C code installed
        if current in instead_of or not (instead_of or current in (signal.SIG_IGN, None)):
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
