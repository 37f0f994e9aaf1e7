"""A metric for gandem. Importing this module imports no NumPy."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_metrics() -> list[Entry]:
    """Add one metric."""
    return [
        Entry(
            id="my-plugin/example",
            target="my_plugin.example:example",
            title="distance of the mean features",
        )
    ]
