"""The layer can be used in a spec, and trains."""

import gandem
from gandem.core.specs import Residual
from gandem.core.training import installed_backends

LAYER = "my-plugin/example"
CHANGES = {
    "discriminator.layers.1": {"kind": LAYER, "filters": 8},
    "width": 4,
    "latent": 8,
    "batch_size": 16,
}


def test_spec_holds_the_layers_that_the_function_returns():
    spec = gandem.spec("dcgan", **CHANGES)

    assert isinstance(spec.player("discriminator").layers[1], Residual)


def test_model_with_the_layer_trains(tmp_path):
    backend = installed_backends()[0]

    run = gandem.train(
        "dcgan", backend=backend, data="digits", steps=2, changes=CHANGES, out=tmp_path / "run"
    )

    assert run.record.steps == 2
