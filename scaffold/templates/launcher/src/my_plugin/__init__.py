"""A launcher for gandem."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_launchers() -> list[Entry]:
    """Add one launcher."""
    return [
        Entry(
            id="my-plugin/example",
            target="my_plugin.example:load",
            title="one training after the other, in this process",
        )
    ]
