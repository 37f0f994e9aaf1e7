"""The machine: a description of it, its memory, and the settings that gandem changes for the whole
process.

``GANDEM_PROCESS_EFFECTS=0`` switches those settings off: the malloc thresholds of glibc, the low
priority of the thread that writes checkpoints, the log level of TensorFlow and the redirection of
standard error while it or LiteRT starts, and that of standard output in the command. The results of
a training do not depend on them.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

from gandem.core.errors import RunError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
MAX_MMAP_THRESHOLD = 32 << 20
"""Bytes of the largest block that glibc can be told to keep."""
LOWEST_PRIORITY = 19
"""The niceness of a thread that runs only when no other thread needs the CPU."""
CONTAINER_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)
"""Files with the memory limit of a Linux container in bytes, for cgroups version 2 and 1."""
ANY_MACHINE = 1 << 46
"""Bytes, 64 TiB: the limit if the memory of the machine is unknown."""


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
    import ctypes  # imported here so that commands start quickly

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MAX_MMAP_THRESHOLD)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


@contextlib.contextmanager
def capture_stderr() -> Iterator[None]:
    """Capture what C++ writes to standard error; show it only if the block fails."""
    if not are_process_effects_allowed():
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # no standard error to keep
        yield
        return
    import tempfile  # imported here so that commands start quickly

    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(saved, kept.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def lower_thread_priority() -> None:
    """Give the current thread the lowest priority, on Linux, where threads have one.

    Frameworks wait for the slowest of their threads, so a thread that delays one delays all.
    """
    if are_process_effects_allowed():
        with contextlib.suppress(AttributeError, OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)


def count_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_instructions() -> str:
    """Return the widest vector instructions of the CPU, ``"avx512"``, or ``""`` if unknown."""
    for flag in ("avx512f", "avx2", "avx", "asimd"):
        if flag in _read_cpu_info():
            return flag.removesuffix("f")
    return ""


def _read_cpu_info() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):  # not Linux
        return ""


def describe_machine() -> str:
    """Return a short description of this machine: ``"AMD EPYC 9B14, 2 cores, Linux"``."""
    import platform

    lines = _read_cpu_info().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = next(iter(names), "") or platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"


def describe_command() -> str:
    """Return the command of this process as users type it; ``?`` for bytes that are no text."""
    import shlex

    program = "gandem" if os.path.basename(sys.argv[0]) in ("__main__.py", "gandem") else ""
    return shlex.join((program or sys.argv[0], *sys.argv[1:])).encode(errors="replace").decode()


def memory_size() -> int:
    """Return the memory of this machine in bytes, or the limit of its container if that is less."""
    sizes = [ANY_MACHINE]
    with contextlib.suppress(AttributeError, OSError, ValueError):  # Windows
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in CONTAINER_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # "max" is no limit
            with open(path, encoding="ascii") as file:
                sizes.append(int(file.read()))
    return min(size for size in sizes if size > 0)


def check_memory(size: int, subject: str, remedy: str) -> None:
    """Check that something fits into memory, before it is created.

    Args:
        size: its minimum size in bytes.

    Raises:
        RunError: it is larger than the whole memory.
    """
    memory = memory_size()
    if size > memory:
        raise RunError(
            f"{subject} would take at least {format_size(size)} of memory, this machine has "
            f"{format_size(memory)}; {remedy}."
        )


def format_size(size: int) -> str:
    """Return a number of bytes as text.

    >>> format_size(1500), format_size(28 * 10**9), format_size(10**30)
    ('1500 bytes', '28 GB', 'more than 1000 TB')
    """
    for unit, scale in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size >= 1000 * 10**12:
            return "more than 1000 TB"
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} bytes"
