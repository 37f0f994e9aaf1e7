"""gandem where a framework is missing: the rest works, and the error says what to type."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from gandem.core.registry import installed, registry

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
COMMAND = "import gandem.cli; gandem.cli.main(prog_name='gandem')"


def without(backend, *arguments, code=COMMAND):
    """Run gandem in a process in which a framework cannot be found."""
    return subprocess.run(
        [sys.executable, "-c", HIDE.format(MODULES[backend]) + code, *arguments],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("missing", ["torch", "keras"])
def test_the_list_says_which_backend_is_not_installed(missing):
    found = json.loads(without(missing, "list", "--json").stdout)

    installed = {row["id"]: row["installed"] for row in found["backends"]}
    assert installed[missing] is False


@pytest.mark.parametrize("missing", ["torch", "keras"])
def test_training_on_it_names_the_extra_to_install(missing, tmp_path):
    out = tmp_path / "run"

    done = without(missing, "train", "mlp-gan", "--backend", missing, "--out", str(out))

    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert f"pip install 'gandem[{missing}]'" in done.stderr
    assert not out.exists()


@pytest.mark.parametrize("missing", ["torch", "keras"])
def test_the_other_backend_trains_and_generates(missing, tmp_path):
    other = "keras" if missing == "torch" else "torch"
    out, grid = tmp_path / "run", tmp_path / "grid.png"
    small = ["--set", "hidden=[8,8]", "--set", "judging=[8]", "--steps", "2", "--data", "digits"]

    trained = without(missing, "train", "mlp-gan", "--backend", other, *small, "--out", str(out))
    made = without(missing, "generate", str(out), "-n", "4", "-o", str(grid))

    assert trained.returncode == 0, trained.stderr
    assert made.returncode == 0, made.stderr
    assert grid.exists()


@pytest.mark.parametrize("missing", ["torch", "keras"])
def test_parity_says_that_it_needs_two(missing):
    done = without(missing, "parity", "mlp-gan")

    assert done.returncode == 1
    assert "A comparison needs two backends" in done.stderr
    assert "pip install 'gandem[all]'" in done.stderr


@pytest.mark.parametrize("missing", ["torch", "keras"])
def test_the_shared_suite_skips_the_missing_backend_by_name(missing):
    code = "import pytest; sys.exit(pytest.main(sys.argv[1:]))"

    done = without(
        missing, "-q", "-p", "no:cacheprovider", "-k", "versions",
        f"tests/test_backend_{missing}.py", code=code,
    )  # fmt: skip

    assert "1 skipped" in done.stdout
    assert f"backend {missing!r} is not installed" in done.stdout


def missing_of(names):
    """Return which backends are not installed, and which other modules are not there."""
    backends = {row.id: row for row in registry().rows("backends")}
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
