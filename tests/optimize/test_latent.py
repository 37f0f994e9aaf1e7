"""Projection of images, directions of the latent space, and the commands that use both."""

import json

import numpy as np
import pytest
from PIL import Image
from support.commands import gandem, needs_a_backend, on_each

import gandem as package
from gandem.core.errors import SpecError
from gandem.core.runs import open_run
from gandem.core.runs.generation.latents import LatentVectors, read_latents
from gandem.core.runs.generation.styles import find_styles
from gandem.core.specs import load_spec

pytestmark = needs_a_backend
FAST = {"steps": 200, "restarts": 3, "noise": 0.0}


@on_each
def test_images_of_the_generator_are_projected_and_generated_again(run, backend):
    targets = open_run(run).generate(4, seed=5).images

    projection = package.project(run, targets, backend=backend, **FAST)

    assert (projection.errors < 2).sum() >= 3
    again = open_run(run).generate(latent=projection.latent, backend=backend).images
    assert np.abs(again.astype(int) - projection.images).max() <= 1


def test_more_images_than_one_batch_are_projected_alike(run, monkeypatch):
    targets = open_run(run).generate(3, seed=5).images
    together = package.project(run, targets, **FAST)
    monkeypatch.setattr("gandem.optimize.projection.MAX_ROWS", 3)

    apart = package.project(run, targets, **FAST)

    np.testing.assert_allclose(apart.latent.vectors, together.latent.vectors, atol=1e-3)


def test_the_label_of_an_image_is_searched_unless_it_is_given(conditional):
    targets = open_run(conditional).generate(3, label=2, seed=9).images

    searched = package.project(conditional, targets, **FAST)
    given = package.project(conditional, targets, label=1, **FAST)

    assert (given.latent.labels == 1).all()
    assert searched.errors.mean() <= given.errors.mean() + 0.5
    assert (searched.latent.labels < 3).all()


def test_features_without_a_network_are_refused(run):
    with pytest.raises(SpecError, match="'pixels' gives no network to differentiate"):
        package.project(run, np.zeros((1, 8, 8, 1), np.uint8), features="pixels", **FAST)


@pytest.fixture
def vectors(tmp_path, run):
    """The file of two projected images, and their paths."""
    paths = []
    for index, image in enumerate(open_run(run).generate(2, seed=3).images):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(image[..., 0]).save(paths[-1])
    out = tmp_path / "vectors.npz"
    options = ("--steps", "60", "--restarts", "2", "--beside", tmp_path / "beside.png", "--json")
    done = gandem("project", run, *paths, "-o", out, *options)
    assert done.exit_code == 0, done.output
    return out, paths, json.loads(done.stdout)


def test_projected_vectors_are_generated_and_interpolated(tmp_path, run, vectors):
    out, _, facts = vectors
    strip, grid = tmp_path / "strip.png", tmp_path / "images.npz"

    done = [
        gandem("generate", run, "--latent", out, "-o", grid),
        gandem("interpolate", run, "--latent", out, "--frames", "3", "-o", strip),
    ]

    assert [each.exit_code for each in done] == [0, 0], [each.output for each in done]
    with np.load(out) as stored, np.load(grid) as generated:
        assert (generated["images"] == stored["images"]).all()
        assert facts["errors"] == stored["errors"].tolist()
    assert strip.exists()
    with Image.open(tmp_path / "beside.png") as beside:
        assert beside.size[1] > 2 * 56


def test_two_images_are_the_ends_of_an_interpolation(tmp_path, run, vectors, monkeypatch):
    _, paths, _ = vectors
    vectors = LatentVectors(np.arange(8.0).reshape(2, 4))
    asked = []

    def project(run, images, **options):
        asked.append([str(image) for image in images])
        return type("Projection", (), {"latent": vectors})

    monkeypatch.setattr("gandem.optimize.projection.project", project)
    ends = ("--from-image", paths[0], "--to-image", paths[1])

    done = gandem("interpolate", run, *ends, "--frames", "3", "-o", tmp_path / "a.gif")

    assert done.exit_code == 0, done.output
    assert asked == [[str(path) for path in paths]]


@pytest.fixture(scope="module")
def styled(tmp_path_factory):
    """A run of a small stylegan2, trained for a step."""
    folder = tmp_path_factory.mktemp("styled") / "run"
    package.train(load_spec("stylegan2", small=True), data="digits", steps=1, out=folder)
    return folder


def test_styles_are_projected_generated_and_interpolated(tmp_path, styled):
    run = open_run(styled)
    targets = run.generate(3, seed=4).images

    projection = package.project(styled, targets, features="", **FAST)

    size = find_styles(run.spec).statistics[0].shape[0]
    assert (projection.latent.are_styles, projection.latent.vectors.shape) == (True, (3, size))
    assert (projection.errors < 2).all()
    projection.save(tmp_path / "w.npz")
    again = run.generate(latent=read_latents(tmp_path / "w.npz")).images
    assert np.abs(again.astype(int) - projection.images).max() <= 1
    ends = LatentVectors(projection.latent.vectors[:2], are_styles=True)
    frames = list(package.interpolate(styled, latent=ends, frames=3, size=None).make())
    for frame, image in zip((frames[0], frames[-1]), projection.images, strict=False):
        assert np.abs(frame[0].astype(int) - image).max() <= 1


def test_a_generator_whose_outputs_a_loss_reads_has_directions(styled):
    assert package.directions(styled, count=1, samples=10).vectors.shape == (1, 8)


@pytest.mark.parametrize("method", ["pca", "weights"])
def test_the_first_direction_changes_the_layer_most(run, method):
    result = package.directions(run, method=method, count=4, samples=300)

    kernel = open_run(run).state()["generator/dense/kernel"]
    changes = np.linalg.norm(result.vectors @ kernel, axis=1)
    assert changes[0] > changes[-1]
    np.testing.assert_allclose(np.linalg.norm(result.vectors, axis=1), 1)
    assert (np.diff(result.shares) <= 0).all()
    if method == "weights":
        product = result.vectors @ kernel @ kernel.T  # eigenvectors
        lengths = (product * result.vectors).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(product, lengths * result.vectors, atol=1e-4 * lengths.max())


@on_each
def test_directions_are_equal_on_all_frameworks(run, backend):
    result = package.directions(run, backend=backend, samples=100)

    expected = package.directions(run, samples=100)
    np.testing.assert_allclose(result.vectors, expected.vectors, atol=1e-3)


def test_directions_are_drawn_and_traversed(tmp_path, run):
    out, row = tmp_path / "directions.npz", tmp_path / "row.png"

    done = [
        gandem("directions", run, "-n", "3", "--samples", "50", "-o", out),
        gandem("traverse", run, "--direction", f"{out}:2", "--values", "-2:2:5", "-o", row),
        gandem("traverse", run, "--direction", f"{out}:3", "-o", row),
        gandem("traverse", run, "--direction", out, "--dimension", "1", "-o", row),
    ]

    assert [each.exit_code for each in done] == [0, 0, 1, 1], [each.output for each in done]
    assert out.with_suffix(".png").exists()
    assert "1 × 5 images" in done[1].stdout
    assert "No direction 3; expected 0 to 2." in done[2].stderr
    assert "A direction moves the noise; leave the dimensions" in done[3].stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("project", "{run}", "{tmp}/none.png"), "none.png: cannot be read as a picture"),
        (("project", "{run}", "{image}", "--label", "1"), "has no classes"),
        (("generate", "{run}", "--latent", "{tmp}/none.npz"), "npz: there is no such file."),
        (("generate", "{run}", "--latent", "{image}"), "it is not an .npz file of arrays, or is"),
        (("generate", "{run}", "--latent", "{tmp}"), "it is not a file."),
        (("generate", "{run}", "--latent", "{empty}"), "it has no vectors; its array has"),
        (
            ("generate", "{run}", "--latent", "{one}", "--truncation", "0.5"),
            "--latent cannot be combined with --num-samples, --each-label, --label or --truncation",
        ),
        (("interpolate", "{run}", "--latent", "{one}", "--truncation", "0.5"), "--truncation or"),
        (("project", "{run}", "{image}", "--steps"), "See 'gandem project --help'."),
        (
            ("traverse", "{run}", "--direction", "{lines}:x"),
            "expected the number of a direction after the colon, from 0, received 'x'.",
        ),
        (
            ("generate", "{run}", "--latent", "{other}"),
            "expected an array 'noise' or 'styles', received",
        ),
        (("generate", "{run}", "--latent", "{wide}"), "have the shape (1, 9), the model"),
        (("generate", "{run}", "--latent", "{wide}", "-n", "3"), "--latent cannot be combined"),
        (
            ("interpolate", "{run}", "--from", "x"),
            "has no classes; expected a number, received 'x'",
        ),
        (("interpolate", "{run}", "--from-image", "{image}"), "Choose --from-image and --to-image"),
        (("interpolate", "{run}", "--latent", "{one}"), "Expected two latent vectors, received 1"),
        (("directions", "{run}", "--layer", "densse"), "no layer 'densse'. Did you mean 'dense'?"),
        (("directions", "{run}", "--method", "weights", "--layer", "dense"), "leave the layer out"),
        (
            ("traverse", "{run}", "--direction", "{wide}"),
            "expected an array 'directions', received 'noise'",
        ),
    ],
)
def test_bad_input_is_one_line(tmp_path, run, arguments, message):
    files = {"run": run, "tmp": tmp_path, "image": tmp_path / "image.png"}
    Image.new("L", (8, 8)).save(files["image"])
    arrays = {"other": {"x": np.zeros(2)}, "wide": {"noise": np.zeros((1, 9))}}
    arrays |= {"one": {"noise": np.zeros((1, 4))}, "empty": {"noise": np.zeros((0, 4))}}
    arrays["lines"] = {"directions": np.ones((2, 4))}
    for name, content in arrays.items():
        files[name] = tmp_path / f"{name}.npz"
        np.savez(files[name], **content)

    done = gandem(*(argument.format(**files) for argument in arguments))

    assert done.exit_code in (1, 2)
    assert len(done.stderr.strip().splitlines()) == 1
    assert message in done.stderr


def test_vectors_of_a_conditional_model_need_labels(conditional):
    with pytest.raises(SpecError, match="has classes, but the file lacks 'labels'"):
        open_run(conditional).generate(latent=LatentVectors(np.zeros((1, 4))))


def test_a_file_of_vectors_never_runs_code(tmp_path):
    np.savez(tmp_path / "bad.npz", noise=np.array([{}], dtype=object))

    with pytest.raises(package.GandemError, match="file of arrays, or is damaged"):
        read_latents(tmp_path / "bad.npz")
