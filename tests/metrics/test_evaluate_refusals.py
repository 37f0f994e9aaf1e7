"""Errors of ``gandem evaluate``: one line that suggests a fix, before any long computation."""

import json
import sys
from importlib import import_module
from types import SimpleNamespace

import imageio.v3 as imageio
import numpy as np
import pytest
from support.commands import HOME, TINY, gandem, needs_a_backend, refused

import gandem as package
from gandem.core.errors import DataError, GandemError
from gandem.core.plugins.registry import registry
from gandem.metrics.evaluation.evaluate import evaluate


@pytest.fixture
def made(tmp_path):
    """An .npz of 60 images of 8×8."""
    images = np.random.default_rng(5).integers(0, 256, (60, 8, 8), np.uint8)
    np.savez(tmp_path / "made.npz", images=images)
    return tmp_path / "made.npz"


@pytest.fixture
def own(tmp_path):
    """Return a function that trains a run on a file of its own for a step."""

    def trained(name, seed=0, **more):
        images = np.random.default_rng(seed).integers(0, 256, (40, 8, 8), np.uint8)
        np.savez(tmp_path / f"{name}.npz", images=images)
        return package.train(
            "dcgan",
            backend=HOME,
            data=f"npz:{tmp_path / name}.npz",
            changes=TINY["dcgan"] | more,
            steps=1,
            out=tmp_path / name,
        ).path

    return trained


# --- saved scores --------------------------------------------------------------------------------


@needs_a_backend
@pytest.mark.parametrize("checkpoint", ["last", "best", "1"])
def test_the_scores_of_one_checkpoint_are_not_saved(own, checkpoint):
    run = own("run")

    assert refused("evaluate", run, "--save", "--checkpoint", checkpoint) == (
        "Saved scores are those of the last and the best checkpoint; leave --checkpoint or --save "
        "out."
    )
    assert not (run / "scores.json").exists()


# --- images --------------------------------------------------------------------------------------


def test_images_without_data_to_compare_with_are_refused(made):
    assert refused("evaluate", made) == (
        "Images have no data set to compare with; choose one with --data."
    )


def test_too_few_images_suggest_a_smaller_count(made, tmp_path):
    np.savez(tmp_path / "few.npz", images=np.load(made)["images"][:25])

    line = refused("evaluate", tmp_path / "few.npz", "--data", f"npz:{made}")

    assert line == (
        f"{tmp_path / 'few.npz'}: it has 25 images, expected at least 30; score 25 images of each "
        "with -n 25."
    )
    assert (
        gandem("evaluate", tmp_path / "few.npz", "--data", f"npz:{made}", "-n", 25).exit_code == 0
    )


def test_far_too_few_images_are_refused_without_a_suggested_count(made, tmp_path):
    np.savez(tmp_path / "few.npz", images=np.load(made)["images"][:5])

    line = refused("evaluate", tmp_path / "few.npz", "--data", f"npz:{made}")

    assert line.endswith("it has 5 images, expected at least 30; scores need at least 20.")


@pytest.mark.parametrize("count", [0, 19])
def test_too_few_requested_images_are_refused(made, data, count):
    line = refused("evaluate", made, "--data", data, "-n", count, code=1 if count else 2)

    assert ("at least 20 images and 40 real ones" in line) == bool(count)


def test_images_of_another_shape_are_refused(made):
    line = refused("evaluate", made, "--data", "digits", "--extractor", "pixels", "-n", 20)

    assert "digits has images of 28×28×1, the images to score have 8×8×1" in line


def test_images_that_the_extractor_does_not_know_name_another(made, data):
    line = refused("evaluate", made, "--data", data, "--extractor", "lenet5")

    assert "lenet5:digits expects images of 28×28×1, received images of 8×8×1" in line
    assert "--extractor, like pixels" in line


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", "not found; expected a run, a folder of images, an .npz file, or a data set"),
        ("empty", "it has no run.json"),
        ("text.txt", "it is not an .npz file"),
        ("texts", "text.txt"),
        ("x" * 5000, "cannot be read (File name too long)"),
    ],
)
def test_a_subject_that_is_neither_run_nor_images_is_refused(name, words, tmp_path, data):
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    for path in (tmp_path / "text.txt", tmp_path / "texts" / "text.txt"):
        path.write_text("words")

    line = refused("evaluate", tmp_path / name, "--data", data)

    assert words in line
    assert len(line) < 1000


def test_a_name_that_no_file_can_have_is_one_line(data):
    with pytest.raises(GandemError, match=r"cannot be read|not found"):
        evaluate(["a\0b"], data=data)


def test_nothing_to_score_is_one_line(data):
    with pytest.raises(DataError, match=r"^There is nothing to score"):
        evaluate([], data=data)


@needs_a_backend
def test_a_folder_of_runs_suggests_one_of_them(run, data):
    assert f"Did you mean {run}?" in refused("evaluate", run.parent, "--data", data)


# --- runs ----------------------------------------------------------------------------------------


@needs_a_backend
def test_runs_of_different_data_are_refused_unless_it_is_named(own, made):
    one, other = own("one", 1), own("other", 2)

    line = refused("evaluate", one, other)

    assert line.startswith(f"{one} was trained on npz:")
    assert "scores with different protocols cannot be compared" in line
    assert "--data" in line
    assert gandem("evaluate", one, other, "--data", f"npz:{made}").exit_code == 0


@needs_a_backend
def test_data_that_has_changed_is_refused(own):
    run = own("one", 1)
    np.savez(run.with_suffix(".npz"), images=np.zeros((40, 8, 8), np.uint8))

    line = refused("evaluate", run)

    assert "is not the data that it was trained on; its images or labels have changed" in line
    assert "--data" in line


@needs_a_backend
def test_missing_data_of_a_run_is_reported(own):
    run = own("one", 1)
    run.with_suffix(".npz").unlink()

    assert refused("evaluate", run).endswith("If the data has moved, give its path with --data.")


@needs_a_backend
def test_a_run_of_another_shape_is_refused_before_any_computation(run, monkeypatch):
    monkeypatch.setattr(import_module("gandem.metrics.evaluation.evaluate"), "RealSide", None)

    line = refused("evaluate", run, "--data", "digits")

    assert line == (
        f"{run}: it generates images of 8×8×1, digits has 28×28×1; choose the real images with "
        "--data."
    )


@needs_a_backend
@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("best", "it has no best checkpoint"),
        ("5", "it has no checkpoint 5; its steps: 3, 6."),
        ("lst", "it has no checkpoint 'lst'"),
        ("-1", "it has no checkpoint '-1'"),
        ("9" * 100, "it has no checkpoint"),
    ],
)
def test_a_missing_checkpoint_is_refused_before_any_computation(run, which, words, monkeypatch):
    monkeypatch.setattr(import_module("gandem.metrics.evaluation.evaluate"), "RealSide", None)

    line = refused("evaluate", run, f"--checkpoint={which}")

    assert words in line
    assert len(line) < 500


@needs_a_backend
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--extractor", "pixel"], "No extractor named 'pixel'. Did you mean 'pixels'?"),
        (["--extractor", "pixels:3"], "pixels: it takes no argument, received '3'."),
        (["--extractor", "lenet5:digit"], "Did you mean 'digits'?"),
        (["--data", "digit"], "No data set named 'digit'. Did you mean 'digits'?"),
        (["--backend", "troch"], "No backend named 'troch'. Did you mean 'torch'?"),
        (["--classes", "7"], "there is no class 7"),
    ],
)
def test_a_misspelled_name_suggests_the_nearest(run, options, words):
    assert words in refused("evaluate", run, *options)


@pytest.mark.parametrize("seed", [-1, 2**63, 10**30])
def test_a_seed_that_no_stream_has_is_one_line(made, data, seed):
    with pytest.raises(DataError, match=r"^seed: expected a whole number from 0 to 2\*\*63 - 1"):
        evaluate([made], data=data, seed=seed)


# --- third-party extractors ----------------------------------------------------------------------


@pytest.fixture
def third_party_extractor(monkeypatch):
    """Return a function that registers a third-party extractor, created by ``load``."""

    def put(load):
        row = package.Entry(
            id="acme/eyes", target="acme_eyes:load", kind="extractors", provider="acme-eyes"
        )
        monkeypatch.setitem(registry()._entries, "extractors", [row])
        monkeypatch.setitem(sys.modules, "acme_eyes", SimpleNamespace(load=load))
        return "eyes"

    return put


class Eyes:
    """Two features of an image."""

    name, digest, classes = "acme/eyes", "0" * 64, 0

    def __call__(self, images):
        flat = images.reshape(len(images), -1).astype(np.float32)
        return np.stack([flat.mean(1), flat.std(1)], 1), None


def test_output_of_a_third_party_extractor_goes_to_standard_error(
    third_party_extractor, made, data
):
    class Talking(Eyes):
        def __call__(self, images):
            print("looking")
            return super().__call__(images)

    name = third_party_extractor(lambda argument, backend: Talking())

    done = gandem("evaluate", made, "--data", data, "--extractor", f"{name}:x", "--json")

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["protocol"]["extractor"] == "acme/eyes"


class Odd(Eyes):
    def __call__(self, images):
        raise LookupError("no such\neye")


class Wrong(Eyes):
    def __call__(self, images):
        return np.zeros((len(images), 2))


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (
            lambda a, b: Odd(),
            "The extractor acme/eyes failed on 20 images: LookupError: no such eye",
        ),
        (lambda a, b: Wrong(), "The extractor acme/eyes failed on 20 images: "),
        (lambda a, b: 1 / 0, "'acme/eyes' of acme-eyes could not be created: ZeroDivisionError"),
        (lambda a: Eyes(), "'acme/eyes' of acme-eyes could not be created: TypeError"),
        (lambda a, b: None, "'acme/eyes' of acme-eyes is not an extractor: NoneType has no 'name'"),
        (lambda a, b: SimpleNamespace(name="x", digest="3", classes=0), "has no '__call__'"),
        (
            lambda a, b: type("E", (Eyes,), {"digest": None})(),
            "is not an extractor: its digest is None",
        ),
        (lambda a, b: type("E", (Eyes,), {"name": "a\nb"})(), "is not an extractor: its name is "),
        (
            lambda a, b: type("E", (Eyes,), {"classes": "3"})(),
            "is not an extractor: its classes are '3'",
        ),
        (
            lambda a, b: type("E", (Eyes,), {"classes": -1})(),
            "is not an extractor: its classes are -1",
        ),
    ],
)
def test_invalid_third_party_extractor_is_reported_in_one_line(
    third_party_extractor, load, words, made, data
):
    line = refused(
        "evaluate", made, "--data", data, "--extractor", third_party_extractor(load), "-n", 20
    )

    assert words in line


def test_unreadable_files_of_a_scored_folder_are_named(tmp_path, run, data):
    arrays = np.load(data.partition(":")[2])["images"]
    for number, image in enumerate(arrays[:20]):
        imageio.imwrite(tmp_path / f"{number}.png", image)
    (tmp_path / "broken.png").write_bytes(b"no picture")

    done = gandem("evaluate", tmp_path, "--data", data, "-n", 20, "--json")

    assert done.exit_code == 0, done.output
    assert "broken.png" in done.stderr


def test_an_unknown_extractor_is_refused_before_the_data_is_loaded(tmp_path):
    line = refused(
        *("train", "dcgan", "--data", f"npz:{tmp_path / 'none.npz'}", "--backend", HOME),
        *("--evaluate-every", 1, "--extractor", "lenet", "--out", tmp_path / "run"),
    )

    assert "lenet5" in line
