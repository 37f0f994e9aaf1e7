"""Scores of generated images, each with its protocol and the real baseline."""

from gandem.core.data.features import Extractor, Features, check_shape
from gandem.metrics.evaluation.features import extract
from gandem.metrics.evaluation.protocol import Protocol, Scored, same_protocol
from gandem.metrics.evaluation.reference_statistics import RealSide
from gandem.metrics.evaluation.suite import MEASURES, QUICK, Measure
from gandem.metrics.evaluation.table import format_protocol, format_scores, format_value

__all__ = [
    "MEASURES",
    "QUICK",
    "Extractor",
    "Features",
    "Measure",
    "Protocol",
    "RealSide",
    "Scored",
    "check_shape",
    "extract",
    "format_protocol",
    "format_scores",
    "format_value",
    "same_protocol",
]
