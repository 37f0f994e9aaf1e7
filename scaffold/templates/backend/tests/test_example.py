"""The backend is found, and trains."""

import gandem
from gandem.core.plugins.registry import registry

NAME = "my-plugin"
BACKEND = f"{NAME}/example"
SMALL = {"latent": 8, "hidden": [8, 8, 8], "judging": [8, 8], "batch_size": 16}


def test_gandem_has_nothing_to_say_against_the_plugin():
    (plugin,) = [p for p in registry().plugins if p.distribution == NAME]

    assert plugin.adds == {"backends": [BACKEND]}
    assert plugin.problems == []


def test_it_trains_and_goes_on(tmp_path):
    run = gandem.train(
        "mlp-gan", data="digits", backend=BACKEND, steps=2, changes=SMALL, out=tmp_path / "run"
    )

    assert gandem.resume(run, steps=3).facts["steps"] == 3
