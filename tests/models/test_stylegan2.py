"""StyleGAN2, and the parts of a network that lie before and behind its styles."""

import numpy as np
import pytest
from support.commands import THERE

from gandem.core.data.dataset import Dataset
from gandem.core.errors import SpecError
from gandem.core.runs.generation.sampling import sample
from gandem.core.runs.generation.styles import compute_styles, parse_layers, style_inputs
from gandem.core.specs import Styles, change, load_spec, plan_spec
from gandem.core.training import Feed, fixed_inputs, initial_state, load_backend, load_loss
from gandem.models.stylegan2 import stylegan2

needs_torch = pytest.mark.skipif("torch" not in THERE, reason="needs torch")
TINY = load_spec("stylegan2", {"image": [8, 8, 1], "training.ema_half_life": 0}, small=True)


def engine_of(backend, state=None, precision="float64"):
    state = initial_state(TINY, 0, precision) if state is None else state
    loss = load_loss(TINY.loss)
    return load_backend(backend).engine(TINY, loss, state, precision=precision, device="cpu")


def test_configuration_f_has_the_published_numbers_of_parameters():
    plans = plan_spec(stylegan2(image=(1024, 1024, 3)))

    # 30.37 and 29.01 million, as printed by the authors' program
    counts = {name: plan.parameter_count for name, plan in plans.items()}
    assert counts == {"generator": 30_370_060, "discriminator": 29_012_513}


def test_penalties_and_rates_are_those_of_the_paper():
    spec = stylegan2()
    rates = {p.name: (p.optimizer.learning_rate, p.optimizer.beta2) for p in spec.players}

    assert rates["generator"] == pytest.approx((0.002 * 8 / 9, 0.99 ** (8 / 9)))
    assert rates["discriminator"] == pytest.approx((0.002 * 16 / 17, 0.99 ** (16 / 17)))
    assert (spec.loss.r1, spec.loss.penalty_interval) == (10.0, 16)
    assert (spec.loss.path_length.weight, spec.loss.path_length.interval) == (2.0, 8)


def test_the_image_of_a_resolution_takes_the_style_of_the_next_convolution():
    plan = plan_spec(stylegan2(image=(16, 16, 3), latent=4, width=4))["generator"]
    starts = {
        node.path.removeprefix("generator/").removesuffix("/slice"): node.layer.start // 4
        for node in plan.walk()
        if node.layer.kind == "slice"
    }

    assert starts == {
        "modulated_conv2d": 0,
        "modulated_conv2d_transpose": 1,
        "modulated_conv2d_1": 2,
        "modulated_conv2d_transpose_1": 3,
        "modulated_conv2d_2": 4,
        "image_1/image_0/to_image": 1,
        "image_1/to_image": 3,
        "to_image": 5,
    }


def test_the_start_of_an_image_that_is_not_square_has_its_ratio():
    plan = plan_spec(stylegan2(image=(32, 8, 3)))["generator"]

    assert plan.nodes[1].output_shape[:2] == (16, 4)


@pytest.mark.parametrize("image", [(18, 18, 1), (3, 8, 1)], ids=str)
def test_an_image_that_cannot_be_halved_is_refused(image):
    with pytest.raises(SpecError, match=r"stylegan2: an image of \d+×\d+ pixels cannot be halved"):
        stylegan2(image=image)


def test_mixing_elsewhere_than_at_the_noise_is_refused():
    layers = list(TINY.player("generator").layers)
    layers[0] = Styles(name="styles", layers=layers[0].layers, count=4, mixing=0.5)

    with pytest.raises(SpecError, match=r"generator/styles: style mixing needs another noise"):
        change(TINY, {"generator.layers": [{"kind": "dense", "units": 8}, *layers]})


@pytest.mark.parametrize(("uniform", "copies"), [(0.95, 0), (0.89, 1), (0.4, 2), (0.2, 3)], ids=str)
def test_mixed_styles_change_from_a_random_copy_on(uniform, copies):
    torch = pytest.importorskip("torch")
    from gandem.backends.torch.network import Network

    network = Network(plan_spec(TINY)["generator"], channels_last=True).double().train()
    network.load_arrays(initial_state(TINY, 0, "float64"))
    noise, other = torch.randn(2, 1, 8, dtype=torch.float64)
    drawn = torch.cat([other, torch.tensor([[uniform]], dtype=torch.float64)], 1)
    observed = [{}, {}, {}]

    network(noise, observed=observed[0])
    network(other, observed=observed[1])
    network(noise, draws={"generator/styles": drawn}, observed=observed[2])

    first, second, mixed = (each["styles"].reshape(4, 8) for each in observed)
    assert torch.equal(mixed[: 4 - copies], first[: 4 - copies])
    assert torch.equal(mixed[4 - copies :], second[4 - copies :])


@needs_torch
def test_a_training_tracks_the_mean_style():
    data = Dataset("noise", np.zeros((8, 8, 8, 1), np.uint8), np.zeros(8, int))
    engine = engine_of("torch")

    inputs = Feed(TINY, load_loss(TINY.loss), data, 0, "float64")(1)
    engine.step(inputs)

    # two passes: for the discriminator, and for the generator's update, before it
    start = engine_of("torch")
    means = [
        compute_styles(TINY, start, {"noise": inputs[f"noise/{name}"]})[:, 0].mean(0)
        for name in (0, "generator")
    ]
    expected = 0.995 * (0.005 * means[0]) + 0.005 * means[1]
    received = engine.export()["generator/styles/mean"]
    assert np.abs(received - expected).max() < 1e-15
    assert np.abs(received).max() > 1e-4


@needs_torch
def test_styles_give_the_image_of_their_noise_and_truncation_moves_them_to_the_mean():
    state = initial_state(TINY, 0, "float64")
    mean = state["generator/styles/mean"] = np.linspace(-1, 1, 8)
    engine, inputs = engine_of("torch", state), fixed_inputs(TINY, 1, 3, "float64")

    styles = compute_styles(TINY, engine, inputs)
    half = compute_styles(TINY, engine, fixed_inputs(TINY, 1, 3, "float64", truncation=0.5))

    assert styles.shape == (3, 4, 8)
    images = engine.forward("generator", inputs)
    assert np.abs(engine.forward("generator", style_inputs(TINY, styles)) - images).max() < 1e-14
    assert np.abs(half - (mean + 0.5 * (styles - mean))).max() < 1e-14
    truncated = fixed_inputs(TINY, 1, 3, "float64", truncation=0.5)
    expected = sample(TINY, engine, style_inputs(TINY, half)).images
    assert (sample(TINY, engine, truncated).images == expected).all()
    assert (expected != sample(TINY, engine, inputs).images).any()


def test_a_part_of_a_network_that_does_not_exist_is_refused():
    plan = plan_spec(TINY)["generator"]

    with pytest.raises(SpecError, match=r"generator: it has no layer 'layer:stiles' of its own"):
        plan.part(["noise"], "stiles")
    with pytest.raises(SpecError, match=r"it reads layer:styles, which is not computed from"):
        plan.part(["layer:constant"])


@pytest.mark.parametrize("text", ["4:2", "0:9", "rough", "1", ""])
def test_layers_to_mix_that_do_not_exist_are_refused(text):
    with pytest.raises(SpecError, match="layers: expected coarse, middle or fine, or FIRST:END"):
        parse_layers(text, 8)
