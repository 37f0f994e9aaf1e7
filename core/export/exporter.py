"""The base class of exporters, and their loader. Each is an entry of the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from gandem.core.errors import NotFoundError
from gandem.core.export.network import ExportNetwork
from gandem.core.plugins.loading import find_missing, import_target
from gandem.core.plugins.registry import require

__all__ = ["Exported", "Exporter", "load_exporter"]

Exported = Callable[[Mapping[str, np.ndarray]], np.ndarray] | Mapping[str, np.ndarray]
"""What a written file holds: a function from inputs by the names of their ports, channels-last, to
the output, channels-last; or, of a format without code, the arrays by canonical name.
"""


class Exporter:
    """What an entry of ``gandem_exporters`` loads: it writes networks in one format.

    Attributes:
        suffix: the end of the file's name, ``".onnx"``; empty if the format is a folder.
        tolerance: the largest permitted difference from the run's own output, relative to the
            largest value of the output if that is above 1.
        labels: what the format can take as classes, the default first: ``"integers"``,
            ``"weights"``; see :class:`ExportNetwork`.
        pixels: what images it can return, the default first: ``"float32"``, ``"uint8"``.
        takes_several: True if a file can hold the networks of several runs.
        backend: the backend to compare with, if it is installed; empty for that of the run. Some
            frameworks cannot share a process.
    """

    suffix: ClassVar[str] = ""
    tolerance: ClassVar[float] = 1e-5
    labels: ClassVar[tuple[str, ...]] = ("integers",)
    pixels: ClassVar[tuple[str, ...]] = ("float32",)
    takes_several: ClassVar[bool] = False
    backend: ClassVar[str] = ""

    def check(self, network: ExportNetwork) -> None:
        """Check that the format can express a network, before any work is done for it.

        Raises:
            SpecError: it cannot; the message names the layer.
        """

    def write(self, path: Path, *networks: ExportNetwork) -> None:
        """Write networks to a new file or folder: one, or with ``takes_several`` one or more."""
        raise NotImplementedError

    def load(self, path: Path, network: ExportNetwork) -> Exported:
        """Return what computes the output of a network from what :meth:`write` wrote alone.

        It uses no code of gandem and no array of ``network``: it shows that the file is right.
        """
        raise NotImplementedError


def load_exporter(name: str) -> Exporter:
    """Return the exporter of a format.

    Raises:
        NotFoundError: there is no such format, or it cannot be loaded.
        BackendError: a package that it needs is missing; the message says how to install it.
    """
    entry = require("exporters", name)
    exporter: Exporter = import_target(entry)()
    missing = find_missing(exporter, [name for name in vars(Exporter) if not name.startswith("_")])
    if missing:
        raise NotFoundError(f"The {entry.full_name} is not an exporter: {missing}.")
    return exporter
