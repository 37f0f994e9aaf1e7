"""Grids of images along chosen values of the noise, and of every class from the same noise."""

import json
from dataclasses import replace

import imageio.v3 as iio
import numpy as np
import pytest
from support.commands import needs_a_backend, refused, said

import gandem
from gandem.core.errors import RunError, SpecError
from gandem.core.runs import Run
from gandem.core.runs.record import DataRecord, RunRecord
from gandem.core.specs.loading import load_spec
from gandem.core.training import fixed_inputs
from gandem.visualize.images import draw_table, load_font
from gandem.visualize.traversal import (
    _titles,
    _traversal,
    each_label,
    parse_dimensions,
    parse_values,
    traverse,
)

RECORD = RunRecord(backend="torch", precision="float32", seed=0, data=DataRecord())
CODED = load_spec("dcgan", {"latent": 8, "latent.categories": 3, "latent.codes": 2})


def images_of(run, inputs):
    """Return what a run's generator makes of inputs, from 0 to 255."""
    low, high = run.spec.image.low, run.spec.image.high
    outputs = run.engine().forward("generator", inputs)
    return np.clip((outputs - low) / (high - low), 0, 1) * 255


# --- traverse ------------------------------------------------------------------------------------


@needs_a_backend
def test_all_numbers_of_the_noise_equal_each_value(run):
    opened = gandem.open_run(run)

    table = traverse(opened, (-1.0, 0.0, 0.5))

    noise = np.repeat([[-1.0], [0.0], [0.5]], opened.spec.latent.size, axis=1).astype("float32")
    assert np.abs(table.images[0] - images_of(opened, {"noise": noise})).max() <= 0.51
    assert (table.columns, table.rows) == (("-1.0", "0.0", "0.5"), ())


@needs_a_backend
def test_dimensions_move_one_at_a_time_while_the_rest_is_held(run):
    opened = gandem.open_run(run)

    table = traverse(opened, (-2.0, 3.0), dimensions=(3, 0), seed=5)

    held = fixed_inputs(opened.spec, 5, 1, "float32")["noise"][0]
    for row, dimension in enumerate((3, 0)):
        noise = np.stack([held, held])
        noise[:, dimension] = -2, 3
        assert np.abs(table.images[row] - images_of(opened, {"noise": noise})).max() <= 0.51
    assert table.rows == ("dimension 3", "dimension 0")


@needs_a_backend
def test_a_conditional_model_has_a_row_a_class_or_one_for_a_label(conditional):
    opened = gandem.open_run(conditional)

    every, one = (traverse(opened, (0.0, 1.0), label=label) for label in (None, 2))

    assert every.rows == ("0", "1", "2")
    assert (every.images[2] == one.images[0]).all()
    assert one.rows == ("2",)


def test_each_category_of_a_latent_code_has_a_row(tmp_path):
    run = Run(tmp_path, CODED, RECORD)

    noise = _traversal(run, [(kind, None) for kind in range(3)], (-0.5, 0.5), 0)["noise"]

    assert (noise[:, :3] == np.repeat(np.eye(3), 2, axis=0)).all()
    assert (noise[::2, 3:] == -0.5).all()
    assert (noise[1::2, 3:] == 0.5).all()


def test_code_selects_all_codes_and_a_category_is_not_a_dimension(tmp_path):
    run = Run(tmp_path, CODED, RECORD)

    assert parse_dimensions("7, code", CODED) == (7, 3, 4)
    with pytest.raises(SpecError, match="Dimension 2 belongs to the category"):
        traverse(run, (0.0,), dimensions=(2,))
    with pytest.raises(SpecError, match="No category 3; expected 0 to 2"):
        traverse(run, (0.0,), label=3)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("-1:1:3", (-1, 0, 1)),
        ("1:-1:2", (1, -1)),
        ("-2,0,2", (-2, 0, 2)),
        ("0.5", (0.5,)),
        ("-1:1:1", (-1,)),
    ],
)
def test_values_are_a_range_or_a_list(text, values):
    assert parse_values(text) == values


@pytest.mark.parametrize(
    "text",
    [
        *("1:0:0", "0:1:-1", "0:1:9999999999", "0:1", "0:1:2:3", "0:1:x", "", "a", "1,,2", "nan"),
        *("0:inf:3", "-inf,0", "nan:1:3", "1e300", "0:1e300:2", "0:1:2.5", ",".join("1" * 2000)),
    ],
)
def test_invalid_values_are_refused_in_one_line(text):
    with pytest.raises(SpecError, match=r"^values: expected [^\n]+\.$"):
        parse_values(text)


def test_titles_are_short_and_distinct():
    assert _titles((-1.0, 0.0, 1.0)) == ("-1", "0", "1")
    assert _titles((0.001, 0.002)) == ("0.001", "0.002")


@needs_a_backend
@pytest.mark.parametrize("values", ["-1:1:10", "-2,0,2"])
def test_a_value_that_begins_with_a_dash_works_on_the_command_line(run, tmp_path, values):
    out = tmp_path / "row.png"

    data = json.loads(said("traverse", run, "--values", values, "-o", out, "--json"))

    assert data["values"] == list(parse_values(values))
    assert data["rows"] == []
    assert iio.imread(out).shape[1] >= 56 * len(data["values"])


@needs_a_backend
def test_dimensions_can_be_listed_and_repeated(run, tmp_path):
    out = tmp_path / "rows.png"

    words = said("traverse", run, "--dimension", "0,2", "--dimension", 1, "-o", out)

    assert words == f"3 × 10 images in {out}\n"


REFUSED = {
    "--values 1:0:0": "values: expected a count from 1 to 1000, received 0.",
    "--values nan": "values: expected numbers up to ±1e+06, received nan.",
    "--values 1:0": "values: expected first:last:count, like -1:1:10, or a list",
    "--dimension 4": "The noise has no dimension 4; expected 0 to 3.",
    "--dimension -1": "The noise has no dimension -1; expected 0 to 3.",
    "--dimension x": "dimension: expected numbers with commas, like 3,8; received 'x'.",
    "--dimension code": "dimension: expected numbers with commas, like 3,8; received 'code'.",
    "--label 1": "The model 'dcgan' has no classes;",
    "--size 8192 --values 0:1:1000": "pixels is too large",
    "--checkpoint 77": "it has no checkpoint 77",
}


@needs_a_backend
@pytest.mark.parametrize(("arguments", "words"), REFUSED.items(), ids=list(REFUSED))
def test_traverse_refuses_in_one_line_and_writes_nothing(run, tmp_path, arguments, words):
    assert words in refused("traverse", run, *arguments.split(), "-o", tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


@needs_a_backend
@pytest.mark.parametrize("out", ["x.gif", "missing/x.png"])
def test_traverse_refuses_a_place_that_it_cannot_write(run, tmp_path, out):
    assert out in refused("traverse", run, "-o", tmp_path / out)
    assert not list(tmp_path.iterdir())


# --- generate --each-label -----------------------------------------------------------------------


@needs_a_backend
def test_every_class_is_made_from_the_same_noise(conditional):
    opened = gandem.open_run(conditional)

    result, table = each_label(opened, 4, seed=2)

    assert result.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert table.rows == ("0", "1", "2")
    for label in range(3):
        assert (table.images[label] == opened.generate(4, label=label, seed=2).images).all()


@needs_a_backend
def test_rows_have_the_names_of_the_classes_where_the_run_knows_them(conditional):
    opened = gandem.open_run(conditional)
    names = replace(opened.record.data, class_names=("bag", "sandal\x1b", "coat"))
    opened = replace(opened, record=replace(opened.record, data=names))

    _, table = each_label(opened, 1)

    assert table.rows == ("bag", "sandal?", "coat")


@needs_a_backend
def test_each_label_writes_a_grid_or_arrays(conditional, tmp_path):
    grid, arrays = tmp_path / "grid.png", tmp_path / "x.npz"

    words = said("generate", conditional, "--each-label", 5, "-o", grid)
    said("generate", conditional, "--each-label", 5, "-o", arrays)

    assert words == f"15 images in {grid}\n"
    assert iio.imread(grid).shape[1] > 5 * 16
    assert np.load(arrays)["labels"].tolist() == sorted([0, 1, 2] * 5)


@needs_a_backend
def test_each_label_of_a_model_without_classes_is_refused(run, tmp_path):
    words = refused("generate", run, "--each-label", 3, "-o", tmp_path / "x.png")

    assert words == "The model 'dcgan' has no classes; make images without --each-label."


@needs_a_backend
@pytest.mark.parametrize("more", [["-n", 3], ["--label", 1]])
def test_each_label_excludes_num_samples_and_label(conditional, tmp_path, more):
    out = tmp_path / "x.png"

    words = refused("generate", conditional, "--each-label", 3, *more, "-o", out, code=2)

    assert words.startswith("--each-label cannot be combined with")


@needs_a_backend
def test_a_table_that_is_too_large_is_refused_before_generation(conditional, tmp_path):
    words = refused("generate", conditional, "--each-label", 10**9, "-o", tmp_path / "x.png")

    assert "too large" in words


# --- the picture ---------------------------------------------------------------------------------


def test_titles_never_overlap_however_small_the_images(monkeypatch):
    images = np.full((2, 3, 4, 4, 1), 7, np.uint8)

    plain = draw_table(images)
    wide = draw_table(images, ["a long title"] * 3, ["row", "another row"])

    assert (plain == 7).all(axis=2).sum() == 2 * 3 * 16
    assert (wide == 7).all(axis=2).sum() >= 2 * 3 * 16
    assert wide.shape[1] > 3 * plain.shape[1]


def test_a_picture_too_large_is_refused():
    images = np.broadcast_to(np.uint8(0), (1000, 1000, 100, 100, 1))

    with pytest.raises(RunError, match="too large; expected at most"):
        draw_table(images)


@pytest.mark.parametrize("title", ["4×4", "não", "Łódź", "ёж", "°"])
def test_the_font_of_titles_has_the_letters_of_many_languages(title):
    font = load_font()
    missing = bytes(font.getmask("\uffff"))

    assert missing not in [bytes(font.getmask(letter)) for letter in title]
