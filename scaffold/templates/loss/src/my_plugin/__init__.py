"""A loss for gandem. Importing this module imports no framework."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_losses() -> list[Entry]:
    """Add one loss."""
    return [
        Entry(
            id="my-plugin/example",
            target="my_plugin.example:Example",
            title="logistic discriminator, least squares generator",
        )
    ]
