"""An exporter: the weights of a network in an ``.npz``."""

from pathlib import Path

import numpy as np
from gandem.core.export import Exporter, ExportNetwork


class Example(Exporter):
    """See :class:`gandem.core.export.Exporter`."""

    suffix = ".npz"
    tolerance = 0.0  # the arrays are those of the run

    def write(self, path: Path, network: ExportNetwork) -> None:
        """Write the arrays, by name."""
        np.savez_compressed(path, **network.arrays)

    def load(self, path: Path, network: ExportNetwork) -> dict[str, np.ndarray]:
        """Return the arrays; a format with code returns a function of the inputs instead."""
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
