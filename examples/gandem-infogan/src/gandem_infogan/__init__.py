"""InfoGAN for gandem: a model with a third player, and the loss that all three play for.

Importing it imports no framework: it only says what there is.
"""

from gandem import Entry, hookimpl

PAPER = "Chen et al. 2016, arXiv:1606.03657"


@hookimpl
def gandem_models() -> list[Entry]:
    return [
        Entry(
            id="example/infogan",
            target="gandem_infogan.model:infogan",
            title="InfoGAN: a recognizer reads the latent code back out of the images",
            paper=PAPER,
            # a rate of 1e-3 would make 3e-4 of the rounding of one gradient that is nearly 0
            small={"latent": 24, "width": 8, "generator_rate": 2e-4, "batch_size": 16},
            # running statistics 1.1e-12 apart after 200 steps, weights 1.5 × their 1-ulp baseline
            tolerance=5e-12,
        )
    ]


@hookimpl
def gandem_losses() -> list[Entry]:
    return [
        Entry(
            id="example/infogan",
            target="gandem_infogan.loss:InfoGAN",
            title="non-saturating, with a lower bound of the information about the latent code",
            paper=PAPER,
        )
    ]
