"""The layout: which files are where, which module may import which, and what the wheel holds."""

from __future__ import annotations

import doctest
import functools
import importlib
import importlib.metadata
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.commands import HOME, needs_a_backend

import gandem.cli
import gandem.core
import gandem.testing

ROOT = Path(__file__).parents[2]
NOT_SHIPPED = {"tests", "docs", "examples", "benchmarks", "build", "dist", "runs"}
PAGES = Path("core") / "compare" / "templates"
TEMPLATES = Path("core") / "templates"  # other people's packages to be
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FRAMEWORKS = {"torch", "torchvision", "tensorflow", "keras", "jax"}


def shipped_sources() -> list[Path]:
    """Return every Python file that lies where the package does, from the root."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__")) and not name.endswith(".egg-info")
            if here != Path() or name not in NOT_SHIPPED
            if here / name != TEMPLATES
        ]
        found += [here / name for name in names if name.endswith(".py")]
    return sorted(found)


def run(*command: str, **settings: object) -> subprocess.CompletedProcess[str]:
    settings = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 300} | settings
    return subprocess.run(command, **settings)  # type: ignore[call-overload]


def own_environment() -> dict[str, str]:
    """Return the environment without what steers gandem, and without plugins of strangers."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("GANDEM")}
    return plain | {"GANDEM_PLUGINS": "tensorboard"}


def tool(name: str) -> str:
    """Return the path of a development tool, this environment's own where it has one."""
    found = shutil.which(name, path=os.fspath(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: pip install -e '.[dev]'")
    return found


# --- folders -------------------------------------------------------------------------------------


def test_the_list_of_packages_is_that_of_the_folders():
    folders = {path.parent for path in shipped_sources()}
    packages = [".".join(("gandem", *folder.parts)) for folder in folders]

    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(packages)


def test_every_folder_of_the_package_has_its_init():
    sources = shipped_sources()

    assert {p.parent for p in sources} == {p.parent for p in sources if p.name == "__init__.py"}


def test_no_stray_file_ships_from_the_root():
    at_the_root = {path.name for path in shipped_sources() if path.parent == Path()}

    assert at_the_root == {"__init__.py", "__main__.py", "cli.py"}


def test_no_folder_of_tests_is_a_package_but_that_of_shared_helpers():
    packages = {path.parent.name for path in (ROOT / "tests").rglob("__init__.py")}

    assert packages == {"support"}


def test_there_is_no_conftest_beside_the_package():
    assert not (ROOT / "conftest.py").exists()


def test_no_folder_hides_hugging_faces_datasets():
    assert not (ROOT / "datasets").exists()


def test_both_backends_have_the_same_files():
    def names(backend: str) -> set[str]:
        return {path.name for path in (ROOT / "backends" / backend).glob("*.py")}

    assert names("keras") - names("torch") == {"start.py"}  # TensorFlow has a way to be started
    assert names("torch") <= names("keras")


def test_the_version_is_that_of_the_distribution():
    assert importlib.metadata.version("gandem") == PROJECT["project"]["version"]


# --- who may import whom -------------------------------------------------------------------------


BARE = ["core", "backends", "models", "commands", "extractors", "data", "testing", "watchers"]


def test_each_folder_of_the_package_is_banned_as_a_bare_import():
    banned = PROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    folders = {path.parts[0] for path in shipped_sources() if len(path.parts) > 1}

    assert set(banned) == set(BARE) == folders


@pytest.mark.parametrize("place", ["core/x.py", "tests/x.py", "backends/torch/x.py"])
def test_a_bare_import_that_would_make_a_second_copy_is_caught(place):
    forms = ["import {}", "from {} import x", "from {}.spec import x"]
    imports = [(name, form.format(name)) for name in BARE for form in forms]
    code = "\n".join(line for _, line in imports)
    options = ("--no-cache", "--output-format", "concise", "--stdin-filename", place, "-")

    done = run(tool("ruff"), "check", *options, input=code)

    for number, (name, line) in enumerate(imports, 1):
        words = f"import gandem.{name}: bare `{name}` makes a second copy of the package"
        pattern = rf"^[^\n]*:{number}:\d+: [^\n]*{re.escape(words)}$"
        assert re.search(pattern, done.stdout, re.M), line


def test_the_import_contracts_hold():
    done = run(tool("lint-imports"), "--no-cache")

    assert done.returncode == 0, done.stdout


@functools.cache
def imported_by(code: str) -> frozenset[str]:
    """Return the modules that a child process in the root has imported after running some code,
    with all plugins.
    """
    report = "\nimport sys; print('\\n' + '\\n'.join(sys.modules))"
    done = run(sys.executable, "-c", code + report, env=own_environment())
    assert done.returncode == 0, done.stderr
    return frozenset(done.stdout.split("\n"))


def roots(names: Iterable[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def command(*arguments: str) -> str:
    return f"from gandem.cli import main\nmain({list(arguments)}, standalone_mode=False)"


def test_importing_gandem_imports_nothing_else_of_it():
    found = {name for name in imported_by("import gandem") if name.startswith("gandem")}

    assert found == {"gandem"}


@pytest.mark.parametrize(
    "code",
    [
        "import gandem",
        "import gandem.cli",
        command("--help"),
        command("list"),
        command("list", "--json"),
        command("plugins"),
        command("train", "--help"),
    ],
)
def test_looking_around_imports_no_framework_and_no_numpy(code):
    assert not roots(imported_by(code)) & (FRAMEWORKS | {"numpy", "tensorboard"})


def test_a_command_imports_its_own_room_and_no_slow_part_of_the_standard_library():
    found = imported_by(command("list"))

    assert {name for name in found if name.startswith("gandem.commands.")} == {
        "gandem.commands.frame",
        "gandem.commands.looking",
    }
    assert not found & {"importlib.metadata", "email", "difflib", "rich"}


def test_every_command_of_a_room_is_among_those_that_are_asked_for():
    rooms = {
        room: [
            command.name for command in importlib.import_module(f"gandem.commands.{room}").COMMANDS
        ]
        for room in gandem.cli.ROOMS
    }

    assert rooms == {room: list(names) for room, names in gandem.cli.ROOMS.items()}
    assert rooms.keys() == {path.stem for path in (ROOT / "commands").glob("[a-z]*.py")} - {"frame"}


@pytest.mark.parametrize(
    "code",
    [
        command("show", "dcgan"),
        command("show", "dcgan", "--json"),
        command("show", "cgan", "--toml"),
        "import gandem; gandem.spec('dcgan'); gandem.train; gandem.open_run; gandem.parity",
        "from gandem.core.plugins.registry import load_dataset; load_dataset('digits')",
        "import gandem.backends, gandem.backends.torch, gandem.backends.keras, gandem.testing",
        "import gandem.callbacks.tensorboard",
    ],
)
def test_looking_at_a_model_imports_no_framework(code):
    assert not roots(imported_by(code)) & FRAMEWORKS


def test_nothing_is_imported_twice_when_run_from_the_root():
    folders = {path.parts[0] for path in shipped_sources() if len(path.parts) > 1}

    assert not roots(imported_by(command("show", "dcgan"))) & (folders | {"cli"})


# --- sources -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\s*(import|from)\s+(c?pickle|dill|cloudpickle|joblib|shelve|marshal)\b",
        r"\btorch\.load\((?!.*\bweights_only=True\))",
        r"\ballow_pickle\s*=\s*True\b",
        r"\bweights_only\s*=\s*False\b",
    ],
)
def test_nothing_is_ever_unpickled(pattern):
    guilty = [p for p in shipped_sources() if re.search(pattern, (ROOT / p).read_text(), re.M)]

    assert guilty == []


def test_ruff_finds_nothing():
    done = run(tool("ruff"), "check", ".")

    assert done.returncode == 0, done.stdout


def test_ruff_would_format_nothing():
    done = run(tool("ruff"), "format", "--check", ".")

    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_mypy_finds_nothing(tmp_path):
    (tmp_path / "gandem").symlink_to(ROOT)  # mypy names modules after folders
    packages = [f"-pgandem.{name}" for name in ("core", "cli", "testing")]
    cache = f"--cache-dir={tmp_path / 'cache'}"
    done = run(tool("mypy"), cache, *packages, env=os.environ | {"MYPYPATH": os.fspath(tmp_path)})

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "name",
    [
        found.name
        for package in (gandem.core, gandem.testing)
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    + ["gandem"],
)
def test_the_examples_in_docstrings_are_true(name):
    failed, _ = doctest.testmod(importlib.import_module(name))

    assert failed == 0


# --- what ships ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of what git keeps, so that nothing is left in the source tree."""
    folder = tmp_path_factory.mktemp("wheel")
    kept = run(tool("git"), "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    if kept.returncode:
        pytest.skip("what ships is what git keeps, and this is no checkout")
    for name in filter(None, kept.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    done = run(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation"),
        *("--outdir", os.fspath(folder), os.fspath(folder / "source")),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = folder.glob("*.whl")
    return found


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


def test_the_wheel_carries_exactly_the_sources_and_their_data(wheel):
    info = f"gandem-{PROJECT['project']['version']}.dist-info/"
    carried = {
        name.removeprefix("gandem/")
        for name in zipfile.ZipFile(wheel).namelist()
        if not name.startswith(info)
    }
    references = (ROOT / "testing" / "references").glob("*.npz")
    templates = [
        path.relative_to(ROOT).as_posix()
        for folder in (TEMPLATES, PAGES)
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not re.search(r"/(__pycache__|\.\w+)/", str(path.relative_to(ROOT)))
    ]

    assert carried == {
        *(path.as_posix() for path in shipped_sources()),
        *(f"testing/references/{path.name}" for path in references),
        *templates,
        "data/LICENSE-digits.md",
        "data/digits.npz",
        "extractors/lenet5-digits.safetensors",
        "extractors/lenet5-fashion.safetensors",
        "py.typed",
        "registry.toml",
    }


def test_the_wheel_carries_its_license(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_wheel_is_small(wheel):
    """The embedded digits take 2.5 MB, the two classifiers 0.9 MB; nothing else should weigh."""
    assert wheel.stat().st_size < 6_000_000


INSIDE = """
import importlib.metadata, json
import gandem
import gandem.testing.cases
from gandem.core.plugins.registry import load_dataset
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
    """Return what a process that runs the installed wheel says of it."""
    return json.loads(run_elsewhere(elsewhere, "-c", INSIDE))


def test_the_installed_wheel_is_what_runs_elsewhere(elsewhere, inside):
    assert Path(inside["file"]) == elsewhere / "gandem" / "__init__.py"


def test_the_installed_wheel_lists_its_catalog(elsewhere):
    listed = json.loads(run_elsewhere(elsewhere, "-m", "gandem", "list", "--json"))

    assert {row["id"] for row in listed["models"]} >= {"cgan", "dcgan", "mlp-gan", "wgan-gp"}


def test_the_installed_wheel_loads_the_embedded_digits(inside):
    assert inside["digits"] == 10000


def test_the_installed_wheel_carries_the_conformance_suite(inside):
    assert inside["cases"] > 100


@pytest.mark.slow
@needs_a_backend
def test_the_installed_wheel_checks_a_backend(elsewhere):
    command = ("check", HOME, "-k", "gradients and dense and not chain and not norm", "--json")

    found = json.loads(run_elsewhere(elsewhere, "-m", "gandem", *command))

    assert found["holds"]
    assert found["counts"]["passed"] == 2


def test_the_installed_wheel_brings_its_watcher(elsewhere):
    listed = json.loads(run_elsewhere(elsewhere, "-m", "gandem", "plugins", "--json"))["plugins"]

    assert ("tensorboard", "gandem") in {(p["name"], p["distribution"]) for p in listed}


def test_the_installed_wheel_writes_plugins(elsewhere, tmp_path):
    made = run_elsewhere(
        elsewhere,
        *("-m", "gandem", "plugin", "new", "acme", "--kind", "model"),
        *("--out", os.fspath(tmp_path / "acme"), "--json"),
    )

    assert all((tmp_path / "acme" / name).is_file() for name in json.loads(made)["files"])
    assert {".gitignore", "pyproject.toml", "src/acme/__init__.py"} <= set(
        json.loads(made)["files"]
    )


def test_the_installed_wheel_has_the_command(inside):
    assert inside["entry_points"] == [
        ["console_scripts", "gandem.cli:main"],
        ["gandem", "gandem.callbacks.tensorboard"],
        ["pytest11", "gandem.testing.pytest_plugin"],
    ]
