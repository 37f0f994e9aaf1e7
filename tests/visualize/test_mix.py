"""Style mixing, and interpolation and traversal in the space of styles."""

import json

import numpy as np
import pytest
from support.commands import needs_a_backend, refused, said

import gandem
from gandem.core.errors import SpecError
from gandem.core.runs.generation.sampling import sample
from gandem.core.runs.generation.styles import compute_styles, style_inputs
from gandem.core.specs import load_spec
from gandem.core.training import fixed_inputs
from gandem.visualize.mixing import parse_seeds

pytestmark = needs_a_backend


@pytest.fixture(scope="module")
def styled(tmp_path_factory):
    """A run of stylegan2, trained for a step."""
    folder = tmp_path_factory.mktemp("styled") / "run"
    spec = load_spec("stylegan2", small=True)
    gandem.train(spec, data="digits", steps=1, out=folder)
    return gandem.open_run(folder)


def styles_of(run, *seeds, **more):
    inputs = [fixed_inputs(run.spec, seed, 1, "float32", **more) for seed in seeds]
    joined = {name: np.concatenate([each[name] for each in inputs]) for name in inputs[0]}
    return compute_styles(run.spec, run.engine(), joined)


def images_of(run, styles):
    return sample(run.spec, run.engine(), style_inputs(run.spec, styles)).images


def test_a_mixed_image_has_the_styles_of_its_row_but_some_of_its_column(styled):
    table = gandem.mix(styled, "0:2", "7,3,5", layers="2:4")

    rows, columns = styles_of(styled, 0, 1), styles_of(styled, 7, 3, 5)
    assert table.images.shape[:2] == (3, 4)
    assert (table.images[1:, 0] == images_of(styled, rows)).all()
    assert (table.images[0, 1:] == images_of(styled, columns)).all()
    mixed = rows[1].copy()
    mixed[2:4] = columns[2, 2:4]
    assert (table.images[2, 3] == images_of(styled, mixed[None])[0]).all()
    assert (table.rows, table.columns) == (("", "0", "1"), ("", "7", "3", "5"))


def test_the_command_writes_the_table_of_the_function(styled, tmp_path):
    chosen = ["--rows", "0:2", "--columns", "2:4", "--layers", "fine", "--truncation", 0.5]

    printed = said("mix", styled.path, *chosen, "-o", tmp_path / "command.png", "--json")

    table = gandem.mix(styled, (0, 1), (2, 3), layers="fine", size=64, truncation=0.5)
    table.save(tmp_path / "python.png")
    files = [(tmp_path / f"{name}.png").read_bytes() for name in ("command", "python")]
    assert files[0] == files[1]
    assert json.loads(printed)["columns"] == ["2", "3"]


def test_an_interpolation_of_styles_is_a_straight_line(styled):
    frames = list(gandem.interpolate(styled, 3, 4, space="w", frames=3, size=None).make())

    ends = styles_of(styled, 3, 4)
    middle = images_of(styled, ends.mean(0, keepdims=True))
    assert np.abs(frames[1].astype(int) - middle).max() <= 1
    assert (np.concatenate([frames[0], frames[2]]) == images_of(styled, ends)).all()


def test_a_traversal_of_styles_adds_values_to_a_dimension(styled):
    table = gandem.traverse(styled, (-1.0, 0.0, 2.0), dimensions=(5,), seed=3, space="w")

    moved = np.repeat(styles_of(styled, 3), 3, axis=0)
    moved[:, :, 5] += np.array([[-1.0], [0.0], [2.0]], np.float32)
    assert (table.images[0] == images_of(styled, moved)).all()


def test_truncated_images_are_those_of_truncated_styles(styled):
    images = styled.generate(1, seed=3, truncation=0.25).images

    assert (images == images_of(styled, styles_of(styled, 3, truncation=0.25))).all()
    assert (images != styled.generate(1, seed=3).images).any()


def test_what_a_model_without_styles_cannot_do_is_refused(run, tmp_path):
    message = "has no styles; choose a model whose generator has a 'styles' layer"

    for command, form in (("mix", "png"), ("interpolate", "gif"), ("traverse", "png")):
        space = [] if command == "mix" else ["--space", "w"]
        assert message in refused(command, run, *space, "-o", tmp_path / f"x.{form}")


def test_a_path_between_styles_that_is_no_line_is_refused(styled):
    with pytest.raises(SpecError, match="The space w has straight lines"):
        gandem.interpolate(styled, space="w", path="spherical")
    with pytest.raises(SpecError, match="The style has no dimension 8; expected 0 to 7"):
        gandem.traverse(styled, dimensions=(8,), space="w")


@pytest.mark.parametrize("text", ["", "3:3", "0:5000", "1,,2", "a", "-1"])
def test_seeds_that_are_none_are_refused(text):
    with pytest.raises(SpecError, match="seeds: expected FIRST:END, like 0:5, or a list"):
        parse_seeds(text)
