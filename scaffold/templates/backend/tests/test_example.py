"""The backend trains and resumes."""

import gandem

SMALL = {"latent": 8, "hidden": [8, 8, 8], "discriminator_hidden": [8, 8], "batch_size": 16}


def test_backend_trains_and_resumes(tmp_path):
    run = gandem.train(
        "mlp-gan",
        data="digits",
        backend="my-plugin/example",
        steps=2,
        changes=SMALL,
        out=tmp_path / "run",
    )

    assert gandem.resume(run, steps=3).record.steps == 3
