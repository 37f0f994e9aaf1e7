"""A dense model, a conditional one, one with second derivatives: to other backends and back."""

import pytest

from gandem.core.parity import measure
from gandem.core.registry import installed, registry

OTHERS = [row for row in registry().rows("backends") if row.id != "example/jax"]


@pytest.mark.parametrize("other", OTHERS, ids=lambda row: row.id)
@pytest.mark.parametrize("model", ["mlp-gan", "cgan", "wgan-gp"])
def test_a_model_goes_from_one_to_the_other_and_trains_on_as_there(model, other):
    if not installed(other):
        pytest.skip(f"{other.id} is not installed: {other.install}")

    report = measure(model, backends=(other.id, "example/jax"), steps=6, tier="handover")

    assert report.holds, report
