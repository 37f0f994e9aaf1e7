"""A feature extractor for gandem. Importing this module imports no NumPy."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_extractors() -> list[Entry]:
    """Add one extractor."""
    return [
        Entry(
            id="my-plugin/example",
            target="my_plugin.example:load",
            title="means of blocks of 7×7 pixels, of 28×28×1 images",
        )
    ]
