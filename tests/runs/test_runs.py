"""Runs: files in the folder, reproducibility, failures, and images generated on either backend."""

import contextlib
import json
import math
import re
import shutil
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from support.commands import HOME, TINY, needs_a_backend, needs_both, on_each

import gandem
from gandem.core.data.dataset import Dataset, load_dataset
from gandem.core.errors import BackendError, DataError, RunError, SpecError
from gandem.core.runs import Progress, Settings
from gandem.core.runs import run_dir as folder_module
from gandem.core.specs import digest, read_spec
from gandem.core.specs.loading import load_spec
from gandem.core.training import Feed

pytestmark = needs_a_backend


def begin(source, out, **more):
    """Train a tiny dcgan for three steps, unless told otherwise."""
    usual = {"changes": TINY["dcgan"], "backend": HOME, "data": source, "steps": 3, "out": out}
    return gandem.train("dcgan", **usual | more)


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def copy_of(run, tmp_path) -> Path:
    return Path(shutil.copytree(run.path, tmp_path / "copy"))


# --- the folder ----------------------------------------------------------------------------------


def test_a_run_holds_spec_facts_log_samples_and_weights_and_nothing_else(runs):
    assert files_of(runs().path) == {
        "spec.toml",
        "run.json",
        "log.jsonl",
        "samples/epoch-0001.png",
        "samples/epoch-0002.png",
        "checkpoints/step-000003.safetensors",
        "checkpoints/step-000006.safetensors",
        ".lock",  # of nobody's now
    }


def test_the_spec_in_the_folder_is_the_one_that_was_trained(runs):
    run = runs()

    assert read_spec(run.path / "spec.toml") == load_spec("dcgan", TINY["dcgan"]) == run.spec


def test_the_facts_say_what_is_needed_to_do_it_again(runs, data):
    facts = json.loads((runs().path / "run.json").read_text("utf-8"))

    assert facts["model"] == "dcgan"
    assert facts["spec_digest"] == digest(load_spec("dcgan", TINY["dcgan"]))
    assert facts["backend"] == HOME
    assert facts["device"]
    assert facts["precision"] == "float32"
    assert facts["seed"] == 3
    assert facts["data"]["name"] == data
    assert facts["data"]["digest"] == load_dataset(data).digest
    assert facts["data"]["count"] == 40
    assert {HOME, "python", "numpy"} <= set(facts["versions"])
    assert facts["gandem"]
    assert facts["state"] == "finished"
    assert facts["steps"] == facts["steps_planned"] == 6
    assert facts["seconds"] > 0
    assert facts["steps_per_second"] > 0
    assert set(facts["losses"]) == {
        "discriminator",
        "generator",
        "real_accuracy",
        "fake_accuracy",
    }


def test_the_log_has_increasing_steps_losses_accuracies_and_a_rate(runs):
    lines = (runs().path / "log.jsonl").read_text("utf-8").splitlines()
    data = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    rows = [row for row in data if "discriminator" in row]

    assert [row["step"] for row in rows] == [1, 2, 4, 6]
    assert [row["epoch"] for row in rows] == [1, 1, 2, 2]
    for row in rows:
        assert all(math.isfinite(row[name]) for name in ("discriminator", "generator"))
        assert 0 <= row["real_accuracy"] <= 1
        assert 0 <= row["fake_accuracy"] <= 1
    assert all(row["steps_per_second"] > 0 for row in rows[1:])
    assert rows[-1]["seconds"] >= rows[0]["seconds"] > 0
    assert runs().log() == rows
    assert runs().rows() == data


def test_the_last_losses_are_those_of_the_last_step_however_rarely_it_logs(runs, data, tmp_path):
    run = begin(data, tmp_path / "run", steps=6, seed=3, log_every=100)

    assert [row["step"] for row in run.log()] == [1, 6]
    assert run.record.losses == runs().record.losses


def test_there_is_a_sample_grid_for_each_epoch_from_the_same_noise(runs):
    first, second = (iio.imread(path) for path in runs().samples())

    side = 5 * (8 * 2 + 2) + 2  # 25 images, each zoomed twice, with gaps of 2
    assert first.shape == second.shape == (side, side, 3)
    assert (first != second).any()


def test_the_last_samples_are_what_generate_makes_from_the_same_seed(runs):
    run = runs()

    assert (iio.imread(run.samples()[-1]) == run.generate(25, seed=3).grid()).all()


def test_the_sample_grid_of_a_conditional_model_has_a_column_for_each_class(runs):
    sheet = iio.imread(runs("cgan").samples()[0])

    assert sheet.shape == (5 * (8 * 2 + 2) + 2, 3 * (8 * 2 + 2) + 2, 3)


def test_samples_are_also_made_where_a_training_ends_within_an_epoch(data, tmp_path):
    run = begin(data, tmp_path / "run", steps=4)

    assert [path.name for path in run.samples()] == ["epoch-0001.png", "step-000004.png"]


def test_unless_told_otherwise_runs_are_numbered_under_runs(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    results = [begin(data, None).path for _ in range(2)]

    assert re.fullmatch(rf"runs/dcgan-{HOME}-\d{{8}}-1", results[0].as_posix())
    assert results[1].name == results[0].name[:-1] + "2"


def test_of_two_trainings_that_begin_at_once_each_gets_a_folder(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    real, late = folder_module.next_run_dir, []

    with contextlib.ExitStack() as others:

        def another_was_faster(stem: str) -> Path:
            folder = real(stem)
            if not late:
                late.append(folder)
                folder.mkdir(parents=True)
                others.enter_context(folder_module.lock_run_dir(folder))
            return folder

        monkeypatch.setattr(folder_module, "next_run_dir", another_was_faster)

        run = begin(data, None)

    assert run.path != late[0]
    assert files_of(late[0]) == {".lock"}


def test_settings_can_be_given_together_with_keywords(data, tmp_path):
    settings = Settings(data=data, steps=5, backend=HOME)

    run = gandem.train(
        "dcgan", changes=TINY["dcgan"], settings=settings, steps=1, out=tmp_path / "run"
    )

    assert run.record.steps == 1


def test_progress_is_told_after_every_step(data, tmp_path):
    reports: list[Progress] = []

    begin(data, tmp_path / "run", progress=reports.append)

    assert [(at.step, at.total) for at in reports] == [(1, 3), (2, 3), (3, 3)]
    assert all({"discriminator", "generator"} <= set(at.losses) for at in reports)
    assert reports[-1].rate > 0


# --- the same every time -------------------------------------------------------------------------


@on_each
def test_the_same_seed_gives_the_same_bytes(runs, data, tmp_path, backend):
    first = runs(backend=backend)
    second = begin(data, tmp_path / "run", backend=backend, steps=6, seed=3, log_every=2)

    def untimed(run):
        times = {"steps_per_second", "seconds"}
        return [{k: v for k, v in row.items() if k not in times} for row in run.log()]

    assert untimed(second) == untimed(first)
    for name in files_of(first.path) - {"run.json", "log.jsonl"}:
        assert (second.path / name).read_bytes() == (first.path / name).read_bytes(), name


def test_another_seed_gives_other_weights(runs, data, tmp_path):
    other = begin(data, tmp_path / "run", steps=6, seed=4)

    name = "generator/dense/kernel"
    assert (other.state()[name] != runs().state()[name]).any()


@needs_both
def test_both_frameworks_end_at_the_same_weights(runs):
    one, other = (runs(backend=name, precision="float64").state() for name in ("torch", "keras"))

    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, rtol=0, atol=1e-11, err_msg=name)


# --- opening -------------------------------------------------------------------------------------


def test_a_run_opened_again_is_the_run_that_was_trained(runs):
    run = runs()

    reopened = gandem.open_run(run.path)

    assert reopened == run
    assert reopened.record.state == "finished"


def test_a_log_cut_short_by_a_crash_ends_before_the_broken_line(runs, tmp_path):
    folder = copy_of(runs(), tmp_path)
    whole = (folder / "log.jsonl").read_bytes()
    (folder / "log.jsonl").write_bytes(whole[:-30] + b"\xff\xfe")

    assert [row["step"] for row in gandem.open_run(folder).log()] == [1, 2, 4]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "damaged"),
        (b"[]", "damaged"),
        (b'["backend", "precision", "seed", "data"]', "damaged"),
        (b"{}", "the fields 'seed', 'precision', "),
        (b"\xff\xfe{}", "damaged"),
        (b"[" * 100_000, "damaged"),
        (b'{"a": "' + b"x" * 2_000_000 + b'"}', "damaged"),
        (b'{"backend": "torch", "precision": "float16", "seed": 0, "data": {}}', "'float16'"),
        (
            b'{"backend": ["torch"], "precision": "float32", "seed": 0, "data": {}}',
            "backend: expected",
        ),
        (
            b'{"backend": "torch", "precision": "float32", "seed": "0", "data": {}}',
            "seed: expected",
        ),
    ],
)
def test_a_damaged_run_json_is_one_sentence(runs, tmp_path, text, words):
    folder = copy_of(runs(), tmp_path)
    (folder / "run.json").write_bytes(text)

    with pytest.raises(RunError, match=words) as caught:
        gandem.open_run(folder)

    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_a_folder_of_runs_suggests_one_of_them(runs, tmp_path):
    folder = copy_of(runs(), tmp_path)

    with pytest.raises(RunError, match=f"not a run.* Did you mean {re.escape(str(folder))}"):
        gandem.open_run(tmp_path)


# --- generating ----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["dcgan", "cgan"])
@needs_both
@pytest.mark.parametrize("trained_on", ["torch", "keras"])
def test_a_run_of_one_framework_makes_the_same_images_on_the_other(runs, model, trained_on):
    run = runs(model, trained_on)

    one, other = (run.generate(60, backend=name) for name in ("torch", "keras"))

    assert one.images.shape == other.images.shape == (60, 8, 8, 1)
    assert one.images.std() > 1
    assert np.abs(one.images.astype(int) - other.images).max() <= 1


def test_another_seed_makes_other_images_and_the_same_seed_the_same(runs):
    first, second, other = (runs().generate(9, seed=seed).images for seed in (0, 0, 1))

    assert (first == second).all()
    assert (first != other).any()


def test_more_images_begin_with_the_same_ones(runs):
    few, many = runs().generate(3).images, runs().generate(600).images

    assert len(many) == 600
    assert np.abs(many[:3].astype(int) - few).max() <= 1


def test_the_classes_of_a_conditional_model_take_turns_unless_one_is_chosen(runs):
    run = runs("cgan")

    assert run.generate(7).labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert run.generate(4, label=2).labels.tolist() == [2, 2, 2, 2]
    assert runs().generate(4).labels is None


def test_a_chosen_class_makes_other_images_from_the_same_noise(runs):
    one, other = (runs("cgan").generate(4, label=label).images for label in (0, 1))

    assert (one != other).any()


@pytest.mark.parametrize(
    ("model", "wrong", "words"),
    [
        ("dcgan", {"label": 0}, "has no classes"),
        ("cgan", {"label": 3}, "No class 3; expected 0 to 2"),
        ("cgan", {"label": -1}, "No class -1; expected 0 to 2"),
        ("dcgan", {"num_samples": 0}, "at least 1 image, received 0"),
        ("dcgan", {"num_samples": -5}, "at least 1 image, received -5"),
    ],
)
def test_what_cannot_be_generated_is_refused(runs, model, wrong, words):
    with pytest.raises(SpecError, match=words):
        runs(model).generate(**wrong)


def test_progress_of_generating_counts_to_the_end(runs):
    reports = []

    runs().generate(600, progress=reports.append)

    assert reports == sorted(reports)
    assert reports[-1] == 600


def test_a_weight_average_is_used_unless_raw_weights_are_asked_for(runs):
    run = runs(**{"training.ema_decay": 0.5})
    kept = run.state()
    averages = {k.removeprefix("average/"): v for k, v in kept.items() if k.startswith("average/")}
    assert averages
    assert any((kept[name] != value).any() for name, value in averages.items())

    assert (run.generate(4).images != run.generate(4, ema=False).images).any()


@on_each
def test_the_average_that_is_used_is_the_one_of_the_checkpoint(runs, backend):
    run = runs(backend=backend, **{"training.ema_decay": 0.5})
    native = run.native("generator", backend)
    raw = run.native("generator", backend, ema=False)
    kept = run.state()

    for network, prefix in ((native, "average/"), (raw, "")):
        array = network.arrays()["generator/dense/kernel"]
        weights = array[0].detach() if backend == "torch" else array
        expected = kept[f"{prefix}generator/dense/kernel"]
        # PyTorch has its own order of features
        np.testing.assert_array_equal(np.sort(weights.numpy(), None), np.sort(expected, None))


# --- what goes wrong -----------------------------------------------------------------------------


def test_a_training_that_diverges_says_so_and_keeps_its_log(data, tmp_path):
    with pytest.raises(RunError, match=r"training diverged, the .* try a smaller learning rate"):
        begin(data, tmp_path / "run", changes=TINY["dcgan"] | {"learning_rate": 1e30}, log_every=1)

    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["state"] == "diverged"
    assert facts["steps"] >= 1
    rows = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    losses = [row for row in map(json.loads, rows) if "discriminator" in row]
    assert len(losses) == facts["steps"]
    assert json.loads(rows[-1])["health"] == "diverged"
    assert None in losses[-1].values()  # JSON has no NaN
    assert not list((tmp_path / "run").rglob("*.safetensors"))


def test_weights_that_diverge_in_the_very_last_step_are_not_kept(runs, data, tmp_path, monkeypatch):
    engine = type(runs().engine())
    export = engine.export

    def poisoned(self):
        state = export(self)
        state["generator/dense/kernel"][0, 0] = np.inf
        return state

    monkeypatch.setattr(engine, "export", poisoned)
    with pytest.raises(RunError, match="generator/dense/kernel is no longer finite after step 3"):
        begin(data, tmp_path / "run")

    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "diverged"
    assert not list((tmp_path / "run").rglob("*.safetensors"))


def test_a_training_that_fails_in_its_first_step_leaves_no_folder(data, tmp_path, monkeypatch):
    class Broken(Exception):
        pass

    def broken(*_: object) -> None:
        raise Broken

    monkeypatch.setattr(Feed, "__call__", broken)
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "a" / "b" / "run", tmp_path / "empty"):
        with pytest.raises(Broken):
            begin(data, out)

    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_the_folders_made_for_a_run_that_failed_stay_if_others_use_them(
    data, tmp_path, monkeypatch
):
    def broken(*_: object) -> None:
        (tmp_path / "runs" / "another").mkdir()
        raise ZeroDivisionError

    monkeypatch.setattr(Feed, "__call__", broken)
    with pytest.raises(ZeroDivisionError):
        begin(data, tmp_path / "runs" / "mine")

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["another", "runs"]


def test_a_training_that_fails_later_keeps_what_it_has(data, tmp_path):
    def broken(at: Progress) -> None:
        if at.step == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        begin(data, tmp_path / "run", progress=broken)

    run = gandem.open_run(tmp_path / "run")
    assert run.record.state == "failed"
    assert run.record.steps == 2
    assert run.log()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to …"),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory."),
        type("ResourceExhaustedError", (Exception,), {})("OOM when allocating\ntensor"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_memory_that_runs_out_is_one_sentence(data, tmp_path, monkeypatch, error):
    def starved(*_: object) -> None:
        raise error

    monkeypatch.setattr(Feed, "__call__", starved)

    with pytest.raises(RunError, match=r"^There is not enough memory"):
        begin(data, tmp_path / "run")

    assert not (tmp_path / "run").exists()


def test_what_is_refused_is_refused_before_the_folder_is_made(data, tmp_path):
    out = tmp_path / "run"
    wrong = [
        (LookupError, {"backend": "torhc"}),
        (LookupError, {"data": "digit"}),
        (SpecError, {"changes": {"latnt": 3}}),
        (SpecError, {"epochs": 1, "steps": 1}),
        (SpecError, {"steps": 0}),
        (SpecError, {"steps": None, "epochs": 0}),
        (SpecError, {"seed": -1}),
        (SpecError, {"log_every": 0}),
        (SpecError, {"precision": "float16"}),
        (BackendError, {"device": "cuda:99"}),
        (DataError, {"classes": (0, 3)}),
        (DataError, {"classes": (1, 1)}),
        (DataError, {"changes": TINY["dcgan"] | {"batch_size": 41}}),
        (DataError, {"changes": TINY["dcgan"] | {"image": (12, 8, 1)}}),
    ]
    for error, more in wrong:
        with pytest.raises(error) as caught:
            begin(data, out, **more)
        assert "\n" not in str(caught.value)

    assert not list(tmp_path.iterdir())


def test_more_classes_than_the_data_has_are_refused_with_the_remedy(data, tmp_path):
    spec = load_spec("cgan", TINY["cgan"] | {"classes": 4})

    with pytest.raises(DataError, match=r"has 3 classes, the spec 'cgan' has 4; set classes=3"):
        gandem.train(spec, backend=HOME, data=data, steps=1, out=tmp_path / "run")

    assert not (tmp_path / "run").exists()


def test_chosen_classes_are_renumbered_for_a_conditional_model(data, tmp_path):
    spec = load_spec("cgan", TINY["cgan"] | {"classes": 2})

    run = gandem.train(spec, backend=HOME, data=data, classes=(2, 0), steps=1, out=tmp_path / "run")

    assert run.record.data.name == f"{data}[2,0]"
    assert run.record.data.count == 27
    assert run.record.data.digest != load_dataset(data).digest


def test_a_folder_in_use_is_refused_and_an_empty_one_is_taken(data, tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.txt").touch()
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()

    for name in ("used", "file"):
        with pytest.raises(RunError, match="not an empty folder; choose another --out"):
            begin(data, tmp_path / name)

    assert files_of(tmp_path) == {"used/thesis.txt", "file"}
    assert begin(data, tmp_path / "empty", steps=1).record.state == "finished"


@pytest.mark.parametrize("out", ["file/run", "x" * 300, "/proc/gandem/run"])
def test_error_of_an_unwritable_path_is_one_sentence(data, tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()

    with pytest.raises(RunError, match=r"cannot be (created|written) \([A-Z][a-z ]+\)\.$"):
        begin(data, out)

    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# --- data from Python ----------------------------------------------------------------------------


def test_a_spec_object_trains_like_the_model_it_came_from(runs, data, tmp_path):
    spec = load_spec("dcgan", TINY["dcgan"])

    run = gandem.train(
        spec, data=data, epochs=2, seed=3, log_every=2, out=tmp_path / "run", backend=HOME
    )

    assert run.spec == runs().spec
    assert run.checkpoints()[-1].read_bytes() == runs().checkpoints()[-1].read_bytes()


def test_the_digest_of_data_names_pixels_and_labels():
    images = np.zeros((2, 4, 4, 1), np.uint8)
    plain = Dataset("a", images)
    renamed = Dataset("b", images.copy())
    labeled = Dataset("a", images, np.array([0, 1]))

    assert plain.digest == renamed.digest
    assert plain.digest != labeled.digest
