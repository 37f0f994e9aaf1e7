"""The recipes of CONTRIBUTING.md work: they are applied to a copy of the repository and used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from support.commands import THERE

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
BLOCK = re.compile(r"^ *```(python|toml|diff)\n *# (\S+)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
SKIPPED = {"docs", "benchmarks", "build", "dist", "runs"}
needs_torch = pytest.mark.skipif("torch" not in THERE, reason="PyTorch is not installed")


def ignored(folder: str, names: list[str]) -> set[str]:
    """Return the names in a folder that are not copied."""
    hidden = {name for name in names if name.startswith((".", "__pycache__"))}
    return hidden | (SKIPPED & set(names) if Path(folder) == ROOT else set())


def apply(root: Path, language: str, name: str, text: str) -> None:
    """Apply a block to a file: replace the lines of a diff, otherwise append or create."""
    path = root / name
    if language != "diff":
        before = path.read_text("utf-8") + "\n\n" if path.exists() else ""
        path.write_text(before + textwrap.dedent(text), "utf-8")
        return
    lines = [line[3:] for line in text.splitlines()]  # of a list item
    old = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
    new = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
    source = path.read_text("utf-8")
    assert source.count(f"\n{old}") == 1, f"{name}: {old!r} is there {source.count(old)} times"
    path.write_text(source.replace(f"\n{old}", f"\n{new}"), "utf-8")


class Copy:
    """A copy of the repository with all recipes applied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT, folder / "gandem", ignore=ignored)
        for language, name, text in BLOCK.findall(TEXT):
            apply(folder / "gandem", language, name, text)

    def python(self, *arguments: object) -> str:
        """Run Python with the copy; return its standard output."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GANDEM_")}
        environment |= {"PYTHONPATH": str(self.folder), "GANDEM_PLUGINS": ""}
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def gandem(self, *arguments: object) -> str:
        """Run a command of the copy; return its standard output."""
        return self.python("-m", "gandem", *arguments)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return Copy(tmp_path_factory.mktemp("copy"))


def test_every_code_block_is_applied():
    assert len(re.findall(r"```(?:python|toml|diff)\n", TEXT)) == len(BLOCK.findall(TEXT))


def test_every_recipe_has_numbered_steps():
    recipes = re.findall(r"^## (Add an? [^\n]*)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)

    assert [title for title, _ in recipes] == [
        *("Add a loss", "Add a layer", "Add a model", "Add a metric", "Add a callback"),
        *("Add a data set", "Add a backend", "Add a command"),
    ]
    for title, text in recipes:
        steps = [int(number) for number in re.findall(r"^(\d)\. ", text, re.MULTILINE)]
        assert steps == list(range(1, len(steps) + 1)), title


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(\w+/[\w/]*(?:\.py)?)`", TEXT))))
def test_a_path_exists(path):
    assert (ROOT / path).exists() or path in [name for _, name, _ in BLOCK.findall(TEXT)]


@pytest.mark.parametrize("target", re.findall(r"`make ([\w-]+)`", TEXT))
def test_a_make_target_exists(target):
    makefile = (ROOT / "Makefile").read_text("utf-8")

    assert re.search(rf"^{target}\b.*:", makefile, re.MULTILINE)


def test_all_entries_are_listed(copy):
    listed = json.loads(copy.gandem("list", "--json"))

    for kind, name in {
        "losses": "squared-hinge",
        "layers": "sine",
        "models": "squared-hinge-gan",
        "metrics": "mean-distance",
        "datasets": "line",
    }.items():
        assert name in [entry["id"] for entry in listed[kind]]


def test_the_model_has_the_loss(copy):
    shown = json.loads(copy.gandem("show", "squared-hinge-gan", "--json"))

    assert shown["spec"]["loss"]["name"] == "squared-hinge"


def test_the_layer_can_be_set(copy):
    setting = 'discriminator.layers.1={kind="sine"}'

    assert "sine" in copy.gandem("show", "squared-hinge-gan", "--set", setting)


def test_no_layer_lacks_a_shape_worked_out_by_hand(copy):
    shapes = "gandem/tests/specs/test_spec_shapes.py"

    assert " passed" in copy.python("-m", "pytest", "-q", shapes, "-k", "worked_out_by_hand")


def test_the_command_prints_counts(copy):
    assert json.loads(copy.gandem("count", "dcgan", "--json")) == {
        "generator": 771_969,
        "discriminator": 138_689,
    }


def test_the_data_set_is_shown(copy):
    assert json.loads(copy.gandem("data", "line", "--json"))["count"] == 1000


@needs_torch
def test_the_metric_scores_images(copy):
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    np.savez(copy.folder / "noise.npz", images=images)
    options = ("--data", "digits", "-n", "20", "--extractor", "pixels", "--json")

    (scores,) = json.loads(copy.gandem("evaluate", "noise.npz", *options))

    assert scores["values"]["mean-distance"] > scores["real_baseline"]["mean-distance"] > 0


CONFORMANCE = """
import sys
from gandem.testing import CASES, find_differences, load_target
from gandem.testing.references.networks import differentiate
(case,) = [case for case in CASES if case.name == "sine"]
given = (case.plan, case.arrays(), case.values(), case.cotangent(), case.draws())
target = load_target(sys.argv[1])
print(find_differences(differentiate(*given), target.differentiate(*given)))
"""
BACKENDS = [pytest.param(name, marks=[] if name == "torch" else pytest.mark.slow) for name in THERE]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_computes_the_layer_as_numpy_does(copy, backend):
    assert copy.python("-c", CONFORMANCE, backend).strip() == "[]"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_is_trained_with_all_of_it(copy, backend):
    """The loss, the layer, the data set and the callback."""
    options = ("--set=loss.name=squared-hinge", '--set=discriminator.layers.1={kind="sine"}')
    sizes = (
        "--set=image=2",
        "--set=latent=4",
        "--set=hidden=[8,8]",
        "--set=discriminator_hidden=[8,8]",
    )
    where = ("--data", "line", "--backend", backend, "--steps", 2, "--out", f"runs/{backend}")

    copy.gandem("train", "mlp-gan", *sizes, *options, *where)

    assert (copy.folder / "runs" / backend / "state.txt").read_text() == "finished"
