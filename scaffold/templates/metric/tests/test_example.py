"""The metric has the values of its formula, and is part of an evaluation."""

import numpy as np
from gandem.core.data.dataset import Dataset
from gandem.metrics.evaluation import Features, RealSide
from gandem.metrics.evaluation.features import load_extractor

from my_plugin.example import example

METRIC = "my-plugin/example"


def features(value: float) -> Features:
    return Features(np.full((4, 3), value, np.float32))


def test_equal_features_have_no_distance():
    assert example(features(1.0), features(1.0)) == 0.0


def test_distance_is_euclidean():
    assert example(features(0.0), features(2.0)) == np.sqrt(12)


def test_evaluation_includes_the_metric(tmp_path, monkeypatch):
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path))
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)

    real = RealSide(Dataset(name="noise", images=images), load_extractor("pixels", ""), count=20)
    scores = real.score("black", [np.zeros_like(images[:20])])

    assert scores.values[METRIC] > real.real_baseline[METRIC] > 0
