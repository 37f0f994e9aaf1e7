"""Curves of the scores that a training has logged."""

import json
import shutil

import pytest
from support.commands import HOME, TINY, needs_a_backend

from gandem.core.runs import train
from gandem.visualize import curves
from gandem.visualize.curves import draw_curves
from gandem.visualize.plot import draw

pytestmark = needs_a_backend
pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def scored(tmp_path_factory, data):
    """A tiny run of three epochs with scores in its log."""
    settings = {"backend": HOME, "data": data, "epochs": 3, "log_every": 2, "evaluate_every": 1}
    out = tmp_path_factory.mktemp("scored") / "run"
    return train("dcgan", changes=TINY["dcgan"], out=out, **settings)


def test_the_curves_have_a_panel_for_each_score(scored, run, tmp_path):
    with curves.use_style():
        drawn = draw(curves._read([scored]))

    axes = [at for part in drawn.subfigs for at in part.axes]
    titles = [at.get_title("left") for at in axes]
    assert titles[:3] == ["Fréchet distance", "kernel distance", "losses"]
    assert not any("error" in title for title in titles)
    draw_curves([scored, run], tmp_path / "both.svg")  # the other one has no scores


def test_a_log_without_valid_scores_is_drawn(scored, tmp_path):
    folder = shutil.copytree(scored.path, tmp_path / "run")
    with (folder / "log.jsonl").open("a") as log:
        for odd in (None, [], 3, {"frechet": "x"}, {"frechet": None, "kernel": 1e99}):
            log.write(json.dumps({"step": 12, "epoch": 4, "scores": odd}) + "\n")

    draw_curves([folder], tmp_path / "curves.png")

    assert (tmp_path / "curves.png").is_file()
