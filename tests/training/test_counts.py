"""The cost of a step in counts: passes, gradients, bytes and calls, the same on any machine."""

import contextlib
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.commands import THERE, on_each

import gandem
from gandem.core.data.dataset import Dataset
from gandem.core.runs import train
from gandem.core.specs import change
from gandem.core.specs.loading import load_spec
from gandem.core.training import Feed, MultiStep, estimate_cost, initial_state, passes_of_step
from gandem.core.training.backends import load_backend
from gandem.core.training.losses import load_loss

ROOT = Path(gandem.__file__).parent
OURS = (f"{ROOT / 'core'}/", f"{ROOT / 'backends'}/")
needs_torch = pytest.mark.skipif("torch" not in THERE, reason="counts PyTorch's calls")
needs_keras = pytest.mark.skipif("keras" not in THERE, reason="counts TensorFlow's nodes")


def feed_of(model, small=False):
    """Return the spec of a model and a feed of black images."""
    spec = load_spec(model, small=small)
    images = np.zeros((256, 28, 28, 1), np.uint8)
    labels = np.arange(256) % 10
    data = Dataset("nothing", images, labels)
    return spec, Feed(spec, load_loss(spec.loss), data, 0, "float32")


def engine_of(backend, spec):
    arrays = initial_state(spec, 0, "float32")
    loss = load_loss(spec.loss)
    return load_backend(backend).engine(spec, loss, arrays, precision="float32", device="cpu")


# --- passes and gradients -------------------------------------------------------------------------

PASSES = {  # generator, discriminator with the rows of each
    "dcgan": (1, [64, 64, 64]),  # batch norm: real and fake apart; the same fakes for both players
    "cgan": (2, [128, 64]),  # nothing looks at the batch: real and fake together; fresh noise
    "upsample-gan": (2, [100, 100]),
    "dcgan-dropout": (1, [64, 64, 64]),
    "mlp-gan": (1, [128, 64]),
    # five rounds, each with a penalty; a critic judges real and fake apart
    "wgan-gp": (6, 5 * [64, 64, 64] + [64]),
}


@pytest.mark.parametrize("model", PASSES)
def test_a_step_makes_no_unnecessary_forward_pass(model):
    spec, feed = feed_of(model)
    rows = spec.training.discriminator_steps * (spec.training.batch_size,)

    passes = passes_of_step(spec, feed.loss, rows)

    generated = sum(each.player == "generator" for each in passes)
    rows = [each.rows for each in passes if each.player == "discriminator"]
    assert (generated, rows) == PASSES[model]


@needs_torch
@pytest.mark.parametrize("model", PASSES)
def test_pytorch_makes_exactly_the_expected_passes(model):
    spec, feed = feed_of(model, small=True)
    engine, calls = engine_of("torch", spec), Counter()
    for name, network in engine.networks.items():
        network.register_forward_hook(lambda *_, name=name: calls.update([name]))

    engine.step(feed(0))

    generated, rows = PASSES[model]
    assert calls == {"generator": generated, "discriminator": len(rows)}


# by what they are taken: weights, images; a generator's loss may penalize its own weights
GRADIENTS = {
    "dcgan": {"discriminator": 1, "images": 1, "generator": 2},
    "wgan-gp": {"discriminator": 5, "images": 6, "generator": 2},
}


@needs_torch
@pytest.mark.parametrize("model", GRADIENTS)
def test_no_gradient_is_taken_by_the_weights_of_a_player_that_does_not_learn(model, monkeypatch):
    import torch

    spec, feed = feed_of(model, small=True)
    engine, taken = engine_of("torch", spec), Counter()
    owners = {
        id(weight): name
        for name, network in engine.networks.items()
        for weight, _ in network.weights().values()
    }
    real = torch.autograd.grad

    def counting(outputs, inputs, *more, **named):
        several = [inputs] if isinstance(inputs, torch.Tensor) else inputs
        taken.update({owners.get(id(each), "images") for each in several})
        return real(outputs, inputs, *more, **named)

    monkeypatch.setattr(torch.autograd, "grad", counting)
    engine.step(feed(0))

    assert taken == GRADIENTS[model]


def computed(graph):
    """Return the operations that TensorFlow runs: what is left when nobody's inputs are cut."""
    waiting = [output.op for output in graph.outputs]
    waiting += [each for each in graph.get_operations() if each.op_def.is_stateful]
    operations = set()
    while waiting:
        operation = waiting.pop()
        if operation not in operations:
            operations.add(operation)
            waiting += [tensor.op for tensor in operation.inputs] + operation.control_inputs
    return operations


@needs_keras
def test_the_graph_of_tensorflow_has_gradients_of_updated_weights_only():
    spec, feed = feed_of("dcgan", small=True)
    engine = engine_of("keras", spec)

    engine.step(feed(0))

    (graph,) = (each.graph for each in engine._compiled._list_all_concrete_functions())
    counts = Counter(operation.type for operation in computed(graph))
    # two kernels on real and on fake images, and the generator's two
    assert counts["Conv2DBackpropFilter"] == 2 * 2 + 2
    # three judgments, and the generator's way back
    assert counts["Conv2D"] == 3 * 2 + 2
    # playing, the way back between the kernels, twice, and to the image
    assert counts["Conv2DBackpropInput"] == 2 + 2 * 1 + 2


# --- multiply-adds --------------------------------------------------------------------------------


class NoModules(contextlib.nullcontext):
    """In place of the tracker of modules, which fails where gradients are asked of weights."""

    parents = frozenset({"Global"})


def count_with_torch(engine, inputs):
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    counter.mod_tracker = NoModules()
    with counter:
        engine.step(inputs)
    return counter.get_total_flops() / 2


@needs_torch
@pytest.mark.parametrize(
    ("model", "accuracy"),
    [
        *(("dcgan", 0), ("cgan", 0), ("mlp-gan", 0), ("infogan", 0), ("ragan", 0), ("pacgan", 0)),
        ("sagan", 1e-3),  # torch counts spectral norm too
        ("wgan-gp", 3e-3),  # no gradient by the gradient of the last layer
    ],
)
def test_multiply_adds_are_those_that_pytorch_counts(model, accuracy):
    spec, feed = feed_of(model, small=True)

    counted = count_with_torch(engine_of("torch", spec), feed(0))

    estimated = estimate_cost(spec, feed.loss).multiply_adds
    assert estimated == pytest.approx(counted, rel=accuracy, abs=0)


def test_multiply_adds_of_lazy_penalties_are_a_mean():
    each = load_spec("wgan-gp", small=True)
    never = change(each, {"loss.gradient_penalty": 0.0})
    lazy = change(each, {"loss.penalty_interval": 4})

    costs = [estimate_cost(s, load_loss(s.loss)).multiply_adds for s in (each, never, lazy)]

    assert costs[0] > costs[1]
    assert costs[2] == costs[1] + (costs[0] - costs[1]) // 4


# --- what crosses the border ----------------------------------------------------------------------

FLOAT = 4
PIXELS, MASK = 28 * 28, 14 * 14 * 64 + 7 * 7 * 128 + 7 * 7 * 256
BYTES = {
    "dcgan": 64 * (PIXELS + 100) * FLOAT,
    "cgan": 64 * (PIXELS + 10 + 2 * 128) * FLOAT,
    "upsample-gan": (50 * (PIXELS + 10) + 100 * 10) * FLOAT,
    "dcgan-dropout": 64 * ((PIXELS + 100) * FLOAT + 3 * MASK),  # a byte a unit
    "mlp-gan": 64 * (PIXELS + 100) * FLOAT,
    "wgan-gp": 64 * (5 * (PIXELS + 100 + 1) + 100) * FLOAT,
}


@pytest.mark.parametrize("model", BYTES)
def test_a_step_transfers_no_unused_bytes(model):
    _, feed = feed_of(model)

    assert sum(value.nbytes for value in feed(0).values()) == BYTES[model]


class Counted:
    """An engine that counts how often it is asked for what."""

    def __init__(self, engine):
        self._engine, self.asked = engine, Counter()

    def __getattr__(self, name):
        attribute = getattr(self._engine, name)
        if not callable(attribute):
            return attribute

        def counting(*given, **named):
            self.asked[name] += 1
            return attribute(*given, **named)

        return counting


def counted_training(backend, folder, monkeypatch, **settings):
    """Train on digits; return how often the engine was asked for what."""
    kind, engines = type(load_backend(backend)), []
    real = kind.engine

    def engine(*given, **named):
        engines.append(Counted(real(*given, **named)))
        return engines[-1]

    monkeypatch.setattr(kind, "engine", engine)
    small = {"hidden": [8], "discriminator_hidden": [8], "batch_size": 16}
    train("mlp-gan", backend=backend, data="digits", changes=small, out=folder / "run", **settings)
    return engines[0].asked


@on_each
def test_losses_are_read_only_for_rows_of_the_log(backend, tmp_path, monkeypatch):
    asked = counted_training(backend, tmp_path, monkeypatch, steps=60, log_every=20)

    assert asked["read"] == 4  # steps 1, 20, 40 and 60
    assert asked["export"] == 3  # around the step whose movement is measured, and at the end


@on_each
def test_small_steps_are_made_in_groups(backend, tmp_path, monkeypatch):
    engine = engine_of(backend, load_spec("mlp-gan", small=True))
    several = engine.steps_per_call if isinstance(engine, MultiStep) else 1

    asked = counted_training(backend, tmp_path, monkeypatch, steps=160, log_every=20)

    assert asked["step"] + several * asked["steps"] == 160
    assert bool(asked["steps"]) == (several > 1)


# --- Python ---------------------------------------------------------------------------------------


def python_calls(run):
    """Return how many calls of gandem's own functions a function makes."""
    calls = Counter()

    def count(frame, event, _):
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(OURS) and "<" not in frame.f_code.co_name:
            calls[f"{Path(file).name}:{frame.f_code.co_name}"] += 1

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


@needs_torch
def test_a_step_of_pytorch_makes_few_python_calls():
    spec, feed = feed_of("mlp-gan")
    engine, inputs = engine_of("torch", spec), feed(0)
    engine.step(inputs)

    calls = python_calls(lambda: engine.step(inputs))

    generator, discriminator = 5, 3  # dense layers; the discriminator runs twice
    assert calls["affine.py:forward"] == generator + 2 * discriminator
    assert calls["shaping.py:forward"] == 1 + 2
    assert sum(calls.values()) == 147


@needs_keras
def test_a_step_of_tensorflow_runs_no_layer_in_python():
    spec, feed = feed_of("mlp-gan")
    engine, inputs = engine_of("keras", spec), feed(0)
    engine.step(inputs)

    calls = python_calls(lambda: engine.step(inputs))

    assert calls == {"engine.py:step": 1, "engine.py:_to_tensors": 1}
