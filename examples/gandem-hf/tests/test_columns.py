"""Conversion of a table to arrays: the choice of columns, images, and labels."""

import io

import numpy as np
import pytest
from gandem.core.data.dataset import load_dataset
from PIL import Image
from refusal import refused

# --- columns --------------------------------------------------------------------------------------


def test_columns_are_found_by_what_they_are(parquet, digits):
    import datasets

    path = parquet(score=([0.5] * 12, datasets.Value("float32")))

    assert load_dataset(f"hf:{path}").images.shape == (12, 8, 8, 1)


def test_of_several_columns_one_must_be_chosen(parquet, digits):
    import datasets

    mirrored = [Image.fromarray(np.ascontiguousarray(digit[:, ::-1])) for digit in digits]
    path = parquet(
        mirrored=(mirrored, datasets.Image()),
        coarse=([0] * 12, datasets.ClassLabel(names=["digit"])),
    )

    assert refused(f"{path}#label=none") == (
        "there are several columns to choose from, 'image', 'mirrored'; write image=image."
    )
    assert refused(f"{path}#image=image") == (
        "there are several columns to choose from, 'label', 'coarse'; write label=label."
    )
    data = load_dataset(f"hf:{path}#image=mirrored,label=coarse")
    np.testing.assert_array_equal(data.images, digits[:, :, ::-1, None])
    assert data.class_names == ("digit",)


def test_a_misspelt_column_is_answered_with_the_nearest(parquet):
    path = parquet()

    assert refused(f"{path}#image=img") == "there is no column 'img'. Did you mean 'image'?"
    assert refused(f"{path}#label=lable") == "there is no column 'lable'. Did you mean 'label'?"


def test_files_in_a_column_of_bytes_are_images(parquet, digits):
    import datasets

    def png(digit):
        file = io.BytesIO()
        Image.fromarray(digit).save(file, "PNG")
        return file.getvalue()

    path = parquet(file=([png(255 - digit) for digit in digits], datasets.Value("binary")))

    data = load_dataset(f"hf:{path}#image=file")

    np.testing.assert_array_equal(data.images, 255 - digits[..., None])


def test_paths_in_a_column_of_texts_are_not_followed(parquet, folder):
    import datasets

    secret = str(next(folder.rglob("*.png")))
    path = parquet(file=([secret] * 12, datasets.Value("string")))

    assert refused(f"{path}#image=file").startswith(
        "expected images in the column 'file', received Value"
    )


def test_a_table_without_images_is_refused(tmp_path):
    import datasets

    datasets.Dataset.from_dict({"x": [1]}).to_parquet(str(tmp_path / "x.parquet"))

    assert refused(tmp_path / "x.parquet") == (
        "no column is known to hold images; choose one with image=COLUMN. Its columns are 'x'."
    )


# --- images ---------------------------------------------------------------------------------------


def images(parquet, *pictures, options="#label=none"):
    """Return the data set of some pictures, repeated."""
    import datasets

    chosen = [pictures[n % len(pictures)] for n in range(12)]
    return f"{parquet(image=(chosen, datasets.Image()))}{options}"


RED = Image.new("RGB", (4, 6), (200, 0, 0))
GRAY = Image.new("L", (4, 6), 100)
GLASS = Image.new("RGBA", (4, 6), (200, 0, 0, 0))


def test_height_comes_before_width(parquet):
    assert load_dataset(f"hf:{images(parquet, GRAY)}").images.shape == (12, 6, 4, 1)


def test_color_has_three_channels_in_the_order_red_green_blue(parquet):
    data = load_dataset(f"hf:{images(parquet, RED)}")

    assert data.images.shape == (12, 6, 4, 3)
    assert data.images[0, 0, 0].tolist() == [200, 0, 0]


def test_grey_images_among_colored_ones_get_three_channels(parquet):
    data = load_dataset(f"hf:{images(parquet, RED, GRAY)}")

    assert data.images[1, 0, 0].tolist() == [100, 100, 100]


def test_color_after_grey_is_refused_and_may_be_asked_for(parquet):
    argument = images(parquet, GRAY, RED)

    assert refused(argument).startswith("image 1 is in color, those before are gray; write")
    assert load_dataset(f"hf:{argument},channels=3").images[1, 0, 0].tolist() == [200, 0, 0]
    assert load_dataset(f"hf:{argument},channels=1").images[1, 0, 0].tolist() == [60]


@pytest.mark.parametrize(
    ("picture", "pixel"),
    [
        (GLASS, [255, 255, 255]),
        (Image.new("LA", (4, 6), (7, 0)), [255]),
        (Image.new("1", (4, 6), 1), [255]),
        (RED.quantize(4), [200, 0, 0]),
        (RED.convert("CMYK"), [200, 0, 0]),
    ],
    ids=["transparent", "transparent gray", "one bit", "palette", "print"],
)
def test_any_kind_of_image_becomes_bytes(parquet, picture, pixel):
    argument = images(parquet, picture)

    assert load_dataset(f"hf:{argument}").images[0, 0, 0].tolist() == pixel


def test_an_animated_image_in_a_folder_gives_its_first_frame(tmp_path):
    GRAY.save(tmp_path / "0.gif", save_all=True, append_images=[GRAY.point(lambda p: 0)])

    assert load_dataset(f"hf:{tmp_path}").images[0, 0, 0].tolist() == [100, 100, 100]


def test_images_of_more_than_8_bits_are_refused(parquet):
    deep = Image.fromarray(np.full((6, 4), 40_000, np.uint16))

    assert refused(images(parquet, deep)).startswith("image 0 has more than 8 bits (I;16)")


def test_mixed_sizes_are_refused_with_the_remedy(parquet):
    argument = images(parquet, GRAY, GRAY.resize((4, 7)))

    assert refused(argument) == (
        "image 1 is 7x4, the first is 6x4; bring all to one size, like size=32x32."
    )


def test_a_size_crops_the_middle_and_scales(parquet):
    wide = Image.new("L", (12, 4))
    wide.paste(255, (4, 0, 8, 4))
    argument = images(parquet, wide, GRAY)

    data = load_dataset(f"hf:{argument},size=2x2")

    assert data.images[0].min() > 240
    assert data.images[1, ..., 0].tolist() == [[100, 100], [100, 100]]


def test_a_size_is_height_by_width(parquet):
    argument = images(parquet, GRAY)

    assert load_dataset(f"hf:{argument},size=3x5").images.shape == (12, 3, 5, 1)


def test_more_than_the_memory_allows_is_refused_before_it_is_taken(parquet):
    argument = images(parquet, GRAY)

    assert refused(f"{argument},size=50000x50000,channels=3") == (
        "12 images of 50000x50000 take 84 GiB, 8 are allowed; take fewer, split=train[:10000], "
        "or smaller, size=64x64."
    )


def test_a_missing_image_is_refused(parquet):
    assert refused(images(parquet, GRAY, None)) == "image 1 is missing."


def test_a_damaged_image_is_refused(parquet):
    import datasets

    path = parquet(image=([{"bytes": b"no image", "path": None}] * 12, datasets.Image()))

    assert refused(path).startswith("image 0 cannot be read (cannot identify image file")


# --- labels ---------------------------------------------------------------------------------------


def labels(parquet, values, kind):
    import datasets

    return parquet(label=([values[n % len(values)] for n in range(12)], datasets.Value(kind)))


def test_labels_may_be_left_out(parquet):
    data = load_dataset(f"hf:{parquet()}#label=none")

    assert data.labels is None
    assert data.class_names == ()


def test_texts_are_classes_in_their_order(parquet):
    data = load_dataset(f"hf:{labels(parquet, ['dog', 'cat'], 'string')}")

    assert data.labels.tolist() == [1, 0] * 6
    assert data.class_names == ("cat", "dog")


def test_numbers_are_classes_without_names(parquet):
    data = load_dataset(f"hf:{labels(parquet, [0, 2], 'int64')}")

    assert data.labels.tolist() == [0, 2] * 6
    assert data.class_names == ()


@pytest.mark.parametrize(
    ("values", "kind", "wrong"),
    [
        ([0, -1], "int64", "-1 for image 1"),
        ([0, None], "int64", "None for image 1"),
        (["a", None], "string", "None for image 1"),
        ([0.5, 1.0], "float64", "0.5 for image 0"),
    ],
)
def test_what_is_no_class_is_refused_with_the_remedy(parquet, values, kind, wrong):
    assert refused(labels(parquet, values, kind)) == (
        "expected a text or a whole number from 0 on in the column 'label', "
        f"received {wrong}; leave the labels out with label=none."
    )
