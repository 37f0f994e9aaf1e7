"""Differences between groups of runs, with planted scores."""

import json
import sys

import pytest

from gandem.compare import compare_groups, format_difference

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize(
    ("groups", "verdict"),
    [
        ({"a": [10, 11, 12], "b": [10.3, 11.2, 12.4]}, "no difference seen"),
        ({"a": [10, 11, 12], "b": [20, 21, 22]}, "different"),
        ({"a": [10, 11], "b": [10.3, 11.2]}, "undecided"),
        ({"a": [10], "b": [30]}, "undecided"),
        ({"a": [1, 1, 1], "b": [1, 1, 1]}, "no difference seen"),
        ({"a": [1, 1, 1], "b": [2, 2, 2]}, "different"),
        ({"a": [1, 1, 1 + 1e-15], "b": [2, 2, 2]}, "different"),
    ],
)
def test_the_verdict_of_planted_scores(groups, verdict):
    (difference,) = compare_groups("frechet", groups)

    assert difference.verdict == verdict
    assert json.loads(json.dumps(difference.to_data()))["verdict"] == verdict


def test_the_interval_of_one_pair_is_that_of_welch():
    a, b = [10.0, 11.5, 12.2, 9.9], [13.0, 12.1, 15.2]

    (difference,) = compare_groups("frechet", {"a": a, "b": b})

    interval = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    ends = (difference.low, difference.high)
    assert ends == pytest.approx((interval.low, interval.high), rel=1e-12)


def test_each_pair_of_groups_is_compared_with_a_correction_for_their_number():
    groups = {"a": [1.0, 2.0, 3.0], "b": [2.0, 2.5, 4.0, 4.5], "c": [5.0, 5.5]}

    differences = compare_groups("frechet", groups)

    assert [(d.first, d.second, d.pairs) for d in differences] == [
        ("a", "b", 3),
        ("a", "c", 3),
        ("b", "c", 3),
    ]
    for d in differences:
        test = stats.ttest_ind(groups[d.second], groups[d.first], equal_var=False)
        interval = test.confidence_interval(1 - 0.05 / 3)
        assert (d.low, d.high) == pytest.approx((interval.low, interval.high), rel=1e-12)


def test_a_difference_that_the_correction_removes_is_undecided():
    a, b = [10.0, 11.0, 12.0], [13.1, 14.1, 15.1]
    others = {str(n): [100.0 * n, 100.0 * n + 1, 100.0 * n + 2] for n in range(3, 9)}

    (alone,) = compare_groups("frechet", {"a": a, "b": b})
    among_many = compare_groups("frechet", {"a": a, "b": b, **others})[0]

    assert (alone.verdict, among_many.verdict) == ("different", "undecided")
    assert among_many.low < 0 < alone.low


def test_the_detectable_difference_is_detected_with_a_probability_of_four_fifths():
    a, b = [10.0, 11.0, 12.0], [10.0, 11.0, 12.5]
    (difference,) = compare_groups("frechet", {"a": a, "b": b})
    test = stats.ttest_ind(b, a, equal_var=False)
    error = (difference.high - difference.low) / 2 / stats.t.ppf(0.975, test.df)

    noise = stats.t.ppf(0.2, test.df) * error  # exceeded in four of five experiments

    assert difference.detectable + noise == pytest.approx((difference.high - difference.low) / 2)


def test_without_scipy_there_is_no_interval_and_no_verdict(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    (difference,) = compare_groups("frechet", {"a": [1.0, 2.0, 3.0], "b": [11.0, 12.0, 13.0]})

    assert (difference.low, difference.high, difference.verdict) == (None, None, "undecided")
    assert "needs SciPy" in format_difference(difference)


@pytest.mark.parametrize(("measure", "best"), [("frechet", "0"), ("precision", "99")])
def test_very_many_groups_are_compared_with_the_best_only(measure, best):
    groups = {str(n): [n, n + 1, n + 3] for n in range(100)}

    differences = compare_groups(measure, groups)

    assert [d.first for d in differences] == [best] * 99
    assert {d.pairs for d in differences} == {4950}


def test_many_pairs_are_compared_in_one_call(monkeypatch):
    calls = []
    test = stats.ttest_ind
    monkeypatch.setattr(stats, "ttest_ind", lambda *a, **o: calls.append(1) or test(*a, **o))

    differences = compare_groups("frechet", {str(n): [n, n + 1, n + 3] for n in range(50)})

    assert (len(differences), len(calls)) == (1225, 1)
