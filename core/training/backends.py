"""Finding and loading backends."""

from __future__ import annotations

from gandem.core.errors import BackendError
from gandem.core.plugins.entry import Entry
from gandem.core.plugins.installation import install_command
from gandem.core.plugins.isolation import format_error, stdout_to_stderr
from gandem.core.plugins.loading import find_missing, import_target
from gandem.core.plugins.registry import is_installed, registry, require
from gandem.core.training.protocols import ArithmeticReporter, Backend, ThreadSetter

__all__ = [
    "find_backend",
    "installed_backends",
    "load_backend",
    "pick_backend",
    "pick_device",
    "set_threads",
]

REQUIRED = ("capabilities", "versions", "devices", "engine")
"""The attributes that every backend has."""
MAX_THREADS = 1024
"""A record that names more is not believed."""


def installed_backends() -> list[str]:
    """Return the ids of the backends whose frameworks are installed, gandem's own first."""
    return [entry.id for entry in registry().entries("backends") if is_installed(entry)]


def find_backend(name: str) -> Entry:
    """Return the entry of an installed backend; the framework is not imported.

    Raises:
        NotFoundError: there is no such backend.
        BackendError: its framework is not installed; the message says how to install it.
    """
    return require("backends", name)


def load_backend(backend: str | Entry) -> Backend:
    """Import a backend's framework and return the backend.

    Raises:
        NotFoundError: there is no such backend, or it cannot be loaded.
        BackendError: its framework is not installed or cannot be imported, or it is not a backend.
    """
    entry = find_backend(backend) if isinstance(backend, str) else backend
    load = import_target(entry)
    try:
        with stdout_to_stderr():
            loaded: Backend = load()
    except (ImportError, OSError) as error:  # a damaged installation
        raise BackendError(
            f"Backend {entry.id!r} is installed but cannot be imported: {format_error(error)}"
        ) from error
    if missing := find_missing(loaded, REQUIRED):
        raise BackendError(f"The {entry.full_name} is not a backend: {missing}.")
    return loaded


def set_threads(backend: Backend, threads: str) -> str:
    """Let a backend compute on a number of CPU threads; return the number before.

    Nothing changes if the backend cannot choose its threads, or if it is too late.

    Args:
        threads: as the backend has reported them; what is no sensible number is ignored.
    """
    before = ""
    if isinstance(backend, ArithmeticReporter):
        before = backend.arithmetic("cpu").get("threads", "")
    is_number = threads.isdecimal() and 0 < int(threads[:5]) <= MAX_THREADS
    if is_number and threads != before and isinstance(backend, ThreadSetter):
        backend.set_threads(int(threads))
    return before


def pick_backend(preferred: str = "") -> str:
    """Return the id of the preferred backend if it is installed, or else of the first that is.

    Raises:
        BackendError: no backend is installed.
    """
    installed = installed_backends()
    if preferred in installed:
        return preferred
    if not installed:
        command = install_command("torch")
        raise BackendError(f"No backend is installed. Install one with: {command}")
    return installed[0]


def pick_device(devices: list[str], requested: str) -> str:
    """Return the device to use; ``"auto"`` is the first GPU if there is one."""
    if requested == "auto":
        return devices[-1] if len(devices) == 1 else devices[1]
    return requested
