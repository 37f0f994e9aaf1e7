"""The networks of docs/networks.md close, and the page names every layer that reads an input."""

import dataclasses
import re
from pathlib import Path

import pytest

from gandem.core.documents import parse_toml
from gandem.core.fields import coerce
from gandem.core.specs import Layer, plan_network
from gandem.core.specs.layers import LAYERS

PAGE = (Path(__file__).parents[2] / "docs" / "networks.md").read_text("utf-8")
BLOCKS = re.findall(r"```toml\n# reads (\w+)\n(.*?)```", PAGE, re.DOTALL)
SHAPES = {"image": (8, 8, 3), "noise": (8,), "label": (4,)}


@pytest.mark.parametrize(("first", "text"), BLOCKS, ids=range(len(BLOCKS)))
def test_a_network_of_the_page_closes(first, text):
    layers = coerce(tuple[Layer, ...], parse_toml(text)["layers"], "layers")

    assert plan_network("network", first, layers, SHAPES).parameter_count


def test_every_block_of_the_page_is_tested():
    assert len(BLOCKS) == PAGE.count("```toml") == 6


def test_the_table_has_every_layer_that_reads_an_input():
    reading = {
        kind
        for kind, layer in LAYERS.items()
        if "input" in {field.name for field in dataclasses.fields(layer)}
    }

    named = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert named == reading | {"self_attention", "pixel_noise"}
