"""Scores: metrics of generated images beside real ones, each with the protocol that it was measured
by and with what real images would get.

Everything the other rooms may use is listed here.
"""

from gandem.core.scores.extract import Extractor, Features, check_shape, extract
from gandem.core.scores.measures import MEASURES, QUICK, Measure, usual_extractor
from gandem.core.scores.protocol import Protocol, Scored, same_protocol
from gandem.core.scores.real import RealSide
from gandem.core.scores.table import figure, protocol_in_words, scores_in_words

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
