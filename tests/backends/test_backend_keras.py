"""Keras, held to the conformance suite."""

from gandem.testing.suite import BackendConformance


class TestKeras(BackendConformance):
    backend = "keras"
