"""The conformance suite on PyTorch."""

from gandem.testing.suite import BackendConformance


class TestTorch(BackendConformance):
    backend = "torch"
