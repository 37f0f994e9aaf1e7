"""The images of a generator at all its resolutions in one picture."""

import imageio.v3 as iio
import pytest
from support.commands import needs_a_backend, refused, said

import gandem
from gandem.core.data.images import to_bytes
from gandem.core.errors import SpecError
from gandem.core.training import fixed_inputs
from gandem.visualize.pyramid import draw_pyramid


@pytest.fixture(scope="module")
def pyramid(runs):
    """The folder of a tiny msg-gan."""
    return runs("msg-gan").path


@needs_a_backend
def test_each_row_is_one_sample_with_repeated_pixels(pyramid):
    opened = gandem.open_run(pyramid)

    table = draw_pyramid(opened, 2, seed=3)

    inputs = fixed_inputs(opened.spec, 3, 2, "float32")
    engine = opened.engine()
    images = [
        engine.forward("generator", inputs, average=True, layer=layer) for layer in ("image_4", "")
    ]
    assert table.columns == ("4×4", "8×8")
    for column, image in enumerate(images):
        repeats = 64 // image.shape[1]
        expected = to_bytes(image, -1, 1).repeat(repeats, 1).repeat(repeats, 2)
        assert (table.images[:, column] == expected).all()


@needs_a_backend
def test_generate_draws_a_pyramid_of_eight_samples(pyramid, tmp_path):
    out = tmp_path / "pyramid.png"

    assert said("generate", pyramid, "--pyramid", "-o", out) == f"8 images in {out}\n"

    assert iio.imread(out).shape[0] > 8 * 64


@needs_a_backend
def test_a_model_of_one_resolution_has_no_pyramid(run, tmp_path):
    words = refused("generate", run, "--pyramid", "-o", tmp_path / "x.png")

    assert words == (
        "The model 'dcgan' has only one resolution; generate images without --pyramid, or train a "
        "model such as msg-gan."
    )


@needs_a_backend
@pytest.mark.parametrize(
    ("more", "out", "message"),
    [
        (["--each-label", 2], "x.png", "--pyramid cannot be combined with --each-label or"),
        ([], "x.npz", "--pyramid draws one picture; expected a .png, received"),
    ],
)
def test_a_pyramid_is_a_picture_of_its_own(pyramid, tmp_path, more, out, message):
    words = refused("generate", pyramid, "--pyramid", *more, "-o", tmp_path / out, code=2)

    assert words.startswith(message)


@needs_a_backend
def test_an_unknown_class_of_a_pyramid_is_refused(pyramid):
    with pytest.raises(SpecError, match="has no classes"):
        draw_pyramid(pyramid, label=1)
