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
MODELS = [entry for entry in registry().entries("models") if entry.provider == "gandem"]


def test_every_model_has_a_row():
    assert set(LINES) == {entry.id for entry in MODELS}


@pytest.mark.parametrize("entry", MODELS, ids=lambda entry: entry.id)
def test_row_of_a_model_has_its_paper_recipe_sizes_and_tolerance(entry):
    _, _, _, paper, recipe, generator, discriminator, tolerance, _ = LINES[entry.id].split("|")
    spec = load_spec(entry.id)
    plans = plan_spec(spec)
    counts = {n: f"{plans[n].parameter_count:,}" for n in ("generator", "discriminator")}

    assert paper.strip() == entry.paper
    assert {"generator": generator.strip(), "discriminator": discriminator.strip()} == counts
    assert float(tolerance) == entry.tolerance
    stages, epochs = len(spec.training.stages), spec.training.epochs
    assert (f", {stages} stages" if stages else f", {epochs} epochs") in recipe
