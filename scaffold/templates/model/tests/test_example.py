"""The model is found, its shapes close, and it trains."""

import importlib.util

import gandem
from gandem.core.plugins.registry import registry

NAME = "my-plugin"
MODEL = f"{NAME}/example"
BACKEND = "torch" if importlib.util.find_spec("torch") else "keras"
SMALL = {"latent": 8, "width": 8, "batch_size": 16}


def test_gandem_has_nothing_to_say_against_the_plugin():
    (plugin,) = [p for p in registry().plugins if p.distribution == NAME]

    assert plugin.adds == {"models": [MODEL]}
    assert plugin.problems == []


def test_its_images_may_have_another_size():
    spec = gandem.spec(MODEL, image=(32, 32, 3))

    assert (spec.image.height, spec.image.width, spec.image.channels) == (32, 32, 3)


def test_it_trains_on_the_digits(tmp_path):
    run = gandem.train(MODEL, backend=BACKEND, steps=2, changes=SMALL, out=tmp_path / "run")

    assert run.generate(4).images.shape == (4, 28, 28, 1)
