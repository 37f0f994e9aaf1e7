"""The inputs and the passes of a step, which follow from the spec and the step number."""

from dataclasses import replace

import numpy as np
import pytest

from gandem.core.data.dataset import Dataset
from gandem.core.errors import DataError, RunError, SpecError
from gandem.core.specs import Loss, change, plan_spec
from gandem.core.specs.loading import load_spec
from gandem.core.training import (
    Feed,
    as_read,
    check_state,
    fixed_inputs,
    initial_state,
    list_forms,
    nudge,
    passes_of_step,
    state_shapes,
    weights,
)
from gandem.core.training.losses import load_loss
from gandem.losses.hinge import Hinge
from gandem.losses.non_saturating import NonSaturating
from gandem.testing.trajectories import SMALL, find_trajectory

TINY = Dataset(
    "tiny",
    np.arange(70 * 64, dtype=np.uint64).astype(np.uint8).reshape(70, 8, 8, 1),
    np.arange(70) % 3,
)


def feed_of(changes=None, dataset=TINY, seed=0, precision="float64"):
    spec = change(SMALL, {"training.partial_batch": "keep"} | (changes or {}))
    return Feed(spec, load_loss(spec.loss), dataset, seed, precision)


# --- data -----------------------------------------------------------------------------------------


def test_every_image_is_seen_once_an_epoch():
    feed = feed_of()

    seen = np.concatenate([feed.rows_of(batch) for batch in range(feed.batches_per_epoch)])

    assert feed.batches_per_epoch == 5
    assert sorted(seen) == list(range(70))


def test_a_dropped_partial_batch_leaves_the_epoch_short():
    feed = feed_of({"training.partial_batch": "drop"})

    sizes = [len(feed.rows_of(batch)) for batch in range(feed.batches_per_epoch)]

    assert sizes == [16, 16, 16, 16]


def test_epochs_have_different_orders():
    feed = feed_of()

    assert list(feed.rows_of(0)) != list(feed.rows_of(5))


def test_a_batch_does_not_depend_on_what_was_asked_before():
    one, other = feed_of(), feed_of()
    for batch in (9, 0, 4, 12):
        other.rows_of(batch)

    assert list(one.rows_of(7)) == list(other.rows_of(7))


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_steps_and_epochs_agree_on_how_far_the_data_has_gone(rounds):
    feed = feed_of({"training.discriminator_steps": rounds})

    steps = feed.epochs.step_of(3)

    assert feed.epochs.epochs_done(steps) >= 3
    assert feed.epochs.epochs_done(steps - 1) < 3


def test_the_last_batch_of_an_epoch_may_fall_into_the_middle_of_a_step():
    feed = feed_of({"training.discriminator_steps": 3})

    sizes = [len(feed(1)[f"real/{i}"]) for i in range(3)]

    assert sizes == [16, 6, 16]
    assert len(feed(1)["noise/generator"]) == 16


def test_pixels_run_from_low_to_high():
    spec = change(SMALL, {"image.low": -1.0, "image.high": 1.0})

    values = as_read(spec, np.arange(256, dtype=np.uint8), "float64")

    assert (values[0], values[255]) == (-1.0, 1.0)
    assert np.allclose(np.diff(values), 2 / 255, atol=1e-15)


# --- noise, labels, masks -------------------------------------------------------------------------


def test_a_step_reads_the_same_numbers_whenever_it_is_asked():
    once, again = feed_of()(12), feed_of()(12)

    assert list(once) == list(again)
    assert all(np.array_equal(once[name], again[name]) for name in once)


def test_seeds_steps_and_rounds_have_noise_of_their_own():
    feed = feed_of({"training.discriminator_steps": 2})
    draws = [
        feed(0)["noise/0"],
        feed(0)["noise/1"],
        feed(0)["noise/generator"],
        feed(1)["noise/0"],
        feed_of({"training.discriminator_steps": 2}, seed=1)(0)["noise/0"],
    ]

    firsts = {float(noise[0, 0]) for noise in draws}

    assert len(firsts) == len(draws)


def test_single_precision_reads_the_double_numbers_rounded():
    double, single = feed_of()(3), feed_of(precision="float32")(3)

    assert all(np.array_equal(single[n], double[n].astype(np.float32)) for n in double)
    assert {value.dtype for value in single.values()} == {np.dtype("float32")}


def test_uniform_noise_lies_between_minus_1_and_1():
    noise = np.concatenate(
        [feed_of({"latent.distribution": "uniform"})(step)["noise/0"] for step in range(20)]
    )

    assert noise.min() < -0.9
    assert noise.max() > 0.9
    assert np.abs(noise).max() <= 1


def test_labels_are_those_of_the_images():
    case = find_trajectory("conditional")
    feed = Feed(case.spec, NonSaturating(), TINY, 0, "float64")

    inputs = feed(2)

    assert list(inputs["label/0"].argmax(1)) == list(TINY.labels[feed.rows_of(2)])
    assert set(inputs["label/0"].sum(1)) == {1.0}


def test_every_pass_of_a_step_has_masks_of_its_own():
    case = find_trajectory("dropout, joint, three steps")
    inputs = case.feed()(0)

    masks = {name: value for name, value in inputs.items() if name.startswith("mask/")}

    with_masks = [p.number for p in passes_of_step(case.spec, NonSaturating(), (16, 16, 16))
               if p.player == "discriminator"]  # fmt: skip
    assert {int(name.split("/")[1]) for name in masks} == set(with_masks)
    assert len(masks) == 2 * len(with_masks)
    assert len({value.tobytes() for value in masks.values()}) == len(masks)


def test_a_mask_drops_the_share_that_its_layer_says():
    case = find_trajectory("dropout")
    kept = [case.feed()(step)["mask/1/discriminator/dropout"].mean() for step in range(40)]

    assert np.mean(kept) == pytest.approx(1 - 77 / 256, abs=0.005)


# --- passes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"training.noise": "reused"}, ["generator 4", *["discriminator 4"] * 3]),
        (
            {"training.noise": "fresh"},
            ["generator 4", *["discriminator 4"] * 2, "generator 4", "discriminator 4"],
        ),
        (
            {"training.noise": "reused", "training.passes": "joint"},
            ["generator 4", "discriminator 8", "discriminator 4"],
        ),
    ],
)
def test_a_step_makes_the_passes_that_the_protocol_says(changes, expected):
    passes = passes_of_step(change(SMALL, changes), NonSaturating(), (4,))

    assert [f"{p.player} {p.rows}" for p in passes] == expected
    assert [p.number for p in passes] == list(range(len(expected)))


def test_several_rounds_play_the_generator_once_each_and_once_to_learn():
    spec = change(SMALL, {"training.discriminator_steps": 3})

    passes = passes_of_step(spec, NonSaturating(), (4, 4, 2))

    assert [p.rows for p in passes if p.player == "generator"] == [4, 4, 2, 2]


# --- state ----------------------------------------------------------------------------------------


def test_the_first_state_has_exactly_the_arrays_of_the_spec():
    spec = change(SMALL, {"training.ema_decay": 0.9})

    state = initial_state(spec, 0, "float32")

    assert {k: v.shape for k, v in state.items()} == state_shapes(spec)
    assert state["optimizer/generator/updates"].dtype == np.int64
    assert np.array_equal(state["average/generator/dense/kernel"], state["generator/dense/kernel"])
    assert check_state(spec, list_forms(state)) == "float32"


def test_a_weights_first_value_does_not_depend_on_the_other_layers():
    wide = load_spec("dcgan", {"width": 8, "latent": 16})
    other = load_spec("dcgan", {"width": 8, "latent": 17})

    one, two = (initial_state(spec, 3, "float64") for spec in (wide, other))

    assert np.array_equal(one["discriminator/conv2d/kernel"], two["discriminator/conv2d/kernel"])


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_baseline_is_one_unit_in_the_last_place_away_up_or_down(precision):
    state = initial_state(SMALL, 0, precision)

    baseline = nudge(SMALL, state, 0)

    kernel, moved = (s["generator/dense/kernel"] for s in (state, baseline))
    steps = (moved.astype(float) - kernel) / np.spacing(np.abs(kernel)).astype(float)
    assert moved.dtype == kernel.dtype
    assert set(np.sign(steps).ravel()) == {-1.0, 1.0}
    assert np.abs(steps).max() <= 1
    assert np.abs(steps).min() >= 0.5  # half as much below a power of two
    assert np.array_equal(baseline["discriminator/dense/bias"], state["discriminator/dense/bias"])


def test_a_state_that_does_not_fit_is_refused_by_the_name_of_the_array():
    state = initial_state(SMALL, 0, "float32")
    short = {**state, "generator/dense/kernel": state["generator/dense/kernel"][:2]}
    missing = {k: v for k, v in state.items() if k != "discriminator/dense/bias"}

    with pytest.raises(RunError, match=r"generator/dense/kernel: checkpoint has shape \(2, 24\)"):
        check_state(SMALL, list_forms(short))
    with pytest.raises(RunError, match="discriminator/dense/bias: the checkpoint lacks this array"):
        check_state(SMALL, list_forms(missing))
    with pytest.raises(RunError, match="'stray': the checkpoint has this array"):
        check_state(SMALL, list_forms({**state, "stray": np.zeros(1)}))
    for name in ("discriminator/dense/bias", "optimizer/generator/updates"):
        with pytest.raises(RunError, match=f"{name}: expected"):
            check_state(SMALL, list_forms({**state, name: state[name].astype("float16")}))
    halves = {name: value.astype("float16") for name, value in state.items()}
    with pytest.raises(RunError, match="expected float32 or float64, received float16"):
        check_state(SMALL, list_forms(halves))


def test_weights_are_the_trained_parameters_alone():
    state = initial_state(SMALL, 0, "float32")

    names = set(weights(SMALL, state))

    assert names == {p.name for plan in plan_spec(SMALL).values() for p in plan.parameters()}
    assert "generator/batch_norm/mean" not in names


def test_fixed_samples_take_turns_through_the_classes():
    spec = find_trajectory("conditional").spec

    inputs = fixed_inputs(spec, 0, 7, "float32")

    assert list(inputs["label"].argmax(1)) == [0, 1, 2, 0, 1, 2, 0]


# --- refusals -------------------------------------------------------------------------------------


def test_data_of_another_shape_are_refused():
    wrong = Dataset("wrong", np.zeros((70, 9, 8, 1), np.uint8))

    with pytest.raises(DataError, match=r"its images are \(9, 8, 1\)"):
        feed_of(dataset=wrong)


def test_fewer_images_than_a_batch_are_refused():
    few = Dataset("few", np.zeros((15, 8, 8, 1), np.uint8))

    with pytest.raises(DataError, match="15 images cannot fill a batch of 16"):
        feed_of(dataset=few)


def test_labels_outside_the_classes_are_refused():
    case = find_trajectory("conditional")
    four = replace(TINY, labels=np.arange(70) % 4)

    with pytest.raises(DataError, match="it has the label 3"):
        Feed(case.spec, NonSaturating(), four, 0, "float32")


def test_a_conditional_model_wants_labels():
    case = find_trajectory("conditional")
    bare = replace(TINY, labels=None)

    with pytest.raises(DataError, match="it has no labels"):
        Feed(case.spec, NonSaturating(), bare, 0, "float32")


def test_a_last_batch_of_one_is_refused_where_batch_norm_sees_vectors():
    spec = load_spec("mlp-gan", {"batch_size": 3}, small=True)
    data = Dataset("ten", np.zeros((10, 28, 28, 1), np.uint8))

    with pytest.raises(DataError, match="one value a channel"):
        Feed(spec, NonSaturating(), data, 0, "float32")


def test_smoothing_is_refused_where_there_is_no_target():
    assert not Hinge.smoothable
    with pytest.raises(SpecError, match="no target to smooth"):
        load_loss(Loss(name="hinge", label_smoothing=0.1))
