"""Which conformance tests of gandem's own backends are slow.

On Keras a loaded state costs another compiled step, so the fast tier has one trajectory for each
kind of state and protocol. The 200 steps of cgan on PyTorch are also part of its parity.
"""

import pytest
from support.slow_models import COMPOSED, DEEP

TRAINING = "test_a_training_matches_the_reference"
LOADED_STATE = "test_a_loaded_state_continues_bit_for_bit"
FAST_TRAJECTORIES = {
    *("mlp-gan", "dcgan-dropout", "fresh noise", "three discriminator steps, reused noise"),
    *("weight average", "wasserstein, clipped", "gradient penalty", "class loss, conditional"),
    *("discriminator skipped", "instance noise", "augmented", "with replacement", "adamw"),
    *("rmsprop", "sgd with momentum", "dropout", "norms, residuals, pools", "spectral norm"),
}


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items):
    for item in items:
        if is_slow(item):
            item.add_marker(pytest.mark.slow)


def is_slow(item):
    if getattr(item, "cls", None) is None or not hasattr(item, "callspec"):
        return False
    name, test = item.cls.__name__, item.originalname
    case = getattr(item.callspec.params.get("case"), "name", None)
    if (name, test) == ("TestKeras", LOADED_STATE):
        return case not in FAST_TRAJECTORIES
    return case in COMPOSED or (
        test == TRAINING and (case in DEEP or (name, case) == ("TestTorch", "cgan"))
    )
