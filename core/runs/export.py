"""Export runs, given by their folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gandem.core.export import Export, export_runs
from gandem.core.runs.run import Run, open_run

__all__ = ["export"]


def export(
    runs: Run | Path | str | Sequence[Run | Path | str],
    format: str,
    path: Path | str,
    **options: Any,
) -> Export:
    """Write the network of a run to a file that runs without gandem.

    The file is written to a temporary path and compared with the run on 64 fixed latents; what
    differs by more than the tolerance of the format is not moved into place. A file
    ``path.json``, or ``export.json`` in a folder, holds facts and the difference.

    Args:
        runs: a run or its folder; several for a format that takes them.
        format: a name from ``gandem list``, such as ``"onnx"``.
        path: the file, or a new folder.
        options: ``player`` (``"generator"``), ``checkpoint`` (``"last"``), ``ema`` (True),
            ``labels`` (``"integers"`` or ``"weights"``), ``pixels`` (``"float32"`` or ``"uint8"``),
            and ``backend``, to compare with.

    Raises:
        NotFoundError: there is no such format.
        BackendError: a package that the format needs is missing.
        SpecError: the format cannot express a layer, or does not have such an option.
        RunError: the run has no such checkpoint, the file cannot be written, or it differs.
    """
    several = [runs] if isinstance(runs, Run | Path | str) else list(runs)
    return export_runs([open_run(run) for run in several], format, path, **options)
