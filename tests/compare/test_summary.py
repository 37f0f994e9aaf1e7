"""The verdict of a comparison with planted scores and parity reports."""

import json

import pytest
from support.comparisons import (
    make_comparison,
    make_grid,
    parse_page,
    write_parity_report,
    write_run,
    write_scores,
)

from gandem.compare import analyze, make_settings, open_comparison, plan
from gandem.compare import comparison as comparison_module

pytest.importorskip("scipy")

DEEP = '{"a":' * 3000 + "1" + "}" * 3000


def planted(path, *, apart=(), scores=None, **changes):
    """Return a comparison with scores of each column by seed; ``apart`` names unequal backends."""
    comparison = make_comparison(path, make_grid(**changes))
    for cell in comparison.cells():
        column = cell.setting.name if len(comparison.grid.settings) > 1 else cell.backend
        if scores:
            write_scores(comparison.folder(cell), frechet=scores[column][cell.seed])
    for key in comparison.parity_reports():
        if key[-1][1] in apart:
            write_parity_report(comparison, *key, apart=1e-9)
    return comparison


def verdict_of(comparison):
    return analyze(comparison)["verdict"]


def test_identical_backends_are_called_equal(tmp_path):
    same = {"torch": [10, 11, 12], "keras": [10, 11, 12]}

    assert verdict_of(planted(tmp_path / "out", scores=same)) == (
        "torch and keras compute the same up to rounding, in 3 measurements. Fréchet distance, "
        "keras minus torch: 0 ± 2.3, no difference seen with 3 seeds; a difference of 3 would have "
        "been seen."
    )


def test_unequal_backends_are_reported_first(tmp_path):
    same = {"torch": [10, 11, 12], "keras": [10.2, 11, 12]}

    assert verdict_of(planted(tmp_path / "out", scores=same, apart=["keras"])).startswith(
        "Not equal: torch and keras (3 of 3 measurements) differ by more than rounding explains, "
        "from step 1 on. Fréchet distance"
    )


def test_a_trajectory_is_held_to_the_largest_baseline_of_all_seeds(tmp_path):
    comparison = planted(tmp_path / "out")
    first, second, _ = comparison.parity_reports()
    write_parity_report(comparison, *first, apart=5.6e-14, baseline=5.1e-15)
    write_parity_report(comparison, *second, apart=7.7e-14, baseline=4.5e-14)

    paths = analyze(comparison)["parity"]

    assert [path["same"] for path in paths] == [True, True, True]
    assert paths[0]["ratio"] == pytest.approx(5.6 / 4.5)


@pytest.mark.parametrize(
    ("differences", "start"),
    [
        (9e-15, "torch and keras compute the same up to rounding, in 1 measurement."),
        (5e-14, "Undecided whether torch and keras compute the same: they differ by 50 × the"),
        (2e-13, "Not equal: torch and keras (1 of 1 measurement) differ by more"),
        (float("nan"), "Not equal: torch and keras (1 of 1 measurement) differ by more"),
    ],
)
def test_with_one_seed_a_moderate_difference_is_undecided(tmp_path, differences, start):
    comparison = planted(tmp_path / "out", seeds=(0,))
    write_parity_report(comparison, *next(iter(comparison.parity_reports())), apart=differences)

    assert verdict_of(comparison).startswith(start)


def test_a_diverging_baseline_decides_nothing(tmp_path):
    comparison = planted(tmp_path / "out")
    first, *_ = comparison.parity_reports()
    write_parity_report(comparison, *first, apart=float("nan"), baseline=float("nan"))

    paths = analyze(comparison)["parity"]

    assert [path["verdict"] for path in paths] == ["undecided", "equal", "equal"]
    assert (
        "Undecided whether torch and keras compute the same: all trainings diverge"
        in verdict_of(comparison)
    )
    assert "NaN" not in json.dumps(analyze(comparison))


def test_a_saturated_baseline_hides_no_difference_of_another_seed(tmp_path):
    comparison = planted(tmp_path / "out")
    *others, last = comparison.parity_reports()
    for key in others:
        write_parity_report(comparison, *key, apart=1e-9)
    write_parity_report(comparison, *last, apart=1e-2, baseline=1e-2, saturated=True)

    assert [path["same"] for path in analyze(comparison)["parity"]] == [False, False, None]


def test_a_failed_parity_measurement_is_counted(tmp_path):
    comparison = planted(tmp_path / "out")
    first, *_ = comparison.parity_reports()
    name = comparison.parity_name(*first)
    (comparison.path / "parity" / f"{name}.json").unlink()
    (comparison.path / "ended.jsonl").write_text(
        '{"job": "torn\n' + json.dumps({"job": name, "reason": "no memory"}) + "\n[]\n"
    )

    assert verdict_of(comparison).startswith(
        "torch and keras compute the same up to rounding, in 2 measurements. 1 of 3 parity "
        "measurements failed."
    )


def test_three_seeds_decide_for_any_variances(tmp_path):
    scores = {"torch": [10, 10, 10], "keras": [8, 10, 12]}

    assert "no difference seen with 3 seeds" in verdict_of(planted(tmp_path / "out", scores=scores))


def test_an_extended_run_is_scored_again(tmp_path):
    comparison = planted(tmp_path / "out")
    cell = comparison.cells()[0]
    place = comparison.folder(cell) / "scores.json"
    (row,) = json.loads(place.read_text())
    place.write_text(json.dumps([row | {"details": {"step": 39}}]))

    assert comparison.state(cell, {}).name == "not scored"
    assert [job.name for job in comparison.jobs(1)] == [cell.folder]


def test_averaged_weights_are_compared(tmp_path):
    comparison = planted(tmp_path / "out")
    assert "EMA" not in parse_page(comparison).text
    place = comparison.folder(comparison.cells()[0]) / "scores.json"
    (row,) = json.loads(place.read_text())
    raw = row | {"details": {"weights": "raw"}, "values": row["values"] | {"frechet": 77.0}}
    place.write_text(json.dumps([raw, row | {"details": {"weights": "averaged"}}]))

    cell = analyze(comparison)["cells"][0]

    assert (cell["values"]["frechet"], cell["weights"]) == (9.5, "averaged")
    assert "the averaged weights are scored" in parse_page(comparison).text


def test_a_job_that_failed_before_it_succeeded_is_no_problem(tmp_path):
    comparison = planted(tmp_path / "out")
    rows = [{"job": cell.folder, "reason": "killed"} for cell in comparison.cells()]
    (comparison.path / "ended.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    assert {cell["problem"] for cell in analyze(comparison)["cells"]} == {""}


@pytest.mark.parametrize("value", ["null", "1e200", "1" + "0" * 400])
def test_a_score_that_is_not_finite_is_omitted(tmp_path, value):
    comparison = planted(tmp_path / "out")
    place = comparison.folder(comparison.cells()[0]) / "scores.json"
    place.write_text(place.read_text().replace("9.5", value))

    outcome = analyze(comparison)

    assert outcome["cells"][0]["values"].get("frechet") is None
    assert len([row for row in outcome["differences"] if row["measure"] == "frechet"]) == 1


def test_one_seed_of_each_is_undecided(tmp_path):
    comparison = planted(tmp_path / "out", scores={"torch": [10], "keras": [30]}, seeds=(0,))

    assert "keras minus torch: 20, undecided: 1 seed does not show" in verdict_of(comparison)


def test_two_seeds_are_undecided(tmp_path):
    scores = {"torch": [10, 11], "keras": [10.5, 11.1]}

    assert "undecided: 2 seeds are too few" in verdict_of(
        planted(tmp_path / "out", scores=scores, seeds=(0, 1))
    )


def test_the_better_backend_is_named(tmp_path):
    scores = {"torch": [10, 11, 12], "keras": [30, 31, 32]}

    assert "20 ± 2.3, different with 3 seeds, torch is better." in verdict_of(
        planted(tmp_path / "out", scores=scores)
    )


def test_of_several_settings_the_best_is_named(tmp_path):
    scores = {"width=8": [30, 31, 32], "width=16": [10, 11, 12], "width=32": [10, 10.8, 12.1]}
    comparison = planted(
        tmp_path / "out",
        scores=scores,
        backends=("torch",),
        settings=make_settings({"width": [8, 16, 32]}),
    )

    assert verdict_of(comparison) == (
        "Lowest Fréchet distance: width=32, 11 ± 1.1 over 3 seeds. Worse: width=8. "
        "Not distinguishable from it: width=16."
    )


def test_models_are_compared_with_one_another_on_each_backend(tmp_path):
    comparison = planted(tmp_path / "out", models=("dcgan", "wgan"), parity_steps=0)
    for cell in comparison.cells():
        write_scores(
            comparison.folder(cell), frechet={"dcgan": 10, "wgan": 30}[cell.model] + cell.seed
        )

    rows = [row for row in analyze(comparison)["differences"] if row["group"].startswith("models")]

    assert {row["group"] for row in rows} == {"models, on torch", "models, on keras"}
    assert {row["text"] for row in rows if row["measure"] == "frechet"} == {
        "Fréchet distance, wgan minus dcgan: 20 ± 2.3, different with 3 seeds, dcgan is better"
    }
    assert "models, on torch: Fréchet distance" in parse_page(comparison).text


def test_scores_with_another_protocol_are_not_compared(tmp_path):
    comparison = planted(tmp_path / "out")
    place = comparison.folder(comparison.cells()[0]) / "scores.json"
    (row,) = json.loads(place.read_text())
    place.write_text(json.dumps([row | {"protocol": row["protocol"] | {"fake": 77}}]))

    outcome = analyze(comparison)

    (difference,) = [row for row in outcome["differences"] if row["measure"] == "frechet"]
    assert sorted(difference["seeds"]) == [2, 3]
    assert "The scores have 2 protocols" in outcome["verdict"]


def test_three_equal_backends_are_not_distinguishable(tmp_path):
    scores = {name: [10, 11, 12] for name in ("torch", "keras", "jax")}

    assert verdict_of(planted(tmp_path / "out", scores=scores, backends=tuple(scores))) == (
        "torch, keras and jax compute the same up to rounding, in 9 measurements. Lowest Fréchet "
        "distance: torch, 11 ± 1 over 3 seeds. Not distinguishable from it: keras and jax."
    )


def test_diverged_runs_are_counted(tmp_path):
    comparison = planted(tmp_path / "out", scores={"torch": [10, 11, 12], "keras": [10, 11, 12]})
    for seed, state in enumerate(("diverged", "diverged", "finished")):
        folder = comparison.folder(comparison.cells()[2 * seed + 1])
        facts = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(facts | {"state": state}))
        if state == "diverged":
            (folder / "scores.json").unlink()

    verdict = verdict_of(comparison)

    assert verdict.endswith("2 of 3 runs on keras diverged.")
    assert "undecided: 1 seed" in verdict


def test_a_single_run_without_scores_is_finished(tmp_path):
    comparison = planted(tmp_path / "out")
    folder = comparison.folder(comparison.cells()[0])
    (folder / "scores.json").unlink()

    verdict = verdict_of(open_comparison(folder))

    assert verdict == "One run, finished at step 40; no sign of trouble."


def test_each_run_is_opened_once(tmp_path, monkeypatch):
    comparison, opened = planted(tmp_path / "out"), []
    open_run = comparison_module.open_run
    monkeypatch.setattr(
        comparison_module, "open_run", lambda path: opened.append(path) or open_run(path)
    )

    analyze(comparison)

    assert sorted(opened) == sorted(comparison.folder(cell) for cell in comparison.cells())


def test_runs_that_are_not_done_are_counted(tmp_path):
    comparison = plan(tmp_path / "out", make_grid())
    assert verdict_of(comparison) == "6 of 6 runs not done yet."

    write_run(comparison, comparison.cells()[0])

    assert verdict_of(comparison) == "5 of 6 runs not done yet."


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("scores.json", "[1]"),
        ("scores.json", '[{"values": {"frechet": "many"}, "real_baseline": {}, "protocol": {}}]'),
        ("scores.json", "[]"),
        ("scores.json", '[{"values": {"frechet": NaN}, "real_baseline": {}, "protocol": {}}]'),
        ("scores.json", '[{"values": {}, "real_baseline": {}, "protocol": {}, "details": 1}]'),
        ("scores.json", '[{"values": {}, "real_baseline": {}, "protocol": ' + DEEP + "}]"),
        ("run.json", '{"state": "finished", "seed": NaN}'),
        ("run.json", '{"state": "finished", "seconds": Infinity}'),
        ("log.jsonl", DEEP),
        ("log.jsonl", '{"step": -1, "generator": 1}\n'),
        ("run.json", '{"state": "finished", "steps_planned": "many"}'),
        ("run.json", '{"state": "finished", "steps_planned": 1' + "0" * 400 + "}"),
        ("run.json", "{"),
        ("run.json", "[]"),
        ("log.jsonl", '{"step": 1, "steps_per_second": "fast", "discriminator": []}\n'),
    ],
)
def test_a_damaged_file_affects_its_own_cell_only(tmp_path, name, text):
    comparison = planted(tmp_path / "out")
    (comparison.folder(comparison.cells()[0]) / name).write_text(text)

    outcome = analyze(comparison)

    assert [cell["state"] for cell in outcome["cells"][1:]] == ["done"] * 5
    if name == "run.json":
        assert outcome["cells"][0]["state"] == "damaged" or text != "{"


MARK = '{"step": 1, "weights_max": 0, "weights_median": 0, "loss_max": 0, "baseline_max": 0, '
MARK += '"baseline_median": 0, "floor": 0, "saturated": false, "statistics_max": []}'


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "{}", '{"holds": true, "steps": 5, "marks": []}', "{"),
        f'{{"holds": true, "steps": 5, "marks": [{MARK}]}}',
    ],
)
def test_a_damaged_parity_report_is_measured_again(tmp_path, text):
    comparison = planted(tmp_path / "out")
    next((comparison.path / "parity").iterdir()).write_text(text)

    assert [path["same"] for path in analyze(comparison)["parity"]].count(None) == 1
    assert len(comparison.jobs(1)) == 1


@pytest.mark.parametrize(
    "line", [DEEP, "[" * 100_000, '{"job": []}', '{"job": "x"}', "NaN", "\x00"]
)
def test_a_damaged_line_about_a_job_is_skipped(tmp_path, line):
    comparison = planted(tmp_path / "out")
    last = json.dumps({"job": comparison.cells()[0].folder, "reason": "no memory"})
    (comparison.path / "ended.jsonl").write_text(f"{line}\n{last}\n")

    assert comparison.failures() == {comparison.cells()[0].folder: "no memory"}
    assert analyze(comparison)["cells"][0]["state"] == "done"
