"""Scores during training: they choose the best checkpoint, survive a resume, report their cost, and
do not change the training.
"""

import math
import os
import re
import shutil
import signal

import numpy as np
import pytest
from support.commands import HOME, THERE, TINY, needs_a_backend, on_each, refused, said, tiny

from gandem.core.data.dataset import load_dataset
from gandem.core.errors import DataError, NotFoundError, RunError, SpecError
from gandem.core.runs import open_run, resume, train
from gandem.core.runs.checkpoint import parse_step
from gandem.core.runs.record import BestCheckpoint
from gandem.metrics.evaluation.evaluate import evaluate

pytestmark = needs_a_backend
SCORES = {"frechet", "kernel", "kernel_error"}


def train_tiny(out, **more):
    settings = {"backend": HOME, "seed": 3, "log_every": 2} | more
    settings = settings if "steps" in settings else {"epochs": 4} | settings
    return train("dcgan", changes=TINY["dcgan"], out=out, **settings)


@pytest.fixture
def trained(tmp_path, data):
    """Return a function that trains a tiny model, of three steps an epoch."""
    return lambda name="run", **more: train_tiny(tmp_path / name, **{"data": data} | more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data):
    """A run of four epochs without a break, scored after each."""
    return train_tiny(tmp_path_factory.mktemp("whole") / "run", data=data, evaluate_every=1)


def scores(run):
    return {row["step"]: row["scores"] for row in run.rows() if "scores" in row}


def lasting(run):
    """Return the rows of a log without what tells of time."""
    return [
        {name: value for name, value in row.items() if "second" not in name} for row in run.rows()
    ]


def files_of(run):
    return {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def same_states(one, other):
    first, second = one.state(), other.state()
    same = (np.array_equal(first[name], second[name]) for name in first)
    return first.keys() == second.keys() and all(same)


# --- a training goes the same way ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "backend"),
    [
        *(("float32", backend) for backend in THERE),
        # the fast tier has float64 on each backend in the next test
        *(pytest.param("float64", backend, marks=pytest.mark.slow) for backend in THERE),
    ],
)
def test_the_weights_are_the_same_bit_for_bit(backend, precision, runs, trained):
    plain = runs(backend=backend, precision=precision)  # two epochs, the same otherwise
    scored = trained("scored", backend=backend, precision=precision, epochs=2, evaluate_every=1)

    assert same_states(plain, scored)
    assert [row for row in lasting(scored) if "scores" not in row] == lasting(plain)


@on_each
def test_the_extractor_does_not_change_the_training(backend, tmp_path):
    changes = {"width": 1, "latent": 4, "batch_size": 16}
    common = {"backend": backend, "data": "digits", "steps": 4, "precision": "float64"}
    common |= {"changes": changes}

    plain = train("dcgan", out=tmp_path / "plain", **common)
    scored = train("dcgan", out=tmp_path / "scored", evaluate_every=1, evaluate_count=20, **common)

    assert scored.record.evaluation["protocol"]["extractor"] == "lenet5:digits"
    assert set(scores(scored)[4]) == SCORES
    assert same_states(plain, scored)


# --- when, and which is best ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "options", "steps"),
    [
        (1, {"epochs": 3}, [3, 6, 9]),
        (2, {"epochs": 3}, [6, 9]),
        (5, {"epochs": 3}, [9]),
        (1, {"steps": 5}, [3, 5]),
        (1, {"steps": 1}, [1]),
        (0, {"epochs": 3}, []),
    ],
)
def test_scores_are_computed_every_few_epochs_and_at_the_end(every, options, steps, trained):
    rows = scores(trained(evaluate_every=every, **options))

    assert list(rows) == steps
    assert all(set(one) == SCORES and map(math.isfinite, one.values()) for one in rows.values())


@pytest.mark.parametrize(("best", "choose"), [(None, min), ("frechet", min), ("frechet:max", max)])
def test_the_best_checkpoint_is_that_of_the_lowest_distance_in_the_log(best, choose, trained):
    run = trained(evaluate_every=1, keep_last=1, best=best, epochs=5)

    values = {step: one["frechet"] for step, one in scores(run).items()}
    step = choose(values, key=values.get)
    assert run.record.best == BestCheckpoint(metric="frechet", value=values[step], step=step)
    assert [parse_step(path) for path in run.checkpoints()] == sorted({step, 15})
    assert run.checkpoint("best").header["scores"] == scores(run)[step]


@pytest.mark.parametrize("best", ["kernel", "generator"])
def test_another_metric_may_choose(best, trained):
    run = trained(evaluate_every=1, best=best, log_every=3)

    rows = [row.get("scores", row) for row in run.rows() if row["step"] > 1]
    assert run.record.best.value == min(row[best] for row in rows if best in row)


def test_a_lower_distance_is_what_evaluate_finds_too(trained, data):
    """The same noise, the same real images, the same extractor: the same number."""
    run = trained(evaluate_every=2)

    (one,) = evaluate(run, checkpoint="last", num_samples=1000)

    assert run.record.evaluation["protocol"] == one.protocol.to_data()
    assert run.record.evaluation["real_baseline"]["frechet"] == one.real_baseline["frechet"]
    assert scores(run)[12]["frechet"] == pytest.approx(one.values["frechet"], rel=1e-6)


# --- the record --------------------------------------------------------------------------------


def test_the_record_has_the_protocol_the_real_baseline_and_the_cost(trained):
    run = trained(evaluate_every=1)

    evaluation = run.record.evaluation
    assert set(evaluation) == {"protocol", "real_baseline", "last", "times", "seconds"}
    assert evaluation["protocol"]["fake"] == evaluation["protocol"]["real"] == 20
    assert set(evaluation["real_baseline"]) == SCORES
    assert evaluation["last"] == {"step": 12, **scores(run)[12]}
    assert evaluation["times"] == 4
    assert 0 < evaluation["seconds"] <= run.record.seconds


def test_the_outcome_has_the_scores_and_their_cost(tmp_path, data):
    text = said(
        *tiny(), "--data", data, "--epochs=2", "--evaluate-every=1", "--out", tmp_path / "r"
    )

    value = scores(open_run(tmp_path / "r"))[6]["frechet"]
    assert f"scores     step 6: Fréchet distance {value:.3g}, kernel distance" in text
    assert "; real images get " in text
    assert "scoring    2 times in " in text
    share = int(text.partition(" of the time")[0].rpartition(" ")[2].rstrip("%"))
    assert 0 <= share <= 100


# --- going on ------------------------------------------------------------------------------------


def test_a_resumed_training_keeps_scores_best_and_cost(trained, whole):
    part = trained("part", evaluate_every=1, keep_last=1, epochs=2)
    before = part.record.evaluation

    gone_on = resume(part, epochs=4)

    assert scores(gone_on) == scores(whole)
    assert gone_on.record.best == whole.record.best
    assert same_states(gone_on, whole)
    assert gone_on.record.evaluation["times"] == 4
    assert gone_on.record.evaluation["seconds"] > before["seconds"]


@pytest.mark.parametrize("at", [4, 6, 7])
def test_an_interrupted_training_resumes_without_a_difference(at, trained, whole):
    def press(progress):
        if progress.step == at:
            os.kill(os.getpid(), signal.SIGINT)

    broken = trained("broken", evaluate_every=1, progress=press)

    assert broken.record.state == "interrupted"
    assert set(scores(broken)) == {step for step in (3, 6) if step <= at}  # Ctrl-C waits for none
    gone_on = resume(broken)

    assert lasting(gone_on) == lasting(whole)
    assert gone_on.record.best == whole.record.best
    assert gone_on.record.evaluation["times"] == 4


def test_a_damaged_newest_checkpoint_keeps_older_scores(tmp_path, whole):
    run = open_run(shutil.copytree(whole.path, tmp_path / "run"))
    run.checkpoints()[-1].write_bytes(b"damaged")

    gone_on = resume(run, notice=lambda text: None)

    assert scores(gone_on) == scores(whole)
    assert gone_on.record.best == whole.record.best


def test_a_resumed_training_keeps_its_extractor(tmp_path):
    digits, moved = load_dataset("digits"), tmp_path / "moved.npz"
    np.savez(moved, images=digits.images, labels=digits.labels)
    changes = {"width": 1, "latent": 4, "batch_size": 16}
    options = {"backend": HOME, "evaluate_every": 1, "evaluate_count": 20, "keep_last": 1}
    run = train("dcgan", data="digits", steps=1, changes=changes, out=tmp_path / "run", **options)

    gone_on = resume(run, steps=2, data=f"npz:{moved}")

    assert gone_on.record.data.name == f"npz:{moved}"
    assert gone_on.record.evaluation["protocol"]["extractor"] == "lenet5:digits"
    assert gone_on.settings().extractor == run.settings().extractor == "lenet5:digits"


def test_a_training_without_evaluation_records_no_extractor(trained):
    assert trained(steps=1).settings().extractor is None


# --- what is refused, and what is not ------------------------------------------------------------


@pytest.mark.parametrize("best", ["frechet", "kernel:min"])
def test_a_best_by_scores_that_are_not_taken_is_refused(best, tmp_path, data):
    line = refused(*tiny(), "--data", data, "--best", best, "--out", tmp_path / "run")

    assert line == f"best: {best} is measured only with evaluate_every (--evaluate-every)."
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"extractor": "pixel"}, NotFoundError, "Did you mean 'pixels'?"),
        ({"extractor": "lenet5"}, DataError, "lenet5:digits expects images of 28×28×1"),
        ({"evaluate_count": 10}, DataError, "scores need at least 20 images"),
        ({"best": "frechett"}, SpecError, "Did you mean 'frechet'?"),
        ({"evaluate_every": -1}, SpecError, "evaluate_every"),
    ],
)
def test_what_cannot_be_scored_is_refused_and_leaves_no_folder(
    settings, error, words, trained, tmp_path
):
    with pytest.raises(error, match=re.escape(words)):
        trained(**({"evaluate_every": 1} | settings))

    assert not (tmp_path / "run").exists()


def test_a_run_that_cannot_be_scored_is_unchanged(trained, monkeypatch):
    run = trained(evaluate_every=1, extractor="pixels")
    files = files_of(run)
    monkeypatch.setattr("gandem.extractors.pixels.load", lambda argument, backend: None)

    with pytest.raises(NotFoundError, match="'pixels' of gandem is not an extractor"):
        resume(run, epochs=5)

    assert files_of(run) == files


def test_a_failed_evaluation_does_not_end_the_training(trained, monkeypatch):
    from gandem.extractors.pixels import Pixels

    look, seen, notices = Pixels.__call__, [], []

    def failing(self, images):
        seen.append(len(images))
        if len(seen) == 4:  # two for the real side, and the first score was taken
            raise ValueError("eyes closed")
        return look(self, images)

    monkeypatch.setattr(Pixels, "__call__", failing)
    monkeypatch.setenv("GANDEM_CACHE", str(trained("other").path / "cache"))

    run = trained(evaluate_every=1, notice=notices.append)

    assert run.record.state == "finished"
    assert list(scores(run)) == [3, 9, 12]
    assert [n for n in notices if "scored" in n] == [
        "Step 6 was not scored: samples: The extractor pixels failed on 20 images: "
        "ValueError: eyes closed"
    ]


def test_a_training_that_diverges_before_it_is_scored_is_reported_as_diverged(tmp_path):
    notices, changes = (
        [],
        {"image": 2, "learning_rate": 1e12, "hidden": (4,), "discriminator_hidden": (4,)},
    )

    with pytest.raises(RunError, match="training diverged"):
        train(
            "mlp-gan",
            backend=HOME,
            data="ring",
            changes=changes,
            epochs=2,
            log_every=1000,
            evaluate_every=1,
            out=tmp_path / "run",
            notice=notices.append,
        )

    assert "a generator that has diverged cannot be scored" in notices[0]
    assert open_run(tmp_path / "run").record.state == "diverged"
