"""Native networks of a run save, load and predict with the framework's own tools."""

import subprocess
import sys

import numpy as np
import pytest


def inputs_of(network) -> list[np.ndarray]:
    numbers = np.random.default_rng(1)
    return [numbers.normal(size=(5, *s)).astype("float32") for s in network.plan.inputs.values()]


@pytest.mark.parametrize("model", ["dcgan", "cgan"])
@pytest.mark.parametrize("player", ["generator", "discriminator"])
@pytest.mark.parametrize("way", ["torch.save", "safetensors"])
def test_a_torch_state_dict_goes_to_disk_and_into_a_fresh_network(
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


def test_a_network_that_is_not_there_is_refused_with_the_nearest(runs):
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
