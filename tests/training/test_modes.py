"""The modes outside the parity promise: mixed precision, TF32, and random numbers that the
framework draws.
"""

import hashlib
import importlib

import numpy as np
import pytest
from support.commands import (
    HOME,
    THERE,
    TINY,
    needs_a_backend,
    needs_both,
    on_each,
    refused,
    said,
    tiny,
)
from support.comparisons import make_grid

import gandem
from gandem.compare import check_grid
from gandem.core.errors import BackendError, SpecError
from gandem.core.specs import change, stage_specs
from gandem.core.specs.loading import load_spec
from gandem.core.training import (
    CAPABILITIES,
    KEY,
    Feed,
    check_capabilities,
    check_state,
    initial_state,
    list_draws,
    list_forms,
    make_key,
    step_inputs,
)
from gandem.core.training.backends import load_backend
from gandem.core.training.losses import load_loss
from gandem.core.training.stages.feed import STAGE_INPUT
from gandem.core.training.updates.due import Due
from gandem.parity import measure
from gandem.testing.trajectories import TRAJECTORIES

NARROW = ("bfloat16", "tf32")
OLDER = tuple(set(CAPABILITIES) - {*NARROW, "device-randomness"})
MODES = {name: {"precision": name} for name in NARROW} | {
    "device-randomness": {"randomness": "device"}
}
TRAJECTORY = {case.name: case for case in TRAJECTORIES}
RANDOM = ("noise/", "mix/", "shift/", "shift:", "direction/", "mask/", "normal/", "mixing/")


def feed_of(spec, data, *, seed=0, precision="float32", randomness="device"):
    rule = load_loss(spec.loss)
    return Feed(spec, rule, data, seed, precision, randomness=randomness)


def feed_of_trajectory(name, *, randomness="device", **changes):
    case = TRAJECTORY[name]
    return feed_of(change(case.spec, changes), case.feed().dataset, randomness=randomness)


def engine_of(feed, backend, precision="float32"):
    state = initial_state(feed.spec, feed.seed, precision)
    subject = load_backend(backend)
    return subject.engine(feed.spec, feed.loss, state, precision=precision, device="cpu")


def train(data, out, model="dcgan", **how):
    how = {"backend": HOME, "steps": 6, "seed": 3, "log_every": 2, "changes": TINY[model]} | how
    return gandem.train(model, data=data, out=out, **how)


def digest_of(run):
    return hashlib.sha256(b"".join(v.tobytes() for v in run.state().values())).hexdigest()


def losses_of(run):
    timeless = {"seconds", "steps_per_second"}
    return [{k: v for k, v in row.items() if k not in timeless} for row in run.log()]


@pytest.fixture(scope="module")
def engine_at_start():
    """Return a function that returns the engine of a trajectory, built once, at its first step."""
    engines = {}

    def at_start(feed, backend, precision):
        key = feed.spec, backend, precision
        if key not in engines:
            engines[key] = engine_of(feed, backend, precision)
        engines[key].load(initial_state(feed.spec, feed.seed, precision))
        return engines[key]

    return at_start


# --- mixed precision -----------------------------------------------------------------------------


@on_each
def test_in_mixed_precision_the_state_stays_in_single_precision(backend, runs):
    run = runs(backend=backend, precision="bfloat16")

    assert check_state(run.spec, list_forms(run.state())) == "float32"
    assert run.record.precision == run.record.settings.precision == "bfloat16"


@on_each
@pytest.mark.parametrize("name", ["norms, residuals, pools", "gradient penalty", "spectral norm"])
def test_mixed_precision_is_near_single_precision_and_not_the_same(backend, name, engine_at_start):
    feed = feed_of_trajectory(name, randomness="portable", **{"training.discriminator_steps": 1})
    single, mixed = (engine_at_start(feed, backend, kind) for kind in ("float32", "bfloat16"))

    a, b = (np.array([*engine.read(engine.step(feed(0))).values()]) for engine in (single, mixed))

    apart = np.abs(a - b) / np.maximum(np.abs(a), 0.1)
    assert 1e-6 < apart[:2].max() < 0.05


@on_each
def test_training_in_mixed_precision_learns_what_single_precision_learns(backend, data, tmp_path):
    def losses(precision):
        changes = {"learning_rate": 1e-3, "training.partial_batch": "drop"}
        out, changes = tmp_path / precision, TINY["dcgan"] | changes
        how = {"backend": backend, "precision": precision, "steps": 40, "changes": changes}
        return [row["discriminator"] for row in train(data, out, **how).log()]

    single, mixed = losses("float32"), losses("bfloat16")

    assert single[-1] != mixed[-1]
    assert single[0] - single[-1] > 0.1
    assert mixed[0] - mixed[-1] == pytest.approx(single[0] - single[-1], rel=0.2)


@on_each
def test_running_statistics_are_float32_in_mixed_precision(backend, engine_at_start):
    feed = feed_of_trajectory("spectral norm", randomness="portable")
    engine = engine_at_start(feed, backend, "bfloat16")
    engine.step(feed(0))

    vectors = [v for k, v in engine.export().items() if k.endswith("_vector")]

    assert vectors
    for vector in vectors:  # of 8 bits it would be off by 1e-3
        assert np.linalg.norm(vector.astype(float)) == pytest.approx(1, abs=1e-6)


@on_each
def test_samples_of_a_run_in_mixed_precision_are_generated_in_float32(backend, runs):
    run = runs(backend=backend, precision="bfloat16")
    noise = {"noise": np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)}

    images = run.engine().forward("generator", noise)
    subject, loss = load_backend(backend), load_loss(run.spec.loss)
    mixed = subject.engine(run.spec, loss, run.state(), precision="bfloat16", device="cpu")

    assert images.tobytes() == mixed.forward("generator", noise).tobytes()
    assert run.generate(2).images.shape == (2, 8, 8, 1)


@on_each
def test_a_resumed_run_in_mixed_precision_is_bit_identical(backend, data, tmp_path):
    how = {"backend": backend, "precision": "bfloat16"}
    whole = train(data, tmp_path / "whole", **how, steps=2)
    cut = train(data, tmp_path / "cut", **how, steps=1)

    assert digest_of(gandem.resume(cut, steps=2)) == digest_of(whole)


# --- TF32 ----------------------------------------------------------------------------------------


@pytest.fixture
def tf32_of_torch():
    """Return what says whether PyTorch may compute in TF32; as it was before, afterwards."""
    torch = pytest.importorskip("torch")
    kinds = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [kind.allow_tf32 for kind in kinds]
    yield lambda: {kind.allow_tf32 for kind in kinds}
    for kind, allowed in zip(kinds, before, strict=True):
        kind.allow_tf32 = allowed


@pytest.fixture
def tf32_of_keras():
    """Likewise for TensorFlow."""
    load_backend("keras")
    config = importlib.import_module("tensorflow").config.experimental
    before = config.tensor_float_32_execution_enabled()
    yield lambda: {config.tensor_float_32_execution_enabled()}
    config.enable_tensor_float_32_execution(before)


@on_each
def test_tf32_is_enabled_only_by_its_precision(backend, request, monkeypatch):
    allowed = request.getfixturevalue(f"tf32_of_{backend}")
    subject, spec = load_backend(backend), load_spec("dcgan")
    home = importlib.import_module(type(subject).__module__)
    monkeypatch.setattr(type(subject), "devices", lambda self: ["cpu", "cuda:0"])
    monkeypatch.setattr(home, f"{backend.capitalize()}Engine", lambda *_: allowed())

    for precision, expected in (("tf32", {True}), ("float32", {False}), ("bfloat16", {False})):
        assert subject.engine(spec, None, {}, precision=precision, device="cuda") == expected
    assert subject.engine(spec, None, {}, precision="tf32", device="cuda:0") == {True}


@on_each
def test_tf32_on_a_cpu_is_single_precision_bit_for_bit(backend, data, tmp_path):
    how = {"backend": backend, "device": "cpu"}
    single = train(data, tmp_path / "single", steps=2, **how)
    run = train(data, tmp_path / "run", steps=1, precision="tf32", **how)

    resumed = gandem.resume(run, device="cpu", steps=2)

    assert digest_of(resumed) == digest_of(single)
    assert losses_of(resumed) == losses_of(single)
    assert resumed.record.settings.precision == "tf32"


# --- random numbers of the framework's -----------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("gradient penalty", "dropout", "generator batches, conditional"),
        "styles, pixel noise, skip connections",
    ],
)
def test_inputs_that_a_framework_draws_are_left_out(name):
    feed, usual = feed_of_trajectory(name), feed_of_trajectory(name, randomness="portable")

    given, all_ = feed(5), usual(5)

    assert given.pop(KEY).tolist() == [0, 5]
    left_out = {key for key in all_ if key.startswith(RANDOM)}
    assert left_out
    assert set(given) == set(all_) - left_out
    assert all(given[key].tobytes() == all_[key].tobytes() for key in given)


@pytest.mark.parametrize("case", TRAJECTORIES, ids=lambda case: case.name)
def test_framework_draws_have_the_names_and_shapes_of_gandems(case):
    usual = case.feed("float32")(1)
    spec = stage_specs(case.spec)[usual.pop(STAGE_INPUT, 0)]
    loss, rounds = load_loss(spec.loss), spec.training.discriminator_steps
    rows = tuple(len(usual[f"real/{i}"]) for i in range(rounds))
    due = Due.at(spec, 1)

    draws = list_draws(spec, loss, usual)

    shapes = {name: value.shape for name, value in usual.items() if name.startswith(RANDOM)}
    assert {name: draw.shape for name, draw in draws.items()} == shapes
    assert set(usual) == set(draws) | {
        name for name in step_inputs(spec, loss, rows, due) if not name.startswith(RANDOM)
    }


def drawn(backend, name="dropout, joint, three steps", step=0, **changes):
    """Return, as arrays, what a backend draws for a step."""
    case = TRAJECTORY[name]
    spec = change(case.spec, changes)
    rule, inputs = load_loss(spec.loss), {KEY: make_key(7, step)}
    for i in range(spec.training.discriminator_steps):
        inputs[f"real/{i}"] = np.zeros((512, *spec.image.shape), np.float32)
    if backend == "torch":
        import torch

        from gandem.backends.torch.modes import Draws

        arrays = Draws(spec, rule, torch.device("cpu"), torch.float32).replace_key(inputs)
        return {k: np.asarray(v) for k, v in arrays.items() if k.startswith(RANDOM)}
    from gandem.backends.keras.modes import replace_key

    arrays = replace_key(spec, rule, inputs, "float32")
    return {k: np.asarray(v) for k, v in arrays.items() if k.startswith(RANDOM)}


@pytest.mark.parametrize("backend", [name for name in ("torch", "keras") if name in THERE])
def test_noise_on_pixels_is_normal_and_differs_between_passes(backend):
    arrays = drawn(backend, "styles, pixel noise, skip connections")

    noise = {k: v for k, v in arrays.items() if k.startswith("normal/")}

    assert {value.shape for value in noise.values()} == {(512, 2, 2, 1), (512, 4, 4, 1)}
    assert len({value.tobytes() for value in noise.values()}) == len(noise) == 4
    for value in noise.values():
        assert abs(value.mean()) < 5 / value.size**0.5
        assert value.std() == pytest.approx(1, abs=5 / (2 * value.size) ** 0.5)


@pytest.mark.parametrize("backend", [name for name in ("torch", "keras") if name in THERE])
def test_masks_keep_the_share_of_the_spec(backend):
    case = TRAJECTORY["dropout, joint, three steps"]
    rule = load_loss(case.spec.loss)
    inputs = {f"real/{i}": np.zeros((512, *case.spec.image.shape)) for i in range(3)}
    draws = list_draws(case.spec, rule, inputs)

    masks = {k: v for k, v in drawn(backend).items() if k.startswith("mask/")}

    assert len(masks) > 3
    for name, mask in masks.items():
        rate = draws[name].rate
        assert mask.dtype == bool
        tolerance = 5 * (rate * (1 - rate) / mask.size) ** 0.5
        assert 1 - mask.mean() == pytest.approx(rate, abs=tolerance)
    assert len({mask.tobytes() for mask in masks.values()}) == len(masks)


@pytest.mark.parametrize("backend", [name for name in ("torch", "keras") if name in THERE])
def test_noise_is_normal_and_mixing_weights_lie_between_0_and_1(backend):
    arrays = drawn(backend, "gradient penalty")

    noise, mix = arrays["noise/0"], arrays["mix/0"]
    assert abs(noise.mean()) < 5 / noise.size**0.5
    assert noise.std() == pytest.approx(1, abs=5 / noise.size**0.5)
    assert 0 <= mix.min() < 0.05
    assert 0.95 < mix.max() < 1
    assert noise.dtype == mix.dtype == np.float32


@pytest.mark.parametrize("backend", [name for name in ("torch", "keras") if name in THERE])
def test_uniform_noise_lies_between_minus_1_and_1(backend):
    noise = drawn(backend, "uniform latent, mean of the halves, separate learning rates")["noise/0"]

    assert -1 <= noise.min() < -0.95
    assert 0.95 < noise.max() < 1


@pytest.mark.parametrize("backend", [name for name in ("torch", "keras") if name in THERE])
def test_a_latent_code_is_one_category_and_uniform_codes(backend):
    code = {"latent.categories": 3, "latent.codes": 1}

    noise = drawn(backend, "fresh noise", **code)["noise/0"]

    categories, codes, rest = noise[:, :3], noise[:, 3], noise[:, 4:]
    assert (np.sort(categories, axis=1) == [0, 0, 1]).all()
    assert (np.abs(categories.mean(axis=0) - 1 / 3) < 0.1).all()
    assert -1 <= codes.min() < -0.95 < 0.95 < codes.max() < 1
    assert rest.std() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("backend", [name for name in ("torch", "keras") if name in THERE])
def test_each_step_draws_its_own_numbers_and_the_same_again(backend):
    first, again, other = (drawn(backend, step=step) for step in (0, 0, 1))

    for name, value in first.items():
        assert value.tobytes() == again[name].tobytes()
        assert value.tobytes() != other[name].tobytes()


@on_each
def test_the_same_training_with_device_randomness_is_the_same_bit_for_bit(backend, data, tmp_path):
    how = {"backend": backend, "randomness": "device", "steps": 2}

    one, two = (train(data, tmp_path / name, **how) for name in "ab")

    assert digest_of(one) == digest_of(two)
    assert losses_of(one) == losses_of(two)
    assert one.record.settings.randomness == "device"
    assert digest_of(one) != digest_of(train(data, tmp_path / "c", **how | {"seed": 4}))
    portable = how | {"randomness": "portable"}
    assert digest_of(one) != digest_of(train(data, tmp_path / "d", **portable))


@on_each
def test_a_resumed_run_with_device_randomness_is_bit_identical(backend, data, tmp_path):
    how = {"backend": backend, "randomness": "device"}
    whole = train(data, tmp_path / "whole", **how, steps=2)
    cut, notes = train(data, tmp_path / "cut", **how, steps=1), []

    resumed = gandem.resume(cut, steps=2, notice=notes.append)

    assert digest_of(resumed) == digest_of(whole)
    assert losses_of(resumed) == losses_of(whole)
    assert notes == []


@pytest.mark.skipif("keras" not in THERE, reason="needs keras, which makes several")
def test_several_steps_in_a_call_draw_the_numbers_of_single_steps():
    feed = feed_of_trajectory("mlp-gan")
    one, several = engine_of(feed, "keras"), engine_of(feed, "keras")
    inputs = [feed(step) for step in range(several.steps_per_call)]

    for step in inputs:
        last = one.read(one.step(step))

    assert several.read(several.steps(inputs)) == last
    assert list_forms(one.export()) == list_forms(several.export())
    for name, value in one.export().items():
        assert value.tobytes() == several.export()[name].tobytes()


@needs_both
def test_resuming_on_another_framework_warns_about_other_numbers(data, tmp_path):
    how = {"randomness": "device", "steps": 1}
    run, notes = train(data, tmp_path / "run", backend="torch", **how), []
    other = train(data, tmp_path / "other", backend="keras", **how)
    assert digest_of(run) != digest_of(other)

    resumed = gandem.resume(run, backend="keras", device="cpu", steps=2, notice=notes.append)

    device = run.record.device
    assert notes == [
        f"{run.path}: its random numbers are the device's own (--randomness device); from step "
        f"1 they are those of keras on cpu, not of torch on {device}."
    ]
    assert resumed.record.steps == 2


# --- both ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lack", MODES)
def test_a_backend_without_a_mode_refuses_it(lack):
    class Older:
        capabilities = OLDER

    how = {"precision": "float32"} | MODES[lack]
    option, value = next(iter(MODES[lack].items()))

    with pytest.raises(BackendError) as raised:
        check_capabilities("acme/x", Older(), load_spec("dcgan"), **how)

    assert str(raised.value) == (
        f"Backend 'acme/x' cannot run 'dcgan': it lacks {lack!r} ({CAPABILITIES[lack]}), and the "
        f"{option} is {value}; choose another backend."
    )


@pytest.mark.parametrize("narrow", NARROW)
def test_a_comparison_refuses_a_precision_outside_parity(narrow, tmp_path):
    for line in ("parity mlp-gan", f"compare mlp-gan --out {tmp_path / 'x'}"):
        words = refused(*line.split(), "--precision", narrow, code=2)
        assert f"{narrow} is outside the parity promise" in words
    with pytest.raises(SpecError, match=f"{narrow} is outside the parity promise"):
        check_grid(make_grid(precision=narrow))
    assert not (tmp_path / "x").exists()


@needs_both
@pytest.mark.parametrize("narrow", NARROW)
def test_a_parity_measurement_refuses_a_precision_outside_parity(narrow):
    with pytest.raises(SpecError, match=f"{narrow} is outside the parity promise"):
        measure("mlp-gan", precision=narrow)


@needs_a_backend
def test_the_train_command_records_both_modes(data, tmp_path):
    out, both = tmp_path / "run", ("--precision", "bfloat16", "--randomness", "device")

    said(*tiny(), "--data", data, "--steps", 2, "--out", out, *both)

    settings = gandem.open_run(out).record.settings
    assert (settings.precision, settings.randomness) == ("bfloat16", "device")
    assert "bfloat16), seed 0, device randomness" in said("show", out)
