"""Trainings in stages: the networks, inputs and states of each stage, and what is refused."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from support.commands import HOME, needs_a_backend
from support.toy_backend import Toy

from gandem.core.data.dataset import Dataset
from gandem.core.data.images import downsample_images
from gandem.core.errors import SpecError
from gandem.core.specs import (
    Image,
    MinibatchStddev,
    Relu,
    Spec,
    Stage,
    change,
    differences,
    from_toml,
    load_spec,
    plan_spec,
    stage_specs,
    to_toml,
)
from gandem.core.training import (
    estimate_cost,
    initial_state,
    load_backend,
    make_engine,
    make_feed,
    resolve_loss,
    state_shapes,
)
from gandem.core.training.stages.timeline import place_stages

COUNT = 50
"""Images of the data."""


def growing(*, image=(16, 16, 1), changes=(), **training) -> Spec:
    """Return a progan with stages of 3, 6 and 4 steps at 4, 8 and 16 pixels; the second fades in
    for 4 steps.
    """
    spec = load_spec("progan", {"image": image, "latent": 3, "width": 2, "batch_size": 10})
    stages = (
        Stage(resolution=4, length=3, unit="steps"),
        Stage(resolution=8, length=6, fade_in=4, unit="steps", batch_size=6),
        Stage(resolution=16, length=4, unit="steps", batch_size=4, learning_rate=0.5),
    )
    return change(
        replace(spec, training=replace(spec.training, **{"stages": stages} | training)), changes
    )


@pytest.fixture
def data():
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 16, 16, 1), np.uint8)
    return Dataset("squares", images)


def feed_of(spec, data, precision="float64"):
    return make_feed(spec, resolve_loss(spec), data, 0, precision)


class Builds(Toy):
    """The toy backend, which keeps the specs and states of its engines."""

    def __init__(self):
        super().__init__()
        self.specs, self.states = [], []

    def engine(self, spec, loss, state, **how):
        self.specs.append(spec)
        self.states.append(state)
        return super().engine(spec, loss, state, **how)


def start(spec, backend, state=None):
    state = initial_state(spec, 0, "float64") if state is None else state
    return make_engine(backend, spec, resolve_loss(spec), state, precision="float64", device="cpu")


# --- the networks --------------------------------------------------------------------------------


def names_of(spec, player):
    return [node.path.partition("/")[2] for node in plan_spec(spec)[player].nodes]


def test_the_networks_of_a_stage_end_and_begin_with_its_heads():
    first, second, third = stage_specs(growing())

    assert first.image.shape == (4, 4, 1)
    assert names_of(first, "generator")[-1] == "to_image_4"
    assert names_of(first, "discriminator")[:2] == ["from_image_4", "minibatch_stddev"]
    assert names_of(second, "generator")[-2:] == ["to_image_8", "to_image_4"]  # which fades out
    assert names_of(second, "discriminator")[0] == "from_image_8"
    assert "from_image_4" in names_of(second, "discriminator")
    assert "from_image_8" not in names_of(third, "discriminator")


def test_the_result_of_a_training_in_stages_is_its_last_network():
    spec = growing()

    assert plan_spec(spec) == plan_spec(stage_specs(spec)[-1])


def test_a_stage_has_its_own_batch_size_and_learning_rate():
    specs = stage_specs(growing())

    assert [spec.training.batch_size for spec in specs] == [10, 6, 4]
    assert [spec.players[0].optimizer.learning_rate for spec in specs] == [1e-3, 1e-3, 0.5]


def test_equal_layers_have_equal_names_and_shapes_in_all_stages():
    spec = growing()
    shapes = [state_shapes(stage) for stage in stage_specs(spec)]

    for name, shape in state_shapes(spec).items():
        assert {each[name] for each in shapes if name in each} <= {shape}, name
    assert all(set(each) <= set(state_shapes(spec)) for each in shapes)


def test_stages_are_read_back_from_toml_and_have_paths():
    spec = growing()

    assert from_toml(to_toml(spec)) == spec
    changed = change(spec, {"training.stages.1.length": 9})
    assert differences(spec, changed) == {"training.stages.1.length": (6.0, 9.0)}


def test_progan_has_as_many_parameters_as_that_of_the_paper():
    spec = load_spec("progan", {"image": (1024, 1024, 3)})
    sizes = {name: math.prod(shape) for name, shape in state_shapes(spec).items()}

    totals = {
        player.name: sum(size for name, size in sizes.items() if name.startswith(f"{player.name}/"))
        for player in spec.players
    }
    # table 2: 23.1M each, with the heads of all resolutions
    assert totals == {"generator": 23_079_115, "discriminator": 23_087_249}


# --- the inputs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("partial_batch", ["keep", "drop"])
def test_each_image_is_seen_once_an_epoch_across_stages(data, partial_batch):
    feed = feed_of(growing(partial_batch=partial_batch), data)
    stages = {step: feed.timeline.find_stage(step) for step in range(40)}
    rows = {step: feed._feeds[stage].rows_of(step) for step, stage in stages.items()}

    ends = [feed.epochs.step_of(epoch) for epoch in range(4)]
    for epoch, (first, last) in enumerate(itertools.pairwise(ends)):
        seen = np.concatenate([rows[step] for step in range(first, last)])
        assert len(set(seen)) == len(seen)
        assert len(seen) == COUNT if partial_batch == "keep" else len(seen) > COUNT - 10
        assert feed.epochs.epochs_done(last) == epoch + 1 > feed.epochs.epochs_done(last - 1)


def test_real_images_are_averaged_over_blocks(data):
    feed = feed_of(growing(), data)

    real = feed(0)["real/0"]

    pixels = downsample_images(data.images[feed._feeds[0].rows_of(0)], 4)
    np.testing.assert_allclose(real, pixels * (2 / 255) - 1, rtol=0, atol=1e-12)


def test_real_images_fade_in_with_the_new_layers(data):
    feed = feed_of(growing(), data)

    inputs = feed(4)  # the second of four steps

    whole = downsample_images(data.images[feed._feeds[1].rows_of(4)], 2) * (2 / 255) - 1
    coarse = downsample_images(whole, 2).repeat(2, 1).repeat(2, 2)
    assert inputs["fade_in"].tolist() == [[0.25]]
    np.testing.assert_allclose(inputs["real/0"], 0.25 * whole + 0.75 * coarse, rtol=0, atol=1e-12)
    assert [feed(step)["fade_in"].item() for step in range(3, 9)] == [0, 0.25, 0.5, 0.75, 1, 1]


@needs_a_backend
def test_stages_of_wide_images_in_color_keep_their_ratio():
    spec = growing(image=(16, 24, 3))
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 16, 24, 3), np.uint8)
    engine, feed = start(spec, load_backend(HOME)), feed_of(spec, Dataset("wide", pixels))

    shapes = []
    for step in range(10):
        inputs = feed(step)
        engine.step(inputs)
        shapes.append(inputs["real/0"].shape)
        images = engine.forward("generator", {"noise": np.ones((2, 3))})
        assert images.shape == (2, 16, 24, 3)

    assert [*dict.fromkeys(shapes)] == [(10, 4, 6, 3), (6, 8, 12, 3), (4, 16, 24, 3)]


@pytest.mark.parametrize(
    ("unit", "length", "expected"), [("steps", 7, 7), ("images", 61, 7), ("epochs", 1.5, 8)]
)
def test_the_length_of_a_stage_has_three_units(unit, length, expected):
    stages = (
        Stage(resolution=4, length=length, unit=unit),
        Stage(resolution=8, length=1, unit="steps"),
        Stage(resolution=16, length=1, unit="steps"),
    )

    timeline = place_stages(growing(stages=stages), COUNT)  # 5 batches of 10 an epoch

    assert timeline.places[1].span.first_step == expected
    assert timeline.end == expected + 2


def test_the_time_left_counts_what_the_steps_of_each_stage_cost():
    timeline = replace(place_stages(growing(), COUNT), costs=(1, 2, 4))

    assert timeline.scale_steps(0, 13) == 3 + 2 * 6 + 4 * 4
    assert timeline.scale_steps(5, 13) == 4 + 2 * 4
    assert timeline.scale_steps(12, 15) == 3  # the last stage has no end


def test_the_cost_is_that_of_the_largest_stage_and_the_arrays_of_all():
    spec = growing()
    costs = [estimate_cost(stage, resolve_loss(spec)) for stage in stage_specs(spec)]

    cost = estimate_cost(spec, resolve_loss(spec))

    assert cost.multiply_adds == max(each.multiply_adds for each in costs) > 0
    assert cost.weights > max(each.weights for each in costs)


# --- the states ----------------------------------------------------------------------------------


def test_a_stage_is_built_once_and_starts_its_optimizers_anew(data):
    spec, backend = growing(), Builds()
    engine, feed = start(spec, backend), feed_of(spec, data)

    for step in range(13):
        engine.step(feed(step))

    assert tuple(backend.specs) == stage_specs(spec)
    for state in backend.states:
        slots = [value for name, value in state.items() if name.startswith("optimizer/")]
        assert slots
        assert not any(value.any() for value in slots)


def test_arrays_that_a_stage_does_not_use_stay_as_they_are(data):
    spec = growing()
    engine, feed = start(spec, Toy()), feed_of(spec, data)
    before = engine.export()

    for step in range(3):
        engine.step(feed(step))

    after, used = engine.export(), state_shapes(stage_specs(spec)[0])
    unused = after.keys() - used.keys() - {"running/stage", "running/fade_in"}
    assert "generator/to_image_8/conv2d/kernel" in unused
    assert all((after[name] == before[name]).all() for name in unused)
    assert all((after[name] != before[name]).any() for name in used)


@pytest.mark.skipif(HOME != "torch", reason="needs PyTorch")
def test_r1_is_taken_of_a_discriminator_that_fades_in(data):
    changes = {"loss.name": "non-saturating", "loss.gradient_penalty": 0.0, "loss.r1": 1.0}
    spec = growing(changes=changes)
    generator, discriminator = spec.players
    layers = [each for each in discriminator.layers if not isinstance(each, MinibatchStddev)]
    spec = replace(spec, players=(generator, replace(discriminator, layers=tuple(layers))))
    engine, feed = start(spec, load_backend("torch")), feed_of(spec, data)

    losses = [engine.read(engine.step(feed(step))) for step in range(5)]

    assert all(each["penalty"] > 0 for each in losses)


@pytest.mark.skipif(HOME != "torch", reason="needs PyTorch")
def test_path_lengths_are_taken_of_a_generator_that_fades_in(data):
    path_length = {"loss.path_length.weight": 2.0, "loss.path_length.layer": "conv2d"}
    spec = growing(changes={"generator.outputs": ["conv2d"], **path_length})
    engine, feed = start(spec, load_backend("torch")), feed_of(spec, data)

    losses = [engine.read(engine.step(feed(step))) for step in range(4)]

    assert all(each["path_length"] > 0 for each in losses)


@pytest.mark.parametrize("cut", [2, 3, 4, 6, 8, 9, 11])
def test_a_state_of_any_step_is_enough_to_continue(data, cut):
    spec = growing()
    feed, whole = feed_of(spec, data), start(spec, Toy())
    for step in range(cut):
        whole.step(feed(step))
    resumed = start(spec, Toy(), whole.export())

    for step in range(cut, 13):
        whole.step(feed(step))
        resumed.step(feed(step))

    expected, received = whole.export(), resumed.export()
    assert list(expected) == list(state_shapes(spec))
    assert all((received[name] == expected[name]).all() for name in expected)


def test_images_of_every_stage_have_the_size_of_the_spec(data):
    spec = growing()
    engine, feed = start(spec, Toy()), feed_of(spec, data)
    engine.step(feed(0))

    images = engine.forward("generator", {"noise": np.ones((2, 3))})
    logits = engine.forward("discriminator", {"image": images})

    assert images.shape == (2, 16, 16, 1)
    assert (images == downsample_images(images, 4).repeat(4, 1).repeat(4, 2)).all()
    assert logits.shape == (2, 1)


# --- refused -------------------------------------------------------------------------------------


def stages(*resolutions, **second):
    """Return stages of one step; the fields of the second may be given."""
    fields = [{"resolution": each, "length": 1, "unit": "steps"} for each in resolutions]
    fields[1] |= second
    return {"training.stages": fields}


REFUSED = [
    (stages(4, 12, 16), "training.stages[1].resolution: expected 4 as before or 8, twice as much"),
    (stages(4, 8, 8), "training.stages[2].resolution: the last stage makes 8 pixels of height"),
    (stages(8, 16), "generator/to_image_4: no stage uses this layer; remove it, or add a stage."),
    (stages(4, 8, 16, fade_in=2), "training.stages[1].fade_in: 2 steps do not fit into the 1"),
    (stages(4, 4, 8, 16, fade_in=1), "training.stages[1].fade_in: the stage has no new layers"),
    (stages(4, 8, 16, length=0), "training.stages[1].length: expected 0 < a number"),
    (stages(4, 8, 16, batch_size=0), "training.stages[1].batch_size: expected 1 ≤ a number"),
    (stages(4, 8, 16, unit="hours"), "training.stages[1].unit: expected 'images' or 'steps' or"),
    (stages(2, 4, 8, 16), "generator: expected one head of 2 pixels for training.stages[0]"),
    ({"training.epochs": 5}, "training.epochs: the stages say how long the training is"),
    ({"image.low": 2.0}, "image: low (2) must be below high (1)."),
    ({"training.ema_half_life": 9.0}, "training.ema_half_life: it stands for training.ema_decay"),
    ({"training.augment.probability": 0.5}, "training.augment.probability: there is nothing"),
    ({"training.pac": 4}, "training.stages[0]: training.pac: a batch of 10 images cannot be"),
    ({"training.stages": []}, "generator/to_image_4: a head of 4 pixels is part of stages"),
    ({"generator.layers.to_image_8.resolution": 4}, "generator: expected one head of 4 pixels"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=[text for _, text in REFUSED])
def test_stages_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(SpecError) as refusal:
        growing(changes=changes)

    assert str(refusal.value).startswith(message)


def test_a_layer_that_no_stage_uses_is_refused():
    spec = growing()
    players = [replace(p, layers=(*p.layers, Relu(name="late"))) for p in spec.players[:1]]

    with pytest.raises(SpecError, match=r"^generator/late: no stage uses this layer; remove it"):
        plan_spec(replace(spec, players=(*players, *spec.players[1:])))


def test_a_layer_that_fits_one_stage_only_is_refused():
    spec = growing()
    wide = replace(spec, image=Image(height=16, width=24))

    with pytest.raises(SpecError, match=r"^training.stages\[0\]: generator/to_image_4: "):
        plan_spec(wide)


def test_points_have_no_stages():
    spec = load_spec("point-gan")
    staged = replace(spec.training, stages=(Stage(resolution=1, length=1),))

    with pytest.raises(SpecError, match=r"^training.stages: points have no resolution"):
        plan_spec(replace(spec, training=staged))
