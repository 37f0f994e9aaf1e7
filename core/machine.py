"""The machine: a description of it, and the settings that gandem changes for the whole process.

``GANDEM_PROCESS_EFFECTS=0`` switches those settings off: the malloc thresholds of glibc, the low
priority of the thread that writes checkpoints, the log level of TensorFlow and the redirection of
standard error while it starts, and that of standard output in the command. The results of a
training do not depend on them.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading

__all__ = [
    "are_process_effects_allowed",
    "describe_machine",
    "keep_freed_memory",
    "lower_thread_priority",
]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
MAX_MMAP_THRESHOLD = 32 << 20
"""Bytes of the largest block that glibc can be told to keep."""
LOWEST_PRIORITY = 19
"""The niceness that leaves the processor to all other threads."""


def are_process_effects_allowed() -> bool:
    """Return False if ``GANDEM_PROCESS_EFFECTS=0`` is set."""
    return os.environ.get("GANDEM_PROCESS_EFFECTS") != "0"


def keep_freed_memory() -> None:
    """Make glibc keep the blocks of memory that a step frees.

    By default glibc returns large blocks to the system, and each step requests the pages of its
    activations again: 25,000 page faults per step of ``cgan`` on PyTorch, an eighth of its time.
    """
    if not sys.platform.startswith("linux") or not are_process_effects_allowed():
        return
    import ctypes  # the start of a command needs none of this

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MAX_MMAP_THRESHOLD)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def lower_thread_priority() -> None:
    """Give the current thread the lowest priority, on Linux, where threads have one.

    Frameworks wait for the slowest of their threads, so a thread that delays one delays all.
    """
    if are_process_effects_allowed():
        with contextlib.suppress(AttributeError, OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)


def describe_machine() -> str:
    """Return a short description of this machine: ``"AMD EPYC 9B14, 2 cores, Linux"``."""
    import platform
    from pathlib import Path

    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except (OSError, ValueError):
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = next(iter(names), "") or platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"
