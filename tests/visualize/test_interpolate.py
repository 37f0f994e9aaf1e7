"""Animations: from one class or noise to another, and of a run's samples; exact frame counts."""

import json
import shutil
import sys

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image
from support.commands import needs_a_backend, needs_both, refused, said

import gandem
from gandem.core.data.images import save_image
from gandem.core.errors import GandemError, RunError, SpecError
from gandem.core.training import fixed_inputs
from gandem.visualize.animation import Animation, animate
from gandem.visualize.images import scale_images
from gandem.visualize.interpolation import interpolate
from gandem.visualize.latent import slerp


def frames_of(path):
    """Return the frames of a GIF, RGB, and how long each stays, in milliseconds."""
    with Image.open(path) as animation:
        frames, times = [], []
        for place in range(animation.n_frames):
            animation.seek(place)
            frames.append(np.asarray(animation.convert("RGB")))
            times.append(animation.info["duration"])
    return np.stack(frames), times


def animation_of(frames):
    return Animation(lambda: iter(frames), len(frames), frames.shape[1:4])


# --- the way -------------------------------------------------------------------------------------


def test_the_spherical_path_keeps_the_length_and_has_equal_angles():
    a, b = np.array([[2.0, 0.0, 0.0]]), np.array([[0.0, 2.0, 0.0]])

    points = slerp(a, b, np.linspace(0, 1, 4))[:, 0]

    assert np.allclose(np.linalg.norm(points, axis=1), 2)
    assert np.allclose(np.degrees(np.arctan2(points[:, 1], points[:, 0])), [0, 30, 60, 90])


def test_the_spherical_path_reaches_both_ends_exactly():
    a, b = np.random.default_rng(0).normal(size=(2, 5, 100))

    points = slerp(a, b, np.array([0.0, 1.0]))

    assert (points[0] == a).all()
    assert (points[1] == b).all()


@pytest.mark.parametrize(("a", "b"), [(1.0, 2.0), (1.0, -1.0), (0.0, 1.0), (0.0, 0.0)])
def test_without_a_unique_circle_the_path_is_straight(a, b):
    points = slerp(np.full((1, 3), a), np.full((1, 3), b), np.array([0.0, 0.5, 1.0]))

    assert np.allclose(points[:, 0, 0], [a, (a + b) / 2, b])


# --- interpolate ---------------------------------------------------------------------------------


@needs_a_backend
def test_a_label_moves_from_class_to_class_while_the_noise_is_held(conditional):
    run = gandem.open_run(conditional)

    frames = list(interpolate(run, 1, 2, frames=5, size=None, seed=4).make())

    for label, frame in ((1, frames[0]), (2, frames[-1])):
        assert (frame == run.generate(1, label=label, seed=4).images).all()
    between = fixed_inputs(run.spec, 4, 1, "float32", np.array([1]))
    between["label"][:] = [0, 0.5, 0.5]
    outputs = run.engine().forward("generator", between)
    low, high = run.spec.image.low, run.spec.image.high
    assert np.abs(frames[2] - np.clip((outputs - low) / (high - low), 0, 1) * 255).max() <= 0.51


@needs_a_backend
@pytest.mark.parametrize("path", ["spherical", "linear"])
def test_noise_moves_from_seed_to_seed(run, path):
    opened = gandem.open_run(run)

    frames = list(interpolate(opened, 3, 5, frames=3, size=None, path=path, num_samples=2).make())

    for seed, frame in ((3, frames[0]), (5, frames[-1])):
        assert (frame == opened.generate(2, seed=seed).images).all()


@needs_a_backend
@pytest.mark.parametrize("arguments", [["--from", 0, "--to", 2], ["--between", "noise"]])
def test_a_gif_has_exactly_the_frames_and_the_size_asked_for(conditional, tmp_path, arguments):
    out = tmp_path / "morph.gif"

    said("interpolate", conditional, *arguments, "--frames", 300, "--size", 24, "-o", out)

    frames, times = frames_of(out)
    assert frames.shape == (300, 24, 24, 3)
    assert set(times) == {50}
    assert (frames[0] != frames[-1]).any()


@needs_a_backend
@pytest.mark.parametrize("frames", [2, 5, 6])
def test_bounce_returns_to_the_start_within_the_frames(conditional, tmp_path, frames):
    out = tmp_path / "morph.gif"

    said("interpolate", conditional, "--bounce", "--frames", frames, "-n", 2, "-o", out)

    result, _ = frames_of(out)
    assert result.shape == (frames, 96, 2 * 96 + 2, 3)
    assert (result[1] == result[-1]).all() or frames % 2


def test_resizing_keeps_the_aspect_ratio():
    images = np.zeros((3, 10, 20, 1), np.uint8)

    assert scale_images(images, 96).shape == (3, 48, 96, 1)
    assert scale_images(images, None) is images


@needs_a_backend
def test_a_strip_has_a_row_for_each_noise(conditional, tmp_path):
    out = tmp_path / "strip.png"

    data = json.loads(said("interpolate", conditional, "-n", 3, "-o", out, "--json"))

    assert data == {"out": str(out), "run": str(conditional), "frames": 10}
    height, width, _ = iio.imread(out).shape
    assert width == 4 + 10 * 100
    assert 3 * 100 < height < 3 * 100 + 40


@needs_both
def test_an_animation_is_the_same_on_the_other_backend(conditional, tmp_path):
    for backend in ("torch", "keras"):
        out = tmp_path / f"{backend}.gif"
        said("interpolate", conditional, "--frames", 4, "--backend", backend, "-o", out)

    a, b = (frames_of(tmp_path / f"{backend}.gif")[0].astype(int) for backend in ("torch", "keras"))
    assert np.abs(a - b).max() <= 2


REFUSED = {
    "--from 1 --to 1": "Both ends are 1; choose two different ones.",
    "--from 0 --to 3": "No class 3; expected 0 to 2.",
    "--from -1 --to 1": "No class -1; expected 0 to 2.",
    "--between noise --from -1": "seed: expected at least 0, received -1.",
    "--between noise --label 9": "No class 9; expected 0 to 2.",
    "--between category": "The model 'cgan' has no categories in its latent code.",
    "--path linear": "A label is interpolated linearly; leave the path out.",
    "--label 1": "The label is interpolated; leave the label out, or choose the noise.",
    "--size 8192 -n 10": "A picture of 81938 × 8192 pixels is too large",
    "--size 8192 -n 10000": "pixels is too large",
    "--fps nan": "fps: expected more than 0 and at most 50, received nan.",
    "--checkpoint 77": "it has no checkpoint 77",
    "--backend nope": "No backend named 'nope'.",
}


@needs_a_backend
@pytest.mark.parametrize(("arguments", "words"), REFUSED.items(), ids=list(REFUSED))
def test_interpolate_refuses_in_one_line_and_writes_nothing(
    conditional, tmp_path, arguments, words
):
    out = tmp_path / "x.gif"

    assert words in refused("interpolate", conditional, *arguments.split(), "-o", out)
    assert not list(tmp_path.iterdir())


@needs_a_backend
@pytest.mark.parametrize(
    "arguments",
    ["--frames 1", "--frames 0", "--frames x", "--size 0", "--fps 0", "--between all"],
)
def test_interpolate_refuses_misuse(conditional, tmp_path, arguments):
    out = tmp_path / "x.gif"

    words = refused("interpolate", conditional, *arguments.split(), "-o", out, code=2)

    assert words.endswith("See 'gandem interpolate --help'.")
    assert not list(tmp_path.iterdir())


@needs_a_backend
def test_an_unconditional_model_refuses_to_interpolate_labels(run, tmp_path):
    words = refused("interpolate", run, "--between", "label", "-o", tmp_path / "x.gif")

    assert words.startswith("The model 'dcgan' has no classes;")


@needs_a_backend
@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("x.jpg", "expected a name that ends in .gif or .mp4 or .png (a strip)."),
        ("missing/x.gif", "there is no folder"),
        ("folder.gif", "cannot be written"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(run, tmp_path, out, words):
    (tmp_path / "folder.gif").mkdir()

    assert words in refused("interpolate", run, "--frames", 2, "-o", tmp_path / out)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.gif"]


@needs_a_backend
@pytest.mark.parametrize("frames", [1, 0, -3])
def test_the_library_refuses_too_few_frames(run, frames):
    with pytest.raises(SpecError, match="frames: expected at least 2"):
        interpolate(gandem.open_run(run), frames=frames)


# --- files ---------------------------------------------------------------------------------------


def test_equal_frames_are_not_merged(tmp_path):
    animation_of(np.full((7, 1, 5, 9, 1), 40, np.uint8)).save(tmp_path / "x.gif")

    frames, _ = frames_of(tmp_path / "x.gif")

    assert frames.shape == (7, 5, 9, 3)
    assert (frames == 40).all()


def test_grays_are_exact_and_colors_close(tmp_path):
    gray = np.random.default_rng(0).integers(0, 256, (3, 1, 16, 16, 1), np.uint8)
    color = np.zeros((2, 1, 8, 8, 3), np.uint8)
    color[0, ..., 0], color[1, ..., 2] = 200, 100
    animation_of(gray).save(tmp_path / "gray.gif")
    animation_of(color).save(tmp_path / "color.gif")

    assert (frames_of(tmp_path / "gray.gif")[0] == gray[:, 0]).all()
    assert np.abs(frames_of(tmp_path / "color.gif")[0].astype(int) - color[:, 0]).max() <= 4


def test_fewer_colors_make_a_smaller_gif(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 2, 1, 32, 32, 3), np.uint8)
    for name, frames in {"gray": images[0, ..., :1], "color": images[1]}.items():
        animation_of(frames).save(tmp_path / "all.gif")
        animation_of(frames).save(tmp_path / "few.gif", colors=4)

        shown = frames_of(tmp_path / "few.gif")[0][0].reshape(-1, 3)
        assert len(np.unique(shown, axis=0)) <= 4
        assert np.abs(shown.astype(int) - frames[0, 0].reshape(-1, frames.shape[-1])).mean() < 60, (
            name
        )
        assert (tmp_path / "few.gif").stat().st_size < 0.7 * (tmp_path / "all.gif").stat().st_size


@pytest.mark.parametrize("fps", [1, 12, 30, 50])
def test_the_mean_frame_rate_is_exact_and_the_last_frame_is_held(tmp_path, fps):
    animation_of(np.zeros((100, 1, 2, 2, 1), np.uint8)).save(tmp_path / "x.gif", fps=fps, hold=1.5)

    _, times = frames_of(tmp_path / "x.gif")

    assert abs(sum(times) - 1500 - 100_000 / fps) <= 10
    assert times[-1] >= 1500


@pytest.mark.parametrize("loop", [True, False])
def test_a_gif_repeats_unless_loop_is_off(tmp_path, loop):
    animation_of(np.zeros((2, 1, 2, 2, 1), np.uint8)).save(tmp_path / "x.gif", loop=loop)

    with Image.open(tmp_path / "x.gif") as animation:
        assert animation.info.get("loop") == (0 if loop else None)


@pytest.mark.parametrize(
    "more", [{"fps": 0}, {"fps": 51}, {"fps": float("nan")}, {"hold": -1}, {"colors": 1}]
)
def test_rates_that_no_gif_has_are_refused(tmp_path, more):
    with pytest.raises(SpecError, match="expected"):
        animation_of(np.zeros((2, 1, 2, 2, 1), np.uint8)).save(tmp_path / "x.gif", **more)

    assert not list(tmp_path.iterdir())


def test_an_animation_that_fails_leaves_the_old_file(tmp_path):
    def make():
        yield np.zeros((1, 2, 2, 1), np.uint8)
        raise RunError("no more")

    (tmp_path / "x.gif").write_bytes(b"old")

    with pytest.raises(RunError, match="no more"):
        Animation(make, 2, (1, 2, 2)).save(tmp_path / "x.gif")

    assert (tmp_path / "x.gif").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_mp4_has_its_frames_and_holds_the_last(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="pip install imageio-ffmpeg")
    frames = np.random.default_rng(0).integers(0, 256, (12, 1, 33, 47, 1), np.uint8)

    animation_of(frames).save(tmp_path / "x.mp4", fps=10, hold=0.5)

    assert ffmpeg.count_frames_and_secs(str(tmp_path / "x.mp4")) == (17, 1.7)


@needs_a_backend
def test_without_ffmpeg_one_line_says_how_to_get_it(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)

    words = refused("interpolate", run, "-o", tmp_path / "x.mp4")

    assert words == (
        "MP4 needs ffmpeg. Install it with: pip install 'imageio[ffmpeg]', or write a .gif."
    )


# --- animate -------------------------------------------------------------------------------------


@needs_a_backend
def test_samples_become_an_animation_titled_with_epochs(run, tmp_path):
    words = said("animate", run, "-o", tmp_path / "growth.gif", "--fps", 4, "--hold", 3)

    frames, times = frames_of(tmp_path / "growth.gif")
    assert words == f"2 frames in {tmp_path / 'growth.gif'}\n"
    assert times == [250, 3250]
    for frame, path in zip(frames, gandem.open_run(run).samples(), strict=True):
        samples = iio.imread(path)
        assert (frame[-len(samples) :] == samples).all()
    head = len(frames[0]) - len(samples)
    assert (frames[0][:head] != frames[1][:head]).any()


@needs_a_backend
def test_a_run_without_samples_or_with_bad_ones_is_refused(run, tmp_path, runs_copy):
    folder = runs_copy(run)
    last = sorted((folder / "samples").glob("*.png"))[-1]
    save_image(last, np.zeros((3, 3, 3), np.uint8))
    assert "3 × 3 pixels, those of the first" in refused(
        "animate", folder, "-o", tmp_path / "x.gif"
    )
    last.write_bytes(b"GIF89a no image at all")
    assert "not a PNG, or damaged." in refused("animate", folder, "-o", tmp_path / "x.gif")
    for path in (folder / "samples").iterdir():
        path.unlink()
    assert "it has no samples" in refused("animate", folder, "-o", tmp_path / "x.gif")
    assert not (tmp_path / "x.gif").exists()


@needs_a_backend
def test_samples_are_scaled(run):
    animation = animate(gandem.open_run(run), 40)

    (first, *_) = animation.make()

    assert first.shape[:3] == animation.shape
    assert animation.shape[2] == 40
    with pytest.raises(GandemError, match="too large"):
        animate(gandem.open_run(run), 8000)


@pytest.fixture
def runs_copy(tmp_path):
    """Return a function that copies a run, to be spoilt."""
    return lambda run: shutil.copytree(run, tmp_path / "copy")
