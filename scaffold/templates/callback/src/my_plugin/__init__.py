"""A callback for gandem. Importing this module imports no framework."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_callbacks() -> list[Entry]:
    """Add one callback."""
    return [
        Entry(
            id="my-plugin/example",
            target="my_plugin.example:Example",
            title="losses in example.csv",
        )
    ]
