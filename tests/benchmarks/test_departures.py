"""The table of departures from the lessons: it is up to date, and its options are the lessons'."""

import json
import shlex
import sys
from importlib import import_module
from pathlib import Path

import pytest

from gandem.core.specs import load_spec, parse_setting

ROOT = Path(__file__).parents[2]
MEASURED = json.loads((ROOT / "docs" / "departures.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def departures():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        sys.modules.pop("departures", None)
        return import_module("departures")


def test_the_page_has_the_table_of_the_measured_numbers(departures):
    """If not, run ``python benchmarks/departures.py --only-write``."""
    page = departures.PAGE.read_text("utf-8")

    assert departures.format_table(MEASURED) in page


def test_an_option_changes_its_entry(departures):
    options = {(row.entry, row.option) for row in departures.DEPARTURES if "--set" in row.option}

    for entry, option in options:
        _, setting = shlex.split(option)
        assert load_spec(entry, dict([parse_setting(setting)])) != load_spec(entry)
    assert len(options) == 6


def test_with_its_option_an_entry_makes_the_step_of_the_lesson():
    options = {name: value for name, value in MEASURED.items() if name.endswith(", option")}

    assert len(options) >= 5
    for name, value in options.items():
        assert value < 1e-11 < MEASURED[name.removesuffix(", option")], name
