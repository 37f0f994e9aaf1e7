"""The table of exports is complete and is that of the stored results."""

from __future__ import annotations

import json
import runpy

from support.layout import ROOT

SCRIPT = runpy.run_path(str(ROOT / "docs" / "make_exports.py"))
RESULTS = json.loads((ROOT / "docs" / "exports.json").read_text("utf-8"))


def test_the_page_is_that_of_the_results():
    """If not, run ``python docs/make_exports.py --only-write``."""
    assert (ROOT / "docs" / "exports.md").read_text("utf-8") == SCRIPT["make_page"]()


def test_every_model_is_exported_or_refused_in_every_format():
    """If not, run ``python docs/make_exports.py FORMAT --model NAME``."""
    cells = {(player, m): set(row) for player in RESULTS for m, row in RESULTS[player].items()}
    expected = {(player, m) for player in SCRIPT["PLAYERS"] for m in SCRIPT["list_models"]()}

    assert set(cells) == expected
    assert {key: row for key, row in cells.items() if row != set(SCRIPT["list_formats"]())} == {}


def test_a_refusal_names_the_layer():
    for player, rows in RESULTS.items():
        for row in rows.values():
            refusals = [result["refused"] for result in row.values() if "refused" in result]
            assert all(player in text for text in refusals), refusals
