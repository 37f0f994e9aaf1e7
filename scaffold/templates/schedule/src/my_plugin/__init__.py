"""A schedule for gandem."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_schedules() -> list[Entry]:
    """Add one schedule."""
    return [
        Entry(
            id="my-plugin/example",
            target="my_plugin.example:example",
            title="One cycle of the learning rate",
            paper="Smith & Topin 2017, arXiv:1708.07120",
        )
    ]
