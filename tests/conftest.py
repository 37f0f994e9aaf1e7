"""What several test files share: a tiny data set, and runs of tiny models."""

import os
import signal

import numpy as np
import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell began the tests in its background
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["GANDEM_PLUGINS"] = ""  # plugins that happen to be installed are none of our tests'

from support.commands import HOME, THERE, TINY

import gandem


@pytest.fixture(scope="session", autouse=True)
def cache_of_tests(tmp_path_factory):
    """A cache of the tests' own: they fill nobody's, and find in it what they have made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANDEM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """40 images of 8×8 in three classes: three batches of 16 an epoch, the last one partial."""
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    np.savez(path, images=images, labels=np.arange(40) % 3)
    return f"npz:{path}"


@pytest.fixture(scope="session")
def runs(tmp_path_factory, data):
    """Return a function that trains a tiny model for two epochs, once for all tests."""
    made = {}

    def trained(model="dcgan", backend=HOME, precision="float32", **changes):
        if backend not in THERE:
            pytest.skip(f"{backend} is not installed")
        key = (model, backend, precision, *changes.items())
        if key not in made:
            made[key] = gandem.train(
                model,
                backend=backend,
                precision=precision,
                data=data,
                epochs=2,
                seed=3,
                log_every=2,
                changes=TINY[model] | changes,
                out=tmp_path_factory.mktemp("runs") / "run",
            )
        return made[key]

    return trained


@pytest.fixture(scope="session")
def run(runs):
    """The folder of a tiny dcgan."""
    return runs().path


@pytest.fixture(scope="session")
def conditional(runs):
    """The folder of a tiny cgan, of three classes."""
    return runs("cgan").path
