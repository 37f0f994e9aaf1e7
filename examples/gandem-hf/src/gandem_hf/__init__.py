"""Hugging Face data sets for gandem.  Importing this imports nothing heavy; loading one does."""

from gandem import Entry, hookimpl

__all__ = ["gandem_datasets"]


@hookimpl
def gandem_datasets() -> list[Entry]:
    """Add one row to gandem's table of data sets."""
    return [
        Entry(
            id="example/hf",
            target="gandem_hf.loader:load",
            title="hf:NAME of the Hugging Face Hub, or a parquet, Arrow or image folder's PATH",
            requires=("datasets",),
            install="pip install gandem-hf",
        )
    ]
