"""The model's shapes fit, and it trains."""

import gandem
from gandem.core.training import installed_backends

MODEL = "my-plugin/example"
SMALL = {"latent": 8, "width": 8, "batch_size": 16}


def test_image_shape_is_a_parameter():
    spec = gandem.spec(MODEL, image=(32, 32, 3))

    assert (spec.image.height, spec.image.width, spec.image.channels) == (32, 32, 3)


def test_model_trains_on_digits(tmp_path):
    backend = installed_backends()[0]

    run = gandem.train(MODEL, backend=backend, steps=2, changes=SMALL, out=tmp_path / "run")

    assert run.generate(4).images.shape == (4, 28, 28, 1)
