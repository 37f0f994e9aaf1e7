"""What the last bits of results depend on is recorded, and a change at a resume is reported."""

import os

import numpy as np
import pytest
from support import toy_backend
from support.commands import HOME, SMALL, THERE, needs_a_backend, process
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


def threads_of(run):
    return [segment.arithmetic["threads"] for segment in run.record.segments]


def test_resume_restores_the_recorded_threads_and_says_so(toy, train, monkeypatch):
    run, notes = train(toy), []
    monkeypatch.setenv("OMP_NUM_THREADS", "4")

    resumed = gandem.resume(run, steps=4, notice=notes.append)

    assert notes == [
        f"{run.path}: 1 CPU thread as before instead of 4, for equal results; "
        "--allow-changed threads uses 4."
    ]
    assert threads_of(resumed) == ["1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "4"  # restored only for the training


LINE = (
    ": threads 1 → 4: results can differ in the last bits from those of an uninterrupted training. "
    "docs/runs.md describes how to choose the threads."
)


@pytest.mark.parametrize("allowed", [(), ("threads",)])
def test_other_threads_are_reported_in_a_line(toy, train, monkeypatch, allowed):
    run, notes = train(toy), []
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    if not allowed:
        monkeypatch.setattr(toy_backend, "Toy", type("Fixed", (Toy,), {"set_threads": None}))

    resumed = gandem.resume(run, steps=4, allow_changed=allowed, notice=notes.append)

    assert notes == [f"{run.path}{LINE}"]
    assert threads_of(resumed) == ["1", "4"]


@pytest.mark.parametrize("threads", ["0", "-3", "many", "1" * 5000, "²"])
def test_a_recorded_number_that_is_absurd_is_not_set(toy, train, monkeypatch, threads):
    run = train(toy)
    path = run.path / "run.json"
    path.write_text(path.read_text("utf-8").replace('"threads": "1"', f'"threads": "{threads}"'))

    resumed = gandem.resume(run.path, steps=4, notice=lambda line: None)

    assert threads_of(resumed) == [threads, "1"]


@pytest.mark.skipif("torch" not in THERE, reason="needs PyTorch")
def test_pytorch_resumes_on_the_recorded_threads(train):
    import torch

    before = torch.get_num_threads()
    run = train("torch")
    torch.set_num_threads(before + 1)
    try:
        resumed = gandem.resume(run, steps=4, notice=lambda line: None)

        assert threads_of(resumed) == [str(before)] * 2
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.skipif("keras" not in THERE, reason="needs Keras")
def test_keras_resumes_on_the_recorded_threads_in_a_new_process(tmp_path, train, monkeypatch):
    run = train("keras")
    (recorded,) = threads_of(run)
    other = str(int(recorded) + 1)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", other)

    done = process("resume", run.path, "--steps", 4, cwd=tmp_path)

    assert f"as before instead of {other}, for equal results" in done.stderr, done.stderr
    assert threads_of(gandem.open_run(run.path)) == [recorded] * 2


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
