"""The Dataset class: checks of images and labels, the choice of classes, and the digest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gandem.core.data.dataset import Dataset
from gandem.core.errors import DataError

IMAGES = np.arange(5 * 3 * 2, dtype=np.uint8).reshape(5, 3, 2, 1)
LABELS = np.array([0, 1, 2, 1, 0])


def dataset(**changes: Any) -> Dataset:
    given: dict[str, Any] = {
        "name": "mine",
        "images": IMAGES,
        "labels": LABELS,
        "class_names": ("a", "b", "c"),
        "source": "made here",
        "license": "none",
    }
    return Dataset(**(given | changes))


def refusal(call: Any, *arguments: Any, **named: Any) -> str:
    """Return the one line with which a call is refused."""
    with pytest.raises(DataError) as caught:
        call(*arguments, **named)
    line = str(caught.value)
    assert line.splitlines() == [line]
    assert line.startswith("mine: ")
    return line.removeprefix("mine: ")


# --- what comes in -------------------------------------------------------------------------------

WANTED = "expected uint8 images (N, height, width, 1 to 4), received"


@pytest.mark.parametrize(
    ("images", "line"),
    [
        (IMAGES.astype(np.float32), f"{WANTED} float32 (5, 3, 2, 1)."),
        (IMAGES.astype(np.int64), f"{WANTED} int64 (5, 3, 2, 1)."),
        (IMAGES[..., 0], f"{WANTED} uint8 (5, 3, 2)."),
        (np.zeros((5, 3, 2, 5), np.uint8), f"{WANTED} uint8 (5, 3, 2, 5)."),
        (np.zeros((5, 3, 2, 0), np.uint8), f"{WANTED} uint8 (5, 3, 2, 0)."),
        (IMAGES.tolist(), f"{WANTED} a list."),
        (None, f"{WANTED} a NoneType."),
        (np.zeros((0, 3, 2, 1), np.uint8), "it has no images."),
        (np.zeros((5, 0, 2, 1), np.uint8), "its images have no pixels, received (5, 0, 2, 1)."),
        (np.zeros((5, 3, 0, 3), np.uint8), "its images have no pixels, received (5, 3, 0, 3)."),
    ],
)
def test_images_of_another_form_are_refused(images, line):
    assert refusal(dataset, images=images) == line


A_LABEL_EACH = "expected a whole-number label for each of 5 images, received"


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        (LABELS[:4], f"{A_LABEL_EACH} int64 (4,)."),
        (LABELS[:, None], f"{A_LABEL_EACH} int64 (5, 1)."),
        (LABELS.astype(float), f"{A_LABEL_EACH} float64 (5,)."),
        (LABELS > 0, f"{A_LABEL_EACH} bool (5,)."),
        (LABELS.tolist(), f"{A_LABEL_EACH} a list."),
        (LABELS - 1, "the label -1 is negative."),
        (LABELS * 50_000, "the label 100000 is too large; classes are numbered from 0 on."),
        (
            np.full(5, 2**64 - 1, np.uint64),
            "the label 18446744073709551615 is too large; classes are numbered from 0 on.",
        ),
    ],
)
def test_labels_of_another_form_are_refused(labels, line):
    assert refusal(dataset, labels=labels, class_names=()) == line


def test_fewer_names_than_classes_are_refused():
    assert refusal(dataset, class_names=("a", "b")) == "2 class names are too few for 3 classes."


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64, np.uint64])
def test_labels_of_any_whole_number_type_are_loaded(kind):
    assert dataset(labels=LABELS.astype(kind)).classes == 3


def test_color_images_are_loaded():
    assert dataset(images=np.repeat(IMAGES, 3, axis=3)).images.shape == (5, 3, 2, 3)


def test_a_class_without_an_image_may_have_a_name():
    assert dataset(class_names=("a", "b", "c", "d")).classes == 3


def test_without_labels_there_are_no_classes():
    assert dataset(labels=None, class_names=()).classes == 0


# --- choosing classes ----------------------------------------------------------------------------


def test_only_the_images_of_the_chosen_classes_stay():
    np.testing.assert_array_equal(dataset().select_classes([1]).images, IMAGES[[1, 3]])


def test_chosen_classes_are_numbered_in_the_order_given():
    np.testing.assert_array_equal(dataset().select_classes([2, 0]).labels, [1, 0, 1])


def test_images_stay_beside_their_labels():
    np.testing.assert_array_equal(dataset().select_classes([2, 0]).images, IMAGES[[0, 2, 4]])


def test_chosen_classes_keep_their_names():
    assert dataset().select_classes([2, 0]).class_names == ("c", "a")


def test_a_choice_is_part_of_the_name():
    assert dataset().select_classes([2, 0]).name == "mine[2,0]"


def test_a_choice_keeps_source_and_license():
    chosen = dataset().select_classes([2])

    assert (chosen.source, chosen.license) == ("made here", "none")


def test_selection_does_not_change_the_data_set():
    before = dataset()

    before.select_classes([2, 0])

    np.testing.assert_array_equal(before.labels, LABELS)


def test_selection_of_a_selection_uses_the_new_numbers():
    np.testing.assert_array_equal(
        dataset().select_classes([2, 0]).select_classes([1]).images, IMAGES[[0, 4]]
    )


def test_a_data_set_without_names_can_be_chosen_from():
    assert dataset(class_names=()).select_classes([1]).class_names == ()


@pytest.mark.parametrize(
    ("classes", "line"),
    [
        ([3], "there is no class 3; its classes are 0 to 2."),
        ([0, -1], "there is no class -1; its classes are 0 to 2."),
        ([1, 1], "a class is named twice in [1, 1]."),
        ([], "no class is chosen; its classes are 0 to 2."),
    ],
)
def test_unknown_classes_are_refused(classes, line):
    assert refusal(dataset().select_classes, classes) == line


def test_no_classes_can_be_chosen_without_labels():
    line = "it has no labels, so no classes can be chosen."

    assert refusal(dataset(labels=None, class_names=()).select_classes, [0]) == line


def test_a_class_without_an_image_cannot_be_chosen():
    gap = dataset(labels=np.array([0, 2, 2, 0, 0]))

    assert refusal(gap.select_classes, [0, 1]) == "it has no images of class 1."


# --- the digest ----------------------------------------------------------------------------------


def test_digest_has_the_pinned_value():
    assert dataset().digest == "3c07c39bca9a7185da04735c2d83e814c80bbb86930cf4c79bf3de33a37fce7e"


@pytest.mark.parametrize(
    "same",
    [
        {"name": "other"},
        {"source": "", "license": ""},
        {"labels": LABELS.astype(np.uint8)},
        {"images": np.asfortranarray(IMAGES)},
        {"images": np.repeat(IMAGES, 2, axis=0)[::2]},
    ],
    ids=["name", "source", "type of the labels", "order in memory", "a view"],
)
def test_data_of_one_content_has_one_digest(same):
    assert dataset(**same).digest == dataset().digest


@pytest.mark.parametrize(
    "change",
    [
        {"images": IMAGES + 1},
        {"images": IMAGES[::-1]},
        {"images": IMAGES.reshape(5, 2, 3, 1)},
        {"labels": np.array([2, 1, 0, 1, 0])},
        {"labels": np.array([0, 1, 2, 1, 1])},
        {"labels": None},
    ],
    ids=["pixels", "order", "shape", "order of the labels", "a label", "no labels"],
)
def test_data_of_another_content_has_another_digest(change):
    assert dataset(**change).digest != dataset().digest


def test_data_sets_can_be_compared_and_kept_in_a_dict():
    one = dataset()

    assert one in {one}
    assert one in [dataset(), one]
