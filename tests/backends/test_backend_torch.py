"""PyTorch, held to the conformance suite."""

from gandem.testing.suite import BackendConformance


class TestTorch(BackendConformance):
    backend = "torch"
