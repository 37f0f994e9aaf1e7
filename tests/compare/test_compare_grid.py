"""The grid of a comparison: what varies, what is refused, and what each cell is called."""

import json
from dataclasses import replace

import pytest

from gandem.compare import (
    Cell,
    Grid,
    Setting,
    cells_of,
    difference,
    parse_variation,
    settings_from,
)
from gandem.compare.comparison import open_comparison, plan
from gandem.core.errors import RunError, SpecError

GRID = Grid(models=("dcgan",), backends=("torch", "keras"), seeds=(0, 1), steps=10)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("latent=16,32", ("latent", ("16", "32"))),
        ("hidden=[8,8],[16]", ("hidden", ("[8,8]", "[16]"))),
        (
            'loss={name="hinge", halves="sum"},{name="minimax"}',
            ("loss", ('{name="hinge", halves="sum"}', '{name="minimax"}')),
        ),
        ("name='a,b',c", ("name", ("'a,b'", "c"))),
        ("width=8", ("width", ("8",))),
    ],
)
def test_commas_part_values_but_not_within_one(text, wanted):
    assert parse_variation(text) == wanted


@pytest.mark.parametrize("text", ["latent", "=1,2", "latent=", "latent=1,,2", "latent=1,1"])
def test_what_varies_nothing_is_refused(text):
    with pytest.raises(SpecError, match="sweep: "):
        parse_variation(text)


def test_several_variations_are_combined():
    assert [setting.changes for setting in settings_from(["a=1,2", "b=3,4"])] == [
        ("a=1", "b=3"),
        ("a=1", "b=4"),
        ("a=2", "b=3"),
        ("a=2", "b=4"),
    ]
    assert settings_from([]) == (Setting(),)


def test_a_field_varies_once():
    with pytest.raises(SpecError, match="a is named twice"):
        settings_from(["a=1,2", "a=3,4"])


def test_backends_of_a_seed_come_together():
    assert [(cell.seed, cell.backend) for cell in cells_of(GRID)] == [
        (0, "torch"),
        (0, "keras"),
        (1, "torch"),
        (1, "keras"),
    ]


def test_every_cell_has_a_folder_of_its_own():
    settings = settings_from(["learning_rate=1e-4,2e-4", "hidden=[8,8],[8, 9]"])
    grid = Grid(models=("dcgan", "acme/wgan"), settings=settings, backends=("torch", "acme/jax"))

    folders = [cell.folder for cell in cells_of(grid)]

    assert len(set(folders)) == len(folders) == 2 * 4 * 2 * 3
    assert not any(set(name) & set("/\\: \"'*?<>|") for name in folders)


def test_a_folder_tells_the_cell():
    cell = Cell(model="dcgan", setting=Setting(("width=16",)), backend="torch", seed=2)

    assert cell.folder == "dcgan_width=16_torch_seed2"


def test_a_long_name_is_told_by_its_hash():
    folders = [
        Cell(model="é" * 90 + end, setting=Setting(), backend="torch", seed=0).folder
        for end in "ab"
    ]

    assert len({*folders}) == 2
    assert all(len(folder.encode()) < 200 and folder.endswith("_torch_seed0") for folder in folders)


@pytest.mark.parametrize("models", [("gan.toml", "../gan.toml"), ("Mine.toml", "mine.toml")])
def test_specs_of_one_name_are_refused(models):
    with pytest.raises(SpecError, match="would lie in one folder"):
        cells_of(Grid(models=models, backends=("torch",)))


def test_what_is_set_does_not_vary():
    with pytest.raises(SpecError, match="latent is set as well"):
        settings_from(["latent=16,64"], ["latent=8"])


def test_what_nothing_hangs_on_yet_may_change(tmp_path):
    plan(tmp_path / "out", GRID)
    more = replace(GRID, count=500, extractor="pixels", path_steps=7)

    assert plan(tmp_path / "out", more).grid == more
    assert open_comparison(tmp_path / "out").grid == more

    scores = plan(tmp_path / "out", more).folder(more.cells()[0]) / "scores.json"
    scores.parent.mkdir(parents=True)
    scores.write_text("[]")
    with pytest.raises(RunError, match="whose count is 500, not 600"):
        plan(tmp_path / "out", replace(more, count=600))


def test_a_device_may_change_until_something_is_trained_on_it(tmp_path):
    made = plan(tmp_path / "out", replace(GRID, device="cuda"))

    assert plan(tmp_path / "out", GRID).grid.device == "auto"
    made.folder(GRID.cells()[0]).mkdir(parents=True)
    with pytest.raises(RunError, match="whose device is 'auto', not 'cpu'"):
        plan(tmp_path / "out", replace(GRID, device="cpu"))


def test_the_cells_of_a_grid_are_found_once():
    assert cells_of(GRID) is cells_of(replace(GRID))
    assert cells_of(replace(GRID, seeds=(7,)))[0].seed == 7


@pytest.mark.parametrize(
    "wrong", [{"data": {}}, {"device": []}, {"classes": [[1]]}, {"epochs": "3"}, {"steps": [1]}]
)
def test_a_plan_of_other_things_is_one_line(tmp_path, wrong):
    plan(tmp_path / "out", GRID)
    place = tmp_path / "out" / "comparison.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | wrong))

    with pytest.raises(RunError, match="damaged"):
        open_comparison(tmp_path / "out")


def test_a_name_that_no_file_system_has_is_one_line(tmp_path):
    with pytest.raises(RunError, match="no place for a comparison"):
        plan(tmp_path / ("x" * 300), GRID)


def test_a_plan_survives_the_disk(tmp_path):
    grid = Grid(
        models=("dcgan",),
        settings=settings_from(["width=8,16"]),
        backends=("torch",),
        classes=(3, 8),
        data="digits",
    )

    plan(tmp_path / "out", grid)

    assert open_comparison(tmp_path / "out").grid == grid
    assert plan(tmp_path / "out", grid).grid == grid


def test_a_folder_of_another_comparison_is_refused_and_left_alone(tmp_path):
    plan(tmp_path / "out", GRID)
    before = (tmp_path / "out" / "comparison.json").read_bytes()

    with pytest.raises(RunError, match="another comparison, whose steps is 10, not 20"):
        plan(
            tmp_path / "out",
            Grid(models=("dcgan",), backends=GRID.backends, seeds=(0, 1), steps=20),
        )

    assert (tmp_path / "out" / "comparison.json").read_bytes() == before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1}', "\x00"])
def test_a_damaged_plan_is_one_line(tmp_path, text):
    (tmp_path / "comparison.json").write_text(text)

    with pytest.raises(RunError, match=r"comparison|damaged"):
        open_comparison(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(RunError, match="holds no comparison"):
        plan(tmp_path, GRID)


# --- verdicts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "verdict"),
    [
        ({"a": [10, 11, 12], "b": [10.3, 11.2, 12.4]}, "no difference seen"),
        ({"a": [10, 11, 12], "b": [20, 21, 22]}, "different"),
        ({"a": [10, 11], "b": [10.3, 11.2]}, "undecided"),
        ({"a": [10], "b": [30]}, "undecided"),
        ({"a": [1, 1, 1], "b": [1, 1, 1]}, "no difference seen"),
        ({"a": [1, 1, 1], "b": [2, 2, 2]}, "different"),
    ],
)
def test_the_verdict_of_planted_cases(groups, verdict):
    (found,) = difference("frechet", groups)

    assert found.verdict == verdict
    assert json.loads(json.dumps(found.to_data()))["verdict"] == verdict


def test_the_interval_is_welch_s():
    stats = pytest.importorskip("scipy.stats")
    a, b = [10.0, 11.5, 12.2, 9.9], [13.0, 12.1, 15.2]

    (found,) = difference("frechet", {"a": a, "b": b})

    interval = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-12)


def test_every_two_groups_are_compared():
    groups = {name: [1.0, 2.0, 3.0] for name in "abc"}

    assert [(d.first, d.second) for d in difference("frechet", groups)] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
