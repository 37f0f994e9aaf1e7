"""docs/plugins.md is correct: its hook signatures are the real ones, its walk-throughs work."""

from __future__ import annotations

import ast
import contextlib
import inspect
import json
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.commands import HOME, THERE, needs_a_backend, said

import gandem
from gandem import compare
from gandem.core.plugins import hookspecs
from gandem.core.plugins import validation as offers
from gandem.core.plugins.discovery import KINDS, WATCHES
from gandem.core.plugins.registry import load_launcher
from gandem.core.training.losses import AuxiliaryLoss
from gandem.testing import suite
from gandem.testing.base import names_of_tests

ROOT = Path(gandem.__file__).parent
TEXT = (ROOT / "docs" / "plugins.md").read_text("utf-8")
TEMPLATES = ROOT / "core" / "templates"
HOOKS = [name for name in vars(hookspecs) if name.startswith("gandem_")]


def section(title: str) -> str:
    """Return the text below a heading, down to the next of its rank."""
    _, mark, rest = TEXT.partition(f"\n## {title}\n")
    assert mark, title
    return rest.partition("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def lines(title: str) -> list[str]:
    """Return the commands of a section, in order."""
    text = "".join(blocks(section(title), "sh"))
    return [line.partition("  #")[0].strip() for line in text.splitlines()]


# --- the hooks -----------------------------------------------------------------------------------


def signature_of(hook: str) -> str:
    """Return a hook as it stands in the source, without its decorator and its words."""
    return plain(textwrap.dedent(inspect.getsource(vars(hookspecs)[hook])))


def plain(source: str) -> str:
    """Return a function's signature, however it is broken into lines."""
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    function.decorator_list = []
    function.body = [ast.Expr(ast.Constant(...))]
    return ast.unparse(function)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_its_heading_and_its_exact_signature(hook):
    _, mark, rest = section("The hooks").partition(f"\n### `{hook}`\n")
    assert mark, f"no heading for {hook}"

    (shown,) = blocks(rest.partition("\n### ")[0], "python")

    assert plain(shown) == signature_of(hook)
    assert shown.endswith(": ...\n")


def test_no_heading_names_an_unknown_hook():
    headings = re.findall(r"^#+ .*?(gandem_\w+)", TEXT, re.MULTILINE)

    assert sorted(headings) == sorted(HOOKS)


def test_no_word_names_an_unknown_hook():
    assert set(re.findall(r"\bgandem_[a-z_]+", TEXT)) <= {*HOOKS}


def test_the_manual_names_every_table_and_moment():
    assert HOOKS == [f"gandem_{name}" for name in (*KINDS, *WATCHES)]


@pytest.mark.parametrize("name", re.findall(r"`(gandem\.core\.[\w.]+)`", TEXT))
def test_a_name_of_the_library_is_there(name):
    module, _, attribute = name.rpartition(".")
    try:
        __import__(name)
    except ModuleNotFoundError:
        __import__(module)
        assert hasattr(sys.modules[module], attribute)


@pytest.mark.parametrize("heading", re.findall(r"\]\(#([\w-]+)\)", TEXT))
def test_a_link_within_the_page_leads_to_a_heading(heading):
    headings = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)

    assert heading in [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings]


# --- the walk-throughs ---------------------------------------------------------------------------

NAMED = re.compile(r"# ([\w/.-]+\.(?:py|toml))\n")
QUOTED = {
    "A model, in ten minutes": ("model", "acme-gans"),
    "A data set": ("dataset", "acme-data"),
    "A backend, in a weekend": ("backend", "acme-jax"),
}


@pytest.mark.parametrize("title", ["A model, in ten minutes", "A data set"])
def test_what_is_quoted_stands_in_the_template(title):
    kind, name = QUOTED[title]
    files = [p.read_text("utf-8") for p in (TEMPLATES / kind).rglob("*.*") if p.suffix in SHIPPED]
    quoted = [*blocks(section(title), "python"), *blocks(section(title), "toml")]

    assert quoted
    for block in quoted:
        block = block.replace(name.replace("-", "_"), "my_plugin").replace(name, "my-plugin")
        assert any(block.strip() in file for file in files), block


SHIPPED = (".py", ".toml", ".md")


def test_every_block_is_run_quoted_or_a_hook():
    """A new block wants its place here, or it will rot."""
    free = [
        block
        for block in blocks(TEXT, "python") + blocks(TEXT, "toml")
        if not NAMED.match(block) and block not in blocks(section("The hooks"), "python")
    ]
    for title in ("A model, in ten minutes", "A data set"):
        free = [b for b in free if b not in blocks(section(title), "python")]
        free = [b for b in free if b not in blocks(section(title), "toml")]

    assert [block.split()[0] for block in free] == ["capabilities", "from", "[[players.layers]]"]


class Walk:
    """A folder in which the commands of the page are run, each in this process.

    A package that is installed is one whose sources lie on the path, as after `pip install -e`;
    test_scaffold.py runs pip itself.
    """

    def __init__(self, folder: Path, installed_plugins: Any) -> None:
        self.folder, self.installed_plugins = folder, installed_plugins
        self.sources = folder
        self.packages: list[str] = []

    def run(self, line: str) -> str:
        """Run a line of the page; a training is two steps long, on a backend that is there."""
        word, *rest = shlex.split(line)
        if word == "pip":
            self.install(rest[-1])
            return ""
        if word == "python":
            done = subprocess.run([sys.executable, *rest], cwd=self.folder, capture_output=True)
            assert done.returncode == 0, done.stdout + done.stderr
            return ""
        assert word == "gandem"
        if rest[0] == "train":
            rest[rest.index("--steps") + 1] = "2"
            rest += [] if "--backend" in rest else ["--backend", HOME]
        with self.plugins(), contextlib.chdir(self.folder):
            return said(*rest)

    def install(self, package: str) -> None:
        """Make a package visible as an editable install does, by its metadata."""
        project = tomllib.loads((self.folder / package / "pyproject.toml").read_text("utf-8"))
        name, version = project["project"]["name"], project["project"]["version"]
        self.packages, self.sources = [package], self.folder / package / "src"
        info = self.sources / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        points = project["project"]["entry-points"]["gandem"].items()
        (info / "entry_points.txt").write_text(
            "[gandem]\n" + "".join(f"{name} = {value}\n" for name, value in points)
        )

    def install_copy(self, package: str) -> None:
        """Install what pip takes for the package's files, data files included."""
        self.packages, self.sources = [package], self.folder / "installed"
        pip = "-m pip install --quiet --no-deps --no-compile --no-build-isolation"
        options = f"--disable-pip-version-check --target {self.sources} ./{package}"
        self.run(f"python {pip} {options}")

    def plugins(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which the package is loaded."""
        return self.installed_plugins(self.sources, names=self.packages)


@pytest.fixture(scope="module")
def walk(tmp_path_factory, installed_plugins):
    """The model's package, after its walk-through."""
    walk = Walk(tmp_path_factory.mktemp("walk"), installed_plugins)
    for line in lines("A model, in ten minutes")[:4]:
        walk.run(line)
    return walk


@needs_a_backend
def test_four_commands_lead_to_a_trained_grid(walk):
    commands = [line.split()[1] for line in lines("A model, in ten minutes")[:4]]

    assert commands == ["plugin", "install", "train", "generate"]
    assert (walk.folder / "grid.png").is_file()


@needs_a_backend
def test_the_model_is_listed_and_shown(walk):
    look, show, _ = lines("A model, in ten minutes")[4:]

    assert "acme-gans 0.1.0  (acme-gans)  models: acme-gans/example" in walk.run(look)
    assert "generator" in walk.run(show)


@pytest.fixture(scope="module")
def grown(walk):
    """The same package with all that the page adds to it."""
    for block in re.findall(r"^```(?:python|toml)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE):
        if named := NAMED.match(block):
            path = walk.folder / "acme-gans" / named[1]
            before = path.read_text("utf-8") if path.exists() else ""
            path.write_text(before + "\n\n" + block[named.end() :], "utf-8")
    walk.install_copy("acme-gans")
    return walk


@needs_a_backend
def test_what_the_page_adds_is_found_and_nothing_is_wrong_with_it(grown):
    told = json.loads(grown.run("gandem plugins --json"))["plugins"]
    (plugin,) = [plugin for plugin in told if plugin["name"] == "acme-gans"]

    assert plugin["problems"] == []
    assert plugin["adds"] == {
        "models": ["acme-gans/example"],
        "layers": ["acme-gans/res-block"],
        "losses": ["acme-gans/wasserstein"],
        "extractors": ["acme-gans/thumbnails"],
        "launchers": ["acme-gans/patient"],
        "watches": ["after_training"],
    }


@needs_a_backend
@pytest.mark.parametrize("line", lines("A layer"))
def test_a_layer_is_set(grown, line):
    assert "residual" in grown.run(line)


@needs_a_backend
def test_a_layer_stands_in_a_spec_file(grown):
    (block,) = [b for b in blocks(section("A layer"), "toml")]
    spec = grown.run("gandem show acme-gans/example --toml")
    head, mark, rest = spec.rpartition('[[players.layers]]\nkind = "flatten"')
    assert mark
    (grown.folder / "mine.toml").write_text(f"{head}{block}{mark}{rest}")

    shown = grown.run("gandem show mine.toml --toml")

    assert "acme-gans/res-block" not in shown
    assert tomllib.loads(shown)["players"][1]["layers"][5]["kind"] == "residual"


@needs_a_backend
@pytest.mark.parametrize(
    "line",
    [line for line in lines("An loss, and a catalog of one's own") if "train" in line],
)
def test_an_loss_is_trained_for_and_the_end_is_watched(grown, line):
    grown.run(line)

    assert (grown.folder / "runs" / "wasserstein" / "state.txt").read_text() == "finished"


@needs_a_backend
def test_an_extractor_scores(grown):
    (line,) = re.findall(r"`(gandem evaluate RUN [^`]+)`", section("An extractor"))
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    np.savez(grown.folder / "noise.npz", images=images)

    told = grown.run(line.replace("RUN", "noise.npz --data digits -n 20 --json"))

    (one,) = json.loads(told)
    assert one["protocol"]["extractor"] == "acme-gans/thumbnails"
    assert one["values"]["frechet"] > 2 * one["floor"]["frechet"]


def compare_line() -> str:
    (line,) = re.findall(r"`(gandem compare [^`…]+)…`", section("A launcher, in twenty lines"))
    return line


@needs_a_backend
def test_a_launcher_runs_jobs(grown, monkeypatch):
    monkeypatch.setattr(compare, "run_job", lambda job: f"{job} is done")
    name = compare_line().partition("--launcher ")[2].strip()

    with grown.plugins():
        launcher = load_launcher(name, workers=None, address=None, folder=grown.folder)
        futures = launcher.submit(["one", "two"])
        launcher.close()

    assert [future.result() for future in futures] == ["one is done", "two is done"]


@pytest.mark.slow
@needs_a_backend
def test_a_launcher_trains_a_comparison(grown):
    pytest.importorskip("scipy")
    quick = "--vary=latent=4,5 --seeds 1 --steps 2 --data digits -n 20 --extractor pixels"
    options = f"--backends {HOME} --set width=2 {quick} --out compared --json"

    told = grown.run(f"{compare_line()} {options}")

    assert [cell["state"] for cell in json.loads(told)["cells"]] == ["done", "done"]


def test_an_loss_with_further_players_is_one():
    text = "".join(
        block
        for block in blocks(section("An loss, and a catalog of one's own"), "python")
        if NAMED.match(block) and "losses.py" in block.partition("\n")[0]
    )
    names: dict[str, type] = {}
    exec(text, names)
    made = names["Informed"]()

    wanted = {n for n in (*vars(AuxiliaryLoss), *AuxiliaryLoss.__annotations__) if n[0] != "_"}
    wanted |= {"real", "fake", "generator", "smoothable"}
    assert {name for name in wanted if hasattr(made, name)} == wanted
    for name in wanted - {"auxiliaries", "smoothable"}:
        asked = list(inspect.signature(getattr(made, name)).parameters)
        protocol = list(inspect.signature(getattr(AuxiliaryLoss, name)).parameters)[1:]
        assert asked == protocol


@needs_a_backend
def test_a_data_set_is_drawn_and_trained_on(tmp_path, installed_plugins):
    walk = Walk(tmp_path, installed_plugins)
    for line in lines("A data set"):
        walk.run(line)

    assert (tmp_path / "drawn.png").is_file()


@pytest.fixture(scope="module")
def backend(tmp_path_factory, installed_plugins):
    if "torch" not in THERE:
        pytest.skip("the backend to begin with is PyTorch's, which is not installed")
    walk = Walk(tmp_path_factory.mktemp("backend"), installed_plugins)
    for line in lines("A backend, in a weekend")[:4]:
        walk.run(line)
    return walk


def test_a_backend_trains_from_the_first_minute(backend):
    assert (backend.folder / "acme.png").is_file()


@pytest.mark.slow
def test_a_backend_is_checked(backend):
    line = "gandem check acme-jax/example -k versions"
    assert line in section("A backend, in a weekend")

    assert "acme-jax/example" in backend.run(line)


@pytest.mark.parametrize(
    "words", re.findall(r'-k (\w+|"[^"]+")', section("A backend, in a weekend"))
)
def test_the_words_that_choose_tests_fit_some(words):
    tests = names_of_tests(suite.BackendConformance)

    assert all(any(word in test for test in tests) for word in words.strip('"').split(" or "))


def test_a_backend_says_what_it_can_do_in_words_that_are_known():
    from gandem.core.training import CAPABILITIES
    from gandem.testing.base import unknown_failures

    text = section("A backend, in a weekend")
    said: dict[str, object] = {}
    exec(next(b for b in blocks(text, "python") if b.startswith("capabilities")), said)

    assert set(said["capabilities"]) < set(CAPABILITIES)
    assert all(f"`{name}`" in text for name in CAPABILITIES)
    tests = names_of_tests(suite.BackendConformance)
    assert unknown_failures(said["known_failures"], tests, ["hinge"]) == []


def test_the_three_lines_are_a_class_of_tests():
    text = next(b for b in blocks(section("A backend, in a weekend"), "python") if "Conf" in b)
    names: dict[str, type] = {}
    exec(text, names)

    assert issubclass(names["TestAcme"], suite.BackendConformance)
    assert names["TestAcme"].backend == "acme-jax/example"


def test_the_names_of_the_environment_are_those_that_are_read():
    source = "".join(inspect.getsource(module) for module in (offers, sys.modules[PLUGINS]))
    names = set(re.findall(r"\bGANDEM_[A-Z]+", TEXT))

    assert names == set(re.findall(r"\bGANDEM_[A-Z]+", source))


PLUGINS = "gandem.core.plugins.discovery"
