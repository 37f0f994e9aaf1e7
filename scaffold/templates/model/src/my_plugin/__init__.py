"""A model for gandem. Importing this module imports no framework."""

from gandem import Entry, hookimpl


@hookimpl
def gandem_models() -> list[Entry]:
    """Add one model."""
    return [
        Entry(
            id="my-plugin/example",
            target="my_plugin.example:example",
            title="Upsampling and convolutions, hinge loss",
            paper="Odena, Dumoulin & Olah 2016, doi:10.23915/distill.00003",
            small={"latent": 8, "width": 8, "batch_size": 16},  # for `gandem parity`
        )
    ]
