"""A data set for gandem. Importing this module imports no NumPy."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_datasets() -> list[Entry]:
    """Add one data set."""
    return [
        Entry(
            id="my-plugin/example",
            target="my_plugin.example:load",
            title="PNG files in a folder: example:FOLDER, with a subfolder per class",
        )
    ]
