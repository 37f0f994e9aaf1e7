"""JAX, held to the conformance suite."""

from gandem.testing import BackendConformance


class TestJax(BackendConformance):
    backend = "example/jax"
