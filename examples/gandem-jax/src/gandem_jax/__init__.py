"""A JAX backend for gandem. Importing it imports nothing heavy; :func:`load` does."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_backends() -> list[Entry]:
    return [
        Entry(
            id="example/jax",
            target="gandem_jax:load",
            conformance="gandem_jax.conformance:JaxTarget",
            title="JAX, compiled by XLA",
            requires=("jax",),
            install="pip install gandem-jax",
        )
    ]


def load():
    """Return the JAX backend, a :class:`gandem.core.training.Backend`."""
    from gandem_jax.backend import JaxBackend

    return JaxBackend()
