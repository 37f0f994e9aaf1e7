"""A conditional model and one with second derivatives are handed over, in both directions."""

import pytest

from gandem.core.plugins.registry import is_installed, registry
from gandem.parity import measure


@pytest.mark.parametrize(("model", "other"), [("cdcgan", "torch"), ("dragan", "keras")])
def test_a_model_is_handed_over_and_trains_equally(model, other):
    entry = registry().find("backends", other)
    if not is_installed(entry):
        pytest.skip(f"{other} is not installed: {entry.install}")

    report = measure(model, backends=(other, "example/jax"), steps=6, tier="handover")

    assert report.holds, report
