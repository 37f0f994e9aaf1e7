"""Resuming a run: bit for bit on the same backend, handed over exactly to another one, and refused
when something has changed.
"""

import json
import os
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.commands import HOME, THERE, TINY, gandem, needs_a_backend, needs_both, refused, said

import gandem as public
from gandem.core.errors import RunError, SpecError
from gandem.core.runs import open_run, resume, train
from gandem.core.runs.log import read_log
from gandem.core.runs.record import BestCheckpoint
from gandem.core.specs import Dropout, Spec, change, from_toml, to_toml
from gandem.core.specs.loading import load_spec
from gandem.core.training import Feed

pytestmark = needs_a_backend
TIMES = {"steps_per_second", "seconds"}


def everything() -> Spec:
    """A tiny dcgan with dropout in both players, batch norm, a weight average, schedules, two
    discriminator steps and, on the shared data, a partial batch within a step; with all numbers
    that one step leaves to the next: averages of logits, a penalty in every third step, adaptive
    augmentation, and the copies of lookahead.
    """
    base = load_spec("dcgan", TINY["dcgan"])
    players = []
    for player in base.players:
        first, *rest = player.layers
        players.append(replace(player, layers=(first, Dropout(rate=0.3), *rest)))
    changes = {
        "training.ema_decay": "linear(0.5, 0.95, 8)",
        "training.lookahead_interval": 3,
        "training.lookahead_share": 0.9,
        "training.discriminator_steps": 2,
        "generator.optimizer.learning_rate": "warmup(cosine(0.03, 0.001, 3 epochs), 3)",
        "discriminator.optimizer.beta2": "linear(0.9, 0.99, 9)",
        "training.instance_noise": "linear(0.2, 0, 2 epochs)",
        "loss.lecam": 0.3,
        "loss.r1": "linear(0.1, 0.2, 8)",
        "loss.penalty_interval": 3,
        "training.flip": True,
        "training.augment.flip": True,
        "training.augment.adaptive_target": 0.1,
        "training.augment.adaptive_images": 300,
    }
    return change(replace(base, players=tuple(players)), changes)


def begin(source, out, spec=None, **more):
    """Train a tiny dcgan for ten steps, unless told otherwise."""
    usual = {"backend": HOME, "data": source, "steps": 10, "out": out, "log_every": 3, "seed": 3}
    return train(spec or load_spec("dcgan", TINY["dcgan"]), **usual | more)


def stop_at(step):
    """Return what ends a training in an exception after some step, as a crash would."""

    def crash(at):
        if at.step == step:
            raise ZeroDivisionError

    return crash


def crashed(source, out, step, spec=None, **more):
    """Return a run whose training has crashed after a step."""
    with pytest.raises(ZeroDivisionError):
        begin(source, out, spec, progress=stop_at(step), **more)
    return open_run(out)


def log_of(run) -> list[dict]:
    return [{k: v for k, v in row.items() if k not in TIMES} for row in run.log()]


def files_of(run) -> dict[str, bytes]:
    """Return the files of a run that do not tell when and how it was made."""
    named = {str(p.relative_to(run.path)): p for p in run.path.rglob("*") if p.is_file()}
    return {k: p.read_bytes() for k, p in named.items() if k not in ("run.json", "log.jsonl")}


# --- bit for bit ---------------------------------------------------------------------------------


PRECISIONS = ("float32", "float64")
CUTS = [(HOME, precision, step) for precision in PRECISIONS for step in (4, 1, 9)]
CUTS += [
    pytest.param(backend, precision, 4, marks=pytest.mark.slow)
    for backend in THERE
    for precision in PRECISIONS
    if backend != HOME
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, data):
    """Return a function that trains without a break, once for all tests."""
    cache = {}

    def whole(backend, precision):
        if (backend, precision) not in cache:
            out = tmp_path_factory.mktemp("whole") / "run"
            how = {
                "backend": backend,
                "precision": precision,
                "checkpoint_steps": 2,
                "keep_last": 0,
            }
            cache[backend, precision] = begin(data, out, everything(), **how)
        return cache[backend, precision]

    return whole


@pytest.mark.parametrize(("backend", "precision", "step"), CUTS)
def test_a_run_that_was_cut_and_resumed_is_that_of_one_go(
    data, tmp_path, undisturbed, backend, precision, step
):
    how = {"backend": backend, "precision": precision, "checkpoint_steps": 2, "keep_last": 0}
    cut = crashed(data, tmp_path / "cut", step, everything(), **how)

    resumed = resume(cut, notice=lambda note: None)

    whole = undisturbed(backend, precision)
    assert files_of(resumed) == files_of(whole)
    assert log_of(resumed) == log_of(whole)
    assert resumed.record.steps == 10
    assert resumed.record.state == "finished"


@pytest.mark.parametrize("model", ["mlp-gan", "dcgan", "cgan"])
def test_every_model_goes_on_bit_for_bit(data, tmp_path, model):
    spec = load_spec(model, small=True)
    how = {"data": "digits", "steps": 6, "checkpoint_steps": 3}
    whole = begin(data, tmp_path / "whole", spec, **how)
    cut = crashed(data, tmp_path / "cut", 5, spec, **how)

    resumed = resume(cut.path)

    assert resumed.checkpoints()[-1].read_bytes() == whole.checkpoints()[-1].read_bytes()
    assert log_of(resumed) == log_of(whole)


def test_a_finished_run_trained_on_is_that_of_one_go(data, tmp_path):
    whole = begin(data, tmp_path / "whole", everything(), steps=11)
    part = begin(data, tmp_path / "part", everything(), steps=5)

    resumed = resume(part, steps=11)

    assert resumed.checkpoints()[-1].read_bytes() == whole.checkpoints()[-1].read_bytes()
    assert log_of(resumed) == log_of(whole)
    assert [row["step"] for row in log_of(whole)] == [1, 3, 6, 9, 11]


def test_epochs_can_be_the_new_total_too(data, tmp_path):
    part = begin(data, tmp_path / "part", steps=None, epochs=1)

    resumed = resume(part, epochs=3)

    assert resumed.record.steps == resumed.record.steps_planned == 9
    assert [path.name for path in resumed.samples()] == [f"epoch-000{n}.png" for n in (1, 2, 3)]


def test_a_run_without_a_checkpoint_begins_again(data, tmp_path):
    whole = begin(data, tmp_path / "whole", steps=4)
    cut = crashed(data, tmp_path / "cut", 2, steps=4)
    notes = []
    assert cut.checkpoints() == []

    resumed = resume(cut, notice=notes.append)

    assert files_of(resumed) == files_of(whole)
    assert log_of(resumed) == log_of(whole)
    assert notes == [f"{cut.path}: it has no checkpoint yet; starting again at step 0."]


def test_a_run_that_goes_on_reads_no_data_twice(data, tmp_path, monkeypatch):
    run = begin(data, tmp_path / "run", steps=None, epochs=2)
    read, real = [], Feed.rows_of

    def and_note(self, batch):
        read.append(batch)
        return real(self, batch)

    monkeypatch.setattr(Feed, "rows_of", and_note)
    resume(run, epochs=3)

    assert read == [6, 7, 8]  # of three batches an epoch


def test_the_seconds_of_a_resumed_run_go_on_from_where_they_were(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=5)
    before = run.log()[-1]["seconds"]

    resumed = resume(run, steps=10)

    seconds = [row["seconds"] for row in resumed.log()]
    assert seconds == sorted(seconds)
    assert resumed.record.seconds >= seconds[-1] > before * 0.5


def test_a_resumed_run_tells_who_trained_which_steps(data, tmp_path):
    run = resume(begin(data, tmp_path / "run", steps=5), steps=7)

    segments = run.record.segments
    assert [part.first_step for part in segments] == [0, 5]
    for part in segments:
        assert part.backend == HOME
        assert {HOME, "numpy"} <= set(part.versions)
        assert part.seconds_to_first_step >= 0
    assert run.record.started == segments[0].started
    assert run.record.seconds_to_first_step == segments[1].seconds_to_first_step


def test_what_a_training_was_told_holds_when_it_goes_on(data, tmp_path):
    fields = {"log_every": 2, "checkpoint_steps": 2, "keep_last": 2, "best": "generator"}
    run = crashed(data, tmp_path / "run", 5, **fields)

    resumed = resume(run)

    assert {name: getattr(resumed.record.settings, name) for name in fields} == fields
    assert len(resumed.checkpoints()) <= 3


# --- handed over ---------------------------------------------------------------------------------


@needs_both
@pytest.mark.parametrize(
    ("one", "other"),
    [("torch", "keras"), pytest.param("keras", "torch", marks=pytest.mark.slow)],
)
def test_another_framework_takes_a_run_over_as_it_was(data, tmp_path, undisturbed, one, other):
    how = {"precision": "float64", "checkpoint_steps": 2, "keep_last": 0}
    whole = undisturbed(one, "float64")
    cut = crashed(data, tmp_path / "cut", 4, everything(), backend=one, **how)

    kept, taken = cut.state(), cut.engine(other).export()
    resumed = resume(cut, backend=other)

    assert [n for n in kept if kept[n].tobytes() != taken[n].tobytes()] == []
    for name, value in whole.state().items():
        np.testing.assert_allclose(resumed.state()[name], value, rtol=0, atol=1e-12, err_msg=name)
    assert [row["step"] for row in log_of(resumed)] == [row["step"] for row in log_of(whole)]
    assert resumed.record.backend == other
    assert [part.backend for part in resumed.record.segments] == [one, other]


# --- which checkpoints are kept ------------------------------------------------------------------


def steps_kept(run):
    return [int(path.stem.removeprefix("step-")) for path in run.checkpoints()]


def test_a_checkpoint_is_kept_at_each_epochs_end_and_at_the_end(data, tmp_path):
    assert steps_kept(begin(data, tmp_path / "run", keep_last=0)) == [3, 6, 9, 10]


def test_more_are_kept_every_so_many_steps(data, tmp_path):
    run = begin(data, tmp_path / "run", keep_last=0, checkpoint_steps=4)

    assert steps_kept(run) == [3, 4, 6, 8, 9, 10]


def test_more_are_kept_every_so_many_minutes(data, tmp_path):
    run = begin(data, tmp_path / "run", keep_last=0, checkpoint_minutes=1e-9)

    assert steps_kept(run) == list(range(1, 11))


def test_samples_are_drawn_every_so_many_steps_too_also_by_a_run_that_went_on(data, tmp_path):
    every = begin(data, tmp_path / "every", sample_steps=4)
    with pytest.raises(ZeroDivisionError):
        begin(data, tmp_path / "broken", sample_steps=4, progress=stop_at(7))
    went_on = resume(tmp_path / "broken")

    names = ["epoch-0001", "step-000004", "epoch-0002", "step-000008", "epoch-0003", "step-000010"]
    assert [path.stem for path in every.samples()] == names
    assert [path.read_bytes() for path in went_on.samples()] == [
        path.read_bytes() for path in every.samples()
    ]


def test_only_the_newest_are_kept(data, tmp_path):
    assert steps_kept(begin(data, tmp_path / "run", keep_last=2, checkpoint_steps=1)) == [9, 10]


@pytest.mark.parametrize("best", ["generator", "generator:max", "discriminator:min"])
def test_the_best_is_kept_beside_the_newest(data, tmp_path, best):
    every = begin(data, tmp_path / "all", checkpoint_steps=1, keep_last=0, log_every=1)
    metric, _, direction = best.partition(":")
    values = {row["step"]: row[metric] for row in every.log()}
    chosen = (max if direction == "max" else min)(values, key=values.get)

    run = begin(data, tmp_path / "run", checkpoint_steps=1, keep_last=1, best=best)

    assert steps_kept(run) == sorted({chosen, 10})
    assert run.record.best == BestCheckpoint(metric=metric, value=values[chosen], step=chosen)
    assert run.checkpoint("best").step == chosen
    assert run.checkpoint().step == run.checkpoint("last").step == 10


@pytest.mark.parametrize("step", [2, 5, 8])
def test_the_best_is_the_same_however_often_a_run_was_cut(data, tmp_path, step):
    how = {"checkpoint_steps": 1, "keep_last": 1, "best": "generator:max", "steps": 9}
    whole = begin(data, tmp_path / "whole", **how)
    cut = crashed(data, tmp_path / "cut", step, **how)

    resumed = resume(cut)

    assert resumed.record.best == whole.record.best
    assert steps_kept(resumed) == steps_kept(whole)


def test_a_checkpoint_kept_for_its_time_does_not_become_the_best_on_resume(data, tmp_path):
    rows = begin(data, tmp_path / "rows", log_every=1).log()
    irregular = (1, 2, 4, 5, 7, 8)  # neither the end of an epoch nor the last step
    best = next(
        f"{metric}:{choose.__name__}"
        for metric in ("generator", "discriminator", "real_accuracy", "fake_accuracy")
        for choose in (min, max)
        if choose(rows, key=lambda row: row[metric])["step"] in irregular
    )
    whole = begin(data, tmp_path / "whole", best=best)
    cut = crashed(data, tmp_path / "cut", 9, best=best, checkpoint_minutes=1e-9, keep_last=0)
    assert set(steps_kept(cut)) >= set(irregular)

    resumed = resume(cut)

    assert resumed.record.best == whole.record.best


def test_samples_ahead_of_the_newest_checkpoint_are_removed(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=5, keep_last=0)
    assert run.samples()[-1].name == "step-000005.png"
    run.checkpoints()[-1].unlink()

    resumed = resume(run, steps=6)

    assert [path.name for path in resumed.samples()] == ["epoch-0001.png", "epoch-0002.png"]


def test_images_can_be_made_from_any_checkpoint_that_is_kept(data, tmp_path):
    run = begin(data, tmp_path / "run", keep_last=0, best="generator:max")

    def made(which):
        path = tmp_path / f"{which}.npz"
        said("generate", run.path, "--checkpoint", which, "-o", path)
        with np.load(path) as arrays:
            return arrays["images"]

    best = run.record.best.step
    assert (made("best") == made(best)).all()
    assert (made("last") == made(10)).all()
    assert (made(3) != made(10)).any()


def test_a_checkpoint_that_is_not_there_is_one_line_with_those_that_are(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=3)

    words = refused("generate", run.path, "--checkpoint", "7", "-o", tmp_path / "x.png")
    assert words == f"{run.path}: it has no checkpoint 7; its steps: 3."
    words = refused("generate", run.path, "--checkpoint", "best", "-o", tmp_path / "x.png")
    assert "it has no best checkpoint" in words


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"best": "generatr"}, "no metric named 'generatr'. Did you mean 'generator'?"),
        ({"best": "generator:low"}, "expected generator:min or generator:max"),
        ({"keep_last": -1}, "keep_last"),
        ({"checkpoint_steps": 0}, "checkpoint_steps: expected 1 ≤ a number ≤ 1e+15, received 0"),
        ({"checkpoint_minutes": 0}, "checkpoint_minutes"),
        ({"checkpoint_minutes": float("nan")}, "checkpoint_minutes"),
    ],
)
def test_checkpoints_nobody_can_keep_are_refused_before_anything_is_made(
    data, tmp_path, how, words
):
    with pytest.raises(SpecError, match=re.escape(words)):
        begin(data, tmp_path / "run", **how)

    assert not (tmp_path / "run").exists()


# --- nothing left to do, and totals --------------------------------------------------------------


def test_a_finished_run_is_left_as_it_is(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=4)
    before = {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()}

    assert resume(run) == open_run(run.path)

    assert {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()} == before
    assert "finished after 4 steps" in said("resume", run.path)


@pytest.mark.parametrize(("settings", "total"), [({"steps": 3}, 3), ({"epochs": 1}, 3)])
def test_total_below_the_steps_made_is_refused(data, tmp_path, settings, total):
    run = begin(data, tmp_path / "run", steps=4)

    with pytest.raises(RunError, match=rf"already at step 4; .* received {total}\b"):
        resume(run, **settings)


def test_epochs_and_steps_together_are_refused(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=4)

    with pytest.raises(SpecError, match="not both"):
        resume(run, steps=9, epochs=9)


# --- what may not change -------------------------------------------------------------------------


def edit(run, path, value):
    """Change a field in a run's spec.toml."""
    spec = from_toml((run.path / "spec.toml").read_text("utf-8"))
    (run.path / "spec.toml").write_text(to_toml(change(spec, {path: value})), "utf-8")


RATE = "players.generator.optimizer.learning_rate"
CHANGES = {
    "training.batch_size": 8,
    RATE: 1e-3,
    "players.generator.layers.leaky_relu.slope": 0.3,
    "players.discriminator.layers.conv2d.filters": 3,
    "latent.size": 5,
    "loss.name": "hinge",
    "training.epochs": 7,
}


@pytest.mark.parametrize("path", CHANGES)
def test_a_changed_spec_is_refused_by_the_name_of_the_field(data, tmp_path, path):
    run = begin(data, tmp_path / "run", steps=4)
    try:
        edit(run, path, CHANGES[path])
    except SpecError:
        path = path.replace("generator.layers.leaky_relu", "discriminator.layers.leaky_relu")
        edit(run, path, CHANGES["players.generator.layers.leaky_relu.slope"])
    before = {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()}

    words = refused("resume", run.path, "--steps", 9)

    assert re.search(rf"spec\.toml: {re.escape(path)} has changed since step 4: it is ", words)
    assert words.endswith(f"Restore it, or allow it with --allow-changed {path}.")
    assert {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("field", [RATE, "generator.optimizer", "learning_rate"])
def test_what_may_change_is_named_and_noted(data, tmp_path, field):
    run = begin(data, tmp_path / "run", steps=4)
    edit(run, RATE, 0.5)

    resumed = resume(run, steps=6, allow_changed=[field])

    assert resumed.record.segments[1].changed == {RATE: [0.03, 0.5]}
    assert resumed.checkpoint().spec.player("generator").optimizer.learning_rate == 0.5
    whole = begin(data, tmp_path / "whole", steps=6)
    assert (
        resumed.state()["generator/dense/kernel"] != whole.state()["generator/dense/kernel"]
    ).any()


def test_checkpoints_from_before_an_allowed_change_can_still_be_read(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=4, keep_last=0)
    edit(run, RATE, 0.5)
    with pytest.raises(RunError, match=r"learning_rate is 0.5 there, 0.03 in the checkpoint"):
        open_run(run.path).state(3)

    resumed = resume(run, steps=6, allow_changed=["learning_rate"])

    assert resumed.checkpoint(3).step == 3


def test_more_epochs_in_the_spec_are_the_new_total_where_that_is_allowed(data, tmp_path):
    spec = load_spec("dcgan", TINY["dcgan"] | {"training.epochs": 1})
    run = begin(data, tmp_path / "run", spec, steps=None)
    edit(run, "training.epochs", 2)

    resumed = resume(run, allow_changed=["training.epochs"])

    assert resumed.record.steps == 6


def test_a_change_that_is_allowed_and_cannot_be_is_refused(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=4)
    edit(run, "latent.size", 5)

    with pytest.raises(RunError, match=r"generator/dense/kernel: checkpoint has shape \(4, 16\)"):
        resume(run, steps=9, allow_changed=["latent"])


def test_a_field_that_is_none_cannot_be_allowed(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=4)

    with pytest.raises(
        SpecError, match=r"No field named 'learning_rat' .*Did you mean 'learning_rate'"
    ):
        resume(run, steps=9, allow_changed=["learning_rat"])


def test_a_spec_changed_before_the_first_checkpoint_is_refused(data, tmp_path):
    run = crashed(data, tmp_path / "run", 2)
    edit(run, RATE, 0.5)

    with pytest.raises(RunError, match=r"spec\.toml has changed since step 0"):
        resume(run)


def other_data(path: Path, source: str, seed: int) -> str:
    """Write other images of the same number and shape, with one pixel changed for each seed."""
    with np.load(source.removeprefix("npz:")) as held:
        arrays = dict(held)
    arrays["images"][0, 0, 0] += np.uint8(seed)
    np.savez(path, **arrays)
    return f"npz:{path}"


def test_other_data_is_refused_by_its_hash(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=4)
    other = other_data(tmp_path / "other.npz", data, 1)

    words = refused("resume", run.path, "--steps", 9, "--data", other)

    was = run.record.data.digest
    assert "the data's SHA-256 has changed since step 4: it is '" in words
    assert was[:40] in words
    assert words.endswith("--allow-changed data.")


def test_the_same_data_elsewhere_will_do(data, tmp_path):
    moved = tmp_path / "moved.npz"
    shutil.copy(data.removeprefix("npz:"), moved)
    run = begin(data, tmp_path / "run", steps=4)

    resumed = resume(run, steps=6, data=f"npz:{moved}")

    assert resumed.record.steps == 6
    assert resumed.record.settings.data == f"npz:{moved}"


def test_other_data_can_be_allowed(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=4)
    other = other_data(tmp_path / "other.npz", data, 1)

    resumed = resume(run, steps=6, data=other, allow_changed=["data"])

    assert resumed.record.data.digest != run.record.data.digest
    assert list(resumed.record.segments[1].changed) == ["data"]


def test_the_chosen_classes_are_those_of_the_run(data, tmp_path):
    whole = begin(data, tmp_path / "whole", classes=(2, 0), steps=6)
    cut = crashed(data, tmp_path / "cut", 5, classes=(2, 0), steps=6)

    resumed = resume(cut)

    assert files_of(resumed) == files_of(whole)


def test_numbers_drawn_otherwise_than_the_runs_are_refused(data, tmp_path, monkeypatch):
    run = begin(data, tmp_path / "run", steps=4)
    facts = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(facts | {"stream": "of another NumPy"}))

    with pytest.raises(RunError, match="the stream of random numbers"):
        resume(run.path, steps=9)


@pytest.mark.parametrize("name", ["seed", "precision"])
def test_a_checkpoint_of_another_run_is_refused(data, tmp_path, name):
    run = begin(data, tmp_path / "run", steps=4)
    other = begin(
        data, tmp_path / "other", steps=5, **{name: {"seed": 4, "precision": "float64"}[name]}
    )
    shutil.copy(other.checkpoints()[-1], run.path / "checkpoints")

    with pytest.raises(RunError, match=f"it belongs to another run; its {name} is"):
        resume(run, steps=9)


@pytest.mark.parametrize(
    "settings",
    [None, [], {"backend": 3}, {"stepz": 3}, {"steps": "4"}, {"log_every": 0}, {"best": "x"}],
)
def test_damaged_settings_are_one_sentence(data, tmp_path, settings):
    run = begin(data, tmp_path / "run", steps=4)
    facts = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(facts | {"settings": settings}))

    message = refused("resume", run.path, "--steps", 9)

    assert message.startswith(f"{run.path}/run.json: damaged; ")


# --- the command ---------------------------------------------------------------------------------


def test_the_command_goes_on_and_says_what_train_would(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=4)

    printed = json.loads(said("resume", run.path, "--steps", 7, "--json"))

    assert printed["run"] == str(run.path)
    assert printed["steps"] == 7
    assert printed["state"] == "finished"
    assert 0 <= printed["seconds_to_first_step"] < 60
    assert printed["checkpoint"] == f"{run.path}/checkpoints/step-000007.safetensors"
    assert "finished after 8 steps" in said("resume", run.path, "--steps", 8)


def test_samples_are_in_order_whatever_the_times_of_their_files_say(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=7)
    for age, path in enumerate(run.samples()):
        os.utime(path, (1000 - age, 1000 - age))

    names = [path.name for path in open_run(run.path).samples()]

    assert names == ["epoch-0001.png", "epoch-0002.png", "step-000007.png"]


def test_a_note_is_one_line_on_standard_error(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=4)
    newest = run.checkpoints()[-1]
    newest.write_bytes(newest.read_bytes()[:-1])

    done = gandem("resume", run.path, "--steps", 5, "--json")

    assert done.exit_code == 0
    assert re.fullmatch(
        r"\S+/step-000004\.safetensors: .* Resuming from step-000003\.safetensors\.\n", done.stderr
    )
    assert json.loads(done.stdout)["steps"] == 5
    assert done.stderr.strip() in said("show", run.path)


def test_the_public_function_is_the_one(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=2)

    assert public.resume(run, steps=3).record.steps == 3


def test_what_is_no_run_is_refused_and_left_alone(tmp_path):
    (tmp_path / "empty").mkdir()

    assert "not a run" in refused("resume", tmp_path / "empty")
    assert "does not exist" in refused("resume", tmp_path / "nowhere")
    assert list((tmp_path / "empty").iterdir()) == []


# --- averages ------------------------------------------------------------------------------------


def test_averages_are_part_of_the_state_and_generate_uses_them_unless_told_not_to(data, tmp_path):
    run = begin(data, tmp_path / "run", everything(), steps=4)
    arrays = load_file(run.checkpoints()[-1])
    kernel = "generator/dense/kernel"
    assert (arrays[f"average/{kernel}"] != arrays[kernel]).any()

    averaged, raw = (run.generate(9, ema=ema).images for ema in (True, False))

    assert (averaged != raw).any()
    swapped = open_run(run.path)
    engine = swapped.engine()
    state = engine.export()
    names = [name for name in state if f"average/{name}" in state]
    engine.load(state | {name: state[f"average/{name}"] for name in names})
    inputs = {"noise": np.zeros((2, 4), np.float32)}
    assert names
    np.testing.assert_array_equal(
        engine.forward("generator", inputs),
        swapped.engine().forward("generator", inputs, average=True),
    )


# --- callbacks -----------------------------------------------------------------------------------


class Recorder(public.Callback):
    """Records the events of a training, and checks that what they announce is on disk."""

    def __init__(self):
        self.events, self.checkpoints = [], []

    def on_train_start(self, trainer):
        self.events.append(("start", trainer.first_step, trainer.total_steps))

    def on_log(self, trainer, row):
        assert read_log(trainer.run_dir)[-1] == row
        self.events.append(("log", row["step"]))

    def on_checkpoint(self, trainer, checkpoint):
        assert checkpoint.path.exists()
        self.checkpoints.append((checkpoint.step, checkpoint.samples.name))

    def on_train_end(self, trainer):
        self.events.append(("end", trainer.step, trainer.state))


def test_callbacks_are_notified_before_and_after_a_resume(data, tmp_path):
    recorder = Recorder()

    run = begin(data, tmp_path / "run", steps=4, callbacks=[recorder])
    resume(run, steps=6, callbacks=[recorder])

    assert recorder.events == [
        ("start", 0, 4),
        ("log", 1),
        ("log", 3),
        ("log", 4),
        ("end", 4, "finished"),
        ("start", 4, 6),
        ("log", 6),
        ("end", 6, "finished"),
    ]
    assert recorder.checkpoints == [
        (3, "epoch-0001.png"),
        (4, "step-000004.png"),
        (6, "epoch-0002.png"),
    ]


# --- all runs in a folder ------------------------------------------------------------------------


def test_runs_lists_what_there_is(data, tmp_path):
    finished = begin(data, tmp_path / "runs" / "a", steps=4, best="generator")
    killed = crashed(data, tmp_path / "runs" / "deep" / "b", 5)
    facts = json.loads((killed.path / "run.json").read_text())
    (killed.path / "run.json").write_text(json.dumps(facts | {"state": "running", "steps": 3}))
    torn = tmp_path / "runs" / "c"
    torn.mkdir()
    (torn / "run.json").write_text("{")

    rows = {
        row["path"]: row for row in json.loads(said("runs", tmp_path / "runs", "--json"))["runs"]
    }

    assert set(rows) == {str(finished.path), str(killed.path), str(torn)}
    row = rows[str(finished.path)]
    assert (row["model"], row["backend"], row["data"]) == ("dcgan", HOME, data)
    assert (row["state"], row["step"], row["steps"]) == ("finished", 4, 4)
    assert row["best"] == asdict(finished.record.best)
    row = rows[str(killed.path)]
    assert (row["state"], row["step"], row["steps"]) == ("interrupted", 3, 10)
    assert rows[str(torn)]["state"] == "damaged"
    assert "run.json: damaged" in rows[str(torn)]["problem"]
    table = said("runs", tmp_path / "runs")
    assert re.search(rf"{re.escape(str(finished.path))} +dcgan +{HOME} .*4/4 .*finished", table)


def test_a_run_that_is_being_trained_is_running(data, tmp_path):
    seen = []

    def look(at):
        if at.step == 5:
            seen.extend(json.loads(said("runs", tmp_path, "--json"))["runs"])

    begin(data, tmp_path / "run", log_every=2, progress=look)

    (row,) = seen
    assert (row["state"], row["step"]) == ("running", 4)


def test_no_runs_at_all_is_no_mistake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert "No runs in runs" in said("runs")
    assert json.loads(said("runs", "--json")) == {"runs": []}
    assert "no such folder" in refused("runs", "nowhere")


def test_show_says_everything_about_a_run(data, tmp_path):
    run = resume(begin(data, tmp_path / "run", steps=4, best="generator"), steps=6)

    text, facts = said("show", run.path), json.loads(said("show", run.path, "--json"))["run"]

    assert re.search(r"^best +generator -?\d", text, re.M)
    for path in run.checkpoints():
        assert str(path) in text
    assert re.search(rf"^from step +4: {HOME}", text, re.M)
    assert facts["checkpoints"] == [str(path) for path in run.checkpoints()]
    assert facts["samples"] == [str(path) for path in run.samples()]
    assert len(facts["segments"]) == 2
