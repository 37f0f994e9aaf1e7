"""How to do a comparison again: commands that a shell takes as they stand."""

import shlex
from dataclasses import fields

import pytest
from support.comparisons import FACTS, comparison_of, grid_of, page_of

from gandem.commands.compare import compare
from gandem.commands.parity import parity
from gandem.compare import Grid, settings_from
from gandem.compare.again import in_shell
from gandem.compare.command_lines import (
    OPTIONS,
    compare_words,
    score_words,
    train_words,
    walk_words,
)

GRIDS = [
    grid_of(),
    grid_of(
        models=("a model.toml", "dcgan"),
        settings=settings_from(["hidden=[8,8],[16]", "name='a,b',it"]),
        seeds=(0,),
        changes=('loss={name = "hinge"}', "latent=3"),
        classes=(3, 8),
        data="npz:/my data/x.npz",
        data_dir="-odd place",
        precision="float64",
        device="cuda:1",
        count=77,
        extractor="lenet5:digits",
        path_steps=0,
    ),
    grid_of(data=None, steps=None, epochs=3, path_steps=20),
]


@pytest.mark.parametrize("grid", GRIDS)
def test_the_command_makes_the_same_grid_again(grid):
    words = shlex.split(in_shell(compare_words(grid, "my out")))

    told = compare.make_context("compare", words[2:]).params

    assert words[:2] == ["gandem", "compare"]
    assert str(told.pop("out")) == "my out"
    again = Grid(
        models=told["models"],
        settings=settings_from(told["sweep"]),
        backends=tuple(told["backends"].split(",")),
        seeds=tuple(range(told["seeds"])),
        changes=told["changes"],
        **{name: told[name] for name in OPTIONS if name in told and name != "data_dir"},
        data_dir=told["data_dir"] and str(told["data_dir"]),
    )
    assert again == grid


def test_every_field_of_a_grid_is_an_option_or_told_otherwise():
    others = {"models", "settings", "backends", "seeds", "changes", "specs", "totals"}

    assert {field.name for field in fields(Grid)} == others | set(OPTIONS)
    assert all(getattr(Grid(models=(), backends=()), name) == of for name, of in OPTIONS.items())


def test_a_cell_can_be_made_by_itself():
    grid = GRIDS[1]
    train = in_shell(train_words(grid, grid.cells()[0], "runs/a"))
    evaluate = in_shell(score_words(grid, "runs/a"))

    assert shlex.split(train)[2] == "a model.toml"
    assert "--device cuda:1" in train
    assert "--set 'hidden=[8,8]' --set 'name='\"'\"'a,b'\"'\"''" in train
    assert evaluate == (
        "gandem evaluate runs/a --checkpoint last --num-samples 77 --device cuda:1 "
        "--extractor lenet5:digits"
    )


def test_a_walk_can_be_followed_by_itself():
    grid = GRIDS[2]
    words = ["gandem", *walk_words(grid, "dcgan", grid.settings[0], 2, ("torch", "keras"))]

    told = parity.make_context("parity", words[2:]).params

    assert words[:3] == ["gandem", "parity", "dcgan"]
    wanted = {"backends": "torch,keras", "seed": 2, "size": "full", "tier": "baseline", "steps": 20}
    assert wanted.items() <= told.items()


def test_the_page_says_what_was_trained_on_what_and_how_to_do_it_again(tmp_path):
    page = page_of(comparison_of(tmp_path / "my out", grid_of(seeds=(0,))))

    for words in (
        "gandem compare mlp-gan --backends torch,keras --seeds 1 --data digits --steps 40 "
        "--out 'my out'",
        "gandem train mlp-gan --backend keras --seed 0 --data digits --steps 40",
        "gandem parity mlp-gan --backends torch,keras --seed 0 --data digits --size full",
        "torch 2.0, gandem 0.1.0, on cpu",
        FACTS["spec_digest"][:16],
    ):
        assert words in page.text
