"""Epochs of a run that is resumed with more data or another batch size go on from those made."""

import numpy as np
import pytest
from support.commands import SMALL

import gandem
from gandem.core.errors import RunError
from gandem.core.training.feed.epochs import EpochCounter, EpochSpan

TINY = SMALL | {"width": 2, "batch_size": 20}


@pytest.fixture
def sets(tmp_path):
    """Two data sets: of 40 images, 2 batches of 20, and of 160 images, 8 batches."""
    images = np.random.default_rng(0).integers(0, 256, (160, 8, 8), np.uint8)
    np.savez(tmp_path / "few.npz", images=images[:40])
    np.savez(tmp_path / "many.npz", images=images)
    return f"npz:{tmp_path / 'few.npz'}", f"npz:{tmp_path / 'many.npz'}"


def change_batch_size(run):
    path = run.path / "spec.toml"
    path.write_text(path.read_text().replace("batch_size = 20", "batch_size = 5"))


@pytest.fixture(params=["data", "batch size"])
def resume_changed(request, sets):
    """Return a function that resumes a run with 8 batches per epoch instead of 2."""

    def resume(run, **options):
        if request.param == "data":
            return gandem.resume(run, data=sets[1], allow_changed=["data"], **options)
        change_batch_size(run)
        return gandem.resume(run, allow_changed=["training.batch_size"], **options)

    return resume


@pytest.fixture
def trained(toy, sets, tmp_path):
    def train(**options):
        options = {"epochs": 6, "log_every": 1} | options
        return gandem.train(
            "dcgan", backend=toy, data=sets[0], changes=TINY, out=tmp_path / "run", **options
        )

    return train


def samples(run):
    return {path.name: path.read_bytes() for path in run.samples()}


def test_epochs_are_counted_on_and_earlier_samples_stay(trained, resume_changed):
    run = trained()
    before = samples(run)

    resumed = resume_changed(run, epochs=8, notice=lambda text: None)

    epochs = [row["epoch"] for row in resumed.log()]
    assert epochs == sorted(epochs)
    assert resumed.record.steps == 12 + 2 * 8
    assert list(samples(resumed)) == [f"epoch-{n:04d}.png" for n in range(1, 9)]
    assert {name: samples(resumed)[name] for name in before} == before
    assert [resumed.sampled_at(path) for path in resumed.samples()[4:]] == [10, 12, 20, 28]


def test_total_of_epochs_below_those_made_is_refused(trained, resume_changed):
    run = trained()
    before = samples(run)

    with pytest.raises(RunError, match=r"already at step 12; .* \(4 epochs, 6 are done\)"):
        resume_changed(run, epochs=4)

    assert samples(run) == before


def test_incomplete_epoch_begins_again_with_the_new_data(trained, resume_changed):
    notes = []

    resumed = resume_changed(trained(epochs=None, steps=5), epochs=4, notice=notes.append)

    assert "an epoch has 8 batches from step 5 on, it had 2; epoch 3 begins here." in notes[-1]
    assert resumed.record.steps == 5 + 2 * 8
    assert [row["epoch"] for row in resumed.log()] == [1, 1, 2, 2, *[3] * 9, *[4] * 8]


def test_second_resume_counts_like_one(trained, resume_changed):
    once = resume_changed(trained(), epochs=7, notice=lambda text: None)

    twice = gandem.resume(once, epochs=8)

    assert [span.first_step for span in twice.record.epochs] == [0, 12]
    assert twice.record.steps == 12 + 2 * 8
    assert twice.checkpoint().header["epochs"][-1]["first_epoch"] == 6


def test_resume_with_equal_epochs_is_unchanged(trained):
    run = trained(epochs=None, steps=5)

    resumed = gandem.resume(run, epochs=6)

    assert resumed.record.epochs == run.record.epochs == (EpochSpan(batches_per_epoch=2),)
    assert resumed.record.steps == 12


@pytest.mark.parametrize("step", range(1, 40))
def test_step_of_an_epoch_is_the_first_after_which_it_is_complete(step):
    counter = EpochCounter(5, 2, [EpochSpan(batches_per_epoch=3, batches_per_step=2)], step=7)
    epochs = counter.epochs_done(step)

    assert counter.step_of(epochs) <= step < counter.step_of(epochs + 1)
