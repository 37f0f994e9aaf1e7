"""Layer names that the spec allows and a framework uses for something else."""

import numpy as np
from support.commands import on_each

from gandem.core.specs import Dense, Flatten, change
from gandem.core.training import initial_state
from gandem.core.training.backends import load_backend
from gandem.core.training.losses import load_loss
from gandem.testing.trajectories import SMALL

NAMES = ["train", "forward", "plan", "type", "eval", "half", "parameters", "compile", "call"]


@on_each
def test_layers_may_be_named_like_methods_of_the_framework(backend):
    layers = (Flatten(), *(Dense(units=2, name=name) for name in NAMES), Dense(units=1))
    spec = change(SMALL, {"discriminator.layers": layers})
    state = initial_state(spec, 0, "float64")
    loss = load_loss(spec.loss)
    engine = load_backend(backend).engine(spec, loss, state, precision="float64", device="cpu")

    logits = engine.forward("discriminator", {"image": np.ones((3, 8, 8, 1))})

    assert {f"discriminator/{name}/kernel" for name in NAMES} <= set(engine.export())
    kernels = [state[f"discriminator/{name}/kernel"] for name in (*NAMES, "dense_9")]
    expected = np.ones((3, 64))
    for kernel in kernels:
        expected = expected @ kernel
    np.testing.assert_allclose(logits, expected, atol=1e-12)
