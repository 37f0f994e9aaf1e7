"""The commands of a comparison, as the report shows them."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
from support.comparisons import FACTS, make_comparison, make_grid, parse_page

from gandem.commands.compare import compare
from gandem.commands.options import parse_changes
from gandem.commands.parity import parity
from gandem.compare import Grid, Setting, make_settings, parse_sweeps
from gandem.compare.command_lines import (
    OPTIONS,
    compare_command,
    evaluate_command,
    parity_command,
    train_command,
)
from gandem.compare.report.reproduction import format_command
from gandem.compare.sweeps import format_changes

GRIDS = [
    make_grid(),
    make_grid(
        models=("a model.toml", "dcgan"),
        settings=make_settings({"hidden": [[8, 8], [16]], "name": ["a,b", "it"]}),
        seeds=(0,),
        base=Setting(('loss={name="hinge"}', "latent=3")),
        classes=(3, 8),
        data="npz:/my data/x.npz",
        data_dir="-odd place",
        precision="float64",
        start_from="my runs/first",
        device="cuda:1",
        num_samples=77,
        extractor="lenet5:digits",
        parity_steps=0,
    ),
    make_grid(data=None, steps=None, epochs=3, parity_steps=20),
    make_grid(settings=make_settings({"latent:width": [(8, 16), (16, 8)]}), evaluate_every=2),
]


@pytest.mark.parametrize("grid", GRIDS)
def test_the_command_of_a_comparison_makes_the_same_grid(grid):
    words = shlex.split(format_command(compare_command(grid, "my out")))

    options = compare.make_context("compare", words[2:]).params

    assert words[:2] == ["gandem", "compare"]
    assert str(options.pop("out")) == "my out"
    second = Grid(
        models=options["models"],
        settings=make_settings(parse_sweeps(options["sweep"])),
        backends=tuple(options["backends"].split(",")),
        seeds=tuple(range(options["seeds"])),
        base=Setting(format_changes(parse_changes(options["changes"]))),
        **{name: options[name] for name in OPTIONS if name in options and name != "data_dir"},
        data_dir=options["data_dir"] and str(options["data_dir"]),
    )
    assert second == grid


def test_each_field_of_a_grid_has_an_option_or_an_argument():
    others = {"models", "settings", "backends", "seeds", "base", "specs", "totals"}
    grid = Grid(models=("dcgan",), backends=("torch",))

    assert {field.name for field in fields(Grid)} == others | set(OPTIONS)
    assert {name: getattr(grid, name) for name in OPTIONS} == OPTIONS


def test_a_cell_has_a_command_to_train_and_one_to_score():
    grid = GRIDS[1]
    train = format_command(train_command(grid, grid.cells()[0], "runs/a"))
    evaluate = format_command(evaluate_command(grid, "runs/a"))

    assert shlex.split(train)[2] == "a model.toml"
    assert "--from 'my runs/first' --device cuda:1" in train
    assert """--set 'hidden=[8,8]' --set 'name="a,b"'""" in train
    assert evaluate == (
        "gandem evaluate runs/a --seed 1 --num-samples 77 --device cuda:1 --extractor lenet5:digits"
    )


def test_a_parity_measurement_has_a_command():
    grid = GRIDS[2]
    words = ["gandem", *parity_command(grid, "dcgan", grid.settings[0], 2, ("torch", "keras"))]

    options = parity.make_context("parity", words[2:]).params

    assert words[:3] == ["gandem", "parity", "dcgan"]
    expected = {
        "backends": "torch,keras",
        "seed": 2,
        "size": "full",
        "tier": "baseline",
        "steps": 20,
    }
    assert expected.items() <= options.items()


def test_the_report_shows_the_commands_and_what_was_trained(tmp_path):
    page = parse_page(make_comparison(tmp_path / "my out", make_grid(seeds=(0,))))

    for words in (
        "gandem compare mlp-gan --backends torch,keras --seeds 1 --data digits --steps 40 "
        "--out 'my out'",
        "gandem train mlp-gan --backend keras --seed 0 --data digits --steps 40",
        "gandem parity mlp-gan --backends torch,keras --seed 0 --data digits --size full",
        "torch 2.0, gandem 0.1.0, on cpu",
        FACTS["spec_digest"][:16],
    ):
        assert words in page.text


def test_make_demo_compares_two_backends_in_float64():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text("utf-8").replace("\\\n", " ")
    (line,) = re.findall(r"^demo:.*\n\t\$\(BIN\)/gandem compare (.*)$", makefile, re.MULTILINE)

    options = compare.make_context("compare", shlex.split(line)).params

    assert (options["backends"], options["precision"]) == ("torch,keras", "float64")
