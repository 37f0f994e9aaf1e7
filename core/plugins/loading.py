"""Loading the targets of entries.

The functions that load one kind of entry stand beside the protocol of that kind, for example
:func:`gandem.core.training.losses.load_loss`.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterable
from typing import Any

from gandem.core.errors import NotFoundError
from gandem.core.plugins.discovery import BUILTIN
from gandem.core.plugins.entry import KINDS, Entry
from gandem.core.plugins.isolation import format_error, stdout_to_stderr
from gandem.core.plugins.registry import registry


def import_target(entry: Entry) -> Any:
    """Import and return what the target of an entry names, ``"module:attribute"``.

    Raises:
        NotFoundError: it cannot be imported.
    """
    module, _, attribute = entry.target.partition(":")
    try:
        with stdout_to_stderr():
            return getattr(importlib.import_module(module), attribute)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # third-party code may raise anything
        raise NotFoundError(
            f"The {entry.full_name} could not be loaded: {format_error(error)}"
        ) from error


def find_missing(value: Any, attributes: Iterable[str]) -> str:
    """Return which of the attributes an object lacks, as a clause of an error, or nothing.

    >>> find_missing("x", ["upper", "submit"])
    "str has no 'submit'"
    """
    missing = [name for name in attributes if not hasattr(value, name)]
    return f"{type(value).__name__} has no {missing[0]!r}" if missing else ""


def describe_plugin_error(error: BaseException) -> str:
    """Return a line that names the plugin whose code raised an error; empty if none did."""
    entries = [entry for kind in KINDS for entry in registry().entries(kind)]
    owners = {e.target.split(":")[0].split(".")[0]: e.provider for e in entries}
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = str(frame.f_globals.get("__name__"))
        owner = owners.get(module.partition(".")[0], BUILTIN)
        if owner != BUILTIN:
            return (
                f"The plugin {owner} failed in line {line} of {module}: "
                f"{format_error(error).rstrip('.')}. GANDEM_TRACE=1 shows the traceback."
            )
    return ""
