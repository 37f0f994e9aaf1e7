"""Images kept on the device train as images that each step brings there."""

import numpy as np
import pytest
from support.commands import on_each

from gandem.core.data.dataset import load_dataset
from gandem.core.runs import train
from gandem.core.specs import change
from gandem.core.specs.loading import load_spec
from gandem.core.training import DataHolder, Feed, initial_state
from gandem.core.training.backends import load_backend
from gandem.core.training.losses import load_loss

SMALL = {"width": 2}


def feed_of(spec, name="digits", **options):
    dataset = load_dataset(name, None, spec.image.shape, ())
    return Feed(spec, load_loss(spec.loss), dataset, 0, "float32", **options)


def engine_of(backend, spec):
    state = initial_state(spec, 0, "float32")
    loss = load_loss(spec.loss)
    return load_backend(backend).engine(spec, loss, state, precision="float32", device="cpu")


@on_each
@pytest.mark.parametrize("randomness", ["portable", "device"])
def test_a_step_on_indices_equals_a_step_on_images(backend, randomness):
    spec = load_spec("dcgan", SMALL | {"training.discriminator_steps": 2})
    brought, held = (feed_of(spec, randomness=randomness) for _ in range(2))
    one, other = engine_of(backend, spec), engine_of(backend, spec)
    assert isinstance(other, DataHolder)

    other.hold(*held.bytes_and_values())
    held.resident = True
    for step in range(2):
        one.step(brought(step))
        other.step(held(step))

    after = other.export()
    for name, value in one.export().items():
        np.testing.assert_array_equal(after[name], value)


def test_a_step_on_held_images_transfers_indices():
    spec = load_spec("dcgan")
    feed = feed_of(spec)
    feed.resident = True

    inputs = feed(0)

    assert "real/0" not in inputs
    assert inputs["chosen/0"].nbytes == 64 * 8


def test_mirrored_images_and_points_are_transferred():
    mirrored = change(load_spec("dcgan"), {"training.flip": True})
    points = load_spec("mlp-gan", {"image": 2})

    assert feed_of(mirrored).bytes_and_values() is None
    assert feed_of(points, "ring").bytes_and_values() is None


@on_each
@pytest.mark.parametrize(("most", "settles"), [(2 << 30, True), (100, False)])
def test_a_training_holds_data_that_fits_on_the_device(
    backend, most, settles, monkeypatch, tmp_path
):
    from importlib import import_module

    module = import_module("gandem.core.runs.setup")
    spec, held = load_spec("dcgan", SMALL), []
    kind = type(engine_of(backend, spec))
    real = kind.hold
    monkeypatch.setattr(module, "MAX_RESIDENT_SIZE", most)
    monkeypatch.setattr(module, "pick_device", lambda there, device: Elsewhere("cpu"))
    monkeypatch.setattr(kind, "hold", lambda self, *given: held.append(1) or real(self, *given))

    run = train(spec, data="digits", backend=backend, steps=2, out=tmp_path / "run")

    assert run.record.state == "finished"
    assert bool(held) == settles


class Elsewhere(str):
    """A CPU that is not called so: a GPU, as far as a test can have one."""

    __slots__ = ()

    def __eq__(self, other):
        return False

    __hash__ = str.__hash__
