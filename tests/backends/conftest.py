"""Which conformance tests of gandem's own backends are slow.

On Keras a loaded state and single precision each cost another compiled step, so the fast tier has
one trajectory for each kind of state and protocol; in single precision also for each kind of layer,
penalty and player, since TensorFlow computes some layers otherwise there and never mixes
precisions. The 200 steps of cgan on PyTorch are also part of its parity.
"""

import pytest

TRAINING = "test_a_training_matches_the_reference"
COMMON = {
    *("mlp-gan", "dcgan-dropout", "partial batch", "two discriminator steps, reused noise"),
    *("weight average", "wasserstein, clipped", "gradient penalty", "class loss, conditional"),
    *("discriminator skipped", "instance noise", "augmented", "with replacement", "adamw"),
    *("rmsprop", "sgd with momentum", "dropout", "norms, residuals, pools", "spectral norm"),
}
SINGLE_PRECISION = {
    *("biased running variance, epsilon beside the uncorrected root", "lookahead, weight average"),
    *("equalized rates, groups, filters, deviations", "styles, pixel noise, skip connections"),
    *("encoder, relativistic average, conditional", "feature matching alone, joint, conditional"),
    *("several resolutions, joint, conditional", "packed, with penalties"),
    *("adaptive augmentation", "lecam, clipped gradients"),
    "slices, gates and means, orthogonal, falling top-k, conditional",
}
FAST_ON_KERAS = {
    "test_a_loaded_state_continues_bit_for_bit": COMMON,
    "test_one_step_in_single_precision": COMMON | SINGLE_PRECISION,
}
"""The trajectories of the fast tier, by the test that compiles a step for each."""
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
    if name == "TestKeras" and test in FAST_ON_KERAS:
        return case not in FAST_ON_KERAS[test]
    return (
        case in COMPOSED
        or (name, case) in MANY_GRAPHS
        or (test == TRAINING and (case in DEEP or (name, case) == ("TestTorch", "cgan")))
    )
