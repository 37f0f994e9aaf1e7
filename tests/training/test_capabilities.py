"""Capabilities that a training needs, and backends that lack them."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
from support.commands import HOME, needs_a_backend

import gandem
from gandem.core.errors import BackendError
from gandem.core.specs.loading import load_spec
from gandem.core.training import CAPABILITIES, check_capabilities, list_needs
from gandem.core.training.backends import load_backend


@dataclass
class Less:
    """A backend that lacks something."""

    whole: Any
    lacks: tuple[str, ...]

    @property
    def capabilities(self):
        return tuple(set(CAPABILITIES) - set(self.lacks))

    def __getattr__(self, name):
        return getattr(self.whole, name)


@pytest.fixture
def lacking(monkeypatch):
    """Return a function that makes every backend lack something."""
    rooms = [import_module(f"gandem.core.runs.{name}") for name in ("run", "setup")]

    def take(*names):
        for room in rooms:  # the package has functions of the same names
            monkeypatch.setattr(room, "load_backend", lambda name: Less(load_backend(name), names))

    return take


def test_a_spec_takes_what_its_networks_have():
    assert list_needs(load_spec("dcgan")) == {}
    assert list_needs(load_spec("cgan")) == {"conditional": "generator reads the label"}
    assert list_needs(load_spec("dcgan"), "float64", resumed=True) == {
        "float64": "the precision is float64",
        "resume": "the training begins at a checkpoint",
    }


def test_a_spec_with_spectral_norm_takes_it_and_names_the_layer():
    path = load_spec("dcgan").player("discriminator").layers[0].kind
    spec = load_spec("dcgan", {f"discriminator.layers.{path}.spectral_norm": True})

    assert list_needs(spec) == {"spectral-norm": f"discriminator/{path} asks for it"}


def test_what_a_backend_lacks_is_said_in_a_line():
    class Nothing:
        capabilities = ()

    with pytest.raises(BackendError) as raised:
        check_capabilities("acme/x", Nothing(), load_spec("cgan"), "float32")

    assert str(raised.value) == (
        "Backend 'acme/x' cannot run 'cgan': it lacks 'conditional' (a network that reads labels "
        "beside its first input), and generator reads the label; choose another backend."
    )


@needs_a_backend
@pytest.mark.parametrize(
    ("lack", "model", "precision"),
    [("conditional", "cgan", "float32"), ("float64", "dcgan", "float64")],
)
def test_a_training_that_takes_it_is_refused_before_there_is_a_folder(
    lacking, lack, model, precision, data, tmp_path
):
    lacking(lack)

    with pytest.raises(BackendError, match=f"it lacks '{lack}'"):
        gandem.train(model, backend=HOME, data="digits", precision=precision, out=tmp_path / "run")

    assert not (tmp_path / "run").exists()


@needs_a_backend
def test_a_backend_that_cannot_resume_trains_and_generates_but_does_not_go_on(
    lacking, data, tmp_path
):
    lacking("resume")
    small = {"image": [8, 8, 1], "latent": 4, "width": 2, "batch_size": 16}
    out = tmp_path / "run"
    run = gandem.train("dcgan", backend=HOME, data=data, steps=2, changes=small, out=out)

    with pytest.raises(BackendError, match="it lacks 'resume'"):
        gandem.resume(run, steps=3)

    assert gandem.open_run(out).record.steps == 2
    assert run.generate(2).images.shape == (2, 8, 8, 1)
