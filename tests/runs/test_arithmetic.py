"""What the last bits of results depend on is recorded, and a change at a resume is reported."""

import numpy as np
import pytest
from support.commands import HOME, SMALL, needs_a_backend
from support.toy_backend import Toy

import gandem

TINY = SMALL | {"width": 2, "batch_size": 20}


@pytest.fixture
def train(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    path = tmp_path / "images.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8))

    def begin(backend):
        options = {"data": f"npz:{path}", "changes": TINY, "steps": 2}
        return gandem.train("dcgan", backend=backend, out=tmp_path / "run", **options)

    return begin


def test_resume_with_other_threads_is_reported_in_a_line(toy, train, monkeypatch):
    run, notes = train(toy), []
    monkeypatch.setenv("OMP_NUM_THREADS", "4")

    resumed = gandem.resume(run, steps=4, notice=notes.append)

    assert notes == [
        f"{run.path}: threads 1 → 4: results can differ in the last bits from those of an "
        "uninterrupted training. Set OMP_NUM_THREADS and TF_NUM_INTRAOP_THREADS to choose the "
        "threads."
    ]
    assert [s.arithmetic["threads"] for s in resumed.record.segments] == ["1", "4"]


def test_resume_with_another_version_is_reported_in_a_line(toy, train, monkeypatch):
    run, notes = train(toy), []
    monkeypatch.setattr(Toy, "versions", lambda self: {"toy": "2.0"})

    gandem.resume(run, steps=4, notice=notes.append)

    assert notes == [
        f"{run.path}: toy 1.0 → 2.0: results can differ in the last bits from those of an "
        "uninterrupted training."
    ]


def test_resume_with_equal_arithmetic_reports_nothing(toy, train):
    notes = []

    gandem.resume(train(toy), steps=4, notice=notes.append)

    assert notes == []


@needs_a_backend
def test_backend_reports_its_threads_and_instructions(train):
    (segment,) = train(HOME).record.segments

    assert int(segment.arithmetic["threads"]) >= 1
    assert segment.arithmetic["CPU"]
