"""Images and labels in .npz and .npy files: value ranges, labels, and files that are refused."""

from __future__ import annotations

import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.commands import said

from gandem.core.data.dataset import load_dataset
from gandem.core.errors import DataError
from gandem.data import npz


def refusal(load: object, *arguments: object) -> str:
    """Return the one line with which a call is refused."""
    with pytest.raises(DataError) as caught:
        load(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


BYTES = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
CLASSES = np.array([0, 2, 1, 2])


@pytest.fixture
def saved(tmp_path: Path):
    """Return a function that saves arrays and gives the argument that names the file."""

    def save(**arrays: object) -> str:
        path = tmp_path / "own.npz"
        np.savez_compressed(path, **arrays)
        return str(path)

    return save


@pytest.mark.parametrize(
    "names",
    [("images", "labels"), ("x", "y"), ("x_train", "y_train"), ("arr_0", "arr_1")],
    ids=lambda names: names[0],
)
def test_images_and_labels_go_by_four_pairs_of_names(saved, names):
    data = npz.load(saved(**{names[0]: BYTES, names[1]: CLASSES}), None)

    np.testing.assert_array_equal(data.images, BYTES[..., None])
    np.testing.assert_array_equal(data.labels, CLASSES)
    assert data.class_names == ("0", "1", "2")


@pytest.mark.parametrize("channels", [3, 4])
def test_images_may_come_without_labels_and_in_color(saved, channels):
    color = np.repeat(BYTES[..., None], channels, axis=3)

    data = npz.load(saved(images=color), None)

    np.testing.assert_array_equal(data.images, color)
    assert data.labels is None
    assert data.class_names == ()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("black", "white"), [(0, 1), (-1, 1), (0, 255)])
def test_bytes_are_restored_from_floats_and_the_range_is_named(saved, dtype, black, white):
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    floats = every / 255 * (white - black) + black
    floats = np.rint(floats) if white == 255 else floats

    data = npz.load(saved(images=floats.astype(dtype)), None)

    np.testing.assert_array_equal(data.images[..., 0], every)
    (note,) = data.notes
    assert note.endswith(f" are taken for [{black}, {white}].")


@pytest.mark.parametrize(
    ("low", "high", "taken"),
    [
        (-1e-7, 1, "[0, 1]"),
        (0, 1.0000002, "[0, 1]"),
        (-0.02, 1.03, "[0, 1]; values outside are clipped"),
        (-1.0000002, 1, "[-1, 1]"),
        (-1.05, 0.9, "[-1, 1]; values outside are clipped"),
        (-0.04, 0.03, "[-1, 1]"),
        (0.25, 254.75, "[0, 255]"),
        (-1e-5, 255.00001, "[0, 255]"),
        (0, 9, "[0, 255]"),
    ],
)
def test_range_is_found_with_a_tolerance(saved, low, high, taken):
    images = np.array([low, high, high, low], np.float64).reshape(1, 2, 2)

    data = npz.load(saved(images=images), None)

    assert data.notes[0].endswith(f" are taken for {taken}.")
    assert (np.diff(np.float64(data.images[0, 0, :, 0])) > 0).all()


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.int64, np.uint64, ">i4", "u1"])
def test_integers_of_any_byte_order_become_bytes(saved, dtype):
    data = npz.load(saved(images=BYTES.astype(dtype)), None)

    assert data.images.dtype == np.uint8
    np.testing.assert_array_equal(data.images[..., 0], BYTES)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_zeros_and_ones_become_black_and_white(saved, dtype):
    data = npz.load(saved(images=(BYTES % 2).astype(dtype)), None)

    np.testing.assert_array_equal(data.images[..., 0], BYTES % 2 * 255)


def test_data_command_shows_the_range(saved):
    shown = said("data", f"npz:{saved(images=BYTES / 255)}")

    assert "! its values, float64 from 0 to 0.466667, are taken for [0, 1]\n" in shown


def test_nearly_black_images_are_reported(saved):
    data = load_dataset(f"npz:{saved(images=BYTES % 4)}")

    assert data.notes[0].endswith(
        ": 4 of 4 images are nearly black, with values up to 3 of 255; scale the values to the "
        "whole range."
    )


def test_images_of_one_color_are_reported(saved):
    data = load_dataset(f"npz:{saved(images=np.full((5, 4, 4), 90, np.uint8))}")

    assert data.notes[0].endswith(": 5 of 5 images have one color only.")


def test_classes_without_images_are_reported(saved):
    first = load_dataset(f"npz:{saved(images=BYTES + 99, labels=np.array([1, 2, 3, 3]))}")

    assert first.notes[0].endswith(
        ": 1 of 4 classes without any image: '0'; choose the others with --classes 1,2,3."
    )
    many = np.arange(30)
    second = load_dataset(f"npz:{saved(images=np.tile(BYTES[:1], (30, 1, 1)), labels=many * 3)}")
    assert (
        "58 of 88 classes without any image: '1', '2', '4' and 55 more; renumber" in second.notes[0]
    )


def test_more_images_than_are_converted_at_a_time_all_come(saved, monkeypatch):
    monkeypatch.setattr(npz, "CHUNK_SIZE", 3)

    data = npz.load(saved(images=BYTES / 255), None)

    np.testing.assert_array_equal(data.images[..., 0], BYTES)


def test_a_transposed_array_is_read_as_it_was_saved(saved):
    turned = BYTES.transpose(2, 1, 0)

    images = npz.load(saved(images=turned), None).images

    np.testing.assert_array_equal(images[..., 0], turned)
    assert images.flags.c_contiguous


def test_labels_may_be_whole_floats(saved):
    labels = npz.load(saved(images=BYTES, labels=CLASSES.astype(np.float32)), None).labels

    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, CLASSES)


def test_labels_may_be_names(saved):
    data = npz.load(saved(images=BYTES, labels=np.array(["dog", "cat", "dog", "owl"])), None)

    assert (data.class_names, data.labels.tolist()) == (("cat", "dog", "owl"), [1, 0, 1, 2])


def test_second_array_of_images_is_no_labels(saved):
    data = npz.load(saved(arr_0=BYTES, arr_1=BYTES[:2]), None)

    assert (len(data.images), data.labels) == (4, None)


def test_npy_file_holds_images(tmp_path):
    np.save(tmp_path / "own.npy", BYTES)

    np.testing.assert_array_equal(npz.load("own.npy", tmp_path).images[..., 0], BYTES)


@pytest.mark.parametrize("size", [3, 40, 130])
def test_damaged_npy_file_is_refused(tmp_path, size):
    np.save(tmp_path / "own.npy", BYTES)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "own.npy").read_bytes()[:size])

    assert "npz:cut.npy" in refusal(npz.load, "cut.npy", tmp_path)


def test_the_digest_does_not_depend_on_the_files_name(tmp_path):
    np.savez(tmp_path / "one.npz", images=BYTES, labels=CLASSES)
    np.savez_compressed(tmp_path / "two.npz", x=BYTES / 255, y=CLASSES)

    assert npz.load("one.npz", tmp_path).digest == npz.load("two.npz", tmp_path).digest


def a_gap(value: float) -> np.ndarray:
    images = BYTES / 255
    images[1, 2, 3] = images[0, 0, 0] = value
    return images


REFUSED = {
    "no images": ({"pictures": BYTES}, "expected an array 'images'", "received 'pictures'"),
    "nothing": ({}, "received an empty file"),
    "zero images": ({"images": BYTES[:0]}, "it has no images", "(0, 5, 6)"),
    "zero width": ({"images": BYTES[:, :, :0]}, "it has no images", "(4, 5, 0)"),
    "flat": ({"images": BYTES.reshape(4, 30)}, "received (4, 30)", "images.reshape(N, H, W, C)"),
    "scalar": ({"images": 3}, "received ()"),
    "five axes": ({"images": BYTES[None, None]}, "received (1, 1, 4, 5, 6)"),
    "five channels": ({"images": np.zeros((4, 6, 7, 5), "u1")}, "received (4, 6, 7, 5)"),
    "gray first": ({"images": BYTES[:, None]}, "channels come first", "transpose(0, 2, 3, 1)"),
    "color first": ({"images": np.zeros((4, 3, 8, 8))}, "(4, 3, 8, 8)", "transpose(0, 2, 3, 1)"),
    "NaN": ({"images": a_gap(np.nan)}, "2 NaN or infinite of 120", "nan_to_num"),
    "infinite": ({"images": a_gap(-np.inf)}, "2 NaN or infinite of 120"),
    "above one": ({"images": BYTES / 40}, "[0, 1], [-1, 1] or [0, 255]", "images / 2.975."),
    "below minus one": ({"images": a_gap(-1.5)}, "from -1.5 to", "(images + 1.5) / 1.96667"),
    "too big": ({"images": BYTES.astype("i4") * 9}, "int32 from 0 to 1071", "images / 1071"),
    "negative": ({"images": BYTES.astype("i2") - 1}, "int16 from -1 to 118", "(images + 1) / 119"),
    "complex": ({"images": BYTES * 1j}, "'images' holds complex128", "Save an array of numbers"),
    "text": ({"images": BYTES.astype(str)}, "expected images of numbers, received text (<U3)"),
    "named fields": ({"images": np.zeros(3, "u1,u1")}, "'images' holds", "array of numbers"),
    "objects": ({"images": BYTES.astype(object)}, "holds object", "never unpickled"),
    "object labels": ({"images": BYTES, "labels": CLASSES.astype(object)}, "never unpickled"),
    "few labels": ({"images": BYTES, "labels": CLASSES[:3]}, "labels (4,)", "received (3,)"),
    "one-hot": ({"images": BYTES, "labels": np.eye(4)}, "received (4, 4)", "labels.argmax(1)"),
    "negative label": ({"images": BYTES, "labels": CLASSES - 1}, "received -1", "np.unique"),
    "huge label": ({"images": BYTES, "labels": CLASSES * 10**9}, "received 2000000000"),
    "unsigned label": ({"images": BYTES, "labels": np.full(4, 2**64 - 1, "u8")}, "0 to 65535"),
    "half a label": ({"images": BYTES, "labels": CLASSES / 4}, "whole labels, received 0.5"),
    "NaN label": ({"images": BYTES, "labels": CLASSES * np.nan}, "whole labels, received nan"),
    "infinite label": ({"images": BYTES, "labels": CLASSES + np.inf}, "received inf"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_invalid_arrays_are_refused(saved, case):
    arrays, *parts = REFUSED[case]
    argument = saved(**arrays)

    message = refusal(npz.load, argument, None)

    assert message.startswith(f"npz:{argument}: ")
    for part in parts:
        assert part in message


def npy(header: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode() + body


def of_shape(shape: str) -> str:
    return f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}\n"


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        (b"", "cannot be read"),
        (b"no array at all", "cannot be read"),
        (npy("{"), "cannot be read"),
        (npy("[" * 9999), "cannot be read"),
        (npy(of_shape("(2, 3, 4)") + " " * 20000, bytes(24)), "cannot be read"),
        (npy(of_shape("(2, 3, 'x')")), "cannot be read"),
        (npy(of_shape("(2, 3, 4)"), bytes(24), b"\x03\x00"), "cannot be read"),
        (npy(of_shape("(2, 3, 4)"), bytes(23)), "has 23 bytes, expected 24"),
        (npy(of_shape("(2, 3, 4)"), bytes(25)), "has 25 bytes, expected 24"),
        (npy(of_shape("(-2, 3, 4)"), bytes(24)), "cannot be read (a size is negative)"),
        (npy(of_shape("(-2, -3, 4)"), bytes(24)), "cannot be read (a size is negative)"),
        (npy(of_shape("(9, 1073741824)"), bytes(24)), "more than 8 GiB"),
        (npy(of_shape(f"({10**9}, {10**9}, {10**9})"), bytes(24)), "more than 8 GiB"),
        (npy(of_shape(f"({'9' * 4000},)"), bytes(24)), "more than 8 GiB"),
        (npy(of_shape("(7, 1073741824)"), bytes(24)), "has 24 bytes, expected 7516192768"),
    ],
)
def test_array_with_a_wrong_header_is_refused_before_it_is_read(tmp_path, member, problem):
    with zipfile.ZipFile(tmp_path / "bad.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", member)

    message = refusal(npz.load, "bad.npz", tmp_path)

    assert message.startswith("npz:bad.npz: 'images' ")
    assert problem in message


@pytest.mark.parametrize("member", [b"no array at all", npy("{"), npy("{", version=b"\x09\x00")])
def test_error_of_a_wrong_header_quotes_no_bytes(tmp_path, member):
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("images.npy", member)

    assert refusal(npz.load, "bad.npz", tmp_path) == (
        "npz:bad.npz: 'images' cannot be read (its header is damaged). Save it again."
    )


def test_repeated_array_is_refused(tmp_path):
    np.savez(tmp_path / "own.npz", images=BYTES)
    with (
        zipfile.ZipFile(tmp_path / "own.npz", "a") as archive,
        pytest.warns(UserWarning, match="Duplicate"),
    ):
        archive.writestr("images.npy", archive.read("images.npy"))

    assert "it has several arrays 'images'. Save it" in refusal(npz.load, "own.npz", tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs files of the kernel")
def test_file_of_the_kernel_is_not_read():
    assert "(it is empty)" in refusal(npz.load, "/proc/cpuinfo", None)


def test_an_array_larger_than_the_limit_is_refused(saved, monkeypatch):
    monkeypatch.setattr(npz, "MAX_ARRAY_SIZE", BYTES.nbytes - 1)

    assert "Save fewer images" in refusal(npz.load, saved(images=BYTES), None)


def test_a_file_with_a_flipped_bit_is_refused(tmp_path):
    np.savez(tmp_path / "own.npz", images=BYTES)
    content = bytearray((tmp_path / "own.npz").read_bytes())
    content[content.index(BYTES.tobytes())] ^= 1
    (tmp_path / "own.npz").write_bytes(content)

    assert "(Bad CRC-32 for file 'images.npy')" in refusal(npz.load, "own.npz", tmp_path)


def test_file_that_is_no_npz_is_refused(tmp_path):
    (tmp_path / "own.npz").write_bytes(b"")

    message = refusal(npz.load, "own.npz", tmp_path)
    assert "it is not an .npz file" in message
    assert "np.savez(FILE, images=images, labels=labels)" in message


def test_missing_file_and_folder_have_their_own_errors(tmp_path):
    assert "does not exist" in refusal(npz.load, "own.npz", tmp_path)
    assert "is a folder" in refusal(npz.load, ".", tmp_path)
    assert "Use --data npz:FILE.npz" in refusal(npz.load, "", tmp_path)
