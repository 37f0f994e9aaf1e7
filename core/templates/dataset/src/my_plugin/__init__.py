"""A data set for gandem.  Importing this imports no NumPy: it only says what there is."""

from gandem import Row, hookimpl


@hookimpl
def gandem_datasets() -> list[Row]:
    """Add one row to gandem's table of data sets."""
    return [
        Row(
            id="my-plugin/example",
            target="my_plugin.example:load",
            title="PNGs in a folder: example:FOLDER, with a subfolder for each class",
        )
    ]
