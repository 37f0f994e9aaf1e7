"""A layer for gandem."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_layers() -> list[Entry]:
    """Add one layer."""
    return [
        Entry(
            id="my-plugin/example",
            target="my_plugin.example:example",
            title="Residual block of two convolutions",
            paper="He et al. 2015, arXiv:1512.03385",
        )
    ]
