"""A JAX backend for gandem. Importing it imports nothing heavy; :func:`load` does."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_backends() -> list[Entry]:
    facts = {"title": "JAX, its step compiled by XLA", "install": "pip install gandem-jax"}
    return [Entry(id="example/jax", target="gandem_jax:load", requires=("jax",), **facts)]


def load():
    """Return the JAX backend, a :class:`gandem.core.training.Backend`."""
    from gandem_jax.backend import JaxBackend

    return JaxBackend()
