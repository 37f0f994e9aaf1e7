"""``gandem evaluate``: scores of runs and of image files against real images."""

import json

import numpy as np
import pytest
from support.commands import HOME, TINY, needs_a_backend, needs_both, said

import gandem as package
from gandem.core.data.dataset import load_dataset
from gandem.core.data.images import save_image
from gandem.core.runs import open_run
from gandem.metrics.evaluation.evaluate import evaluate


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An .npz of 60 images of 8×8, of three classes."""
    path = tmp_path_factory.mktemp("made") / "made.npz"
    images = np.random.default_rng(5).integers(0, 256, (60, 8, 8), np.uint8)
    np.savez(path, images=images, labels=np.arange(60) % 3)
    return path


def trained(out, data, model="dcgan", **more):
    changes = TINY.get(model, {}) | more.pop("changes", {})
    return package.train(
        model, backend=HOME, data=data, changes=changes, out=out, seed=3, **(more or {"epochs": 1})
    )


def rows(*arguments):
    """Return what the command says to machines."""
    data = json.loads(said("evaluate", *arguments, "--json"))
    assert len({json.dumps(one["protocol"]) for one in data}) == 1
    return data


# --- runs ----------------------------------------------------------------------------------------


@needs_a_backend
def test_a_run_is_scored_against_its_own_data(run, data):
    (one,) = rows(run)

    assert one["name"] == f"{run}: last, step 6"
    assert one["protocol"]["data"] == data
    assert one["protocol"]["data_digest"] == open_run(run).record.data.digest
    assert (one["protocol"]["of"], one["protocol"]["real"], one["protocol"]["fake"]) == (40, 20, 20)
    assert one["protocol"]["extractor"] == "pixels"
    assert one["values"]["frechet"] > 0 < one["real_baseline"]["frechet"]


@needs_a_backend
def test_the_table_has_the_protocol_and_the_real_baseline(run):
    text = said("evaluate", run, "-n", "20")

    assert "20 images each, against 20 of the 40 of npz:" in text
    assert f"[1]   {run}: last, step 6" in text
    assert "real  20 other images of npz:" in text
    assert "Fréchet distance" in text
    assert "kernel distance ± standard error" in text


@needs_a_backend
def test_the_same_command_gives_the_same_numbers_and_another_seed_others(run):
    first, second, other = rows(run), rows(run), rows(run, "--seed", 1)

    assert first == second
    assert first[0]["values"] != other[0]["values"]


@needs_a_backend
def test_the_best_and_the_last_are_scored_averaged_and_raw(tmp_path, data):
    run = trained(
        tmp_path / "run",
        data,
        changes={"training.ema_decay": 0.9},
        epochs=3,
        best="real_accuracy:max",
    )
    best = run.record.best.step
    assert best < 9

    names = [one["name"].partition(": ")[2] for one in rows(run.path)]

    assert sorted(names) == sorted(
        f"{which}, step {step}, {kind}"
        for which, step in (("best", best), ("last", 9))
        for kind in ("averaged", "raw")
    )
    chosen = [one["name"].partition(": ")[2] for one in rows(run.path, "--checkpoint", best)]
    assert chosen == [f"step {best}, averaged", f"step {best}, raw"]
    assert len({json.dumps(one["values"]) for one in rows(run.path)}) == 4


@needs_a_backend
def test_a_checkpoint_that_is_last_and_best_is_scored_once(tmp_path, data):
    run = trained(tmp_path / "run", data, best="generator", epochs=1)

    assert [one["name"] for one in rows(run.path)] == [f"{run.path}: last, step 3"]


@needs_a_backend
def test_a_run_may_be_compared_with_other_data(run, made):
    (one,) = rows(run, "--data", f"npz:{made}")

    assert one["protocol"]["data"] == f"npz:{made}"
    assert one["protocol"]["of"] == 60


@needs_a_backend
def test_a_run_of_points_is_scored_by_modes(tmp_path):
    run = trained(tmp_path / "run", "ring", "mlp-gan", changes={"image": 2}, steps=3)

    (one,) = rows(run.path, "-n", "500")

    assert one["real_baseline"]["modes"] == 8
    assert one["values"]["modes"] in range(9)
    assert sum(one["details"]["mode_counts"]) <= 500


@needs_both
def test_both_backends_give_a_run_the_same_scores(runs):
    run = runs("cgan").path

    torch, keras = (rows(run, "--backend", backend)[0] for backend in ("torch", "keras"))

    for name, value in torch["values"].items():
        assert value == pytest.approx(keras["values"][name], rel=1e-3, abs=1e-3), name


@pytest.fixture(scope="module")
def conditional28(tmp_path_factory):
    """A conditional run on digits of three classes, of one step."""
    path = tmp_path_factory.mktemp("runs") / "cgan"
    changes = {"generator_width": 2, "discriminator_width": 2, "latent": 4, "batch_size": 16}
    return package.train(
        "cgan",
        backend=HOME,
        data="digits",
        classes=(8, 3, 5),
        steps=1,
        changes=changes | {"classes": 3},
        out=path,
    ).path


@needs_a_backend
def test_a_conditional_run_is_scored_by_class_accuracy(conditional28):
    (one,) = rows(conditional28, "-n", "60")

    assert one["protocol"]["extractor"] == "lenet5:digits"
    assert 0 <= one["values"]["accuracy"] <= 1
    assert np.array(one["details"]["confusion"]).shape == (10, 10)
    options = np.array(one["details"]["confusion"]).sum(1)
    assert {label: n for label, n in enumerate(options.tolist()) if n} == {3: 20, 5: 20, 8: 20}


@needs_a_backend
def test_a_classifier_is_trained_on_a_conditional_run_and_the_scores_saved(conditional28):
    (row,) = rows(conditional28, "-n", "60", "--gan-train", "--save")

    assert 0 <= row["values"]["gan_train"] <= 1
    assert row["real_baseline"]["gan_train"] > 0.4
    assert row["protocol"]["classifier"].startswith("lenet5, 10 epochs (")
    assert json.loads((conditional28 / "scores.json").read_text()) == [row]


@needs_a_backend
def test_classes_are_known_by_their_names_in_data_that_numbers_them_otherwise(conditional28):
    (one,) = rows(conditional28, "-n", "60", "--data", "digits")

    options = np.array(one["details"]["confusion"]).sum(1)
    assert {label: n for label, n in enumerate(options.tolist()) if n} == {3: 20, 5: 20, 8: 20}


@needs_a_backend
def test_classes_that_the_data_lacks_are_not_reported(conditional28):
    (one,) = rows(conditional28, "-n", "60", "--data", "digits", "--classes", "0,1")

    assert "accuracy" not in one["values"]
    assert one["values"]["entropy"] >= 0


@needs_a_backend
def test_evaluate_takes_runs_and_paths_and_reports_progress(run, made):
    reports = []

    result = evaluate(
        [open_run(run), str(made)], num_samples=20, progress=lambda *words: reports.append(words)
    )

    assert [one.name for one in result] == [f"{run}: last, step 6", str(made)]
    assert {what for what, _, _ in reports} >= {f"features of {made}", f"scores of {made}"}
    assert all(0 <= done <= total for _, done, total in reports)


# --- images --------------------------------------------------------------------------------------


def test_images_in_a_file_and_a_folder_are_scored_alike(tmp_path, made, data):
    images = np.load(made)["images"]
    (tmp_path / "made").mkdir()
    for number, image in enumerate(images):
        save_image(tmp_path / "made" / f"{number:03}.png", np.repeat(image[..., None], 3, axis=2))

    file, folder = rows(made, tmp_path / "made", "--data", data)

    assert [file["name"], folder["name"]] == [str(made), str(tmp_path / "made")]
    assert file["values"]["frechet"] == pytest.approx(folder["values"]["frechet"], rel=1e-6)


def test_data_dir_reaches_data_sets_among_the_subjects(made):
    (score,) = evaluate(
        f"npz:{made.name}", data=f"npz:{made.name}", data_dir=made.parent, num_samples=20
    )

    assert score.protocol.fake == 20


def test_real_images_score_as_real_images_do(made, tmp_path):
    loaded = load_dataset(f"npz:{made}")
    np.savez(tmp_path / "copy.npz", images=loaded.images[:30], labels=loaded.labels[:30])

    (one,) = rows(tmp_path / "copy.npz", "--data", f"npz:{made}")

    assert 0.3 < one["values"]["frechet"] / one["real_baseline"]["frechet"] < 2


@pytest.mark.parametrize("backend", [[], ["--backend", "nobody"]])
def test_pixels_need_no_backend(made, data, backend, monkeypatch):
    monkeypatch.setattr("gandem.core.training.backends.installed_backends", list)

    assert rows(made, "--data", data, *backend)[0]["values"]["frechet"] > 0
