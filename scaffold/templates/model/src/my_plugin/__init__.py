"""A model for gandem.  Importing this imports no framework: it only says what there is."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_models() -> list[Entry]:
    """Add one row to gandem's table of models."""
    return [
        Entry(
            id="my-plugin/example",
            target="my_plugin.example:example",
            title="Enlarge, then convolve; hinge loss",
            paper="Odena, Dumoulin & Olah 2016, doi:10.23915/distill.00003",
            small={"latent": 8, "width": 8, "batch_size": 16},  # for `gandem parity`
        )
    ]
