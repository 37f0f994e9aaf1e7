"""Which conformance tests of gandem's own backends are slow.

On Keras a state carried over costs another compiled step, so the fast tier has one walk for each
kind of state and protocol. The 200 steps of cgan on PyTorch are also part of its parity.
"""

import pytest

CARRIED_OVER = "test_a_state_carried_over_continues_bit_for_bit"
FAST_WALKS = {
    *("mlp-gan", "dcgan-dropout", "fresh noise", "three discriminator steps, reused noise"),
    *("weight average", "wasserstein, clipped", "gradient penalty", "classes told, conditional"),
    *("discriminator skipped", "instance noise", "augmented", "with replacement", "adamw"),
    *("rmsprop", "sgd with momentum", "dropout", "norms, residuals, pools", "spectral norm"),
}
SLOW_TESTS = {("TestTorch", "test_a_small_gan_takes_the_same_path", "cgan")}


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items):
    for item in items:
        if is_slow(item):
            item.add_marker(pytest.mark.slow)


def is_slow(item):
    if getattr(item, "cls", None) is None or not hasattr(item, "callspec"):
        return False
    name, test = item.cls.__name__, item.originalname
    walk = getattr(item.callspec.params.get("case"), "name", None)
    if (name, test) == ("TestKeras", CARRIED_OVER):
        return walk not in FAST_WALKS
    return (name, test, walk) in SLOW_TESTS
