"""Layer names that the spec allows and a framework uses for something else."""

import numpy as np
import pytest

from gandem.core.registry import installed, load_backend, registry
from gandem.core.spec import change
from gandem.core.training import initial_state
from gandem.testing.walks import SMALL, WALKS

NAMES = ["train", "forward", "plan", "type", "eval", "half", "parameters", "compile", "call"]


@pytest.mark.parametrize("backend", ["torch", "keras"])
@pytest.mark.parametrize("name", NAMES)
def test_a_layer_may_be_called_like_a_method_of_the_framework(backend, name):
    if not installed(registry().find("backends", backend)):
        pytest.skip(f"{backend} is not installed")
    spec = change(SMALL, {"generator.layers.dense.name": name})
    state = initial_state(spec, 0, "float64")
    engine = load_backend(backend).engine(spec, state, precision="float64", device="cpu")

    made = engine.forward("generator", {"noise": WALKS[3].feed()(0)["noise/0"]})

    assert f"generator/{name}/kernel" in engine.export()
    assert np.isfinite(made).all()
