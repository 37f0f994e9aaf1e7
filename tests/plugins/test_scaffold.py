"""`gandem plugins new` writes packages that install, are listed, train and pass their own tests."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.commands import HOME, THERE, command, needs_a_backend, refused, said

from gandem import scaffold
from gandem.cli import main
from gandem.core.errors import GandemError
from gandem.scaffold import INSTALL, KINDS, MAX_NAME_LENGTH, new_plugin

NAMES = {kind: f"acme-{kind}" for kind in KINDS}
on_each_kind = pytest.mark.parametrize("kind", KINDS)


def run(*line: object, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, which shall succeed."""
    settings = {"capture_output": True, "text": True, "timeout": 300} | settings
    done = subprocess.run([str(word) for word in line], **settings)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return done


# --- new packages --------------------------------------------------------------------------------


class Packages:
    """A package of each kind, written by the command and installed side by side by pip."""

    def __init__(self, place: Path) -> None:
        self.place, self.installed = place, place / "installed"
        self.made = {
            kind: json.loads(
                said("plugins", "new", name, "--kind", kind, "--out", place / name, "--json")
            )
            for kind, name in NAMES.items()
        }
        run(
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"),
            *("--disable-pip-version-check", "--no-build-isolation"),
            *("--target", self.installed, *map(self.folder, KINDS)),
        )

    def folder(self, kind: str) -> Path:
        return self.place / NAMES[kind]

    def run(self, *line: object, **settings: object) -> str:
        """Run a command in a process that sees the packages."""
        plain = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("GANDEM", "PYTEST"))
        }
        path = os.pathsep.join([str(self.installed), os.environ.get("PYTHONPATH", "")])
        theirs = {"PYTHONPATH": path, "GANDEM_PLUGINS": ",".join(NAMES.values())}
        return run(*line, **({"cwd": self.place, "env": plain | theirs} | settings)).stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return Packages(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def listed_plugins(packages):
    return json.loads(packages.run(*command("plugins", "list", "--json")))["plugins"]


@pytest.fixture(scope="module")
def listed_rows(packages):
    return json.loads(packages.run(*command("list", "--json")))


@on_each_kind
def test_a_new_package_is_found_without_problems(listed_plugins, kind):
    (plugin,) = [plugin for plugin in listed_plugins if plugin["distribution"] == NAMES[kind]]

    assert plugin["adds"] == {KINDS[kind]: [f"{NAMES[kind]}/example"]}
    assert (plugin["name"], plugin["version"]) == (NAMES[kind], "0.1.0")
    assert (plugin["loaded"], plugin["problems"]) == (True, [])


@on_each_kind
def test_what_a_new_package_adds_is_listed(listed_rows, kind):
    assert f"{NAMES[kind]}/example" in [row["id"] for row in listed_rows[KINDS[kind]]]


def test_listing_new_packages_imports_neither_a_framework_nor_numpy(packages):
    code = "import sys, gandem.core.plugins.registry as r; r.registry(); print(*sys.modules)"

    imported = set(packages.run(sys.executable, "-c", code).split())
    assert {result["package"] for result in packages.made.values()} <= imported
    assert not {"numpy", "torch", "tensorflow", "keras", "jax"} & imported


QUICK = {
    "train": f"--backend {HOME} --steps 2",
    "evaluate": "-n 20",
    "compare": f"--backends {HOME} --steps 2 -n 20 --extractor pixels --json",
}
"""Options that make the commands quick; the last of an option counts."""
OUTPUT = {
    "extractor": "acme-extractor/example",
    "metric": "distance of the mean features",
    "callback": "step,",
    "launcher": '"done"',
    "exporter": "differs by at most 0.0e+00",
}
"""A part of what the last command of a kind prints; by default it writes a grid of images."""


@needs_a_backend
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.slow if kind == "launcher" else ()) for kind in KINDS],
)
def test_the_commands_of_a_new_package_work(packages, installed_plugins, monkeypatch, kind):
    if kind == "backend" and "torch" not in THERE:
        pytest.skip("the new backend delegates to PyTorch, which is not installed")
    commands = packages.made[kind]["commands"]
    monkeypatch.chdir(packages.folder(kind))

    with installed_plugins(packages.installed, names=NAMES.values()):
        for line in commands[len(INSTALL) :]:
            program, *rest = shlex.split(line)
            if program == "gandem":
                quick = shlex.split(QUICK.get(rest[0], ""))
                printed = said(*rest, *(quick[2:] if "--backend" in rest else quick))
            else:
                program = sys.executable if program == "python" else program
                printed = run(program, *rest).stdout

    assert tuple(commands[: len(INSTALL)]) == INSTALL
    assert OUTPUT.get(kind, "") in printed
    assert kind in OUTPUT or Path("grid.png").is_file()


OWN_TESTS = """
import gc, os
import pytest
import gandem.core.runs
if {preload}:
    import torch, torch._dynamo
gc.freeze()  # pytest collects garbage
os.fsync = lambda file: None  # slow on a busy disk
for folder, *options in {jobs}:
    if os.fork() == 0:
        os.chdir(folder)
        os.dup2(os.open("own-tests.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 1)
        code = pytest.main(["-q", "-p", "no:cacheprovider", *options])
        print("exit code", int(code), flush=True)
        os._exit(0)
    os.wait()
"""
"""Runs the tests of several packages, each in its own folder, by its own settings.

What they all import is imported once; TensorFlow would not work after a fork.
"""


def run_own_tests(packages: Packages, **options: tuple[str, ...]) -> dict[str, str]:
    """Run pytest in the packages of some kinds; return what it printed, by kind."""
    jobs = [[str(packages.folder(kind)), *words] for kind, words in options.items()]
    packages.run(sys.executable, "-c", OWN_TESTS.format(preload=HOME == "torch", jobs=jobs))
    return {kind: (packages.folder(kind) / "own-tests.txt").read_text() for kind in options}


def assert_all_passed(printed: str) -> None:
    assert printed.endswith("exit code 0\n"), printed
    assert " passed" in printed
    assert "skipped" not in printed


@pytest.mark.slow  # tests/plugins/test_plugin_docs.py runs some of them
@needs_a_backend
def test_the_tests_of_new_packages_pass(packages):
    options = {kind: () for kind in KINDS if kind != "backend"}

    for printed in run_own_tests(packages, **options).values():
        assert_all_passed(printed)


@pytest.mark.slow
@pytest.mark.skipif("torch" not in THERE, reason="the new backend is PyTorch's to begin with")
def test_a_new_backend_passes_every_operation_of_the_conformance_suite(packages):
    assert_all_passed(run_own_tests(packages, backend=())["backend"])


# --- names ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["x", "acme", "a1-b2", "m" * MAX_NAME_LENGTH], ids=len)
def named(request, tmp_path_factory):
    """All kinds, under one name."""
    place = tmp_path_factory.mktemp("named")
    return [new_plugin(request.param, kind, place / kind) for kind in KINDS]


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is not installed")
@pytest.mark.parametrize("check", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_accepts_what_is_written(named, check):
    run(sys.executable, "-m", "ruff", *check, "--no-cache", *[result.folder for result in named])


def test_no_placeholder_is_left(named):
    for result in named:
        for path in result.files:
            text = (result.folder / path).read_text("utf-8")
            assert "my-plugin" not in text
            assert "my_plugin" not in text


def test_the_entry_point_names_the_package(named):
    for result in named:
        project = tomllib.loads((result.folder / "pyproject.toml").read_text("utf-8"))["project"]

        assert project["name"] == result.name
        assert project["entry-points"]["gandem"] == {result.name: result.package}
        assert f"src/{result.package}/__init__.py" in result.files


# --- the command ---------------------------------------------------------------------------------


@on_each_kind
def test_the_package_is_written_to_the_working_folder(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)

    lines = said("plugins", "new", "acme", "--kind", kind).splitlines()

    assert lines[0] == "Created acme, a package that adds 'acme/example'. Next:"
    assert lines[1] == "  cd acme"
    assert lines[2] == "  pip install -e '.[dev]'"
    assert (tmp_path / "acme" / "src" / "acme" / "__init__.py").is_file()


def test_missing_parent_folders_are_created(tmp_path):
    said("plugins", "new", "acme", "--kind", "model", "--out", tmp_path / "a" / "b c")

    assert (tmp_path / "a" / "b c" / "pyproject.toml").is_file()


def test_help_names_the_kinds_and_the_default():
    text = CliRunner().invoke(main, ["plugins", "new", "--help"], terminal_width=200).stdout

    assert f"--kind [{'|'.join(KINDS)}]" in text
    assert "[default: (NAME)]" in text


def test_an_unknown_command_of_the_group_is_refused_with_the_nearest():
    words = "No command named 'nwe'. Did you mean 'new'? See 'gandem plugins --help'."

    assert refused("plugins", "nwe", code=2) == words


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Acme", "acme"),
        ("acme_gans", "acme-gans"),
        ("acme.gans", "acme-gans"),
        ("acme gans", "acme-gans"),
        ("acme/gans", "acme-gans"),
        ("acme--gans", "acme-gans"),
        ("acme-", "acme"),
        ("3d-gans", "d-gans"),
        ("../acme", "acme"),
        ("ácme", "cme"),
        ("m" * 41, "m" * 40),
    ],
)
def test_an_invalid_name_is_refused_with_the_nearest(tmp_path, name, near):
    words = refused("plugins", "new", name, "--kind", "model", "--out", tmp_path / "acme")

    assert words == (
        "The name of a plugin is up to 40 lower-case letters, digits and hyphens, like "
        "'acme-gans'; "
        f"received {name!r}. Did you mean {near!r}?"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "42", "…"])
def test_a_name_without_letters_is_refused(tmp_path, name):
    words = refused("plugins", "new", name, "--kind", "model", "--out", tmp_path / "acme")

    assert words.endswith(f"received {name!r}.")


@pytest.mark.parametrize("name", ["gandem", "my-plugin", "tests", "class", "json"])
def test_a_reserved_name_is_refused(tmp_path, name):
    words = refused("plugins", "new", name, "--kind", "model", "--out", tmp_path / "acme")

    assert words == f"The name {name!r} is taken; choose another, like '{name}-gans'."


@pytest.mark.parametrize("name", ["numpy", "click"])
def test_the_name_of_an_installed_module_is_refused(tmp_path, name):
    words = refused("plugins", "new", name, "--kind", "model", "--out", tmp_path / "acme")

    assert words == f"A module {name!r} is installed; choose another name, like '{name}-gans'."


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_nothing_that_exists_is_overwritten(tmp_path, what):
    out = tmp_path / "acme"
    {
        "folder": out.mkdir,
        "file": lambda: out.write_text("mine"),
        "link": lambda: out.symlink_to("nowhere"),
    }[what]()

    words = refused("plugins", "new", "acme", "--kind", "model", "--out", out)

    assert words == f"{out}: it exists; choose another --out."
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_that_cannot_be_created_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")

    words = refused(
        "plugins", "new", "acme", "--kind", "model", "--out", tmp_path / "file" / "acme"
    )

    assert words.startswith(f"{tmp_path / 'file'}: cannot be created (")


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_one_line_and_unchanged(tmp_path, monkeypatch, number):
    written = []

    def write(path, *args, **settings):
        if written:
            raise OSError(number, os.strerror(number))
        written.append(path.write_bytes(b""))

    monkeypatch.setattr(scaffold.Path, "write_text", write)

    words = refused("plugins", "new", "acme", "--kind", "model", "--out", tmp_path / "acme")

    assert words == f"{tmp_path / 'acme'}: cannot be written ({os.strerror(number)})."
    assert written
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_is_refused(tmp_path):
    words = refused("plugins", "new", "acme", "--kind", "data", "--out", tmp_path / "a", code=2)

    assert "'model', 'layer', 'schedule', 'loss'" in words
    with pytest.raises(GandemError, match=r"No kind of plugin named 'modl'. Did you mean 'model'"):
        new_plugin("acme", "modl", tmp_path / "acme")


def test_no_kind_is_refused(tmp_path):
    assert "--kind" in refused("plugins", "new", "acme", code=2)
