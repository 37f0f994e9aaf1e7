"""Export: a trained network in a file that runs without gandem.

Everything that other packages of gandem use is listed here.
"""

from gandem.core.export.export import Export, export_runs
from gandem.core.export.exporter import Exporter, load_exporter
from gandem.core.export.network import ExportNetwork, Port, SavedRun
from gandem.core.export.weights import fold_weights, weight_factors

__all__ = [
    "Export",
    "ExportNetwork",
    "Exporter",
    "Port",
    "SavedRun",
    "export_runs",
    "fold_weights",
    "load_exporter",
    "weight_factors",
]
