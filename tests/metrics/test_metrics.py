"""Metrics agree with the libraries that papers use."""

import subprocess
import sys

import numpy as np
import pytest

from gandem import metrics
from gandem.core.rng import Purpose, part_of, stream
from gandem.metrics import (
    Moments,
    Normal,
    class_accuracy,
    diversity,
    frechet_distance,
    inception_score,
    kernel_distance,
    nearest_training,
    precision_recall,
)

SIZES = [(300, 300, 12), (250, 400, 64), (60, 80, 100)]
"""(N, M, D): equal numbers, unequal numbers, fewer images than features."""


def near(value):
    return pytest.approx(value, rel=1e-6, abs=1e-9)


def draw(fakes, reals, features, seed=0):
    """Return correlated features of two kinds that overlap in part."""
    drawn = np.random.default_rng(seed)
    mixed = drawn.normal(size=(features, features)) / features**0.5
    real = drawn.normal(size=(reals, features)) @ mixed
    return drawn.normal(size=(fakes, features)) @ mixed * 1.1 + 0.2, real


def softmax(logits):
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


# --- the libraries that papers report ------------------------------------------------------------


by_each_way = pytest.mark.parametrize("of", [Moments.of, Normal.of], ids=["moments", "samples"])


@by_each_way
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_frechet_distance_is_that_of_the_root_which_scipy_takes(sizes, of):
    import scipy.linalg

    fake, real = draw(*sizes)
    shift = np.square(fake.mean(0) - real.mean(0)).sum()
    fakes, reals = np.cov(fake.T), np.cov(real.T)
    common = np.trace(scipy.linalg.sqrtm(fakes @ reals).real)

    result = frechet_distance(of(fake), of(real))

    assert result == near(shift + np.trace(fakes) + np.trace(reals) - 2 * common)


@by_each_way
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_frechet_distance_is_that_of_the_samples_singular_values(sizes, of):
    import scipy.linalg

    fake, real = draw(*sizes)
    shift = np.square(fake.mean(0) - real.mean(0)).sum()
    fakes, reals = ((x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (fake, real))
    common = scipy.linalg.svdvals(fakes @ reals.T).sum()  # no covariance, hence no root of one

    result = frechet_distance(of(fake), of(real))

    expected = shift + np.square(fakes).sum() + np.square(reals).sum() - 2 * common
    assert result == pytest.approx(expected, rel=1e-10)


@by_each_way
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_frechet_distance_is_that_of_torchmetrics_and_of_torch_fidelity(sizes, of):
    import torch
    from torch_fidelity.metric_fid import fid_statistics_to_metric
    from torchmetrics.image.fid import _compute_fid

    fake, real = draw(*sizes)
    fakes, reals = ({"mu": x.mean(0), "sigma": np.cov(x.T)} for x in (fake, real))
    tensors = [torch.from_numpy(given[key]) for given in (fakes, reals) for key in given]

    result = frechet_distance(of(fake), of(real))

    assert result == near(float(_compute_fid(*tensors)))
    other = fid_statistics_to_metric(fakes, reals, verbose=False)
    assert result == near(other["frechet_inception_distance"])


@pytest.mark.parametrize(
    "sizes", [(60, 60, 60), (61, 60, 60), (60, 300, 100), (2, 300, 100)], ids=str
)
@pytest.mark.parametrize("flat", [0, 30])
def test_the_distance_of_samples_is_that_of_their_moments(sizes, flat):
    """Also where one has more samples than features, or some features never change."""
    fake, real = draw(*sizes)
    fake[:, :flat], real[:, :flat] = 0.25, 0.5

    result = frechet_distance(Normal.of(fake), Normal.of(real))

    other = frechet_distance(Moments.of(fake), Moments.of(real))
    assert result == pytest.approx(other, rel=1e-9)
    assert frechet_distance(Normal.of(fake), Moments.of(real)) == pytest.approx(other, rel=1e-9)


@pytest.mark.parametrize("features", [12, 84])
def test_the_kernel_distance_of_all_samples_is_that_of_torchmetrics(features):
    import torch
    from torchmetrics.image.kid import poly_mmd

    fake, real = draw(200, 200, features)

    result = kernel_distance(fake, real)

    assert (result.subsets, result.size) == (0, 200)
    assert result.value == near(float(poly_mmd(torch.from_numpy(real), torch.from_numpy(fake))))


def test_the_kernel_distance_is_the_mean_of_that_of_torch_fidelity_over_the_subsets():
    from torch_fidelity.metric_kid import kernel_mmd

    fake, real = draw(150, 180, 12)
    each = []
    for turn in range(7):
        drawn = stream(5, Purpose.METRICS, step=turn, part=part_of("kernel distance"))
        fakes, reals = drawn.permutation(150)[:50], drawn.permutation(180)[:50]
        each.append(kernel_mmd(fake[fakes], real[reals]))

    result = kernel_distance(fake, real, subsets=7, size=50, seed=5)

    assert result.value == near(np.mean(each))
    assert result.error == near(np.std(each, ddof=1) / 7**0.5)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_precision_recall_density_and_coverage_are_those_of_prdc(sizes, k):
    import prdc

    fake, real = draw(*sizes)
    theirs = prdc.compute_prdc(real, fake, k)

    result = precision_recall(fake, real, k=k)

    assert {name: getattr(result, name) for name in theirs} == near(theirs)
    assert 0 < result.coverage < 1


def test_precision_and_recall_are_those_of_torch_fidelity():
    import torch
    from torch_fidelity.metric_prc import calculate_precision_recall_full

    fake, real = draw(250, 400, 12)
    tensors = map(torch.from_numpy, (fake, real))

    result = precision_recall(fake, real, k=3)

    assert (result.precision, result.recall) == near(calculate_precision_recall_full(*tensors, 3))


def test_the_inception_score_is_that_of_torch_fidelity():
    import torch
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = 3 * draw(500, 1, 10)[0]
    order = stream(4, Purpose.METRICS, part=part_of("inception score")).permutation(500)
    theirs = isc_features_to_metric(torch.from_numpy(logits[order]), splits=10, shuffle=False)

    result = inception_score(softmax(logits), splits=10, seed=4)

    assert result.mean == near(theirs["inception_score_mean"])
    assert result.deviation == near(theirs["inception_score_std"])


def test_the_nearest_samples_and_the_diversity_are_those_of_scipy():
    from scipy.spatial import cKDTree
    from scipy.spatial.distance import pdist

    fake, real = draw(250, 400, 12)
    distances, indices = cKDTree(real).query(fake)

    neighbors = nearest_training(fake, real)
    differences = diversity(fake, real)

    np.testing.assert_array_equal(neighbors.indices, indices)
    np.testing.assert_allclose(neighbors.distances, distances, rtol=1e-12)
    assert (differences.fake, differences.real) == near((pdist(fake).mean(), pdist(real).mean()))
    few = diversity(fake[:9], real[:9])
    assert few.fake == pytest.approx(pdist(fake[:9]).mean(), rel=1e-11)


def test_accuracy_and_confusion_are_those_of_scikit_learn():
    from sklearn.metrics import confusion_matrix as theirs
    from sklearn.metrics import recall_score

    drawn = np.random.default_rng(0)
    requested = drawn.integers(0, 5, 300)
    predicted = np.where(drawn.random(300) < 0.7, requested, drawn.integers(0, 5, 300))

    result = class_accuracy(requested, predicted, 5)

    np.testing.assert_array_equal(result.matrix, theirs(requested, predicted))
    assert result.of_class == near(tuple(recall_score(requested, predicted, average=None)))
    assert result.accuracy == (requested == predicted).mean()


# --- the room ------------------------------------------------------------------------------------


def test_the_package_lists_its_public_names():
    public = {name for name, value in vars(metrics).items() if callable(value)}

    assert public == set(metrics.__all__)
    assert metrics.__all__ == sorted(metrics.__all__)


def test_metrics_need_numpy_and_nothing_else():
    code = "import gandem.metrics, sys; print({name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    others = {"torch", "tensorflow", "keras", "scipy", "sklearn", "torchmetrics", "pluggy", "PIL"}
    assert not eval(done.stdout) & others
