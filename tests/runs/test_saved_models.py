"""Saved models: the folder, its weights, its record without paths, and its card."""

import hashlib
import json
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from support.commands import TINY, needs_a_backend, refused, said

import gandem
from gandem.core.errors import GandemError, NotFoundError, RunError, SpecError
from gandem.core.plugins.entry import Entry
from gandem.core.plugins.registry import registry
from gandem.core.runs.saved.folder import hide_folders, hide_paths, publish_record
from gandem.core.runs.saved.weights import select_weights
from gandem.core.specs import plan_spec

FILES = {"spec.toml", "run.json", "model.safetensors", "README.md", "samples.png"}
AVERAGED = {"training.ema_decay": 0.5}


@pytest.fixture
def run(toy, data, tmp_path):
    """A run that keeps averages, with a best checkpoint at step 2 of 3."""
    options = {"steps": 3, "checkpoint_steps": 1, "backend": toy, "data": data}
    changes = TINY["dcgan"] | AVERAGED
    return gandem.train("dcgan", out=tmp_path / "run", changes=changes, **options)


@pytest.fixture
def model(run, tmp_path):
    return run.save_pretrained(tmp_path / "model")


# --- the folder ----------------------------------------------------------------------------------


def test_a_saved_model_holds_the_averages_and_nothing_of_the_training(run, model):
    assert {path.name for path in model.path.iterdir()} == FILES
    arrays, state = load_file(model.path / "model.safetensors"), run.state()

    plan = plan_spec(run.spec)["generator"]
    assert set(arrays) == {p.name for p in (*plan.parameters(), *plan.statistics())}
    for parameter in plan.parameters():
        assert (arrays[parameter.name] == state[f"average/{parameter.name}"]).all()


def test_the_average_of_a_weight_is_saved(run):
    name = "generator/dense/kernel"
    state = run.state()
    state[f"average/{name}"] = state[name] + 1

    assert (select_weights(run.spec, state, ["generator"], None)[name] == state[name] + 1).all()


def test_a_saved_model_has_one_set_of_weights_and_no_untrained_ones(run, model):
    checkpoint = model.checkpoint()

    assert (checkpoint.players, checkpoint.step) == (("generator",), 3)
    state = checkpoint.state
    assert list(state) == list(run.state())
    assert (state["average/generator/dense/kernel"] == state["generator/dense/kernel"]).all()
    assert np.isnan(state["discriminator/conv2d/kernel"]).all()
    with pytest.raises(RunError, match="it holds no discriminator; it holds generator"):
        model.native("discriminator")


def test_a_saved_model_can_keep_the_discriminator(run, tmp_path):
    saved = run.save_pretrained(tmp_path / "all", players="all")

    assert saved.checkpoint().players == ("generator", "discriminator")
    kernel = "discriminator/conv2d/kernel"
    assert (saved.state()[kernel] == run.state()[kernel]).all()


def test_weights_of_half_precision_are_the_same_weights_when_they_are_saved_again(run, tmp_path):
    half = run.save_pretrained(tmp_path / "half", dtype="float16")
    again = half.save_pretrained(tmp_path / "again", dtype="float16")

    assert load_file(half.path / "model.safetensors")["generator/dense/kernel"].dtype == "float16"
    assert half.state()["generator/dense/kernel"].dtype == "float32"
    first, second = (m.path / "model.safetensors" for m in (half, again))
    assert first.read_bytes() == second.read_bytes()


def test_numbers_too_large_for_half_precision_are_refused(run):
    state = run.state()
    state["average/generator/dense/kernel"][0, 0] = 1e6

    with pytest.raises(RunError, match="generator/dense/kernel: it has numbers too large for floa"):
        select_weights(run.spec, state, ["generator"], "float16")


def test_a_chosen_checkpoint_is_saved_with_its_step(run, tmp_path):
    saved = run.save_pretrained(tmp_path / "second", checkpoint=2)

    assert (saved.record.steps, saved.record.losses, saved.checkpoint(2).step) == (2, {}, 2)
    kernel = run.state(2)["average/generator/dense/kernel"]
    assert (saved.state("last")["generator/dense/kernel"] == kernel).all()
    with pytest.raises(RunError, match="it has no checkpoint 3; its steps: 2"):
        saved.checkpoint(3)


def test_a_training_in_stages_is_saved(toy, tmp_path):
    spec = gandem.spec("progan", **registry().find("models", "progan").small)
    run = gandem.train(spec, backend=toy, data="digits", steps=2, out=tmp_path / "run")

    saved = run.save_pretrained(tmp_path / "model")

    assert saved.state()["running/stage"] == run.state()["running/stage"]
    assert (saved.generate(2).images == run.generate(2).images).all()


def test_a_training_starts_from_the_networks_of_a_saved_model(run, model, data, tmp_path, toy):
    options = {"steps": 1, "backend": toy, "data": data, "changes": TINY["dcgan"]}
    notices = []
    options |= {"out": tmp_path / "started", "notice": notices.append}

    started = gandem.train("dcgan", start_from=model, **options)

    assert "12 arrays loaded; new, with their initial values: discriminator/" in notices[0]
    origin = started.record.origin
    assert set(origin.loaded) == set(load_file(model.path / "model.safetensors"))
    assert {name.partition("/")[0] for name in origin.new} == {"discriminator"}
    assert all(np.isfinite(value).all() for value in started.state().values())


# --- refusals ------------------------------------------------------------------------------------


def test_a_folder_that_holds_files_is_left_alone(run, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()

    words = refused("save", run.path, tmp_path / "full")

    assert words == f"{tmp_path / 'full'}: it is not an empty folder; choose a new one."
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes.txt"]


def test_a_model_that_cannot_be_drawn_leaves_nothing(run, tmp_path):
    with pytest.raises(GandemError):
        run.save_pretrained(tmp_path / "model", backend="nothing")

    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"players": ["generatr"]}, "no player named 'generatr'. Did you mean 'generator'?"),
        ({"players": ["discriminator"]}, "a saved model needs the generator; add it."),
        ({"dtype": "int8"}, "dtype: expected one of float16, float32, float64, received 'int8'."),
    ],
)
def test_wrong_options_are_refused(run, tmp_path, options, words):
    with pytest.raises(SpecError) as caught:
        run.save_pretrained(tmp_path / "model", **options)

    assert str(caught.value).endswith(words)


def test_a_saved_model_cannot_be_resumed(model):
    words = refused("resume", model.path)

    assert words.startswith(f"{model.path}: a saved model holds no state of the optimizers; ")
    assert {path.name for path in model.path.iterdir()} == FILES


def test_a_player_that_was_not_saved_cannot_be_exported(model, tmp_path):
    options = ("--format", "safetensors", "--player", "discriminator")

    words = refused("export", model.path, *options, "-o", tmp_path / "x.safetensors")

    assert words.endswith("it holds no discriminator; it holds generator.")


def test_the_scores_of_a_saved_model_are_not_written_into_it(model):
    words = refused("evaluate", model.path, "--save")

    assert words == f"{model.path}: a saved model is not changed; leave --save out."


def test_a_player_that_was_not_saved_cannot_be_saved(model, tmp_path):
    words = refused("save", model.path, tmp_path / "all", "--players", "all")

    assert words.endswith("model.safetensors: it holds no discriminator; it holds generator.")


def change_header(path, **changes):
    """Write a model again with other fields in its header, and the right SHA-256."""
    from gandem.core.runs.checkpoint import read_header, write_arrays

    arrays = load_file(path)
    write_arrays(path, {**read_header(path), **changes}, arrays)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"players": "generator"}, "its header has the players 'generator', which are not valid"),
        ({"players": ["critic"]}, r"its header has the players \['critic'\], which are not valid"),
        (
            {"players": ["generator", "discriminator"]},
            "discriminator/.*: the file lacks this array",
        ),
        ({"precision": "float16"}, "its header has the precision 'float16', which is not valid"),
    ],
)
def test_a_foreign_header_is_refused(model, changes, words):
    change_header(model.path / "model.safetensors", **changes)

    with pytest.raises(RunError, match=words):
        model.generate(1)


def test_a_small_file_with_a_spec_of_networks_larger_than_the_memory_is_refused(model, monkeypatch):
    monkeypatch.setattr("gandem.core.machine.memory_size", lambda: 1000)

    with pytest.raises(RunError, match="The state of 'dcgan' would take at least"):
        model.checkpoint()


@pytest.mark.parametrize("damage", ["flip", "cut", "foreign", "empty", "folder"])
def test_damaged_weights_are_refused_in_one_line(model, damage):
    path = model.path / "model.safetensors"
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-3] ^= 1
    path.write_bytes({"cut": content[:-9], "empty": b"", "flip": content}.get(damage, content))
    if damage == "foreign":
        save_file({"x": np.zeros(3, np.float32)}, path)
    if damage == "folder":
        path.unlink()
        path.mkdir()

    words = refused("generate", model.path)

    assert words.startswith(str(model.path))


# --- record and card -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("gandem train x --data-dir=/a/b -o y --seed 1", "gandem train x --seed 1"),
        (
            "gandem train /home/ada/x.toml --data npz:/a/b.npz",
            "gandem train x.toml --data npz:b.npz",
        ),
        ("gandem train x --set 'image=[8, 8, 1]'", "gandem train x --set 'image=[8, 8, 1]'"),
        ("gandem train ~/x.toml --set a.b=1/2", "gandem train x.toml --set a.b=1/2"),
    ],
)
def test_paths_of_the_machine_are_hidden_in_a_command(text, hidden):
    assert hide_paths(text) == hidden


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("folder:/home/ada/my pictures", "folder:my pictures"),
        ("folder:/home/ada love/faces", "folder:faces"),
        ('folder:/home/ada\'s "own"/faces', "folder:faces"),
        ("/home/ada love/runs/first", "first"),
        ("folder:data/my faces", "folder:data/my faces"),
        ("mnist", "mnist"),
        ("hf://user/name@v1", "hf://user/name@v1"),
    ],
)
def test_folders_of_the_machine_are_hidden_in_a_name(text, hidden):
    assert hide_folders(text) == hidden


def test_no_file_of_a_saved_model_has_a_path_of_the_machine(run, model, data):
    folder = data.removeprefix("npz:").rpartition("/")[0]
    assert folder in (run.path / "run.json").read_text()

    texts = [(model.path / name).read_bytes() for name in FILES - {"samples.png"}]

    assert not [text for text in texts if folder.encode() in text]
    assert model.record.settings.data == "npz:tiny.npz"


def test_the_scores_of_the_saved_checkpoint_are_recorded(run):
    checkpoint = run.checkpoint(2)
    protocol = {"protocol": {"data": "x"}, "real_baseline": {"frechet": 1.0}}
    recorded = replace(run.record, evaluation={**protocol, "last": {"step": 3, "frechet": 9.0}})

    assert publish_record(recorded, checkpoint).evaluation is None
    scored = replace(checkpoint, header=checkpoint.header | {"scores": {"frechet": 5.0}})
    taken = publish_record(recorded, scored).evaluation
    assert taken == {**protocol, "last": {"step": 2, "frechet": 5.0}}
    given = {**protocol, "values": {"frechet": 4.0}, "name": "x", "details": {}}
    taken = publish_record(recorded, checkpoint, evaluation=given).evaluation
    assert taken == {**protocol, "last": {"step": 2, "frechet": 4.0}}


def test_the_scores_of_an_evaluation_are_taken_where_they_were_saved(run, tmp_path):
    parts = {"protocol": {"data": "x"}, "real_baseline": {"frechet": 1.0}}
    rows = [{"details": {"step": step}, "values": {"frechet": step}, **parts} for step in (2, 3)]
    (run.path / "scores.json").write_text(json.dumps(["damaged", *rows]))

    saved = run.save_pretrained(tmp_path / "model", checkpoint=2)

    assert saved.record.evaluation == {**parts, "last": {"step": 2, "frechet": 2}}


def test_the_front_matter_of_the_card_is_read_by_the_hub(run, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    protocol = {"data": "digits", "fake": 1000, "real": 1000, "extractor": "lenet5", "seed": 0}
    values = {"frechet": 3.5, "kernel": 0.01, "kernel_error": 0.1, "modes": None}
    given = {"protocol": protocol, "values": values, "real_baseline": {"frechet": 0.4}}

    folder = tmp_path / "a model: 'x'"
    run.save_pretrained(folder, license="mit", evaluation=given)

    card = hub.ModelCard.load(folder / "README.md")
    data = card.data
    assert (data.library_name, data.license, data.model_name) == ("gandem", "mit", folder.name)
    assert {"gandem", "gan", "dcgan"} <= set(data.tags)
    results = {result.metric_type: result.metric_value for result in data.eval_results}
    assert results == {"frechet": 3.5, "kernel": 0.01}
    text = "Fréchet distance (1,000 images against 1,000 of digits, features of lenet5, seed 0)"
    assert data.eval_results[0].metric_name == text
    assert "| Fréchet distance | 3.5 | 0.4 |" in card.text
    assert run.record.spec_digest in card.text
    assert f"gandem generate {shlex.quote(folder.name)} -n 25" in card.text


# --- use on backends -----------------------------------------------------------------------------


@needs_a_backend
def test_a_saved_model_generates_and_is_scored_in_one_row(runs, data, tmp_path):
    run = runs(**AVERAGED)

    saved = run.save_pretrained(tmp_path / "model")

    assert (saved.generate(6).images == run.generate(6).images).all()
    assert saved.native("generator") is not None
    (scored,) = gandem.evaluate(saved, num_samples=20, extractor="pixels", data=data)
    assert scored.details["weights"] == "averaged"


# --- pretrained models of packages ----------------------------------------------------------------


@pytest.fixture
def packaged(model, tmp_path, monkeypatch):
    """The entry of a package that ships a pretrained model."""
    folder = tmp_path / "package"
    shutil.copytree(model.path, folder / "tiny@noise")
    monkeypatch.setattr("support.hub.FOLDER", folder, raising=False)
    sha256 = hashlib.sha256((folder / "tiny@noise/model.safetensors").read_bytes()).hexdigest()
    entry = Entry(
        id="acme/tiny@noise",
        target="support.hub:FOLDER",
        title="Tiny",
        sha256=sha256,
        kind="pretrained",
        provider="acme",
    )
    monkeypatch.setitem(registry()._entries, "pretrained", [entry])
    return folder / "tiny@noise"


def test_a_pretrained_model_of_a_package_is_opened_by_its_name(packaged, model, tmp_path):
    opened = gandem.from_pretrained("acme/tiny@noise")
    assert opened.path == packaged
    assert (opened.generate(4).images == model.generate(4).images).all()

    said("generate", "tiny@noise", "-n", 4, "-o", tmp_path / "grid.png")
    assert "dcgan" in said("show", "tiny@noise")
    (row,) = json.loads(said("list", "--pretrained", "--json"))
    assert (row["id"], row["steps"], row["title"]) == ("acme/tiny@noise", 3, "Tiny")
    assert "acme/tiny@noise" in said("list", "--pretrained")


def test_a_name_that_is_not_there_suggests_the_nearest(packaged):
    words = "No pretrained model or folder named 'tiny@nois'. Did you mean 'acme/tiny@noise'?"
    assert refused("generate", "tiny@nois") == words
    assert refused("evaluate", "tiny@nois") == words
    assert refused("show", "tiny@nois") == words
    with pytest.raises(NotFoundError):
        gandem.from_pretrained("tiny@nois")


def test_changed_weights_of_a_package_are_refused(packaged):
    path = packaged / "model.safetensors"
    path.write_bytes(path.read_bytes() + b"x")

    words = refused("generate", "tiny@noise")

    assert "damaged; its SHA-256 is not that of the pretrained model 'acme/tiny@noise'" in words


def test_a_folder_is_opened_before_a_pretrained_model_of_its_name(packaged, run, monkeypatch):
    monkeypatch.chdir(run.path.parent)
    shutil.copytree(run.path, "tiny@noise")

    assert gandem.open_run("tiny@noise").path.name == "tiny@noise"
    assert gandem.open_run("tiny@noise").log()


def test_a_revision_is_for_the_hub(packaged):
    with pytest.raises(RunError, match="Expected a name on the hub"):
        gandem.from_pretrained("tiny@noise", revision="v1")
