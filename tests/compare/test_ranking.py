"""Which group is best: the order, the corrected intervals, and the sentence."""

import pytest
from support.comparisons import PROTOCOL, make_comparison, make_grid, parse_page, write_scores

from gandem.compare import make_settings
from gandem.compare.analysis.ranking import rank_groups
from gandem.compare.labels import label_settings
from gandem.compare.report.charts import dot_axis

pytest.importorskip("scipy", reason="intervals use Student's t")


def ranking_of(scores, name="frechet", **changes):
    """Return the ranking of groups with these scores, one list per backend."""
    groups = {
        ("model", "setting", backend): [
            {"seed": seed, "values": {name: value}, "real_baseline": {}, "protocol": PROTOCOL}
            | changes.get(backend, {})
            for seed, value in enumerate(values)
        ]
        for backend, values in scores.items()
    }
    return rank_groups(groups, name, lambda row: row["backend"])


def verdicts(ranking):
    return {place["backend"]: place["verdict"] for place in ranking["places"]}


def test_the_lowest_distance_is_first():
    ranking = ranking_of({"a": [30, 31, 32], "b": [10, 11, 12], "c": [10, 11.5, 12]})

    assert verdicts(ranking) == {"b": "best", "c": "not distinguishable", "a": "worse"}
    assert [*verdicts(ranking)] == ["b", "c", "a"]


def test_the_highest_precision_is_first():
    ranking = ranking_of({"a": [0.1, 0.11, 0.12], "b": [0.9, 0.91, 0.92]}, "precision")

    assert verdicts(ranking) == {"b": "best", "a": "worse"}
    assert ranking["text"].startswith("Highest precision: b, 0.91")


def test_a_measure_without_a_direction_has_no_ranking():
    assert ranking_of({"a": [1, 2], "b": [3, 4]}, "density") is None


def test_the_level_is_corrected_for_the_number_of_pairs():
    groups = {"best": [10.0, 11.0, 12.0], "near": [14.0, 15.1, 15.8]}
    others = {f"other {n}": [50.0 + n, 51.0, 52.0] for n in range(8)}

    assert verdicts(ranking_of(groups))["near"] == "worse"
    ranking = ranking_of(groups | others)
    assert ranking["pairs"] == 45
    assert verdicts(ranking)["near"] == "not distinguishable"


def test_equal_scores_have_an_interval_of_no_width():
    ranking = ranking_of({"a": [5.0, 5.0], "b": [5.0, 5.0], "c": [6.0, 6.0]})

    assert [(place["low"], place["high"]) for place in ranking["places"][1:]] == [(0, 0), (1, 1)]
    assert verdicts(ranking) == {"a": "best", "b": "not distinguishable", "c": "worse"}


def test_one_seed_is_not_tested():
    assert verdicts(ranking_of({"a": [1.0], "b": [9.0]})) == {
        "a": "not tested",
        "b": "not tested",
    }


def test_groups_without_comparable_scores_come_last():
    other = {"protocol": PROTOCOL | {"fake": 7}}

    ranking = ranking_of({"a": [None, None], "b": [5, 9], "c": [1, 2], "d": [3, 4]}, c=other)

    assert verdicts(ranking) == {
        "d": "best",
        "b": "not distinguishable",
        "a": "not scored",
        "c": "other protocol",
    }


def test_the_sentence_names_the_best_and_few_others():
    scores = {"a": [10, 11, 12], "b": [10, 12, 12]} | {f"c{n}": [90 + n, 91, 92] for n in range(4)}

    assert ranking_of(scores)["text"] == (
        "Lowest Fréchet distance: a, 11 ± 1 over 3 seeds. Worse: 4 others. "
        "Not distinguishable from it: b."
    )


def test_scores_of_different_magnitude_have_a_logarithmic_axis():
    wide, narrow = dot_axis([2.0, 3.0, 400.0]), dot_axis([2.0, 3.0])

    assert (wide.is_log, narrow.is_log) == (True, False)
    assert 0.1 < wide.share(3.0) - wide.share(2.0) + 0.06 < wide.share(400.0) < 1
    assert [text for _, text in wide.ticks] == ["2", "400"]


def test_settings_keep_the_parts_of_paths_that_differ():
    paths = ("generator.optimizer.learning_rate", "discriminator.optimizer.learning_rate")
    settings = make_settings({path: [1, 2] for path in paths})

    labels = [*label_settings(settings).values()]

    assert labels[1] == ("generator…learning_rate=1, discriminator…learning_rate=2")
    assert len(set(labels)) == 4


def test_the_page_has_a_dot_for_each_seed_and_marks_the_best(tmp_path):
    settings = make_settings({"training.discriminator_steps": [1, 2]})
    comparison = make_comparison(tmp_path / "out", make_grid(settings=settings))
    for number, cell in enumerate(comparison.cells()):
        write_scores(comparison.folder(cell), frechet=10 * (1 + number % 4) + number / 10)

    page = parse_page(comparison)

    assert len(page.all("circle")) == 3 * 12  # of the three measures with a direction
    assert "Lowest Fréchet distance: discriminator_steps=1, torch, 10.4" in page.text
    assert len(page.all("td", **{"class": "verdict-best"})) == 3
    assert "corrected for all 6 pairs" in page.text
