"""The conformance suite on JAX."""

from gandem.testing import BackendConformance


class TestJax(BackendConformance):
    backend = "example/jax"
