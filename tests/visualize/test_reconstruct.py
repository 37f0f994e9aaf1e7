"""Encodings and reconstructions of images: the arrays, the table, and what is refused."""

import imageio.v3 as iio
import numpy as np
import pytest
from support.commands import HOME, needs_a_backend, refused, said

import gandem
from gandem.core.errors import SpecError
from gandem.core.runs import open_run
from gandem.core.training import as_read
from gandem.visualize.reconstruction import Reconstructions, _draw_encodings, reconstruct

CHANGES = {"image": [8, 8, 1], "latent": 5, "hidden": 6, "batch_size": 16}


@pytest.fixture(scope="module")
def encoding_run(tmp_path_factory, data):
    """Return a tiny trained BiGAN with averaged weights."""
    path = tmp_path_factory.mktemp("runs") / "bigan"
    changes = {**CHANGES, "learning_rate": 0.03, "training.ema_decay": 0.5}
    gandem.train("bigan", backend=HOME, data=data, steps=4, out=path, **changes)
    return path


@needs_a_backend
def test_images_are_encoded_and_generated_again_with_averaged_weights(encoding_run):
    run = open_run(encoding_run)
    images = np.random.default_rng(3).integers(0, 256, (6, 8, 8, 1), np.uint8)
    engine, inputs = run.engine(), {"image": as_read(run.spec, images, "float32")}

    for ema in (True, False):
        noise = engine.forward("encoder", inputs, average=ema)
        fake = engine.forward("generator", {"noise": noise}, average=ema)
        assert np.array_equal(run.encode(images, ema=ema), noise)
        assert np.abs(run.reconstruct(images, ema=ema).images - 255 * fake).max() <= 0.51
    assert not np.array_equal(run.encode(images), run.encode(images, ema=False))


@needs_a_backend
def test_the_command_writes_images_of_the_data_or_of_a_path(encoding_run, data, tmp_path):
    table, arrays = tmp_path / "table.png", tmp_path / "arrays.npz"

    assert said("generate", encoding_run, "--reconstruct", 7, "-o", table).startswith("7 images in")
    said("generate", encoding_run, "--reconstruct", data.removeprefix("npz:"), "-o", arrays)

    height, width, _ = iio.imread(table).shape
    assert width > 2 * height  # 4 rows of two images, each with three columns
    written = dict(np.load(arrays))
    run = open_run(encoding_run)
    assert {name: array.shape for name, array in written.items()} == {
        "images": (40, 8, 8, 1),
        "encodings": (40, 5),
        "reconstructions": (40, 8, 8, 1),
    }
    assert np.array_equal(written["encodings"], run.encode(written["images"]))
    assert np.array_equal(written["reconstructions"], run.reconstruct(written["images"]).images)


@needs_a_backend
def test_the_seed_chooses_images_of_the_training_data(encoding_run, data):
    images = np.load(data.removeprefix("npz:"))["images"][..., None]

    first, again, other = (reconstruct(encoding_run, 5, seed=seed).images for seed in (0, 0, 1))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert all(any(np.array_equal(image, each) for each in images) for image in first)


def test_an_encoding_is_drawn_as_a_square_of_grays():
    pictures = _draw_encodings(np.array([[-1.0, 0.0, 5.0]]), (4, 4, 1), 1.0)

    assert (pictures[0, :2, :2] == 0).all()
    assert (pictures[0, :2, 2:] == 128).all()
    assert (pictures[0, 2:] == 255).all()


def test_the_last_row_of_a_table_is_filled_with_white():
    images = np.zeros((7, 8, 8, 1), np.uint8)

    table = Reconstructions(images, np.zeros((7, 5)), images, 1.0).table()

    assert table.images.shape == (4, 6, 8, 8, 1)
    assert (table.images[3, 3:] == 255).all()


@needs_a_backend
@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (
            ("--reconstruct", "0"),
            "{data}: expected 1 to 40 of its images, received 0.",
            1,
        ),
        (
            ("--reconstruct", "41"),
            "{data}: expected 1 to 40 of its images, received 41.",
            1,
        ),
        (
            ("--reconstruct", "nowhere"),
            "'nowhere': expected a number of images of the training data, or a folder, zip file or "
            ".npz file of images.",
            1,
        ),
        (
            ("--reconstruct", "{tmp}/large.npz"),
            "npz:{tmp}/large.npz: its images are 9×8×1, the model 'bigan' encodes images of 8×8×1.",
            1,
        ),
        (
            ("--reconstruct", "3", "--label", "1"),
            "--reconstruct cannot be combined with --num-samples, --label, --each-label, "
            "--latent, --truncation or --pyramid. See 'gandem generate --help'.",
            2,
        ),
        (
            ("--reconstruct", "3", "-o", "{tmp}/folder"),
            "{tmp}/folder: expected a name that ends in .png (a table) or .npz (arrays).",
            1,
        ),
    ],
)
def test_what_cannot_be_reconstructed_is_refused(
    encoding_run, data, tmp_path, arguments, words, code
):
    np.savez(tmp_path / "large.npz", images=np.zeros((2, 9, 8, 1), np.uint8))
    places = {"data": data, "tmp": tmp_path}

    given = [text.format(**places) for text in arguments]

    assert refused("generate", encoding_run, *given, code=code) == words.format(**places)


@needs_a_backend
def test_a_model_without_an_encoder_is_refused(run):
    words = "The model 'dcgan' has no encoder, so it cannot reconstruct images; train a model that "

    assert refused("generate", run, "--reconstruct", 3) == f"{words}has one, like bigan."
    with pytest.raises(SpecError, match="has no encoder, so it cannot encode images"):
        open_run(run).encode(np.zeros((1, 8, 8, 1), np.uint8))


@needs_a_backend
@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 9, 8, 1), np.uint8), np.zeros((2, 8, 8, 1)), np.zeros((8, 8, 1), np.uint8)],
)
def test_images_of_another_shape_or_type_are_not_encoded(encoding_run, images):
    words = rf"images: expected uint8 \(N, 8, 8, 1\), received {images.dtype} \({images.shape[0]},"

    with pytest.raises(SpecError, match=words):
        open_run(encoding_run).encode(images)
