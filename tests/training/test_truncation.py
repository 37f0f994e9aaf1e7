"""The truncation trick: normal noise within limits, the same on all backends."""

import numpy as np
import pytest
from scipy.stats import kstest, truncnorm

from gandem.core.errors import SpecError
from gandem.core.specs.loading import load_spec
from gandem.core.training import fixed_inputs, fixed_parts


def noise(limit, spec=None, rows=200):
    spec = spec or load_spec("dcgan")
    return fixed_inputs(spec, 3, rows, "float64", truncation=limit)["noise"]


@pytest.mark.parametrize("limit", [0.04, 0.5, 2.0])
def test_noise_follows_the_truncated_normal_distribution(limit):
    drawn = noise(limit)

    assert np.abs(drawn).max() <= limit
    assert kstest(drawn.ravel(), truncnorm(-limit, limit).cdf).pvalue > 0.01


def test_noise_keeps_its_order_and_is_unchanged_by_a_large_limit():
    free = noise(None).ravel()

    assert (np.diff(noise(0.5).ravel()[np.argsort(free)]) >= 0).all()
    np.testing.assert_allclose(noise(np.inf).ravel(), free, rtol=1e-9, atol=1e-15)


def test_a_latent_code_is_not_truncated():
    spec = load_spec("infogan", {"latent.distribution": "normal"})
    codes = slice(0, spec.latent.categories + spec.latent.codes)
    short, free = noise(0.1, spec), noise(None, spec)

    np.testing.assert_array_equal(short[:, codes], free[:, codes])
    assert np.abs(short[:, codes.stop :]).max() <= 0.1


def test_truncated_parts_are_those_of_the_whole():
    spec = load_spec("dcgan")

    parts = fixed_parts(spec, 3, 23, "float64", size=5, truncation=0.5)

    np.testing.assert_array_equal(
        np.concatenate([part["noise"] for part in parts]), noise(0.5, rows=23)
    )


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_that_is_not_positive_is_refused(limit):
    with pytest.raises(SpecError, match="truncation: expected a number above 0, received"):
        noise(limit)


def test_uniform_noise_cannot_be_truncated():
    spec = load_spec("dcgan", {"latent.distribution": "uniform"})

    with pytest.raises(SpecError, match="only normal noise can be truncated"):
        noise(0.5, spec)
