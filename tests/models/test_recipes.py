"""The data set and the classes that a model trains on by default."""

from dataclasses import replace
from importlib import import_module

import pytest
from support.commands import HOME, needs_a_backend, refused, said, tiny

from gandem.core.errors import DataError, SpecError
from gandem.core.plugins.registry import registry
from gandem.core.runs import Settings, train
from gandem.core.specs.loading import find_model

TRAIN = import_module("gandem.core.runs.setup")  # by name it is the function
TINY = {"image": (28, 28, 1), "latent": 4, "width": 2, "batch_size": 16}


@pytest.fixture
def threes_and_eights(monkeypatch):
    """Give ``dcgan`` the recipe of one that takes two of the digits."""
    row = replace(find_model("dcgan"), data="digits", classes=(3, 8))
    monkeypatch.setattr(TRAIN, "find_model", lambda name: row)


def trained(tmp_path, **settings):
    """Train for a step; return what the data of the run is called, and what was said."""
    reports = []
    run = train(
        "dcgan",
        settings=replace(Settings(backend=HOME, steps=1), **settings),
        changes=TINY,
        out=tmp_path / "run",
        notice=reports.append,
    )
    return run.record.data.name, reports


@needs_a_backend
@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "digits[3,8]"),
        ({"classes": (5,)}, "digits[5]"),
        ({"classes": ()}, "digits"),
        ({"data": "digits", "classes": (1, 2)}, "digits[1,2]"),
    ],
    ids=["recipe", "other classes", "all", "other data"],
)
def test_a_recipe_holds_until_something_else_is_asked_for(
    threes_and_eights, tmp_path, settings, name
):
    assert trained(tmp_path, **settings) == (name, [])


@needs_a_backend
def test_other_data_has_no_use_for_the_classes_of_a_recipe_and_that_is_said(
    threes_and_eights, tmp_path
):
    name, output = trained(tmp_path, data="digits")

    assert name == "digits"
    assert output == [
        "dcgan uses the classes 3,8 of digits by default, and all classes of digits. "
        "Choose classes with --classes 3,8."
    ]


@needs_a_backend
def test_all_classes_can_be_asked_for(tmp_path):
    out = tmp_path / "run"
    said(*tiny(image=[28, 28, 1]), "--data=digits", "--classes=all", "--steps=1", "--out", out)


def test_data_of_a_recipe_that_cannot_be_had_is_answered_with_what_can(
    threes_and_eights, tmp_path, monkeypatch
):
    def no_network(*_):
        raise DataError("digits: no network.")

    monkeypatch.setattr(TRAIN, "load_dataset", no_network)
    row = replace(find_model("dcgan"), data="mnist", classes=())
    monkeypatch.setattr(TRAIN, "find_model", lambda name: row)

    with pytest.raises(DataError, match=r"^digits: no network\. Digits come with gandem: --data"):
        trained(tmp_path)
    with pytest.raises(DataError, match=r"^digits: no network\.$"):
        trained(tmp_path, data="mnist")


def test_a_spec_of_ones_own_has_no_recipe(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(said("show", "upsample-gan", "--toml"))

    assert find_model(path) is None


@pytest.mark.parametrize("row", registry().entries("models"), ids=lambda row: row.id)
def test_every_model_says_what_it_is_trained_on(row):
    head = row.data.partition(":")[0]

    assert registry().find("datasets", head).id == head
    assert all(label >= 0 for label in row.classes)


@pytest.mark.parametrize(("words", "code"), [("3,,8", 2), ("", 2), ("x", 1), ("3;8", 1)])
def test_classes_that_are_none_are_named(words, code):
    line = refused("train", "upsample-gan", "--data", "digits", "--classes", words, code=code)

    assert "--classes" in line or "classes" in line


def test_settings_that_contradict_a_recipe_are_refused_before_data_is_read(tmp_path):
    with pytest.raises(SpecError, match="no field"):
        train("upsample-gan", changes={"wdth": 3}, out=tmp_path / "run")
