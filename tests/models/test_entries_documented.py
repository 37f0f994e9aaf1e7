"""The table of docs/models.md agrees with the models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gandem.core.plugins.registry import registry
from gandem.core.specs import plan_spec
from gandem.core.specs.loading import load_spec

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")
LINES = {m[1]: m[0] for m in re.finditer(r"^\| `([\w-]+)` \|.*\|$", PAGE, re.MULTILINE)}
OURS = [row for row in registry().entries("models") if row.provider == "gandem"]


def test_every_model_has_its_row_and_no_other():
    assert set(LINES) == {row.id for row in OURS}


@pytest.mark.parametrize("row", OURS, ids=lambda row: row.id)
def test_the_row_of_a_model_says_what_it_is(row):
    _, _, _, paper, recipe, generator, discriminator, tolerance, _ = LINES[row.id].split("|")
    spec = load_spec(row.id)
    counts = {name: f"{plan.parameter_count:,}" for name, plan in plan_spec(spec).items()}

    assert paper.strip() == row.paper
    assert {"generator": generator.strip(), "discriminator": discriminator.strip()} == counts
    assert float(tolerance) == row.tolerance
    assert f", {spec.training.epochs} epochs" in recipe
