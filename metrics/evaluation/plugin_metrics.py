"""Metrics of plugins: functions ``(real: Features, fake: Features) -> float``."""

from __future__ import annotations

import hashlib
import inspect
import math
import sys
from collections.abc import Iterator

from gandem.core.data.features import Features
from gandem.core.plugins.entry import Entry
from gandem.core.plugins.isolation import format_error, stdout_to_stderr
from gandem.core.plugins.loading import import_target
from gandem.core.plugins.registry import is_installed, registry


def plugin_metrics() -> list[Entry]:
    """Return the entries of the metrics that are installed."""
    return [entry for entry in registry().entries("metrics") if is_installed(entry)]


def compute_plugin_metrics(
    real: Features, fake: Features
) -> Iterator[tuple[str, float, str | None]]:
    """Yield the id of each metric, its value, and the error if it failed; NaN is its value then."""
    for entry in plugin_metrics():
        problem = None
        try:
            with stdout_to_stderr():
                value = float(import_target(entry)(real, fake))
        except Exception as error:  # third-party code may raise anything
            value, problem = math.nan, f"The {entry.full_name} failed: {format_error(error)}"
        yield entry.id, value, problem


def digest_plugin_metrics() -> str:
    """Return a hash of the metrics and the source of their modules; empty if there are none.

    Values in the cache are reused only while it stays the same.
    """
    entries = plugin_metrics()
    hashed = hashlib.sha256()
    for entry in entries:
        hashed.update(f"{entry.id} {entry.target}\n{_read_source(entry)}".encode())
    return hashed.hexdigest() if entries else ""


def _read_source(entry: Entry) -> str:
    try:
        return inspect.getsource(sys.modules[import_target(entry).__module__])
    except Exception:  # no source, or it cannot be imported: computing it reports that
        return ""
