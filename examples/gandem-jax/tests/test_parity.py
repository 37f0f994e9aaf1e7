"""A conditional model with second derivatives is handed over, in both directions."""

import pytest

from gandem.core.plugins.registry import is_installed, registry
from gandem.parity import measure


def test_a_model_is_handed_over_and_trains_equally():
    entry = registry().find("backends", "torch")
    if not is_installed(entry):
        pytest.skip(f"torch is not installed: {entry.install}")
    options = {"changes": {"loss.r1": 1.0}, "steps": 6, "tier": "handover"}

    report = measure("cdcgan", backends=("torch", "example/jax"), **options)

    assert report.holds, report
