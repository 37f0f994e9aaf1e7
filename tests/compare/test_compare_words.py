"""What a comparison says, of planted outcomes: the sentence on top, and nothing that is not so."""

import json

import pytest
from support.comparisons import comparison_of, finish, grid_of, page_of, score, walk

from gandem.compare import outcome_of, plan, settings_from
from gandem.core.runs.run_dir import lock_run_dir

pytest.importorskip("scipy")


def planted(path, *, apart=(), scores=None, **changes):
    """Return what is said of a comparison with these scores of each column, and walks that part."""
    made = comparison_of(path, grid_of(**changes))
    for cell in made.cells():
        column = cell.setting.name if len(made.grid.settings) > 1 else cell.backend
        if scores:
            score(made.folder(cell), frechet=scores[column][cell.seed])
    for key in made.paths():
        if key[-1][1] in apart:
            walk(made, *key, apart=1e-9)
    return made


def said(made):
    return outcome_of(made)["verdict"]


def test_identical_backends_are_said_to_be_so(tmp_path):
    same = {"torch": [10, 11, 12], "keras": [10, 11, 12]}

    assert said(planted(tmp_path / "out", scores=same)) == (
        "torch and keras take the same path, in all 3 walks side by side. Fréchet distance, "
        "keras less torch 0 ± 2.3, between seeds 1: no difference seen at 3 seeds; one of 3 would "
        "have been."
    )


def test_a_backend_that_leaves_the_path_comes_first(tmp_path):
    same = {"torch": [10, 11, 12], "keras": [10.2, 11, 12]}

    assert said(planted(tmp_path / "out", scores=same, apart=["keras"])).startswith(
        "Not the same path: torch and keras (3 of 3 walks) part sooner than rounding explains, "
        "after 1 step at the earliest. Fréchet distance"
    )


def test_a_walk_is_held_to_the_largest_baseline_of_all_seeds(tmp_path):
    made = planted(tmp_path / "out")
    first, second, _ = made.paths()
    walk(made, *first, apart=5.6e-14, baseline=5.1e-15)
    walk(made, *second, apart=7.7e-14, baseline=4.5e-14)

    paths = outcome_of(made)["paths"]

    assert [path["same"] for path in paths] == [True, True, True]
    assert paths[0]["ratio"] == pytest.approx(5.6 / 4.5)


@pytest.mark.parametrize(
    ("apart", "wanted"),
    [
        (9e-15, "torch and keras take the same path, in the one walk side by side."),
        (5e-14, "Undecided whether torch and keras take the same path: they are 50 × as far"),
        (2e-13, "Not the same path: torch and keras (1 of 1 walk) part sooner"),
        (float("nan"), "Not the same path: torch and keras (1 of 1 walk) part sooner"),
    ],
)
def test_one_seed_s_baseline_is_one_draw_only(tmp_path, apart, wanted):
    made = planted(tmp_path / "out", seeds=(0,))
    walk(made, *next(iter(made.paths())), apart=apart)

    assert said(made).startswith(wanted)


def test_a_baseline_that_diverges_too_tells_nothing(tmp_path):
    made = planted(tmp_path / "out")
    first, *_ = made.paths()
    walk(made, *first, apart=float("nan"), baseline=float("nan"))

    paths = outcome_of(made)["paths"]

    assert [path["verdict"] for path in paths] == ["undecided", "same path", "same path"]
    assert "Undecided whether torch and keras take the same path: all diverge" in said(made)
    assert "NaN" not in json.dumps(outcome_of(made))


def test_a_saturated_baseline_hides_no_fault_of_another_seed(tmp_path):
    made = planted(tmp_path / "out")
    *others, last = made.paths()
    for key in others:
        walk(made, *key, apart=1e-9)
    walk(made, *last, apart=1e-2, baseline=1e-2, saturated=True)

    assert [path["same"] for path in outcome_of(made)["paths"]] == [False, False, None]


def test_a_walk_that_failed_is_said(tmp_path):
    made = planted(tmp_path / "out")
    first, *_ = made.paths()
    name = made.path_name(*first)
    (made.path / "paths" / f"{name}.json").unlink()
    (made.path / "ended.jsonl").write_text(
        '{"job": "torn\n' + json.dumps({"job": name, "reason": "no memory"}) + "\n[]\n"
    )

    assert said(made).startswith(
        "torch and keras take the same path, in all 2 walks side by side. 1 walk of 3 could not"
    )


def test_three_seeds_decide_however_unequal_the_groups(tmp_path):
    scores = {"torch": [10, 10, 10], "keras": [8, 10, 12]}

    assert "no difference seen at 3 seeds" in said(planted(tmp_path / "out", scores=scores))


def test_a_run_that_was_extended_by_hand_is_scored_again(tmp_path):
    made = planted(tmp_path / "out")
    cell = made.cells()[0]
    place = made.folder(cell) / "scores.json"
    (row,) = json.loads(place.read_text())
    place.write_text(json.dumps([row | {"details": {"step": 39}}]))

    assert made.state(cell, {}).words == "not scored"
    with lock_run_dir(made.path):
        assert made.state(cell, {}).words == "scoring"
    assert [job.name for job in made.jobs(1)] == [cell.folder]


def test_a_model_with_averaged_weights_is_judged_by_them(tmp_path):
    made = planted(tmp_path / "out")
    assert "EMA" not in page_of(made).text
    place = made.folder(made.cells()[0]) / "scores.json"
    (row,) = json.loads(place.read_text())
    raw = row | {"details": {"weights": "raw"}, "values": row["values"] | {"frechet": 77.0}}
    place.write_text(json.dumps([raw, row | {"details": {"weights": "averaged"}}]))

    cell = outcome_of(made)["cells"][0]

    assert (cell["values"]["frechet"], cell["weights"]) == (9.5, "averaged")
    assert "the averaged weights are scored" in page_of(made).text


def test_what_failed_once_and_is_done_now_is_no_failure(tmp_path):
    made = planted(tmp_path / "out")
    rows = [{"job": cell.folder, "reason": "killed"} for cell in made.cells()]
    (made.path / "ended.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    assert made.ended() == {}


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e200", "1" + "0" * 400])
def test_a_score_that_is_no_number_is_left_out(tmp_path, value):
    made = planted(tmp_path / "out")
    place = made.folder(made.cells()[0]) / "scores.json"
    place.write_text(place.read_text().replace("9.5", value))

    found = outcome_of(made)

    assert found["cells"][0]["values"]["frechet"] is None
    assert len([row for row in found["outcomes"] if row["measure"] == "frechet"]) == 1


def test_one_seed_of_each_is_undecided(tmp_path):
    made = planted(tmp_path / "out", scores={"torch": [10], "keras": [30]}, seeds=(0,))

    assert "keras less torch 20: undecided, for 1 seed tells nothing" in said(made)


def test_two_seeds_are_undecided(tmp_path):
    scores = {"torch": [10, 11], "keras": [10.5, 11.1]}

    assert "undecided, 2 seeds are too few" in said(
        planted(tmp_path / "out", scores=scores, seeds=(0, 1))
    )


def test_what_is_worse_is_called_different(tmp_path):
    scores = {"torch": [10, 11, 12], "keras": [30, 31, 32]}

    assert "20 ± 2.3, between seeds 1: different at 3 seeds, torch is better." in said(
        planted(tmp_path / "out", scores=scores)
    )


def test_of_several_settings_the_best_is_named(tmp_path):
    scores = {"width=8": [30, 31, 32], "width=16": [10, 11, 12], "width=32": [10, 10.8, 12.1]}
    made = planted(
        tmp_path / "out",
        scores=scores,
        backends=("torch",),
        settings=settings_from(["width=8,16,32"]),
    )

    assert said(made) == (
        "Fréchet distance is lowest for width=32, 11; different: width=8; no difference seen: "
        "width=16, at 3 seeds."
    )


def test_models_are_compared_with_one_another_on_each_backend(tmp_path):
    made = planted(tmp_path / "out", models=("dcgan", "wgan"), path_steps=0)
    for cell in made.cells():
        score(made.folder(cell), frechet={"dcgan": 10, "wgan": 30}[cell.model] + cell.seed)

    told = [row for row in outcome_of(made)["outcomes"] if row["where"].startswith("models")]

    assert {row["where"] for row in told} == {"models, on torch", "models, on keras"}
    assert {row["words"] for row in told if row["measure"] == "frechet"} == {
        "Fréchet distance, wgan less dcgan 20 ± 2.3, between seeds 1: different at 3 seeds, dcgan "
        "is better"
    }
    assert "models, on torch: Fréchet distance" in page_of(made).text


def test_what_was_scored_by_another_protocol_is_not_compared(tmp_path):
    made = planted(tmp_path / "out")
    place = made.folder(made.cells()[0]) / "scores.json"
    (row,) = json.loads(place.read_text())
    place.write_text(json.dumps([row | {"protocol": row["protocol"] | {"fake": 77}}]))

    found = outcome_of(made)

    (told,) = [row for row in found["outcomes"] if row["measure"] == "frechet"]
    assert sorted(told["seeds"]) == [2, 3]
    assert "Scores were taken by 2 protocols" in found["verdict"]


def test_three_backends_alike_are_said_in_a_sentence(tmp_path):
    scores = {name: [10, 11, 12] for name in ("torch", "keras", "jax")}

    assert said(planted(tmp_path / "out", scores=scores, backends=tuple(scores))) == (
        "torch, keras and jax take the same path, in all 9 walks side by side. Fréchet distance: "
        "no difference seen at 3 seeds in any of 3 pairs."
    )


def test_trainings_that_failed_are_not_kept_quiet(tmp_path):
    made = planted(tmp_path / "out", scores={"torch": [10, 11, 12], "keras": [10, 11, 12]})
    for seed, state in enumerate(("diverged", "diverged", "finished")):
        folder = made.folder(made.cells()[2 * seed + 1])
        facts = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(facts | {"state": state}))
        if state == "diverged":
            (folder / "scores.json").unlink()

    told = said(made)

    assert told.endswith("2 of 3 trainings on keras diverged.")
    assert "undecided, for 1 seed" in told


def test_what_has_not_begun_is_said(tmp_path):
    made = plan(tmp_path / "out", grid_of())
    assert said(made) == "6 of 6 trainings are not done yet."

    finish(made, made.cells()[0])

    assert said(made) == "5 of 6 trainings are not done yet."


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("scores.json", "[1]"),
        ("scores.json", '[{"values": {"frechet": "many"}, "floor": {}, "protocol": {}}]'),
        ("scores.json", "[]"),
        ("run.json", '{"state": "finished", "steps_planned": "many"}'),
        ("run.json", '{"state": "finished", "steps_planned": 1' + "0" * 400 + "}"),
        ("run.json", "{"),
        ("run.json", "[]"),
        ("log.jsonl", '{"step": 1, "steps_per_second": "fast", "discriminator": []}\n'),
    ],
)
def test_a_damaged_file_of_a_cell_takes_nothing_down(tmp_path, name, text):
    made = planted(tmp_path / "out")
    (made.folder(made.cells()[0]) / name).write_text(text)

    found = outcome_of(made)

    assert [cell["state"] for cell in found["cells"][1:]] == ["done"] * 5
    if name == "run.json":
        assert found["cells"][0]["state"] == "damaged" or text != "{"


MARK = '{"step": 1, "weights_max": 0, "weights_median": 0, "loss_max": 0, "baseline_max": 0, '
MARK += '"baseline_median": 0, "floor": 0, "saturated": false, "statistics_max": null}'


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "{}", '{"holds": true, "steps": 5, "marks": []}', "{"),
        f'{{"holds": true, "steps": 5, "marks": [{MARK}]}}',
    ],
)
def test_a_damaged_walk_is_one_that_is_to_be_done(tmp_path, text):
    made = planted(tmp_path / "out")
    next((made.path / "paths").iterdir()).write_text(text)

    assert [path["same"] for path in outcome_of(made)["paths"]].count(None) == 1
    assert len(made.jobs(1)) == 1
