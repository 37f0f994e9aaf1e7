"""Style transfer: a plain script of the lesson's algorithm, options, and bad input."""

import json
import math

import numpy as np
import pytest
from PIL import Image
from support.commands import HOME, THERE, gandem, needs_a_backend, needs_both

from gandem.extractors import vgg
from gandem.optimize import pictures as optimize_pictures
from gandem.optimize.lbfgs import Lbfgs
from gandem.optimize.style import OPTIMIZER, stylize

pytestmark = [needs_a_backend, pytest.mark.usefixtures("small_vgg")]
SETTINGS = {"size": 48, "features": "vgg-random", "backend": HOME}
STEPS = 50
PARITY = {"size": 48, "features": "vgg-random", "steps": STEPS, "precision": "float64"}


def run_lesson(content, style, steps, weights=(2.0, 10.0, 10.0)):
    """Return the image after some steps and the loss before each: the algorithm of the lesson in
    plain PyTorch, with the features of vgg-random.
    """
    import torch
    import torch.nn.functional as F

    arrays = {k: torch.tensor(v).double() for k, v in vgg.load_random("", "")._arrays.items()}
    mean = torch.tensor([123.675, 116.28, 103.53], dtype=float)[:, None, None] / 255
    deviation = torch.tensor([58.395, 57.12, 57.375], dtype=float)[:, None, None] / 255

    def features(image):
        x, outputs = (image - mean) / deviation, {}
        for block, depth in enumerate((2, 2, 4, 2), start=1):
            for place in range(1, depth + 1):
                name = f"conv{block}_{place}"
                kernel = arrays[f"{name}/kernel"].permute(3, 2, 0, 1)
                x = torch.relu(F.conv2d(x, kernel, arrays[f"{name}/bias"], padding=1))
                outputs[f"relu{block}_{place}"] = x
            x = F.max_pool2d(x, 2)
        return outputs

    def gram(x):
        rows = x.flatten(2)[0]
        return rows @ rows.T / rows.shape[1]

    def read(path):
        pixels = torch.tensor(np.asarray(Image.open(path)).transpose(2, 0, 1)[None])
        return pixels.double() / 255

    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    image = read(content)
    target = features(image)["relu4_2"]
    grams = {layer: gram(features(read(style))[layer]) for layer in layers}
    image = image.clone().requires_grad_(True)
    adam, losses = torch.optim.Adam([image], lr=1.0), []
    for step in range(steps):
        adam.param_groups[0]["lr"] = 0.005 + 0.0225 * (1 + math.cos(math.pi * step / steps))
        layers = features(image)
        terms = (
            ((layers["relu4_2"] - target) ** 2).mean() / (target**2).mean(),
            sum(((gram(layers[k]) - g) ** 2).mean() / (g**2).mean() for k, g in grams.items()) / 4,
            ((image[:, :, 1:] - image[:, :, :-1]) ** 2).sum() / image.numel()
            + ((image[..., 1:] - image[..., :-1]) ** 2).sum() / image.numel(),
        )
        loss = sum(weight * term for weight, term in zip(weights, terms, strict=True))
        losses.append(loss.item())
        adam.zero_grad()
        loss.backward()
        adam.step()
        with torch.no_grad():
            image.clamp_(0, 1)
    return image.detach().numpy().transpose(0, 2, 3, 1), np.array(losses)


def optimize(pictures, **options):
    """Return the last image, float64, and the loss before each step."""
    images = []
    result = stylize(*pictures, **PARITY | options, on_step=lambda *step: images.append(step[2]))
    losses = [weight * result.losses[k] for k, weight in WEIGHTS.items()]
    return images[-1], sum(losses)


WEIGHTS = {"content": 2.0, "style": 10.0, "variation": 10.0}


@pytest.mark.skipif("torch" not in THERE, reason="the script needs PyTorch")
def test_style_transfer_follows_a_plain_script_of_the_lesson(pictures):
    image, losses = optimize(pictures, backend="torch")

    expected_image, expected_losses = run_lesson(*pictures, STEPS)
    np.testing.assert_allclose(losses, expected_losses, rtol=0, atol=1e-10)
    np.testing.assert_allclose(image, expected_image, rtol=0, atol=1e-10)
    assert expected_losses[-1] < 0.6 * expected_losses[1]


@needs_both
@pytest.mark.parametrize("optimizer", [OPTIMIZER, Lbfgs()], ids=lambda each: type(each).__name__)
def test_style_transfer_is_equal_on_both_frameworks(pictures, optimizer):
    image, losses = optimize(pictures, backend="torch", optimizer=optimizer)

    other_image, other_losses = optimize(pictures, backend="keras", optimizer=optimizer)

    np.testing.assert_allclose(other_losses, losses, rtol=0, atol=1e-12)
    np.testing.assert_allclose(other_image, image, rtol=0, atol=1e-12)


def test_the_command_writes_the_image_and_what_is_asked_for(tmp_path, pictures):
    extra = ("--beside", tmp_path / "beside.png", "--curves", tmp_path / "curves.svg")
    extra += ("--animation", tmp_path / "steps.gif", "--save-every", "2", "--json")

    done = gandem("style", *pictures, *options(steps=4), "-o", tmp_path / "out.png", *extra)

    assert done.exit_code == 0, done.output
    assert {path.name for path in tmp_path.iterdir()} == {
        *("out.png", "out-000002.png", "out-000004.png", "beside.png", "curves.svg", "steps.gif")
    }
    with Image.open(tmp_path / "out.png") as out, Image.open(tmp_path / "steps.gif") as steps:
        assert (out.size, steps.n_frames) == ((48, 36), 4)
    facts = json.loads(done.stdout)
    assert set(facts["losses"]) == {"content", "style", "variation"}
    assert facts["features"].startswith("vgg-random:0@")


PLACES = ("content", "style")


def options(**changes):
    """Return the options of a fast transfer."""
    settings = SETTINGS | {"steps": 2} | changes
    return [text for name, value in settings.items() for text in (f"--{name}", str(value))]


def test_a_transfer_with_random_weights_says_so(tmp_path, pictures):
    done = gandem("style", *pictures, *options(), "-o", tmp_path / "out.png")

    assert "random weights: textures only" in done.stdout


def test_kept_colors_are_those_of_the_content(pictures):
    result = stylize(*pictures, **SETTINGS, steps=2, keep_content_colors=True)

    difference = result.image.astype(float) - result.inputs[0]
    inside = ((result.image > 0) & (result.image < 255)).all(axis=-1)
    spread = difference[inside].max(axis=-1) - difference[inside].min(axis=-1)
    assert spread.max() <= 1.0  # every channel moves by the same amount, except for rounding


def test_masks_separate_two_styles(pictures):
    content, style = pictures
    left = np.zeros((36, 48, 1), np.uint8)
    left[:, :24] = 255
    black = np.zeros((36, 48, 3), np.uint8)
    black[::6] = 30
    both = {"masks": [left, 255 - left], "tv_weight": 0.0, "content_weight": 0.0}

    result = stylize(content, [style, black], **SETTINGS, steps=60, **both)

    halves = result.image[:, :20].mean(), result.image[:, 28:].mean()
    before = result.inputs[0][:, :20].mean(), result.inputs[0][:, 28:].mean()
    assert halves[0] - halves[1] > before[0] - before[1] + 8


def test_equal_seeds_start_from_equal_noise(pictures):
    images = [stylize(*pictures, **SETTINGS, steps=1, init="noise", seed=s) for s in (1, 1, 2)]

    assert (images[0].image == images[1].image).all()
    assert (images[0].image != images[2].image).mean() > 0.5


# --- bad input -----------------------------------------------------------------------------------


def saved(folder, name, mode, size=(40, 32), **extra):
    path = folder / name
    Image.new(mode, size, color=extra.pop("color", None) or 0).save(path, **extra)
    return path


@pytest.mark.parametrize(
    ("name", "mode", "color"),
    [
        ("alpha.png", "RGBA", (10, 200, 30, 128)),
        ("sixteen.png", "I;16", 40_000),
        ("cmyk.jpg", "CMYK", (10, 20, 30, 40)),
        ("palette.png", "P", 3),
        ("gray.png", "L", 77),
    ],
)
def test_pictures_of_every_kind_are_read(tmp_path, name, mode, color):
    path = saved(tmp_path, name, mode, color=color)

    picture = optimize_pictures.read_picture(path, 20)

    assert (picture.shape, picture.dtype) == ((16, 20, 3), np.uint8)


def test_a_picture_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path, "turned.jpg", "RGB", exif=exif.tobytes())

    assert optimize_pictures.read_picture(path, 40).shape == (40, 32, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"content": "{tmp}/none.png"}, "none.png: cannot be read as a picture (No such file"),
        ({"content": "{tmp}"}, "cannot be read as a picture (it is a folder)."),
        ({"content": "{tmp}/text.png"}, "cannot be read as a picture (not an image that Pillow"),
        ({"content": "{tmp}/pixel.png"}, "expected a picture, received 1×1 pixels."),
        ({"style": "{tmp}/strip.png"}, "becomes 48×5; expected at least 16 per side"),
        (
            {"layers": "rely2_1"},
            "The features have no layer 'rely2_1'. Did you mean 'relu2",
        ),
        ({"content-weight": 0, "style-weight": 0}, "The weights of content and style sum to zero"),
        ({"style-weights": "0"}, "The weights of styles sum to zero; make one of them larger."),
        ({"style-weights": "1,2"}, "Expected as many weights as styles, 1; received 2."),
        ({"style-weights": "much"}, "--style-weights: expected numbers, like 2,1; received much"),
        ({"features": "pixels"}, "The extractor 'pixels' gives no network to differentiate;"),
        ({"features": "vgg20"}, "No extractor named 'vgg20'. Did you mean"),
        ({"features": "vgg-random:x"}, "vgg-random: expected a seed, like vgg-random:1"),
        ({"learning-rate": "fast"}, "Adam.learning_rate: expected a number or a schedule"),
        (
            {"optimizer": "lbfgs", "learning-rate": "cosine(1, 0, 1 epoch)"},
            "Lbfgs.learning_rate: expected a number, received",
        ),
        ({"mask": "{tmp}/black.png"}, "A mask is black everywhere;"),
    ],
)
def test_bad_input_is_one_line(tmp_path, pictures, changes, message):
    (tmp_path / "text.png").write_text("no picture")
    saved(tmp_path, "pixel.png", "RGB", (1, 1))
    saved(tmp_path, "strip.png", "RGB", (400, 40))
    saved(tmp_path, "black.png", "L")
    changes = {name: str(value).format(tmp=tmp_path) for name, value in changes.items()}
    places = [changes.pop(name, path) for name, path in zip(PLACES, pictures, strict=True)]

    done = gandem("style", *places, *options(**changes), "-o", tmp_path / "out.png")

    lines = done.stderr.strip().splitlines()
    assert done.exit_code in (1, 2)
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "out.png").exists()
