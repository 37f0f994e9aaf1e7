"""An export format for gandem. Importing this module imports no NumPy."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_exporters() -> list[Entry]:
    """Add one exporter."""
    return [
        Entry(
            id="my-plugin/example",
            target="my_plugin.example:Example",
            title="weights in an .npz, by canonical name",
        )
    ]
