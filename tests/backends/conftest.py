"""Which conformance tests of gandem's own backends are slow.

On Keras a loaded state and single precision each cost another compiled step, so the fast tier has
one trajectory for each kind of state and protocol. The 200 steps of cgan on PyTorch are also part
of its parity.
"""

import pytest

TRAINING = "test_a_training_matches_the_reference"
COMPILED_AGAIN = (
    "test_a_loaded_state_continues_bit_for_bit",
    "test_one_step_in_single_precision",
)
FAST_TRAJECTORIES = {
    *("mlp-gan", "dcgan-dropout", "partial batch", "two discriminator steps, reused noise"),
    *("weight average", "wasserstein, clipped", "gradient penalty", "class loss, conditional"),
    *("discriminator skipped", "instance noise", "augmented", "with replacement", "adamw"),
    *("rmsprop", "sgd with momentum", "dropout", "norms, residuals, pools", "spectral norm"),
    "biased running variance, epsilon beside the uncorrected root",
}
COMPOSED = frozenset(
    {"ragan", "dragan", "pacgan", "sngan", "sngan-projection", "lecam-gan", "bigan"}
)
"""Models whose layers and losses are parts of other models, or of other cases of the suite."""
DEEP = frozenset({"sagan", "biggan", "r3gan", "stylegan2", "progan"})
"""Models whose single steps are fast enough, their trajectories are not."""
MANY_GRAPHS = frozenset({("TestKeras", "stylegan2"), ("TestKeras", "progan")})
"""Models whose single steps are too slow to compile: there are several kinds, or stages."""


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
    if name == "TestKeras" and test in COMPILED_AGAIN:
        return case not in FAST_TRAJECTORIES
    return (
        case in COMPOSED
        or (name, case) in MANY_GRAPHS
        or (test == TRAINING and (case in DEEP or (name, case) == ("TestTorch", "cgan")))
    )
