"""Export: write networks in one format, verify the file, and only then move it into place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gandem.core.errors import RunError, SpecError
from gandem.core.export.exporter import Exporter, load_exporter
from gandem.core.export.network import (
    ExportNetwork,
    SavedRun,
    make_network,
    name_networks,
)
from gandem.core.export.verification import Reference
from gandem.core.files import check_file, check_new_folder, flush_file, temporary_beside
from gandem.core.plugins.discovery import find_version
from gandem.core.runs.generation.sampling import report_memory_errors
from gandem.core.training import installed_backends, pick_backend

__all__ = ["DESCRIPTION", "Export", "export_runs", "name_description"]

BASELINES = 10
"""The tolerance of a network whose weights move by one unit in the last place, in units of what
that changes, if this is more than the tolerance of the format.
"""
DESCRIPTION = "export.json"
"""The description inside of a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A file or folder that was exported.

    Attributes:
        path: of the file or folder.
        description: what the file ``path.json``, or ``export.json`` in the folder, holds.
        difference: the largest difference from the run's own output.
        size: in bytes, without the description.
    """

    path: Path
    description: Mapping[str, Any]
    difference: float
    size: int


def name_description(path: Path, exporter: Exporter) -> Path:
    """Return the path of the description: beside a file, or inside of a folder.

    >>> name_description(Path("a.onnx"), type("Onnx", (Exporter,), {"suffix": ".onnx"})())
    PosixPath('a.onnx.json')
    """
    return path.with_name(f"{path.name}.json") if exporter.suffix else path / DESCRIPTION


def export_runs(
    runs: Sequence[SavedRun],
    format: str,
    path: Path | str,
    *,
    player: str = "generator",
    checkpoint: int | str = "last",
    ema: bool = True,
    labels: str | None = None,
    pixels: str | None = None,
    backend: str | None = None,
) -> Export:
    """Write a player's network of each run to a file or a new folder; see :func:`gandem.export`."""
    path, exporter = Path(path), load_exporter(format)
    check_path(path, exporter)
    if not runs:
        raise SpecError("runs: expected at least one run.")
    if len(runs) > 1 and not exporter.takes_several:
        raise SpecError(
            f"The format {format!r} holds the network of one run; received {len(runs)}."
        )
    choices = {
        "labels": _choose("labels", labels, exporter.labels, format),
        "pixels": _choose("pixels", pixels, exporter.pixels, format),
    }
    checkpoints = [run.checkpoint(checkpoint) for run in runs]
    networks = [
        make_network(run, read, name, player, ema=ema, **choices)
        for run, read, name in zip(runs, checkpoints, name_networks(runs), strict=True)
    ]
    for network in networks:
        exporter.check(network)
    references = []
    for run, network, read in zip(runs, networks, checkpoints, strict=True):
        is_installed = exporter.backend in installed_backends()
        preferred = exporter.backend if is_installed else run.record.backend
        name = backend or pick_backend(preferred)
        references.append(Reference(network, read.state, name))
    networks = [
        replace(network, examples=reference.output)
        for network, reference in zip(networks, references, strict=True)
    ]
    return _write(path, format, exporter, networks, references)


def check_path(path: Path, exporter: Exporter) -> None:
    """Check that a file or a new folder can be written to a path.

    Raises:
        RunError: otherwise.
    """
    if not exporter.suffix:
        check_new_folder(path)
        return
    check_file(path, {exporter.suffix: ""})
    check_file(name_description(path, exporter))


def _choose(field: str, chosen: str | None, known: Sequence[str], format: str) -> str:
    if chosen is not None and chosen not in known:
        expected = " or ".join(map(repr, known))
        raise SpecError(f"{field}: the format {format!r} has {expected}; received {chosen!r}.")
    return chosen or known[0]


def _write(
    path: Path,
    format: str,
    exporter: Exporter,
    networks: Sequence[ExportNetwork],
    references: Sequence[Reference],
) -> Export:
    """Write and verify networks beside a path, and move them into place."""
    with temporary_beside(path) as folder:
        try:
            folder.mkdir()
            written = folder / path.name
            with report_memory_errors():
                exporter.write(written, *networks)
                verified = [
                    _verify(exporter, written, network, reference)
                    for network, reference in zip(networks, references, strict=True)
                ]
            description = {
                "format": format,
                "gandem": find_version("gandem"),
                "networks": [
                    network.describe() | {"verification": verification}
                    for network, verification in zip(networks, verified, strict=True)
                ],
            }
            files = [file for file in (written, *written.rglob("*")) if file.is_file()]
            size = sum(file.stat().st_size for file in files)
            note = name_description(written, exporter)
            note.write_text(json.dumps(description, indent=2, ensure_ascii=False) + "\n", "utf-8")
            for file in (*files, note):
                flush_file(file)
            written.replace(path)
            if exporter.suffix:
                note.replace(name_description(path, exporter))
        except OSError as error:
            raise RunError(f"{path}: cannot be written ({error.strerror or error}).") from None
    difference = max(verification["difference"] for verification in verified)
    return Export(path=path, description=description, difference=difference, size=size)


def _verify(
    exporter: Exporter, written: Path, network: ExportNetwork, reference: Reference
) -> dict[str, Any]:
    """Return how far a network in a file is from the run, as plain data.

    Raises:
        RunError: too far.
    """
    difference = reference.measure(exporter.load(written, network))
    # a value of an image of bytes may be rounded up or down
    tolerance = 1.0 if network.output.dtype == "uint8" else exporter.tolerance
    if difference > tolerance > 0:  # rounding does more to some networks
        tolerance = max(tolerance, BASELINES * reference.measure_baseline())
    if not difference <= tolerance:  # NaN is too far
        raise RunError(
            f"{network.name}: the written network differs from the run by {difference:.1e}, the "
            f"tolerance is {tolerance:.0e}; no file was written."
        )
    return {
        "latents": reference.count,
        "backend": reference.backend,
        "difference": difference,
        "tolerance": tolerance,
    }
