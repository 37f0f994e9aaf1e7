"""A dense model, a conditional one and one with second derivatives, handed over and back."""

import pytest

from gandem.core.plugins.registry import installed, registry
from gandem.parity import measure


@pytest.mark.parametrize(
    ("model", "other"), [("mlp-gan", "keras"), ("cgan", "torch"), ("wgan-gp", "keras")]
)
def test_a_model_goes_from_one_to_the_other_and_trains_on_as_there(model, other):
    row = registry().find("backends", other)
    if not installed(row):
        pytest.skip(f"{other} is not installed: {row.install}")

    report = measure(model, backends=(other, "example/jax"), steps=6, tier="handover")

    assert report.holds, report
