"""The conformance suite on Keras."""

from gandem.testing.suite import BackendConformance


class TestKeras(BackendConformance):
    backend = "keras"
