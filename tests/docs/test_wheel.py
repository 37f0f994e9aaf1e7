"""The wheel holds the package, and works when it is installed elsewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from support.commands import HOME, needs_a_backend
from support.layout import (
    PAGES,
    PROJECT,
    ROOT,
    TEMPLATES,
    own_environment,
    run,
    shipped_sources,
    tool,
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the tracked files, so that the source tree stays clean."""
    folder = tmp_path_factory.mktemp("wheel")
    kept = run(tool("git"), "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    if kept.returncode:
        pytest.skip("the wheel is built from the files that git tracks, and this is no checkout")
    for name in filter(None, kept.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    done = run(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation"),
        *("--outdir", os.fspath(folder), os.fspath(folder / "source")),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = folder.glob("*.whl")
    return result


@pytest.fixture(scope="module")
def elsewhere(wheel: Path) -> Path:
    """Install the wheel into a folder of its own."""
    target = wheel.parent / "target"
    done = run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"),
        *("--disable-pip-version-check", "--target", os.fspath(target), os.fspath(wheel)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def run_elsewhere(elsewhere: Path, *arguments: str) -> str:
    """Run Python in the installed wheel's folder, which comes before the editable install."""
    empty = elsewhere.parent / "empty"
    empty.mkdir(exist_ok=True)
    done = run(
        *(sys.executable, "-P", *arguments),
        cwd=empty,
        env=own_environment() | {"PYTHONPATH": os.fspath(elsewhere)},
    )
    assert done.returncode == 0, done.stderr
    assert not list(empty.iterdir())
    return done.stdout


def test_the_wheel_contains_exactly_the_sources_and_their_data(wheel):
    info = f"gandem-{PROJECT['project']['version']}.dist-info/"
    names = {
        name.removeprefix("gandem/")
        for name in zipfile.ZipFile(wheel).namelist()
        if not name.startswith(info)
    }
    models = (ROOT / "pretrained").glob("*@*/*")
    references = (ROOT / "testing" / "references").glob("*.npz")
    templates = [
        path.relative_to(ROOT).as_posix()
        for folder in (TEMPLATES, *PAGES)
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not re.search(r"/(__pycache__|\.\w+)/", str(path.relative_to(ROOT)))
    ]

    assert names == {
        *(path.as_posix() for path in shipped_sources()),
        *(f"testing/references/{path.name}" for path in references),
        *(path.relative_to(ROOT).as_posix() for path in models),
        *templates,
        "data/LICENSE-digits.md",
        "data/digits.npz",
        "extractors/lenet5-digits.safetensors",
        "extractors/lenet5-fashion.safetensors",
        "py.typed",
        "registry.toml",
    }


def test_the_wheel_contains_the_license(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_wheel_is_small(wheel):
    """The digits take 2.5 MB, the references 4.1 MB, the two classifiers 0.9 MB, the pretrained
    models about 0.7 MB each.
    """
    assert wheel.stat().st_size < 15_000_000


INSIDE = """
import importlib.metadata, json
import gandem
import gandem.testing.cases
from gandem.core.data.dataset import load_dataset
points = importlib.metadata.distribution("gandem").entry_points
print(json.dumps({
    "file": gandem.__file__,
    "digits": len(load_dataset("digits").images),
    "cases": len(gandem.testing.cases.CASES),
    "entry_points": sorted([point.group, point.value] for point in points),
}))
"""


@pytest.fixture(scope="module")
def inside(elsewhere):
    """Return facts about the installed wheel, from a process that runs it."""
    return json.loads(run_elsewhere(elsewhere, "-c", INSIDE))


def test_the_installed_wheel_runs_elsewhere(elsewhere, inside):
    assert Path(inside["file"]) == elsewhere / "gandem" / "__init__.py"


def test_the_installed_wheel_lists_its_models(elsewhere):
    listed = json.loads(run_elsewhere(elsewhere, "-m", "gandem", "list", "--json"))

    assert {row["id"] for row in listed["models"]} >= {"cgan", "dcgan", "mlp-gan", "wgan-gp"}


def test_the_installed_wheel_loads_the_embedded_digits(inside):
    assert inside["digits"] == 10000


def test_the_installed_wheel_contains_the_conformance_suite(inside):
    assert inside["cases"] > 100


@pytest.mark.slow
@needs_a_backend
def test_the_installed_wheel_checks_a_backend(elsewhere):
    command = (
        "plugins",
        "check",
        HOME,
        "-k",
        "gradients and dense and not chain and not norm",
        "--json",
    )

    data = json.loads(run_elsewhere(elsewhere, "-m", "gandem", *command))

    assert data["holds"]
    assert data["counts"]["passed"] == 4


@pytest.mark.slow
@needs_a_backend
def test_the_installed_wheel_generates_from_a_pretrained_model(elsewhere, tmp_path):
    out = tmp_path / "grid.png"

    run_elsewhere(elsewhere, "-m", "gandem", "generate", "dcgan@digits", "-n", "25", "-o", str(out))

    assert out.stat().st_size > 1000


def test_the_installed_wheel_brings_the_callback_for_tensorboard(elsewhere):
    listed = json.loads(run_elsewhere(elsewhere, "-m", "gandem", "plugins", "list", "--json"))[
        "plugins"
    ]

    assert ("tensorboard", "gandem") in {(p["name"], p["distribution"]) for p in listed}


def test_the_installed_wheel_writes_plugins(elsewhere, tmp_path):
    result = run_elsewhere(
        elsewhere,
        *("-m", "gandem", "plugins", "new", "acme", "--kind", "model"),
        *("--out", os.fspath(tmp_path / "acme"), "--json"),
    )

    assert all((tmp_path / "acme" / name).is_file() for name in json.loads(result)["files"])
    assert {".gitignore", "pyproject.toml", "src/acme/__init__.py"} <= set(
        json.loads(result)["files"]
    )


def test_the_installed_wheel_has_the_command(inside):
    assert inside["entry_points"] == [
        ["console_scripts", "gandem.__main__:main"],
        ["gandem", "gandem.callbacks"],
        ["pytest11", "gandem.testing.pytest_plugin"],
    ]
