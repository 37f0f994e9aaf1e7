"""`gandem profile`: where the time of a step goes."""

import json
import tempfile
import time

import pytest
from support.commands import HOME, needs_a_backend, on_each, refused, said, tiny

import gandem
from gandem.core.errors import SpecError
from gandem.core.training import Feed
from gandem.profiler import Profile

RING = ["--set=image=2", "--set=latent=2", "--data=ring"]
SMALL = {"width": 2, "latent": 2, "batch_size": 4}
PARTS = ("data_wait", "step", "log")


def make_profile(**changes):
    """Return a profile of 1 + 6 + 3 milliseconds."""
    values = {
        **{"model": "dcgan", "backend": "torch", "device": "cpu", "precision": "float32"},
        **{"data": "digits", "batch_size": 64, "steps": 100, "data_wait": 1.0, "step": 6.0},
        **{"log": 3.0, "first_step_seconds": 0.5, "peak_memory": 2**30},
    }
    return Profile(**values | changes)


@on_each
def test_parts_add_up_to_the_total(backend):
    profile = json.loads(
        said("profile", "mlp-gan", "--backend", backend, *RING, "--steps", 12, "--json")
    )

    assert min(profile[part] for part in PARTS) >= 0
    assert profile["step"] > 0
    assert sum(profile[part] for part in PARTS) == pytest.approx(profile["total"], abs=1e-3)
    assert profile["steps_per_second"] == pytest.approx(1000 / profile["total"], rel=0.01)
    assert profile["first_step_seconds"] > 0
    assert profile["peak_memory"] > 2**20
    assert (profile["backend"], profile["steps"], profile["data"]) == (backend, 12, "ring")


def test_rate_follows_from_the_parts():
    profile = make_profile()

    assert (profile.total, profile.steps_per_second) == (10.0, 100.0)
    assert profile.to_data()["total"] == 10.0


@needs_a_backend
def test_table_has_a_row_for_each_part_and_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    text = said("profile", "mlp-gan", "--backend", HOME, *RING, "--steps", 3)

    assert all(name in text for name in ("data wait", "step", "log", "total", "100%"))
    assert "first step" in text
    assert [path for path in tmp_path.iterdir() if "torch" not in path.name] == []  # its cache


@needs_a_backend
def test_unusable_settings_are_refused_in_one_line():
    assert "Did you mean 'dcgan'?" in refused("profile", "dcgn")
    assert "No backend named 'nope'" in refused("profile", "dcgan", "--backend", "nope")
    assert "x>=2" in refused("profile", "dcgan", "--steps", 1, code=2)
    assert "(8, 8, 1)" in refused("profile", *tiny()[1:], "--data", "digits")
    with pytest.raises(SpecError, match="at least 2"):
        gandem.profile("dcgan", steps=1)


@needs_a_backend
def test_slow_data_shows_as_data_wait(monkeypatch):
    draw = Feed.__call__

    def draw_slowly(self, step):
        time.sleep(0.1)
        return draw(self, step)

    monkeypatch.setattr(Feed, "__call__", draw_slowly)

    profile = gandem.profile("dcgan", backend=HOME, changes=SMALL, data="digits", steps=4)

    assert profile.data_wait > 20


@needs_a_backend
def test_progress_counts_the_steps():
    calls = []

    gandem.profile(
        *("mlp-gan",),
        backend=HOME,
        changes={"image": 2, "latent": 2},
        data="ring",
        steps=3,
        progress=lambda done, total: calls.append((done, total)),
    )

    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]


@on_each
def test_trace_is_the_profile_of_the_framework(backend, tmp_path):
    path = tmp_path / "trace.json"

    text = said("profile", "mlp-gan", "--backend", backend, *RING, "--steps", 3, "--trace", path)

    assert str(path) in text
    assert path.is_file() or any(path.rglob("*.xplane.pb"))


def test_trace_of_a_backend_that_writes_none_is_refused(toy, tmp_path):
    line = refused("profile", "mlp-gan", "--backend", toy, *RING, "--trace", tmp_path / "x")

    assert line == "Backend 'toy' writes no profile; leave --trace out."


def test_trace_into_a_folder_that_does_not_exist_is_refused(tmp_path):
    path = tmp_path / "nowhere" / "trace.json"

    line = refused("profile", "mlp-gan", *RING, "--trace", path)

    assert line == f"{path}: there is no folder {path.parent}."
