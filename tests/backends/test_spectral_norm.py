"""Spectral norm: its vectors, how often they move, what they come to, and that the kernel stays."""

from dataclasses import replace

import numpy as np
import pytest
from support.commands import needs_both, on_each, said

from gandem.commands.render import format_spec
from gandem.core.errors import SpecError
from gandem.core.specs import (
    Conv2D,
    Conv2DTranspose,
    Dense,
    Normal,
    Orthogonal,
    Residual,
    Zeros,
    draw_initial_values,
    from_data,
    plan_network,
    plan_spec,
    to_data,
)
from gandem.core.training import fixed_inputs, initial_state, state_shapes
from gandem.core.training.backends import load_backend
from gandem.testing import load_target
from gandem.testing.trajectories import SEED, find_trajectory, run_steps, start_engine

NAMED = find_trajectory("spectral norm")
CASE = replace(NAMED, changes={**NAMED.changes, "training.ema_decay": 0.5})
STILL = {f"{player}.optimizer.learning_rate": 0.0 for player in ("generator", "discriminator")}
IMAGE, VECTOR = (7, 8, 2), (6,)


def plan(shape, *layers):
    return plan_network("net", "it", layers, {"it": shape})


def nodes_with_norm(spec):
    nodes = [node for plan in plan_spec(spec).values() for node in plan.walk()]
    return [node for node in nodes if node.statistics and "left_vector" in node.statistics[0].name]


def matrix(node, state):
    """Return the kernel of a node as W (out, kh·kw·in)."""
    kernel = state[f"{node.path}/kernel"]
    if isinstance(node.layer, Conv2DTranspose):
        kernel = np.swapaxes(kernel, 2, 3)
    return kernel.reshape(-1, kernel.shape[-1]).T


def vectors(node, state):
    return state[f"{node.path}/left_vector"], state[f"{node.path}/right_vector"]


def iterate(weights, v, times):
    """Return u and v after some power iterations."""
    for _ in range(times):
        u = weights @ v / np.linalg.norm(weights @ v)
        v = weights.T @ u / np.linalg.norm(weights.T @ u)
    return u, v


def unequal(one, other):
    return [name for name in one if one[name].tobytes() != other[name].tobytes()]


# --- in the plan ---------------------------------------------------------------------------------

LAYERS = [
    (Dense(units=4, spectral_norm=True), VECTOR, 4, 6),
    (Conv2D(filters=3, kernel=(2, 5), spectral_norm=True), IMAGE, 3, 2 * 5 * 2),
    (Conv2DTranspose(filters=5, kernel=(3, 2), stride=2, spectral_norm=True), IMAGE, 5, 3 * 2 * 2),
]


@pytest.mark.parametrize(("layer", "shape", "rows", "columns"), LAYERS)
def test_a_layer_with_spectral_norm_has_two_running_vectors(layer, shape, rows, columns):
    normalized, bare = plan(shape, layer), plan(shape, replace(layer, spectral_norm=False))

    assert {p.name: p.shape for p in normalized.statistics()} == {
        f"net/{layer.kind}/left_vector": (rows,),
        f"net/{layer.kind}/right_vector": (columns,),
    }
    assert bare.statistics() == []
    assert normalized.parameters() == bare.parameters()


@pytest.mark.parametrize(("layer", "shape", "rows", "columns"), LAYERS)
def test_the_first_vectors_have_length_1_and_depend_on_the_seed(layer, shape, rows, columns):
    normalized = plan(shape, layer)
    one, other = (draw_initial_values(normalized, seed) for seed in (1, 2))

    for p in normalized.statistics():
        assert np.linalg.norm(one[p.name]) == pytest.approx(1, abs=1e-15)
        assert not np.any(one[p.name] == other[p.name])


def test_first_vectors_have_mean_zero():
    layer = plan((300,), Dense(units=1, spectral_norm=True))
    drawn = [draw_initial_values(layer, seed)["net/dense/right_vector"] for seed in range(30)]

    assert abs(np.mean(drawn)) < 5 / np.sqrt(300 * 9000)  # each number has variance 1/300


def test_the_first_kernel_is_the_same_with_and_without_spectral_norm():
    bare, normed = (
        draw_initial_values(plan(VECTOR, Dense(units=4, spectral_norm=norm)), seed=1)
        for norm in (False, True)
    )

    np.testing.assert_array_equal(normed["net/dense/kernel"], bare["net/dense/kernel"])


@pytest.mark.parametrize("init", [Zeros(), Normal(std=0), Orthogonal(gain=0)])
def test_a_kernel_of_zeros_is_refused(init):
    layer = Conv2D(name="stem", filters=3, kernel=2, kernel_init=init, spectral_norm=True)

    with pytest.raises(SpecError) as caught:
        plan(IMAGE, layer)

    assert str(caught.value) == (
        "net/stem: a kernel of zeros cannot be divided by its spectral norm; choose another "
        "kernel_init, or set spectral_norm = false."
    )


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Dense(name="it", units=1, spectral_norm=True), (1,)),
        (Conv2D(name="it", filters=1, kernel=1, spectral_norm=True), (4, 4, 1)),
    ],
)
def test_a_kernel_of_one_number_is_refused(layer, shape):
    with pytest.raises(SpecError) as caught:
        plan(shape, layer)

    assert str(caught.value) == (
        "net/it: its kernel is a single number, of which spectral norm leaves only the sign; "
        "set spectral_norm = false."
    )


def test_a_layer_without_a_kernel_has_no_spectral_norm():
    data = to_data(CASE.spec)
    data["players"][1]["layers"][1]["spectral_norm"] = True

    with pytest.raises(SpecError, match=r"leaky_relu\]: unknown field 'spectral_norm'"):
        from_data(data)


def test_show_marks_layers_with_spectral_norm():
    setting = "discriminator.layers.conv2d.spectral_norm=true"

    lines = said("show", "dcgan", "--set", setting).splitlines()

    assert [line.split()[0] for line in lines if line.endswith("  spectral norm")] == ["conv2d"]


def test_show_marks_a_block_that_contains_spectral_norm():
    lines = format_spec(CASE.spec).splitlines()

    named = [line.split()[0] for line in lines if line.endswith("  spectral norm")]
    assert named == ["dense", "conv2d_transpose", "conv2d", "conv2d", "residual", "dense"]


# --- alive ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def walked():
    """Return a function that returns a backend's engine, built once, after two steps."""
    built = {}

    def engine_of(backend):
        if backend not in built:
            built[backend] = start_engine(CASE, load_backend(backend))
        engine = built[backend]
        engine.load(initial_state(CASE.spec, SEED, "float64"))
        run_steps(engine, CASE.feed(), 2)
        return engine

    return engine_of


@on_each
@pytest.mark.parametrize(("layer", "shape", "rows", "columns"), LAYERS)
def test_the_divisor_converges_to_the_largest_singular_value(backend, layer, shape, rows, columns):
    normalized, target = plan(shape, layer), load_target(backend)
    state = draw_initial_values(normalized, seed=1)
    (node,), given = normalized.nodes, np.ones((1, *shape))

    for _ in range(60):
        measured = target.differentiate(normalized, state, {"it": given}, np.ones(1), {})
        state |= {name: measured[f"statistics/{name}"] for name in state if "_vector" in name}

    u, v = vectors(node, state)
    largest = np.linalg.svd(matrix(node, state), compute_uv=False)[0]
    assert u @ matrix(node, state) @ v == pytest.approx(largest, rel=1e-9)


@on_each
@pytest.mark.parametrize(("passes", "noise"), [("separate", "fresh"), ("joint", "reused")])
def test_each_forward_pass_in_training_is_one_iteration_that_keeps_the_kernel(
    backend, passes, noise
):
    """Three rounds: the discriminator looks three or six times, and once more for the generator,
    which plays three times, and once more on fresh noise.
    """
    changes = {"training.discriminator_steps": 3, "training.passes": passes}
    case = replace(CASE, changes={**STILL, **changes, "training.noise": noise})
    engine = start_engine(case, load_backend(backend))
    before = engine.export()

    run_steps(engine, case.feed(), 1)

    after, looks = engine.export(), {"separate": 7, "joint": 4}[passes]
    counts = {"discriminator": looks, "generator": 4 if noise == "fresh" else 3}
    for node in nodes_with_norm(case.spec):
        count = counts[node.path.partition("/")[0]]
        expected = iterate(matrix(node, before), vectors(node, before)[1], count)
        for made, wanted in zip(vectors(node, after), expected, strict=True):
            np.testing.assert_allclose(made, wanted, rtol=0, atol=1e-12)
        name = f"{node.path}/kernel"
        assert after[name].tobytes() == before[name].tobytes()


@on_each
def test_inference_divides_by_the_stored_vectors_and_changes_no_state(backend, walked):
    engine = walked(backend)
    state, inputs = engine.export(), fixed_inputs(CASE.spec, SEED, 5, "float64")

    made = [engine.forward("generator", inputs) for _ in range(2)]

    assert unequal(state, engine.export()) == []
    assert made[0].tobytes() == made[1].tobytes()
    layers = {p.name: tuple(map(without_norm, p.layers)) for p in CASE.spec.players}
    bare = replace(CASE, layers=layers)
    divided = {name: state[name] for name in state_shapes(bare.spec)}
    for node in nodes_with_norm(CASE.spec):
        u, v = vectors(node, state)
        kernel = f"{node.path}/kernel"
        divided[kernel] = state[kernel] / (u @ matrix(node, state) @ v)
    plain = start_engine(bare, load_backend(backend))
    plain.load(divided)
    np.testing.assert_allclose(plain.forward("generator", inputs), made[0], rtol=0, atol=1e-12)


def without_norm(layer):
    if isinstance(layer, Residual):
        parts = {part: getattr(layer, part) for part in ("layers", "shortcut")}
        return replace(layer, **{k: tuple(map(without_norm, v)) for k, v in parts.items()})
    return replace(layer, spectral_norm=False) if hasattr(layer, "spectral_norm") else layer


@needs_both
@pytest.mark.parametrize("way", [("torch", "keras"), ("keras", "torch")], ids=["there", "back"])
def test_a_state_handed_over_continues_equally(way, walked):
    one, other = map(walked, way)
    run_steps(one, CASE.feed(), 4, start=2)
    state = one.export()

    other.load(state)

    assert unequal(state, other.export()) == []
    for engine in (one, other):
        run_steps(engine, CASE.feed(), 8, start=4)
    left, right = one.export(), other.export()
    for name in left:
        np.testing.assert_allclose(right[name], left[name], rtol=0, atol=1e-12, err_msg=name)


# --- as the framework's own ----------------------------------------------------------------------


@on_each
@pytest.mark.parametrize("average", [False, True])
def test_a_native_network_is_a_copy_that_computes_with_the_divided_kernels(
    backend, average, walked
):
    engine, inputs = walked(backend), fixed_inputs(CASE.spec, SEED, 5, "float64")
    expected = engine.forward("generator", inputs, average=average)

    network = engine.native("generator", average=average)

    run_steps(engine, CASE.feed(), 3, start=2)
    if backend == "torch":
        import torch

        made = network(torch.as_tensor(inputs["noise"])).detach().permute(0, 2, 3, 1).numpy()
    else:
        made = network(inputs["noise"]).numpy()
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-14)


def test_a_torch_state_dict_contains_the_vectors(walked):
    torch = pytest.importorskip("torch")
    network = walked("torch").native("generator")
    kept = network.state_dict()
    fresh = type(network)(network.plan).double().eval()

    fresh.load_state_dict(kept)

    noise = torch.as_tensor(fixed_inputs(CASE.spec, SEED, 5, "float64")["noise"])
    assert "dense.spectral_norm.left_vector" in kept
    assert torch.equal(fresh(noise), network(noise))


def test_a_keras_file_contains_the_vectors(walked, tmp_path):
    keras = pytest.importorskip("keras")
    network = walked("keras").native("generator")
    noise = fixed_inputs(CASE.spec, SEED, 5, "float64")["noise"]

    network.save(tmp_path / "generator.keras")
    loaded = keras.saving.load_model(tmp_path / "generator.keras")

    assert np.array_equal(loaded(noise).numpy(), network(noise).numpy())


def test_spectral_norm_equals_that_of_torch_on_a_dense_layer():
    torch = pytest.importorskip("torch")
    from gandem.backends.torch.conformance import TorchTarget

    given = np.random.default_rng(3)
    x, cotangent = given.normal(size=(5, 6)), given.normal(size=(5, 4))
    layer = plan(VECTOR, Dense(units=4, bias=False, spectral_norm=True))
    arrays = draw_initial_values(layer, seed=1)
    own = torch.nn.Linear(6, 4, bias=False, dtype=torch.float64)
    own.weight.data.copy_(torch.as_tensor(arrays["net/dense/kernel"].T))
    own = torch.nn.utils.parametrizations.spectral_norm(own)
    norm = own.parametrizations.weight[0]
    norm._v.copy_(torch.as_tensor(arrays["net/dense/right_vector"]))
    value = own(torch.as_tensor(x))
    (value * torch.as_tensor(cotangent)).sum().backward()

    made = TorchTarget().differentiate(layer, arrays, {"it": x}, cotangent, {})

    kernel = own.parametrizations.weight.original.grad.numpy().T
    np.testing.assert_allclose(made["value"], value.detach().numpy(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(made["first/net/dense/kernel"], kernel, rtol=0, atol=1e-14)
    np.testing.assert_allclose(
        made["statistics/net/dense/right_vector"], norm._v.numpy(), rtol=0, atol=1e-14
    )
