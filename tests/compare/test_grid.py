"""The grid of a comparison and its plan on disk."""

import json
from dataclasses import replace

import pytest
from support.commands import HOME, TINY, needs_a_backend

import gandem
from gandem.compare import (
    Cell,
    Grid,
    Setting,
    check_grid,
    make_settings,
    open_comparison,
    parse_sweeps,
    plan,
)
from gandem.core.errors import RunError, SpecError
from gandem.core.specs import load_spec
from gandem.core.specs.serialization import to_toml

GRID = Grid(models=("dcgan",), backends=("torch", "keras"), seeds=(0, 1), steps=10)


def test_backends_of_a_seed_are_trained_together():
    assert [(cell.seed, cell.backend) for cell in GRID.cells()] == [
        (0, "torch"),
        (0, "keras"),
        (1, "torch"),
        (1, "keras"),
    ]


@needs_a_backend
def test_compare_takes_parameters_of_models_as_keywords(tmp_path, monkeypatch):
    grids = []

    def refuse(grid):
        grids.append(grid)
        raise SpecError("enough")

    monkeypatch.setattr("gandem.compare.execution.check_grid", refuse)
    with pytest.raises(SpecError, match="enough"):
        gandem.compare("dcgan", out=tmp_path, num_samples=30, changes={"latent": 3}, width=2)

    assert (grids[0].base.changes, grids[0].num_samples) == ({"latent": 3, "width": 2}, 30)


def test_each_cell_has_its_own_folder():
    settings = make_settings({"learning_rate": [1e-4, 2e-4], "hidden": [[8, 8], [8, 9]]})
    grid = Grid(models=("dcgan", "acme/wgan"), settings=settings, backends=("torch", "acme/jax"))

    folders = [cell.folder for cell in grid.cells()]

    assert len(set(folders)) == len(folders) == 2 * 4 * 2 * 3
    assert not any(set(name) & set("/\\: \"'*?<>|") for name in folders)


def test_a_folder_is_named_after_its_cell():
    cell = Cell(model="dcgan", setting=Setting(("width=16",)), backend="torch", seed=2)

    assert cell.folder == "dcgan_width=16_torch_seed2"


def test_a_long_folder_name_becomes_a_hash():
    folders = [
        Cell(model="é" * 90 + end, setting=Setting(), backend="torch", seed=0).folder
        for end in "ab"
    ]

    assert len({*folders}) == 2
    assert all(len(folder.encode()) < 200 and folder.endswith("_torch_seed0") for folder in folders)


@pytest.mark.parametrize("models", [("gan.toml", "../gan.toml"), ("Mine.toml", "mine.toml")])
def test_spec_files_with_the_same_name_are_refused(models):
    with pytest.raises(SpecError, match="would have the same folder"):
        Grid(models=models, backends=("torch",)).cells()


def test_a_field_may_change_until_a_result_depends_on_it(tmp_path):
    plan(tmp_path / "out", GRID)
    more = replace(GRID, num_samples=500, extractor="pixels", parity_steps=7)

    assert plan(tmp_path / "out", more).grid == more
    assert open_comparison(tmp_path / "out").grid == more

    scores = plan(tmp_path / "out", more).folder(more.cells()[0]) / "scores.json"
    scores.parent.mkdir(parents=True)
    scores.write_text("[]")
    with pytest.raises(RunError, match="with num_samples 500 instead of 600"):
        plan(tmp_path / "out", replace(more, num_samples=600))


def test_a_device_may_change_until_a_run_has_started(tmp_path):
    comparison = plan(tmp_path / "out", replace(GRID, device="cuda"))

    assert plan(tmp_path / "out", GRID).grid.device == "auto"
    comparison.folder(GRID.cells()[0]).mkdir(parents=True)
    with pytest.raises(RunError, match="with device 'auto' instead of 'cpu'"):
        plan(tmp_path / "out", replace(GRID, device="cpu"))


def test_the_cells_of_equal_grids_are_made_once():
    assert GRID.cells() is replace(GRID).cells()
    assert replace(GRID, seeds=(7,)).cells()[0].seed == 7


@pytest.mark.parametrize(
    "wrong",
    [
        *({"data": {}}, {"device": []}, {"classes": [[1]]}, {"epochs": "3"}, {"steps": [1]}),
        *({"changes": {}}, {"base": {}, "models": {}}, {"base": {"texts": {}}}, {"base": []}),
        *({"settings": []}, {"settings": [{}], "seeds": []}, {"settings": [{"texts": ["a"]}]}),
        *({"seeds": [0, 0]}, {"seeds": [-1]}, {"seeds": [[]]}, {"seeds": [*range(60_000)]}),
        *({"models": [[]]}, {"models": "dcgan"}, {"num_samples": 10**400}, {"num_samples": True}),
        *({"specs": None}, {"totals": [1.5]}, {"backends": {"torch": 1}}, {"format": [1]}),
    ],
)
def test_a_plan_with_a_wrong_type_is_refused_in_one_line(tmp_path, wrong):
    plan(tmp_path / "out", GRID)
    place = tmp_path / "out" / "comparison.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | wrong))

    with pytest.raises(RunError, match=r"damaged|expected format 1") as error:
        open_comparison(tmp_path / "out")

    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_a_name_that_no_file_system_accepts_is_refused(tmp_path):
    with pytest.raises(RunError, match="cannot be used as a folder"):
        plan(tmp_path / ("x" * 300), GRID)


def test_a_plan_is_read_as_it_was_written(tmp_path):
    grid = Grid(
        models=("dcgan",),
        settings=make_settings({"width": [8, 16]}),
        backends=("torch",),
        classes=(3, 8),
        data="digits",
    )

    plan(tmp_path / "out", grid)

    assert open_comparison(tmp_path / "out").grid == grid
    assert plan(tmp_path / "out", grid).grid == grid


def test_a_folder_of_another_comparison_is_refused_and_not_changed(tmp_path):
    plan(tmp_path / "out", GRID)
    before = (tmp_path / "out" / "comparison.json").read_bytes()

    with pytest.raises(RunError, match="another comparison, with steps 10 instead of 20"):
        plan(
            tmp_path / "out",
            Grid(models=("dcgan",), backends=GRID.backends, seeds=(0, 1), steps=20),
        )

    assert (tmp_path / "out" / "comparison.json").read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"format": 2}', '{"format": 1}', "\x00", '{"format": NaN}'),
        *("[" * 100_000, '{"a":' * 3000 + "1" + "}" * 3000, '{"format": 1, "seeds": [1e999]}'),
    ],
    ids=range(10),
)
def test_a_damaged_plan_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "comparison.json").write_text(text)

    with pytest.raises(RunError, match=r"neither a comparison|damaged|format"):
        open_comparison(tmp_path)


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(RunError, match="holds no comparison"):
        plan(tmp_path, GRID)


@needs_a_backend
def test_a_spec_file_is_swept_in_the_learning_rate_of_all_players(tmp_path, data):
    path = tmp_path / "mine.toml"
    path.write_text(to_toml(load_spec("dcgan", TINY["dcgan"])))
    settings = make_settings(parse_sweeps(["learning_rate=1e-4,.0002"]))
    grid = Grid(models=(str(path),), backends=(HOME,), settings=settings, data=data, num_samples=20)

    checked = check_grid(grid)

    assert len(set(checked.specs)) == 2
    rates = [
        [player.optimizer.learning_rate for player in load_spec(path, setting.changes).players]
        for setting in checked.settings
    ]
    assert rates == [[1e-4, 1e-4], [2e-4, 2e-4]]
