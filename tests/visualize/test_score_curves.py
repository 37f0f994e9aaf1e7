"""Scores that a training has logged, drawn over its steps."""

import json
from importlib import import_module

import pytest
from support.commands import HOME, TINY, needs_a_backend

from gandem.core.runs import train
from gandem.core.runs.curves import draw_curves

pytestmark = needs_a_backend
pytest.importorskip("matplotlib")


@pytest.fixture
def trained(tmp_path, data):
    """Return a function that trains a tiny model for three epochs."""

    def made(name="run", **more):
        settings = {"backend": HOME, "data": data, "epochs": 3, "log_every": 2} | more
        return train("dcgan", changes=TINY["dcgan"], out=tmp_path / name, **settings)

    return made


def test_the_curves_have_a_panel_for_each_score(trained, tmp_path):
    figure, curves = (import_module(f"gandem.core.runs.{name}") for name in ("figure", "curves"))
    run = trained(evaluate_every=1)

    with curves._quiet():
        drawn = figure.draw(curves._read([run]))

    axes = [at for part in drawn.subfigs for at in part.axes]
    titles = [at.get_title("left") for at in axes]
    assert titles[:3] == ["Fréchet distance", "kernel distance", "losses"]
    assert not any("error" in title for title in titles)
    draw_curves([run, trained("other")], tmp_path / "both.svg")


def test_a_log_whose_scores_are_none_is_drawn_all_the_same(trained, tmp_path):
    run = trained(evaluate_every=1)
    with (run.path / "log.jsonl").open("a") as log:
        for odd in (None, [], 3, {"frechet": "x"}, {"frechet": None, "kernel": 1e99}):
            log.write(json.dumps({"step": 12, "epoch": 4, "scores": odd}) + "\n")

    draw_curves([run], tmp_path / "curves.png")

    assert (tmp_path / "curves.png").is_file()
