"""Scores: metrics of generated images beside real ones, each with the protocol that it was measured
by and with what real images would get.

Everything the other rooms may use is listed here.
"""

from gandem.metrics.evaluation.features import Extractor, Features, check_shape, extract
from gandem.metrics.evaluation.protocol import Protocol, Scored, same_protocol
from gandem.metrics.evaluation.reference_statistics import RealSide
from gandem.metrics.evaluation.suite import MEASURES, QUICK, Measure, usual_extractor
from gandem.metrics.evaluation.table import figure, protocol_in_words, scores_in_words

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
    "figure",
    "protocol_in_words",
    "same_protocol",
    "scores_in_words",
    "usual_extractor",
]
