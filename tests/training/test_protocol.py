"""Options of the training protocol: each changes what it names, and nothing else."""

import numpy as np
import pytest
from support.commands import HOME, needs_a_backend, on_each

from gandem.core import specs as kinds
from gandem.core.data.dataset import Dataset
from gandem.core.errors import SpecError
from gandem.core.specs import change, load_spec, plan_spec, stage_specs
from gandem.core.training import (
    Feed,
    initial_state,
    list_needs,
    passes_of_step,
    state_shapes,
    step_inputs,
)
from gandem.core.training.backends import load_backend
from gandem.core.training.feed.augmentation import draw_disturbances
from gandem.core.training.losses import load_loss
from gandem.core.training.stages.feed import STAGE_INPUT
from gandem.core.training.step import LOOKAHEAD
from gandem.core.training.updates.due import Due
from gandem.testing.trajectories import SMALL, TRAJECTORIES, find_trajectory, load_tiny_data

CRITIC = (kinds.Flatten(), kinds.Dense(units=1, bias=False))
LINEAR = change(SMALL, {"discriminator.layers": CRITIC, "loss.name": "wasserstein"})


def feed_of(spec, dataset=None):
    return Feed(spec, load_loss(spec.loss), dataset or load_tiny_data(), 0, "float64")


class Stepper:
    """One training alive, with its inputs."""

    def __init__(self, backend, spec, **changes):
        self.spec = change(spec, changes)
        self.feed = feed_of(self.spec)
        self.before = initial_state(self.spec, 0, "float64")
        self.engine = load_backend(backend).engine(
            self.spec, load_loss(self.spec.loss), self.before, precision="float64", device="cpu"
        )

    def step(self, number=0):
        self.losses = self.engine.read(self.engine.step(self.feed(number)))
        self.after = self.engine.export()
        return self.losses


def changed(stepper, player, *, slots=False):
    """Return the arrays of a player that a step has changed."""
    prefix = f"optimizer/{player}" if slots else f"{player}/"
    return [
        name
        for name, value in stepper.after.items()
        if name.startswith(prefix) and not np.array_equal(value, stepper.before[name])
    ]


# --- penalties ------------------------------------------------------------------------------------


@on_each
def test_the_gradient_penalty_of_a_linear_critic_is_how_far_its_weights_are_from_length_one(
    backend,
):
    stepper = Stepper(backend, LINEAR, **{"loss.gradient_penalty": 10.0})

    losses = stepper.step()

    # ∇D is the same everywhere
    length = np.linalg.norm(stepper.before["discriminator/dense/kernel"])
    assert losses["penalty"] == pytest.approx(10 * (length - 1) ** 2, rel=1e-9)


@on_each
def test_r1_of_a_linear_critic_is_half_its_squared_length(backend):
    stepper = Stepper(backend, LINEAR, **{"loss.r1": 3.0})

    losses = stepper.step()

    length = np.linalg.norm(stepper.before["discriminator/dense/kernel"])
    assert losses["penalty"] == pytest.approx(3 * length**2 / 2, rel=1e-12)


@on_each
def test_a_penalty_alone_is_learnt_from(backend):
    penalized = {"loss.gradient_penalty": 1e6, "training.partial_batch": "drop"}
    stepper = Stepper(backend, LINEAR, **penalized)

    first = stepper.step(0)["penalty"]
    for step in range(1, 40):
        last = stepper.step(step)["penalty"]

    assert last < 0.9 * first


def test_penalties_lie_between_real_and_fake_at_numbers_from_the_streams():
    spec = change(LINEAR, {"loss.gradient_penalty": 10.0, "training.discriminator_steps": 2})

    inputs = feed_of(spec)(3)

    assert inputs["mix/0"].shape == (16, 1, 1, 1)
    assert 0 <= inputs["mix/0"].min() < inputs["mix/0"].max() < 1
    assert not np.array_equal(inputs["mix/0"], inputs["mix/1"])


def test_only_a_penalty_between_images_is_a_further_pass_of_the_discriminator():
    spec = change(LINEAR, {"loss.gradient_penalty": 1.0, "loss.r1": 1.0})

    passes = passes_of_step(spec, load_loss(spec.loss), (16,))

    # real (with the slopes of R1), fake, between them, and fake in the generator's update
    assert [each.player for each in passes].count("discriminator") == 4


@pytest.mark.parametrize("penalty", ["gradient_penalty", "r1"])
def test_a_penalty_takes_second_derivatives(penalty):
    spec = change(SMALL, {f"loss.{penalty}": 1.5})

    assert list_needs(spec)["second-order"] == f"loss.{penalty} is 1.5"


@needs_a_backend
@pytest.mark.skipif(HOME != "torch", reason="what PyTorch's optimizers make of a layout")
def test_a_gradient_that_is_laid_out_otherwise_is_the_same_gradient():
    import torch

    from gandem.backends.torch.optimizers import Learner

    weight = torch.nn.Parameter(torch.zeros(2, 3, 2, 2).to(memory_format=torch.channels_last))
    gradient = torch.arange(24.0).reshape(2, 3, 2, 2) - 11.5
    learner = Learner(kinds.Adam(learning_rate=0.1), {"kernel": weight})

    learner.update([gradient.permute(1, 0, 2, 3).contiguous().permute(1, 0, 2, 3)])

    assert torch.equal(weight.detach().sign(), -gradient.sign())


# --- the discriminator held back ------------------------------------------------------------------


@on_each
def test_clipping_leaves_no_weight_of_the_critic_beyond_the_limit(backend):
    stepper = Stepper(backend, SMALL, **{"training.weight_clip": 0.01})

    stepper.step()

    weights = [p.name for p in plan_spec(stepper.spec)["discriminator"].parameters()]
    assert max(np.abs(stepper.after[name]).max() for name in weights) == 0.01
    assert np.abs(stepper.after["generator/dense/kernel"]).max() > 0.01


@on_each
def test_a_discriminator_whose_loss_is_below_the_bound_judges_and_does_not_learn(backend):
    stepper = Stepper(backend, SMALL, **{"training.discriminator_skip_below": 100.0})

    stepper.step()

    statistics = ["discriminator/batch_norm/mean", "discriminator/batch_norm/variance"]
    assert changed(stepper, "discriminator") == statistics  # its forward passes count
    assert changed(stepper, "discriminator", slots=True) == []
    assert changed(stepper, "generator")


@on_each
def test_a_discriminator_whose_loss_is_above_the_bound_learns_as_ever(backend):
    bound, free = (
        Stepper(backend, SMALL, **{"training.discriminator_skip_below": floor})
        for floor in (0.01, 0)
    )

    assert bound.step() == free.step()
    assert all(np.array_equal(bound.after[name], free.after[name]) for name in state_shapes(SMALL))


# --- accuracies -----------------------------------------------------------------------------------


@on_each
@pytest.mark.parametrize(("shift", "real"), [(0.4, 0.0), (0.6, 1.0)])
def test_least_squares_judges_by_the_middle_of_its_targets(backend, shift, real):
    loss = {"loss.name": "least-squares"}
    stepper = Stepper(
        backend,
        change(SMALL, {"discriminator.layers": (kinds.Flatten(), kinds.Dense(units=1))}),
        **loss,
    )
    state = dict(stepper.before)
    state["discriminator/dense/kernel"] = np.zeros_like(state["discriminator/dense/kernel"])
    state["discriminator/dense/bias"] = np.full((1,), shift)
    stepper.engine.load(state)

    losses = stepper.step()

    assert (losses["real_accuracy"], losses["fake_accuracy"]) == (real, 1.0 - real)


@on_each
def test_a_critics_scores_are_judged_by_the_middle_of_their_means(backend):
    stepper = Stepper(
        backend, change(LINEAR, {"discriminator.layers": (kinds.Flatten(), kinds.Dense(units=1))})
    )
    high = dict(stepper.before) | {"discriminator/dense/bias": np.full((1,), 1e3)}
    low = stepper.step()
    stepper.engine.load(high)

    assert stepper.step() == pytest.approx(low, rel=1e-6, abs=2e3)
    assert stepper.losses["real_accuracy"] == low["real_accuracy"]
    assert stepper.losses["fake_accuracy"] == low["fake_accuracy"]


# --- what the players see -------------------------------------------------------------------------


def moved(image, down, right):
    """Return an image moved by whole pixels, zeros moving in."""
    height, width, _ = image.shape
    moved_image = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                moved_image[row, column] = image[row - down, column - right]
    return moved_image


def test_translation_moves_by_up_to_its_share_of_the_sides():
    spec = change(SMALL, {"training.augment.translation": 0.25})
    drawn = draw_disturbances(spec, "real/0", 200, 1, 5)
    image = np.arange(64.0).reshape(8, 8, 1) + 1

    seen = np.einsum("nah,hvc,nbv->nabc", drawn["rows/real/0"], image, drawn["columns/real/0"])

    places = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
    moves = [
        next(place for place in places if np.array_equal(moved(image, *place), each))
        for each in seen
    ]
    assert set(moves) == set(places)


def test_a_flip_mirrors_about_half_of_the_images_left_to_right():
    spec = change(SMALL, {"training.augment.flip": True})
    drawn = draw_disturbances(spec, "generator", 400, 1, 5)
    image = np.arange(64.0).reshape(8, 8, 1)

    seen = np.einsum(
        "nah,hvc,nbv->nabc", drawn["rows/generator"], image, drawn["columns/generator"]
    )

    mirrored = [np.array_equal(each, image[:, ::-1]) for each in seen]
    straight = [np.array_equal(each, image) for each in seen]
    assert all(a != b for a, b in zip(mirrored, straight, strict=True))
    assert 150 < sum(mirrored) < 250


def test_cutout_covers_one_rectangle_of_its_share():
    spec = change(SMALL, {"training.augment.cutout": 0.5})

    window = draw_disturbances(spec, "fake/0", 300, 1, 5)["window/fake/0"]

    covered = (window == 0).sum(axis=(1, 2, 3))
    assert set(np.unique(window)) == {0.0, 1.0}
    assert covered.max() == 16  # 4 of 8 by 4 of 8; less where it reaches over the border
    assert covered.min() < 16
    for image in window[..., 0]:
        rows, columns = np.nonzero(image == 0)
        if len(rows):
            area = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
            assert area == len(rows)


def test_half_a_pixel_of_augmentation_is_rounded_up_as_in_diffaugment():
    augment = {"training.augment.translation": 0.125, "training.augment.cutout": 0.125}
    spec = load_spec("dcgan", {"image": [20, 28, 1], **augment})

    drawn = draw_disturbances(spec, "real/0", 300, 1, 5)

    for name, limit in {"rows": 3, "columns": 4}.items():  # 2.5 and 3.5 pixels
        shifts = {
            int(new - old) for each in drawn[f"{name}/real/0"] for new, old in np.argwhere(each)
        }
        assert shifts == set(range(-limit, limit + 1))
    assert (drawn["window/real/0"] == 0).sum(axis=(1, 2, 3)).max() == 3 * 4


@on_each
def test_every_backend_moves_the_same_pixels(backend):
    """With a linear critic, the loss tells which pixels it has seen."""
    augment = {
        f"training.augment.{k}": v
        for k, v in (("flip", True), ("translation", 0.3), ("cutout", 0.3))
    }
    stepper = Stepper(backend, LINEAR, **augment, **{"training.instance_noise": 0.2})
    inputs = stepper.feed(0)

    losses = stepper.step()

    kernel = stepper.before["discriminator/dense/kernel"]

    def seen(images, where):
        images = np.einsum(
            "nah,nhvc,nbv->nabc", inputs[f"rows/{where}"], images, inputs[f"columns/{where}"]
        )
        return images * inputs[f"window/{where}"] + inputs[f"disturbance/{where}"]

    real = (seen(inputs["real/0"], "real/0").reshape(16, -1) @ kernel).mean()
    plain = Stepper(backend, LINEAR)
    plain.feed.dataset = stepper.feed.dataset
    assert losses["discriminator"] != plain.step()["discriminator"]
    zero = dict(stepper.before)
    zero["generator/conv2d/kernel"] = np.zeros_like(zero["generator/conv2d/kernel"])
    zero["generator/conv2d/bias"] = np.zeros_like(zero["generator/conv2d/bias"])
    stepper.engine.load(zero)  # tanh(0): the fakes are gray
    fake = (seen(np.zeros((16, 8, 8, 1)), "fake/0").reshape(16, -1) @ kernel).mean()
    assert stepper.step()["discriminator"] == pytest.approx(fake - real, abs=1e-12)


def test_instance_noise_follows_its_schedule():
    feed = feed_of(change(SMALL, {"training.instance_noise": "linear(0.4, 0, 8)"}))
    plain = feed_of(change(SMALL, {"training.instance_noise": 1.0}))

    for step, level in ((0, 0.4), (2, 0.3), (4, 0.2), (8, 0), (9, 0)):
        drawn, unit = (each(step)["disturbance/real/0"] for each in (feed, plain))
        assert drawn == pytest.approx(level * unit, rel=1e-12)


def test_flipped_reals_are_the_data_or_its_mirror_image():
    data = Dataset("one", np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1).repeat(70, axis=0))
    plain, flipped = (
        feed_of(change(SMALL, {"training.flip": flip}), data)(0)["real/0"] for flip in (False, True)
    )

    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(flipped, plain, strict=True)]
    straight = [np.array_equal(a, b) for a, b in zip(flipped, plain, strict=True)]
    assert all(a != b for a, b in zip(mirrored, straight, strict=True))
    assert 0 < sum(mirrored) < len(mirrored)


# --- the feed -------------------------------------------------------------------------------------


def test_drawn_with_replacement_an_image_may_come_twice_and_no_batch_is_partial():
    feed = feed_of(change(SMALL, {"training.sampling": "replacement"}))

    rows = [feed.rows_of(batch) for batch in range(40)]

    assert {len(batch) for batch in rows} == {16}
    assert any(len(set(batch)) < 16 for batch in rows)
    assert set(np.concatenate(rows)) == set(range(70))
    assert feed.batches_per_epoch == 4


def test_an_epoch_of_draws_is_as_long_as_the_spec_says():
    feed = feed_of(
        change(SMALL, {"training.sampling": "replacement", "training.batches_per_epoch": 62})
    )

    assert (feed.batches_per_epoch, feed.epochs.step_of(3)) == (62, 186)


def test_more_batches_for_the_generator_are_more_noise_with_the_same_labels():
    spec = find_trajectory("conditional").spec
    feed = feed_of(change(spec, {"training.generator_batches": 3}))

    inputs = feed(0)

    assert inputs["noise/generator"].shape == (48, 5)
    assert np.array_equal(inputs["label/generator"], np.tile(inputs["label/0"], (3, 1)))


@pytest.mark.parametrize("case", TRAJECTORIES, ids=lambda case: case.name)
def test_a_step_reads_what_the_feed_gives(case):
    feed = case.feed()

    for step in (0, 2):  # two rounds of batches, one of them maybe partial
        inputs = {
            name: v
            for name, v in feed(step).items()
            if not name.startswith(("mask/", "normal/", "mixing/"))
        }
        spec = stage_specs(case.spec)[inputs.pop(STAGE_INPUT, 0)]
        inputs.pop(LOOKAHEAD, None)  # it adds no pass and no draw
        rows = tuple(len(inputs[f"real/{i}"]) for i in range(spec.training.discriminator_steps))
        expected = step_inputs(spec, feed.loss, rows, Due.among(spec, inputs))
        assert expected == {name: value.shape for name, value in inputs.items()}


# --- refusals -------------------------------------------------------------------------------------

REFUSED = {
    "training.generator_batches: 2 batches are more": {
        "training.generator_batches": 2,
        "training.noise": "reused",
    },
    "training.batches_per_epoch: an epoch of shuffled data": {"training.batches_per_epoch": 9},
    "loss.class_weight: there are no classes to predict": {"loss.class_weight": 1.0},
    "loss.gradient_penalty: expected 0 ≤ a number": {"loss.gradient_penalty": -1.0},
    "training.augment.cutout: expected 0 ≤ a number < 1": {"training.augment.cutout": 1.0},
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_is_refused_in_words(words):
    with pytest.raises(SpecError, match="^" + words.replace(".", "[.]")):
        plan_spec(change(SMALL, REFUSED[words]))


def test_a_discriminator_that_shall_tell_the_class_may_not_read_it():
    spec = find_trajectory("conditional").spec

    with pytest.raises(SpecError, match="it reads the label that it should predict"):
        plan_spec(change(spec, {"loss.class_weight": 1.0}))


def test_a_discriminator_that_shall_tell_the_class_ends_in_a_logit_for_each():
    spec = find_trajectory("class loss, conditional").spec
    layers = (*spec.player("discriminator").layers[:-1], kinds.Dense(units=1))

    with pytest.raises(SpecError, match=r"expected one logit, and one per class \(4,\)"):
        plan_spec(change(spec, {"discriminator.layers": layers}))


@on_each
def test_both_players_of_an_acgan_learn_the_classes(backend):
    spec = find_trajectory("class loss, conditional").spec
    stepper = Stepper(backend, spec, **{"loss.gradient_penalty": 0.0})
    losses = stepper.step()
    more = Stepper(backend, stepper.spec, **{"loss.class_weight": 5.0})
    dearer = more.step()

    assert losses["class_loss"] == dearer["class_loss"] == pytest.approx(np.log(3), abs=0.5)
    assert dearer["discriminator"] > losses["discriminator"]
    assert dearer["generator"] > losses["generator"]
