"""Choosing the backend and the device that run a trained network."""

from __future__ import annotations

from gandem.core.errors import BackendError
from gandem.core.plugins.installation import install_command
from gandem.core.training import installed_backends


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
