"""A trained network as a callable and a pytree."""

import jax
import numpy as np

from gandem.core.export import export_runs
from gandem.core.specs import load_spec
from gandem.core.training import initial_state, load_backend, resolve_loss
from gandem.testing import make_run


def test_a_native_network_gives_the_images_of_its_engine():
    spec = load_spec("mlp-gan")
    state, loss = initial_state(spec, 0, "float32"), resolve_loss(spec)
    backend = load_backend("example/jax")
    engine = backend.engine(spec, loss, state, precision="float32", device="cpu")
    noise = np.random.default_rng(0).normal(size=(3, spec.latent.size)).astype(np.float32)
    generator = engine.native("generator")

    images = [generator(noise), jax.jit(lambda network: network(noise))(generator)]

    expected = engine.forward("generator", {"noise": noise})
    for received in images:
        np.testing.assert_allclose(received, expected, rtol=0, atol=1e-6)
        assert received.shape == expected.shape == (3, 28, 28, 1)


def test_a_run_of_jax_is_exported_and_verified_with_jax(tmp_path):
    path = tmp_path / "generator.safetensors"

    export = export_runs([make_run("mlp-gan", "example/jax")], "safetensors", path)

    verification = export.description["networks"][0]["verification"]
    assert (verification["backend"], verification["difference"]) == ("example/jax", 0)
