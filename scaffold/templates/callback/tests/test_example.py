"""The callback writes the losses of a training."""

import gandem
from gandem.core.training import installed_backends

SMALL = {"latent": 8, "hidden": [8, 8], "discriminator_hidden": [8], "batch_size": 16}


def test_training_writes_a_line_per_row_of_the_log(tmp_path):
    backend = installed_backends()[0]

    run = gandem.train(
        "mlp-gan",
        backend=backend,
        data="digits",
        steps=4,
        log_every=2,
        changes=SMALL,
        out=tmp_path / "run",
    )

    header, *lines = (run.path / "example.csv").read_text().splitlines()
    assert header == "step,discriminator,generator"
    assert [int(line.split(",")[0]) for line in lines] == [row["step"] for row in run.log()]
