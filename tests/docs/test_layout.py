"""The layout: which files are where, and which module may import which."""

from __future__ import annotations

import ast
import doctest
import functools
import graphlib
import importlib
import importlib.metadata
import pkgutil
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

import pytest
from support.layout import FRAMEWORKS, PROJECT, ROOT, own_environment, run, shipped_sources, tool

import gandem.cli
import gandem.core
import gandem.testing

# --- folders -------------------------------------------------------------------------------------


def test_packages_lists_every_folder():
    folders = {path.parent for path in shipped_sources()}
    packages = [".".join(("gandem", *folder.parts)) for folder in folders]

    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(packages)


def test_every_folder_of_the_package_has_its_init():
    sources = shipped_sources()

    assert {p.parent for p in sources} == {p.parent for p in sources if p.name == "__init__.py"}


MAX_FILES = 13
"""Python files of a folder, its ``__init__`` included."""
CATALOGS = {Path("models"), Path("losses"), Path("data"), Path("commands")}
"""Folders with a file for each entry."""


def test_no_folder_has_more_than_a_dozen_files():
    counts = Counter(path.parent for path in shipped_sources())

    assert {p: n for p, n in counts.items() if n > MAX_FILES and p not in CATALOGS} == {}


def test_no_module_has_more_than_400_lines():
    lengths = {p: len((ROOT / p).read_text("utf-8").splitlines()) for p in shipped_sources()}

    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_no_stray_file_ships_from_the_root():
    at_the_root = {path.name for path in shipped_sources() if path.parent == Path()}

    assert at_the_root == {"__init__.py", "__main__.py", "cli.py"}


def test_only_the_shared_helpers_of_the_tests_are_a_package():
    packages = {path.parent.name for path in (ROOT / "tests").rglob("__init__.py")}

    assert packages == {"support"}


def test_there_is_no_conftest_beside_the_package():
    assert not (ROOT / "conftest.py").exists()


def test_no_folder_shadows_the_package_datasets():
    assert not (ROOT / "datasets").exists()


def test_both_backends_have_the_same_files():
    def names(backend: str) -> set[str]:
        return {path.name for path in (ROOT / "backends" / backend).glob("*.py")}

    assert names("keras") - names("torch") == {"start.py"}  # TensorFlow has a way to be started
    assert names("torch") <= names("keras")


def test_the_version_is_that_of_the_distribution():
    assert importlib.metadata.version("gandem") == PROJECT["project"]["version"]


# --- who may import whom -------------------------------------------------------------------------


BARE = [
    *("backends", "callbacks", "commands", "compare", "core", "data", "download", "extractors"),
    *("exporters", "losses", "metrics", "models", "optimize", "parity", "pretrained", "profiler"),
    *("scaffold", "terminal", "testing", "visualize"),
]


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


def module_name(source: Path) -> str:
    parts = ("gandem", *source.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def list_imports(source: Path, modules: Collection[str]) -> set[str]:
    """Return the modules of the package that a file imports, in functions and for types too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / source).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= inner & set(modules) or {str(node.module)}
    return names & set(modules) - {module_name(source)}


def test_no_modules_import_each_other_in_a_circle():
    modules = {module_name(source): source for source in shipped_sources()}
    graph = {name: list_imports(source, modules) for name, source in modules.items()}

    graphlib.TopologicalSorter(graph).prepare()  # raises a CycleError that lists the circle


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
    result = {name for name in imported_by("import gandem") if name.startswith("gandem")}

    assert result == {"gandem"}


@pytest.mark.parametrize(
    "code",
    [
        "import gandem",
        "import gandem.cli",
        command("--help"),
        command("list"),
        command("list", "--json"),
        command("plugins", "list"),
        command("train", "--help"),
        command("show", "dcgan", "--toml"),
    ],
)
def test_listing_and_showing_import_no_framework_and_no_numpy(code):
    assert not roots(imported_by(code)) & (FRAMEWORKS | {"numpy", "tensorboard"})


def test_a_command_imports_its_own_module_and_no_slow_part_of_the_standard_library():
    result = imported_by(command("list"))

    assert {name for name in result if name.startswith("gandem.commands.")} == {
        "gandem.commands.group",
        "gandem.commands.list",
        "gandem.commands.options",
        "gandem.commands.output",
    }
    assert not result & {"difflib", "rich"}


def test_every_module_of_commands_is_a_command_or_shared_by_several():
    commands = [name for names in gandem.cli.SECTIONS.values() for name in names]
    shared = {"group", "options", "output", "run_summaries"}
    shared |= {"render", "render_cost", "render_dataset", "render_reports", "render_training"}

    modules = {path.stem for path in (ROOT / "commands").glob("[a-z]*.py")}
    assert modules == shared | {name.replace("-", "_") for name in commands}
    for name in commands:
        assert gandem.cli.main.get_command(None, name).name == name


@pytest.mark.parametrize(
    "code",
    [
        command("show", "dcgan"),
        command("show", "dcgan", "--json"),
        command("show", "cgan", "--toml"),
        "import gandem; gandem.spec('dcgan'); gandem.train; gandem.open_run; gandem.parity",
        "from gandem.core.data.dataset import load_dataset; load_dataset('digits')",
        "import gandem.backends, gandem.backends.torch, gandem.backends.keras, gandem.testing",
        "import gandem.callbacks.tensorboard",
    ],
)
def test_showing_a_model_imports_no_framework(code):
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
def test_no_code_unpickles(pattern):
    matches = [p for p in shipped_sources() if re.search(pattern, (ROOT / p).read_text(), re.M)]

    assert matches == []


@pytest.mark.parametrize(
    "name",
    [
        result.name
        for package in (gandem.core, gandem.testing)
        for result in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    + ["gandem"],
)
def test_the_examples_in_docstrings_work(name):
    failed, _ = doctest.testmod(importlib.import_module(name))

    assert failed == 0


def test_each_planted_fault_quotes_code_that_occurs_once():
    faults = tomllib.loads((ROOT / "tests/tools/planted_faults.toml").read_text("utf-8"))["faults"]

    counts = {f["name"]: (ROOT / f["file"]).read_text("utf-8").count(f["code"]) for f in faults}

    assert {name: count for name, count in counts.items() if count != 1} == {}
