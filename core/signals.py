"""Ctrl-C and SIGTERM: a training stops after its step, everything else at once, and nobody is shown
a traceback.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["EXIT_CODE", "deaf_children", "stop_at_once", "stop_when_asked"]

Handlers = dict[signal.Signals, Any]
EXIT_CODE = 130
"""128 + SIGINT, as shells have it."""


@contextlib.contextmanager
def stop_at_once(words: str) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM raise ``KeyboardInterrupt`` during a block.

    While a module is being imported they end the process instead, with ``words`` as its last: what
    is raised inside the import of a framework is printed, swallowed or made an ``ImportError`` by
    whatever C code and callbacks are under way.  Nothing is ever half-written at such a moment.
    """
    with contextlib.ExitStack() as stack:
        try:  # a backend may point standard error elsewhere while it starts
            terminal = os.dup(2)
            stack.callback(os.close, terminal)
        except OSError:
            terminal = None

        def stop(number: int, frame: FrameType | None) -> None:
            if not _importing(frame):
                raise KeyboardInterrupt
            if terminal is not None:
                os.write(terminal, f"{words}\n".encode())
            os._exit(EXIT_CODE)

        before: Handlers = {}
        stack.callback(_restore, before)
        _install(stop, before, instead_of=(signal.default_int_handler, signal.SIG_DFL))
        yield


@contextlib.contextmanager
def stop_when_asked() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM during a block into an event; the second acts as before the
    block.

    Outside the main thread, which alone may handle signals, the event is never set.
    """
    asked = threading.Event()
    before: Handlers = {}

    def note(number: int, frame: object) -> None:
        asked.set()
        _restore(before)

    try:
        _install(note, before)
        yield asked
    finally:
        _restore(before)


@contextlib.contextmanager
def deaf_children() -> Iterator[None]:
    """Let processes that begin during a block hear no Ctrl-C of the terminal, which would reach
    them too: whoever begins them passes it on, once, as SIGTERM.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # children inherit it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _install(handler: Any, before: Handlers, instead_of: tuple[Any, ...] = ()) -> None:
    """Handle both signals, or those that have one of some handlers, and note the handlers before.

    An ignored signal (nohup and the like) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        old = signal.getsignal(number)  # None is one that C installed
        if old in instead_of or not (instead_of or old in (signal.SIG_IGN, None)):
            before[number] = old
            signal.signal(number, handler)


def _restore(before: Handlers) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
