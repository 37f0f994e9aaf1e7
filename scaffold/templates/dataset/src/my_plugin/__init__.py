"""A data set for gandem.  Importing this imports no NumPy: it only says what there is."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_datasets() -> list[Entry]:
    """Add one row to gandem's table of data sets."""
    return [
        Entry(
            id="my-plugin/example",
            target="my_plugin.example:load",
            title="PNGs in a folder: example:FOLDER, with a subfolder for each class",
        )
    ]
