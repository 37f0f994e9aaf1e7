"""The extractor returns the means of blocks."""

import numpy as np
import pytest
from gandem.core.errors import DataError
from gandem.metrics.evaluation.features import load_extractor

EXTRACTOR = "my-plugin/example"


def test_features_are_the_means_of_blocks():
    images = np.zeros((2, 28, 28, 1), np.uint8)
    images[0, :7, :7] = 49

    features, probabilities = load_extractor(EXTRACTOR, "torch")(images)

    assert features.shape == (2, 16)
    assert features[0].tolist() == [49, *[0] * 15]
    assert probabilities is None


def test_images_of_another_shape_are_refused():
    with pytest.raises(DataError, match="28×28×1"):
        load_extractor(EXTRACTOR, "torch")(np.zeros((2, 32, 32, 3), np.uint8))
