"""Native networks of a run save, load and predict with the framework's own tools."""

import subprocess
import sys

import numpy as np
import pytest

from gandem.core import specs as kinds
from gandem.core.specs import Dense, change, load_spec, plan_spec
from gandem.core.training import fixed_inputs, initial_state, load_backend, load_loss
from gandem.testing.case_types import as_statistic, hashed_numbers
from gandem.testing.trajectories import SMALL, TRAJECTORIES


def inputs_of(network) -> list[np.ndarray]:
    numbers = np.random.default_rng(1)
    return [numbers.normal(size=(5, *s)).astype("float32") for s in network.plan.inputs.values()]


@pytest.mark.parametrize("model", ["dcgan", "cgan"])
@pytest.mark.parametrize("player", ["generator", "discriminator"])
@pytest.mark.parametrize("way", ["torch.save", "safetensors"])
def test_a_torch_state_dict_is_saved_and_loaded_into_a_new_network(
    runs, tmp_path, model, player, way
):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    from gandem.backends.torch.network import Network

    network = runs(model).native(player, "torch")
    assert isinstance(network, torch.nn.Module)
    if way == "torch.save":
        torch.save(network.state_dict(), tmp_path / "x.pt")
        loaded = torch.load(tmp_path / "x.pt", weights_only=True)
    else:
        save_file(network.state_dict(), tmp_path / "x.safetensors")
        loaded = load_file(tmp_path / "x.safetensors")
    fresh = Network(network.plan)
    fresh.load_state_dict(loaded)

    inputs = [
        torch.as_tensor(x).permute(0, 3, 1, 2) if x.ndim == 4 else torch.as_tensor(x)
        for x in inputs_of(network)
    ]
    with torch.no_grad():
        expected, received = network.eval()(*inputs), fresh.eval()(*inputs)
    torch.testing.assert_close(received, expected, rtol=0, atol=1e-6)


# --- PyTorch's own order of features ------------------------------------------------------------


def torch_engine(spec, precision):
    """Return an engine whose arrays are all different numbers, running statistics too."""
    pytest.importorskip("torch")
    state = initial_state(spec, 0, precision)
    for name, value in state.items():
        if value.dtype.kind == "f":
            numbers = hashed_numbers(name, value.shape)
            if name.endswith(("/variance", "_vector")):
                state[name] = as_statistic(name, numbers).astype(precision)
            else:
                state[name] = (value + 0.1 * numbers).astype(precision)
    backend = load_backend("torch")
    return backend.engine(spec, load_loss(spec.loss), state, precision=precision, device="cpu")


def run_natively(engine, player, inputs, average=False):
    import torch

    network = engine.native(player, average=average)
    arrays = [torch.as_tensor(inputs[name]) for name in network.plan.inputs]
    images = [x.permute(0, 3, 1, 2) if x.ndim == 4 else x for x in arrays]
    with torch.no_grad():
        output = network(*images)
    return (output.permute(0, 2, 3, 1) if output.ndim == 4 else output).numpy()


EVERY_ORDER = change(
    SMALL,
    {
        "classes": 4,
        "image.channels": 3,
        "training.ema_decay": 0.9,
        "generator.layers": (
            Dense(units=24, bias=False, spectral_norm=True),
            kinds.BatchNorm(),
            kinds.Prelu(),
            kinds.PixelNorm(),
            kinds.Reshape(shape=(2, 3, 4)),
            kinds.PositionEmbedding(),
            kinds.Concatenate(input="noise", layers=(kinds.Constant(shape=(2, 3, 1)),)),
            kinds.Conv2D(filters=5, kernel=3, bias=False),
            kinds.Flatten(),
            kinds.Concatenate(layers=(kinds.Embedding(units=3), kinds.Tanh())),
            kinds.BatchNorm(),
            kinds.LayerNorm(),
            Dense(units=8 * 8 * 3, spectral_norm=True),
            kinds.LayerNorm(over="channels"),
            kinds.Gelu(),
            kinds.Reshape(shape=(4, 4, 12)),
            kinds.DepthToSpace(),
        ),
        "discriminator.layers": (
            kinds.Concatenate(
                layers=(kinds.Embedding(units=128), kinds.Silu(), kinds.Reshape(shape=(8, 8, 2)))
            ),
            kinds.Conv2D(filters=10, kernel=3, groups=5, equalized_gain=1.0),
            kinds.MinibatchStddev(features=2),
            kinds.Flatten(),
            kinds.GroupNorm(groups=2),  # keeps channels-last features
            Dense(units=12),
            kinds.Reshape(shape=(2, 2, 3)),
            kinds.Reshape(shape=(12,)),
            kinds.Concatenate(),
            Dense(units=1),
        ),
    },
)


@pytest.mark.parametrize(
    "spec", [EVERY_ORDER, *(case.spec for case in TRAJECTORIES)], ids=lambda spec: spec.name
)
def test_a_native_torch_network_computes_what_the_engine_does(spec):
    engine = torch_engine(spec, "float64")
    fixed, plans = fixed_inputs(spec, 0, 3, "float64"), plan_spec(spec)

    for player in spec.players:
        inputs = dict(fixed)
        if player.name != "generator":  # of several images at once, if they are packed
            shapes = plans[player.name].inputs
            inputs = {name: hashed_numbers(name, (3, *of)) for name, of in shapes.items()}
        average = bool(spec.training.ema_decay) and player.name == "generator"
        expected = engine.forward(player.name, inputs, average=average)
        received = run_natively(engine, player.name, inputs, average)
        np.testing.assert_allclose(received, expected, rtol=1e-12, atol=1e-12)


def lesson_networks(nn):
    """Return the DCGAN of the PyTorch lesson, without the biases that batch norm cancels."""
    generator = nn.Sequential(
        nn.Linear(100, 128 * 7 * 7, bias=False),
        nn.BatchNorm1d(128 * 7 * 7),
        nn.ReLU(),
        nn.Unflatten(1, (128, 7, 7)),
        nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, 64, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(128 * 7 * 7, 1),
    )
    return {"generator": generator, "discriminator": discriminator}


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_torch_state_dict_loads_by_position_into_the_sequential_of_the_lesson(player):
    torch = pytest.importorskip("torch")
    engine = torch_engine(load_spec("dcgan"), "float32")
    lesson = lesson_networks(torch.nn)[player]

    values = engine.native(player).state_dict().values()
    lesson.load_state_dict(dict(zip(lesson.state_dict(), values, strict=True)))

    inputs = {
        "noise": hashed_numbers("noise", (4, 100)),
        "image": hashed_numbers("i", (4, 28, 28, 1)),
    }
    inputs = {name: value.astype("float32") for name, value in inputs.items()}
    (name,) = engine.native(player).plan.inputs
    given = torch.as_tensor(inputs[name])
    with torch.no_grad():
        output = lesson.eval()(given.permute(0, 3, 1, 2) if given.ndim == 4 else given)
    output = (output.permute(0, 2, 3, 1) if output.ndim == 4 else output).numpy()
    np.testing.assert_allclose(output, engine.forward(player, inputs), rtol=0, atol=1e-5)


# --- files of Keras ------------------------------------------------------------------------------

LOAD = """
import sys
import numpy as np
import keras
import gandem.backends.keras.network
for path in sys.argv[1:]:
    model = keras.saving.load_model(path)
    kept = np.load(path.replace(".keras", ".npz"))
    inputs = [kept[name] for name in kept.files if name != "output"]
    made = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    print(np.abs(made - kept["output"]).max() <= 1e-6)
"""


def save_keras_models(runs, folder, models) -> list[str]:
    """Save both players of models, with inputs and outputs; return the paths."""
    import keras

    paths = []
    for model in models:
        for player in ("generator", "discriminator"):
            network = runs(model, "keras").native(player)
            assert isinstance(network, keras.Model)
            inputs = inputs_of(network)
            output = network.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
            paths.append(folder / f"{model}-{player}.keras")
            network.save(paths[-1])
            np.savez(paths[-1].with_suffix(".npz"), *inputs, output=output)
    return [str(path) for path in paths]


def test_a_keras_model_saves_and_loads_and_predicts_the_same(runs, tmp_path, monkeypatch, capsys):
    pytest.importorskip("keras")
    paths = save_keras_models(runs, tmp_path, ["cgan"])
    monkeypatch.setattr(sys, "argv", ["load", *paths])

    exec(LOAD, {})

    assert capsys.readouterr().out.split() == ["True"] * 2


@pytest.mark.slow
def test_a_keras_model_loads_in_a_fresh_process_and_predicts_the_same(runs, tmp_path):
    pytest.importorskip("keras")
    paths = save_keras_models(runs, tmp_path, ["dcgan", "cgan"])

    done = subprocess.run(
        [sys.executable, "-c", LOAD, *paths], capture_output=True, text=True, check=False
    )

    assert done.stdout.split() == ["True"] * 4, done.stderr


def test_a_keras_model_prints_its_summary(runs, capsys):
    pytest.importorskip("keras")

    runs("cgan", "keras").native("generator").summary()

    said = capsys.readouterr().out
    assert "conv2d_transpose" in said
    assert "Total params" in said


def test_an_unknown_player_is_refused_with_the_nearest_name(runs):
    with pytest.raises(LookupError, match=r"no player 'generatr'. Did you mean 'generator'"):
        runs().native("generatr")


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_a_native_network_is_ready_for_inference_and_a_copy(runs, backend):
    if backend == "torch":
        torch = pytest.importorskip("torch")
    else:
        pytest.importorskip("keras")
    engine = runs("dcgan", backend).engine()
    noise = np.random.default_rng(0).normal(size=(4, engine.spec.latent.size)).astype("float32")
    before = engine.forward("generator", {"noise": noise})
    network = engine.native("generator")

    if backend == "torch":
        made = network(torch.as_tensor(noise)).detach().permute(0, 2, 3, 1).numpy()
    else:
        made = network(noise).numpy()

    np.testing.assert_allclose(made, before, rtol=0, atol=1e-6)
    assert np.array_equal(engine.forward("generator", {"noise": noise}), before)
