"""A dense model, a conditional one and one with second derivatives, handed over and back."""

import pytest

from gandem.core.plugins.registry import is_installed, registry
from gandem.parity import measure


@pytest.mark.parametrize(
    ("model", "other"), [("mlp-gan", "keras"), ("cgan", "torch"), ("wgan-gp", "keras")]
)
def test_a_model_goes_from_one_to_the_other_and_trains_on_as_there(model, other):
    entry = registry().find("backends", other)
    if not is_installed(entry):
        pytest.skip(f"{other} is not installed: {entry.install}")

    report = measure(model, backends=(other, "example/jax"), steps=6, tier="handover")

    assert report.holds, report
