"""A JAX backend for gandem.  Importing it imports nothing heavy; :func:`load` does."""

from gandem import Row, hookimpl


@hookimpl
def gandem_backends() -> list[Row]:
    row = Row(
        id="example/jax",
        target="gandem_jax:load",
        title="JAX, its step compiled by XLA",
        requires=("jax",),
        install="pip install gandem-jax",
    )
    return [row]


def load():
    """Return the JAX backend, a :class:`gandem.core.training.Backend`."""
    from gandem_jax.backend import JaxBackend

    return JaxBackend()
