"""gandem without one framework: the other works, and the error says what to install."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from gandem.core.plugins.installation import install_command
from gandem.core.plugins.registry import is_installed as installed
from gandem.core.plugins.registry import registry

MODULES = {"torch": ["torch"], "keras": ["keras", "tensorflow"]}
HIDE = """
import sys

class Without:  # None in sys.modules would look like a module that lacks everything
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        hidden = name.partition(".")[0] in {}
        return None if hidden else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Without, sys.meta_path)
"""
RUN = """
import json
from click.testing import CliRunner
from gandem.cli import main

ended = [CliRunner().invoke(main, command) for command in json.loads(sys.argv[1])]
print(json.dumps([(one.exit_code, one.stdout, one.stderr) for one in ended]))
"""


def without(backend, code, *arguments):
    """Run code in a process in which a framework cannot be found."""
    return subprocess.run(
        [sys.executable, "-c", HIDE.format(MODULES[backend]) + code, *arguments],
        capture_output=True,
        text=True,
    )


def commands_without(backend, *commands):
    """Run commands there, in one process; return exit code, output and errors of each."""
    done = without(backend, RUN, json.dumps(commands))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=["torch", "keras"])
def missing(request):
    return request.param


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("missing") / "run"


@pytest.fixture(scope="module")
def refusals(missing, out):
    """What three commands without a framework end with, by name."""
    commands = {
        "list": ["list", "--json"],
        "train": ["train", "mlp-gan", "--backend", missing, "--out", str(out)],
        "parity": ["parity", "mlp-gan"],
    }
    return dict(zip(commands, commands_without(missing, *commands.values()), strict=True))


def test_the_list_says_which_backend_is_not_installed(missing, refusals):
    code, output, _ = refusals["list"]

    installed = {row["id"]: row["installed"] for row in json.loads(output)["backends"]}
    assert code == 0
    assert installed[missing] is False


def test_training_on_it_names_the_extra_to_install(missing, refusals, out):
    code, _, error = refusals["train"]

    assert code == 1
    assert len(error.strip().splitlines()) == 1
    assert install_command(missing) in error
    assert not out.exists()


def test_parity_needs_two_backends(refusals):
    code, _, error = refusals["parity"]

    assert code == 1
    assert "A comparison needs two backends" in error
    assert install_command("all") in error


@pytest.mark.parametrize(
    "missing", [pytest.param("torch", marks=pytest.mark.slow), "keras"], indirect=True
)
def test_the_other_backend_trains_and_generates(missing, tmp_path):
    other = "keras" if missing == "torch" else "torch"
    run, grid = str(tmp_path / "run"), tmp_path / "grid.png"
    small = [
        "--set",
        "hidden=[8,8]",
        "--set",
        "discriminator_hidden=[8]",
        "--steps",
        "2",
        "--data",
        "digits",
    ]

    trained, made = commands_without(
        missing,
        ["train", "mlp-gan", "--backend", other, *small, "--out", run],
        ["generate", run, "-n", "4", "-o", str(grid)],
    )

    assert trained[0] == 0, trained
    assert made[0] == 0, made
    assert grid.exists()


def test_the_shared_suite_skips_the_missing_backend_by_name(missing):
    tests = Path(__file__).with_name(f"test_backend_{missing}.py")
    options = ["-q", "-p", "no:cacheprovider", "-k", "versions"]

    done = without(missing, "import pytest; sys.exit(pytest.main(sys.argv[1:]))", *options, tests)

    assert "1 skipped" in done.stdout
    assert f"backend {missing!r} is not installed" in done.stdout


def missing_of(names):
    """Return which backends are not installed, and which other modules are not there."""
    backends = {row.id: row for row in registry().entries("backends")}
    return [
        name
        for name in names
        if not (installed(backends[name]) if name in backends else find_spec(name))
    ]


def test_what_this_run_requires_is_installed():
    required = set(os.environ.get("GANDEM_TEST_REQUIRES", "").split()) - {"chromium"}

    assert missing_of(required) == [], "`make test` requires them, or their tests are skipped"


def test_a_run_can_require_any_module():
    assert missing_of(["numpy", "nowhere_to_be_found"]) == ["nowhere_to_be_found"]
