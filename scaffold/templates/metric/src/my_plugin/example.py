"""A metric: the distance between the mean features of real and of fake images."""

import numpy as np
from gandem.core.data.features import Features


def example(real: Features, fake: Features) -> float:
    """Return the Euclidean distance of the mean features.

    Args:
        real: ``features`` float32 (N, D), and ``probabilities`` float64 (N, K) where the extractor
            is a classifier, otherwise None.
        fake: likewise, of equally many images.
    """
    means = [side.features.mean(axis=0, dtype=np.float64) for side in (real, fake)]  # (D,) each
    return float(np.linalg.norm(means[0] - means[1]))
