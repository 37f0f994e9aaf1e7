"""GANs that make points instead of images, with the same players, protocol and parity."""

import numpy as np
import pytest
from support.commands import HOME, needs_a_backend, needs_both, on_each, refused, said
from support.in_process import in_process

from gandem.core.data.dataset import Dataset, load_dataset
from gandem.core.data.images import draw_scatter
from gandem.core.errors import DataError, SpecError
from gandem.core.runs import Settings, open_run, train
from gandem.core.specs import Image, Points, change, from_toml, to_toml
from gandem.core.specs.loading import load_spec
from gandem.core.training import Feed
from gandem.data.mixtures import GRID, RING
from gandem.losses.non_saturating import NonSaturating
from gandem.metrics import mode_coverage
from gandem.visualize.interpolation import interpolate
from gandem.visualize.traversal import traverse

SMALL = {"image": 2, "latent": 2, "hidden": [16, 16], "discriminator_hidden": [16]}
SET = [f"--set={name}={value}" for name, value in SMALL.items()]
MEANS = {"ring": (RING, 0.02), "grid": (GRID, 0.05)}


def spec(**more):
    return load_spec("mlp-gan", SMALL | more)


@pytest.mark.parametrize("name", MEANS)
def test_a_mixture_has_as_many_points_of_each_component_around_its_mean(name):
    means, deviation = MEANS[name]
    data = load_dataset(name)

    assert (data.images.dtype, data.shape, data.classes) == (np.float32, (2,), len(means))
    assert np.ptp(np.bincount(data.labels)) <= 1
    assert data.digest == load_dataset(name).digest
    for label, mean in enumerate(means):
        own = data.images[data.labels == label]
        assert np.allclose(own.mean(0), mean, atol=5 * deviation / np.sqrt(len(own)))
        assert np.allclose(own.std(0), deviation, rtol=0.15)


def test_points_are_part_of_a_spec_and_come_back_from_a_file():
    point_spec = spec()

    assert point_spec.image == Points(size=2)
    assert from_toml(to_toml(point_spec)) == point_spec
    assert change(point_spec, {"image.high": 3}).image == Points(size=2, high=3.0)
    assert isinstance(load_spec("mlp-gan").image, Image)


def test_the_field_of_an_image_that_is_meant_is_named():
    with pytest.raises(SpecError, match=r"image: unknown field 'heigth'\. Did you mean 'height'"):
        from_toml(to_toml(load_spec("mlp-gan")).replace("height", "heigth"))
    with pytest.raises(SpecError, match=r"image.size: expected 1 ≤ a number"):
        from_toml(to_toml(spec()).replace("size = 2\nlow", "size = 0\nlow"))


def test_points_enter_the_networks_as_they_are():
    data = load_dataset("ring")
    feed = Feed(spec(), NonSaturating(), data, seed=1, precision="float64")

    assert np.array_equal(feed(3)["real/0"], data.images[feed.rows_of(3)].astype("f8"))


@pytest.mark.parametrize(
    "setting",
    ["training.flip", "augment.flip", "augment.translation", "augment.cutout"],
)
def test_points_have_no_pixels_to_move(setting):
    value = 0.25 if setting.endswith(("translation", "cutout")) else True
    with pytest.raises(SpecError, match=rf"{setting}: .* no pixels to move; set"):
        spec(**{setting: value})


def test_instance_noise_and_penalties_are_for_points_too():
    noisy = spec(**{"training.instance_noise": 0.1, "loss.gradient_penalty": 1.0})
    inputs = Feed(noisy, NonSaturating(), load_dataset("ring"), 1, "float32")(0)

    assert inputs["disturbance/real/0"].shape == (64, 2)
    assert inputs["mix/0"].shape == (64, 1)


def test_data_of_the_other_kind_is_refused_with_the_remedy():
    points, images = load_dataset("ring"), load_dataset("digits")
    with pytest.raises(DataError, match=r"expects \(28, 28, 1\); .* with --set image=2"):
        Feed(load_spec("mlp-gan"), NonSaturating(), points, 0, "float32")
    with pytest.raises(DataError, match=r"\(28, 28, 1\), the spec 'mlp-gan' expects points of 2"):
        Feed(spec(), NonSaturating(), images, 0, "float32")
    with pytest.raises(DataError, match="of 2 numbers, the spec 'mlp-gan' expects points of"):
        Feed(spec(image=3), NonSaturating(), points, 0, "float32")


def test_own_points_come_from_a_file(tmp_path):
    mine = np.random.default_rng(0).normal(size=(50, 3))
    np.savez(tmp_path / "mine.npz", images=mine, labels=np.arange(50) % 5)

    data = load_dataset(f"npz:{tmp_path / 'mine.npz'}")

    assert data.images.dtype == np.float32
    assert np.array_equal(data.images, mine.astype("f4"))
    assert data.classes == 5


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_points_that_are_not_finite_are_refused(tmp_path, bad):
    np.savez(tmp_path / "mine.npz", images=np.full((50, 2), bad))

    with pytest.raises(DataError, match="not finite"):
        load_dataset(f"npz:{tmp_path / 'mine.npz'}")


def test_a_plot_shows_each_point_at_its_position():
    drawn = draw_scatter(np.array([[2.0, 3.0]]), np.array([[-4.0, -4.0]]), (-5.0, 5.0), size=100)

    dark, pale = ((drawn == color).all(2) for color in ([26, 72, 140], [250, 178, 110]))
    for mask, (x, y) in ((dark, (2, 3)), (pale, (-4, -4))):
        rows, columns = np.nonzero(mask)
        assert abs(columns.mean() - (x + 5) / 10 * 99) < 1
        assert abs(rows.mean() - (99 - (y + 5) / 10 * 99)) < 1


def test_a_plot_accepts_far_and_non_finite_points():
    drawn = draw_scatter(np.array([[np.nan, 0.0], [1e30, -1e30], [np.inf, 1.0]]), None, (-1.0, 1.0))

    assert drawn.shape == (480, 480, 3)
    assert not (drawn == [26, 72, 140]).all(2).any()


@on_each
def test_a_run_of_points_trains_and_generates_points(tmp_path, backend):
    run = tmp_path / "run"
    command = ["train", "mlp-gan", "--data", "ring", "--backend", backend, *SET]
    output = said(*command, "--steps", "5", "--out", run)

    assert "ring, 10000 points" in output
    opened = open_run(run)
    points = opened.generate(7)
    assert (points.images.shape, points.images.dtype) == ((7, 2), np.float32)
    assert len(opened.samples()) == 1
    assert "1000 points" in said("generate", run, "-o", tmp_path / "some.png")
    said("generate", run, "-n", "30", "-o", tmp_path / "some.npz")
    assert load_dataset(f"npz:{tmp_path / 'some.npz'}").shape == (2,)
    assert "points of 2 numbers" in refused("traverse", run, "-o", tmp_path / "row.png")
    for walk in (lambda: interpolate(opened, 0, 1), lambda: traverse(opened, (0.0, 1.0))):
        with pytest.raises(SpecError, match="makes points of 2 numbers"):
            walk()


def test_the_data_command_shows_points(tmp_path):
    output = said("data", "grid", "-o", tmp_path / "grid.png")

    assert "10,000 points of 2 numbers" in output
    assert (tmp_path / "grid.png").stat().st_size > 1000


def test_points_without_names_are_no_data_set():
    with pytest.raises(DataError, match="no points"):
        Dataset("none", np.zeros((0, 2), np.float32))


@needs_both
def test_both_backends_interpolate_points_equally():
    with in_process(share_engines=True):
        output = said("parity", "mlp-gan", "--data", "ring", *SET, "--steps", "20", "--json")

    assert '"holds": true' in output


@pytest.mark.slow
@needs_a_backend
def test_a_quarter_of_the_recipe_of_point_gan_finds_every_mode_of_the_ring(tmp_path):
    notices = []
    settings = Settings(backend=HOME, steps=3900)
    run = train("point-gan", settings=settings, out=tmp_path / "run", notice=notices.append)

    coverage = mode_coverage(run.generate(2500).images, *MEANS["ring"])

    assert (run.record.data.name, coverage.modes) == ("ring", 8)
    assert coverage.high_quality > 0.6  # after the 15,600 steps of the recipe 0.9 and more
