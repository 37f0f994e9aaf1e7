"""Trainings that start from the weights of another run, or of a file."""

import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.commands import gandem as command

import gandem
from gandem.core.errors import GandemError
from gandem.core.runs import read_checkpoint, write_checkpoint
from gandem.core.runs.transfer.name_map import read_name_map
from gandem.core.runs.transfer.settings import list_size_parameters
from gandem.core.runs.transfer.source import read_source
from gandem.core.runs.transfer.transfer import Transfer
from gandem.core.specs import change, find_model, load_spec
from gandem.core.training import initial_state, load_backend, load_loss, network_shapes

SMALL = {"latent": 4, "width": 2, "batch_size": 8, "data": "digits", "accuracy_every": 0}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def train(model, out, backend, steps=2, **options):
    """Train without warnings; return the run."""
    notes = []
    options = SMALL | options
    run = gandem.train(model, out=out, backend=backend, steps=steps, notice=notes.append, **options)
    return run, notes


def refusal(*arguments, **options):
    with pytest.raises(GandemError) as caught:
        train(*arguments, **options)
    assert not Path("out").exists()
    return str(caught.value)


@pytest.fixture
def source(toy):
    return train("dcgan", "source", toy)[0]


# --- from a run ----------------------------------------------------------------------------------


def test_a_training_starts_from_the_weights_of_a_run(source, toy):
    run, notes = train("dcgan", "out", toy, steps=1, start_from="source", seed=5)

    first = read_checkpoint(run.checkpoints()[0])
    assert (first.step, notes) == (0, [])
    names = network_shapes(source.spec)
    for name, value in source.state().items():
        if name in names:
            np.testing.assert_array_equal(first.state[name], value, err_msg=name)
        elif name.startswith("optimizer/"):
            assert not np.any(first.state[name]), name
    origin = run.record.origin
    assert (origin.source, origin.model, origin.step) == ("source", "dcgan", 2)
    assert origin.spec_digest == source.record.spec_digest
    assert (origin.loaded, origin.new, origin.unused) == (tuple(names), (), ())
    assert len(origin.digest) == 64


def test_averaged_weights_are_taken_and_averages_start_from_them(toy):
    name, spec = "generator/dense/kernel", load_spec("dcgan", {"latent": 4, "width": 2})
    state = initial_state(change(spec, {"training.ema_decay": 0.5}), 0, "float32")
    state[f"average/{name}"] = state[name] + 1
    path = write_checkpoint(Path(), 2, state, change(spec, {"training.ema_decay": 0.5}), 0, {})
    changes = {"training.ema_decay": 0.9, "training.lookahead_interval": 2}

    run, _ = train("dcgan", "out", toy, steps=1, start_from=path, changes=changes)

    first = read_checkpoint(run.checkpoints()[0]).state
    for each in (name, f"average/{name}", f"lookahead/{name}"):
        np.testing.assert_array_equal(first[each], state[f"average/{name}"])
    assert run.record.origin.averaged == ("generator",)


def test_layers_of_other_classes_are_new(toy):
    train("cdcgan", "source", toy, classes=(0, 1, 2), changes={"classes": 3})

    run, notes = train(
        "cdcgan", "out", toy, start_from="source", classes=(0, 1), changes={"classes": 2}
    )

    origin = run.record.origin
    layers = dict.fromkeys(name.rpartition("/")[0] for name in origin.new)
    assert notes == [
        f"source: {len(origin.loaded)} arrays loaded; new, with their initial values: "
        f"{', '.join(layers)}; not used: {', '.join(origin.unused)}."
    ]
    first = read_checkpoint(run.checkpoints()[0]).state
    drawn = initial_state(run.spec, 0, "float32")
    for name in origin.new:
        np.testing.assert_array_equal(first[name], drawn[name])


def test_layers_as_wide_as_the_classes_are_new():
    """The first layer of cgan has as many units as noise and classes together, times 49."""
    settings = {"latent": 4, "generator_width": 2, "discriminator_width": 2}
    other = load_spec("cgan", settings | {"classes": 5})
    path = write_checkpoint(Path(), 0, initial_state(other, 0, "float32"), other, 0, {})
    spec, changes = load_spec("cgan", settings | {"classes": 3}), settings | {"classes": 3}
    state = initial_state(spec, 0, "float32")

    loaded, origin = Transfer(spec, read_source(path), read_name_map(None), "cgan", changes).load(
        state
    )

    layers = {name.rpartition("/")[0] for name in origin.new}
    assert "generator/dense" in layers
    assert {name.rpartition("/")[0] for name in origin.loaded}.isdisjoint(layers)
    assert origin.loaded
    assert {name: value.shape for name, value in loaded.items()} == {
        name: value.shape for name, value in state.items()
    }


def test_a_run_that_started_from_another_is_resumed_to_equal_bytes(source, toy):
    whole, _ = train("dcgan", "whole", toy, steps=4, start_from="source")
    part, _ = train("dcgan", "part", toy, steps=1, start_from="source")
    part.checkpoints()[-1].unlink()  # as if it had been killed before

    part = gandem.resume("part", steps=4, notice=lambda text: None)

    for name, value in whole.state().items():
        np.testing.assert_array_equal(part.state()[name], value, err_msg=name)
    assert part.record.origin == whole.record.origin


def test_a_run_without_its_first_weights_is_not_resumed(source, toy):
    run, _ = train("dcgan", "out", toy, steps=1, start_from="source")
    for path in run.checkpoints():
        path.unlink()

    with pytest.raises(GandemError, match="its first weights come from source; train it anew"):
        gandem.resume("out", steps=4)


def test_a_checkpoint_is_a_source_also_through_a_link(source, toy):
    Path("link.safetensors").symlink_to(source.checkpoints()[-1])

    run, _ = train("dcgan", "out", toy, start_from="link.safetensors")

    assert (run.record.origin.source, run.record.origin.step) == ("link.safetensors", 2)


def test_another_precision_is_converted(source, toy):
    run, _ = train("dcgan", "out", toy, steps=1, start_from="source", precision="float64")

    first = read_checkpoint(run.checkpoints()[0]).state["generator/dense/kernel"]
    np.testing.assert_array_equal(first, source.state()["generator/dense/kernel"].astype(float))


# --- what does not fit ---------------------------------------------------------------------------


def test_another_width_names_the_setting(source, toy):
    message = refusal("dcgan", "out", toy, start_from="source", width=4)

    assert message == (
        "generator/dense/kernel: source has shape (4, 196), the spec expects (4, 392) "
        "(and 18 more). Choose --set width=2."
    )


def test_other_width_and_latent_size_name_both_settings(source, toy):
    message = refusal("dcgan", "out", toy, start_from="source", width=3, latent=5)

    assert message.endswith("Choose --set width=2 --set latent=4.")


def test_other_specs_name_the_field(source, toy):
    changes = {"discriminator.layers.conv2d.kernel": 5}

    message = refusal("dcgan", "out", toy, start_from="source", changes=changes)

    assert message == (
        "discriminator/conv2d/kernel: source has shape (4, 4, 1, 2), the spec expects "
        "(5, 5, 1, 2). Its spec has players.discriminator.layers.conv2d.kernel = [4, 4], this one "
        "[5, 5]. Train its own spec: gandem train source/spec.toml --from source."
    )


@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        ("dcgan", ["latent", "width"]),
        ("biggan", ["classes", "latent", "embedding", "width", "discriminator_width"]),
        ("r3gan", ["latent", "width", "groups"]),
    ],
)
def test_only_sizes_are_tried_for_a_setting_that_fits_and_no_numbers_of_layers(model, sizes):
    assert list_size_parameters(find_model(model), {}) == sizes


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.safetensors", None, "a.safetensors: there is no such file."),
        ("a.safetensors", b"PK\3\4 not this", "a.safetensors: not a safetensors file, or damaged"),
        ("a.pt", b"PK\3\4", "a.pt: expected the folder of a run, or a file that ends in"),
    ],
)
def test_a_file_that_cannot_be_a_source_is_refused(toy, name, content, message):
    if content is not None:
        Path(name).write_bytes(content)

    assert refusal("dcgan", "out", toy, start_from=name).startswith(message)


def test_a_file_with_nothing_that_fits_is_refused(toy):
    save_file({"main.0.weight": np.ones((2, 2), "float32")}, "a.safetensors")

    assert refusal("dcgan", "out", toy, start_from="a.safetensors") == (
        "a.safetensors: it holds 'main.0.weight' …, the spec has 'generator/dense/kernel', "
        "'generator/batch_norm/scale', 'generator/batch_norm/offset' …, and none is loaded; say "
        "which is which with --map (docs/fine-tuning.md)."
    )


def test_a_file_whose_arrays_have_other_types_is_refused_with_their_type(toy):
    save_file({"generator/dense/kernel": np.ones((2, 2), "int64")}, "a.safetensors")

    assert refusal("dcgan", "out", toy, start_from="a.safetensors") == (
        "a.safetensors: 'generator/dense/kernel' holds I64; expected F16, F32 or F64. Convert it."
    )


def test_a_file_without_arrays_is_refused(toy):
    save_file({}, "a.safetensors")

    assert refusal("dcgan", "out", toy, start_from="a.safetensors") == (
        "a.safetensors: it holds no arrays."
    )


def test_a_map_that_leaves_all_layers_new_is_refused(toy):
    save_file({"generator/dense/kernel": np.ones((2, 2), "float32")}, "a.safetensors")
    names = {"new": ["generator", "discriminator"]}

    assert refusal("dcgan", "out", toy, start_from="a.safetensors", name_map=names) == (
        "a.safetensors: the name map leaves all arrays of the spec new; leave some names out of "
        "'new'."
    )


def test_a_layer_that_is_given_the_name_of_an_array_is_refused(toy):
    save_file({"fc": np.ones((2, 2), "float32")}, "a.safetensors")
    names = {"arrays": {"generator/dense": "fc"}}

    assert refusal("dcgan", "out", toy, start_from="a.safetensors", name_map=names) == (
        "arrays: generator/dense is a layer, and a.safetensors has an array 'fc'; name the array "
        "of the layer, 'generator/dense/kernel'."
    )


def test_numbers_that_are_not_finite_are_refused(toy):
    save_file({"generator/dense/kernel": np.full((4, 196), 1e300)}, "a.safetensors")

    message = refusal("dcgan", "out", toy, start_from="a.safetensors")
    assert message.startswith("a.safetensors: generator/dense/kernel would hold numbers that are")


# --- a file of another program -------------------------------------------------------------------

ARRAYS = {"g.0.weight": np.ones((196, 4), "float32"), "n": np.array(3)}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"arays": {}}, "the name map: unknown field 'arays'. Did you mean 'arrays'?"),
        ({"layout": "tf"}, "layout: expected 'gandem' or 'torch', received 'tf'."),
        (
            {"arrays": {"generator/dense/kernl": "g.0.weight"}},
            "arrays: the spec has no array or layer 'generator/dense/kernl'. Did you mean "
            "'generator/dense/kernel'?",
        ),
        (
            {"arrays": {"generator/dense/kernel": "g.0.wieght"}},
            "arrays: generator/dense/kernel: a.safetensors has no array 'g.0.wieght'. "
            "Did you mean 'g.0.weight'?",
        ),
        (
            {"arrays": {"generator/dense": "g.1"}},
            "arrays: generator/dense: a.safetensors has no array 'g.1'.",
        ),
        (
            {"arrays": {"generator/dense/kernel": "n"}},
            "a.safetensors: 'n' holds I64; expected F16, F32 or F64. Convert it.",
        ),
        (
            {"arrays": {"generator/dense/kernel": {"name": "g.0.weight", "axes": [1]}}},
            "arrays: generator/dense/kernel: expected axes with each of the numbers from 0 to 1, "
            "received [1]; the shape is (196, 4).",
        ),
        ({"new": ["generator/dens"]}, "new: the spec has no layer 'generator/dens'. Did you mean"),
        (
            {"arrays": {"generator/dense/kernel": "g.0.weight"}},
            "generator/dense/kernel: a.safetensors has shape (196, 4) (g.0.weight), the spec "
            "expects (4, 196).",
        ),
    ],
)
def test_a_map_that_does_not_fit_is_refused(toy, names, message):
    save_file(ARRAYS, "a.safetensors")

    refused = refusal("dcgan", "out", toy, start_from="a.safetensors", name_map=names)

    assert refused.startswith(message)


def test_a_map_is_read_from_a_file(toy):
    save_file(ARRAYS, "a.safetensors")
    Path("names.toml").write_text('layout = "torch"\n[arrays]\n"generator/dense" = "g.0"\n')

    run, notes = train(
        "dcgan", "out", toy, start_from="a.safetensors", name_map="names.toml", steps=1
    )

    assert run.record.origin.names == {"generator/dense/kernel": "g.0.weight"}
    assert notes[0].startswith("a.safetensors: 1 array loaded; new, with their initial values: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [("[", "names.toml: the name map is not TOML: "), (None, "names.toml: cannot be read (")],
)
def test_a_map_that_is_not_one_is_refused(toy, text, message):
    save_file(ARRAYS, "a.safetensors")
    if text is not None:
        Path("names.toml").write_text(text)

    refused = refusal("dcgan", "out", toy, start_from="a.safetensors", name_map="names.toml")

    assert refused.startswith(message)


def test_a_map_without_a_file_is_refused(toy):
    assert "choose the file with --from" in refusal("dcgan", "out", toy, name_map={})


def test_the_command_has_the_options(source, toy):
    save_file({"g.0.weight": np.ones((196, 4), "float32")}, "a.safetensors")
    Path("names.toml").write_text('layout = "torch"\n[arrays]\n"generator/dense" = "g.0"\n')
    model = ("train", "dcgan", "--set", "latent=4", "--set", "width=2", "--data", "digits")

    done = command(
        *(*model, "--backend", toy, "--steps", "1", "--out", "out", "--from", "a.safetensors"),
        *("--map", "names.toml", "--freeze", "discriminator.conv2d*"),
    )

    assert done.exit_code == 0, done.output
    run = gandem.open_run("out")
    assert run.record.origin.loaded == ("generator/dense/kernel",)
    assert [p.frozen for p in run.spec.players] == [(), ("conv2d", "conv2d_1")]
    assert "\nfrom       a.safetensors\n" in done.output
    assert ", but for conv2d, conv2d_1 (frozen)" in command("show", "out/spec.toml").output


def test_frozen_weights_and_their_copies_stay_as_they_are():
    pytest.importorskip("torch")
    changes = {"training.ema_decay": 0.5, "training.lookahead_interval": 1}

    run, _ = train(
        "dcgan",
        "out",
        "torch",
        changes={**changes, "training.weight_clip": 1e-3},
        freeze=["discriminator.batch_norm", "discriminator.conv2d", "generator.dense"],
    )

    first, state = initial_state(run.spec, 0, "float32"), run.state()
    frozen = ("discriminator/batch_norm/", "discriminator/conv2d/", "generator/dense/")
    for name, value in first.items():
        own = name.removeprefix("average/").removeprefix("lookahead/")
        stays = own.startswith(frozen) and not own.endswith(("/mean", "/variance"))
        assert np.array_equal(state[name], value) == stays, name


def test_the_map_of_the_documentation_loads_a_dcgan_of_pytorch():
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save

    page = (Path(__file__).parents[2] / "docs" / "fine-tuning.md").read_text("utf-8")
    code = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[1]
    exec(code, names := {})
    networks, generator = names["networks"].eval(), torch.Generator().manual_seed(0)
    for value in (*networks.parameters(), *networks.buffers()):
        if value.is_floating_point():
            value.data = 0.1 + 0.1 * torch.rand(value.shape, generator=generator)
    save(networks.state_dict(), "weights.safetensors")
    table = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[0]
    Path("names.toml").write_text(table, "utf-8")

    spec, source = load_spec("dcgan"), read_source("weights.safetensors")
    transfer = Transfer(spec, source, read_name_map("names.toml"), "dcgan", {})
    state, origin = transfer.load(initial_state(spec, 0, "float32"))

    assert (origin.new, set(origin.unused)) == (
        (),
        {name for name in networks.state_dict() if name.endswith("num_batches_tracked")},
    )
    place = {"precision": "float32", "device": "cpu"}
    engine = load_backend("torch").engine(spec, load_loss(spec.loss), state, **place)
    noise = np.random.default_rng(0).normal(size=(3, 100)).astype("float32")
    images = engine.forward("generator", {"noise": noise})
    with torch.no_grad():
        expected = networks["generator"](torch.as_tensor(noise))
        logits = networks["discriminator"](expected)
    np.testing.assert_allclose(images, expected.permute(0, 2, 3, 1).numpy(), atol=1e-5)
    result = engine.forward("discriminator", {"image": images})
    np.testing.assert_allclose(result, logits.numpy(), rtol=1e-5)
