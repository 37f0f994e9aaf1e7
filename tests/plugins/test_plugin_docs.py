"""docs/plugins.md is correct: its hook signatures are the real ones, and its code runs."""

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
from gandem.compare.launchers import load_launcher
from gandem.core.plugins import discovery, hookspecs, validation
from gandem.core.plugins.entry import KINDS, Entry
from gandem.core.runs.trainer import EVENTS, Callback
from gandem.core.training import CAPABILITIES, Backend
from gandem.core.training.losses import AuxiliaryLoss
from gandem.scaffold import KINDS as SCAFFOLDS
from gandem.testing import suite
from gandem.testing.base import find_unknown_failures, list_tests

ROOT = Path(gandem.__file__).parent
TEXT = (ROOT / "docs" / "plugins.md").read_text("utf-8")
TEMPLATES = ROOT / "scaffold" / "templates"
HOOKS = [name for name in vars(hookspecs) if name.startswith("gandem_")]


def section(title: str) -> str:
    """Return the text below a heading, up to the next of its level."""
    _, heading, rest = TEXT.partition(f"\n## {title}\n")
    assert heading, title
    return rest.partition("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(title: str) -> list[str]:
    """Return the commands of a section, in order."""
    text = "".join(blocks(section(title), "sh")).replace("\\\n", "")
    return [line.partition("  #")[0].strip() for line in text.splitlines()]


# --- names ---------------------------------------------------------------------------------------


def signature(source: str) -> str:
    """Return a function's signature, without decorator, docstring and line breaks."""
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    function.decorator_list = []
    function.body = [ast.Expr(ast.Constant(...))]
    return ast.unparse(function)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_heading_and_its_exact_signature(hook):
    _, heading, rest = section("The hooks").partition(f"\n### `{hook}`\n")
    assert heading, f"no heading for {hook}"

    (shown,) = blocks(rest.partition("\n### ")[0], "python")

    source = textwrap.dedent(inspect.getsource(vars(hookspecs)[hook]))
    assert signature(shown) == signature(source)
    assert shown.endswith(": ...\n")


def test_no_heading_names_an_unknown_hook():
    headings = re.findall(r"^#+ .*?(gandem_\w+)", TEXT, re.MULTILINE)

    assert sorted(headings) == sorted(HOOKS)


def test_no_text_names_an_unknown_hook():
    assert set(re.findall(r"\bgandem_[a-z_]+", TEXT)) <= {*HOOKS}


def test_there_is_a_hook_for_every_kind_of_entry():
    assert HOOKS == [f"gandem_{kind}" for kind in KINDS]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(gandem\.[a-z][\w.]+\.\w+)`", TEXT))))
def test_a_name_of_the_library_exists(name):
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


def test_the_environment_variables_are_those_that_gandem_reads():
    source = inspect.getsource(validation) + inspect.getsource(discovery)
    names = set(re.findall(r"\bGANDEM_[A-Z]+", TEXT))

    assert names == set(re.findall(r"\bGANDEM_[A-Z]+", source))


@pytest.mark.parametrize("kind", SCAFFOLDS)
def test_every_kind_of_new_plugin_is_named(kind):
    assert f"`{kind}`" in section("Write a model") or f"--kind {kind}" in TEXT


def test_the_table_of_callback_methods_lists_every_event():
    rows = re.findall(r"^\| `(\w+)\((.*?)\)` ", section("Callbacks"), re.MULTILINE)

    assert [name for name, _ in rows] == list(EVENTS)
    for name, parameters in rows:
        assert (
            parameters.split(", ")
            == list(inspect.signature(getattr(Callback, name)).parameters)[1:]
        )


# --- walk-throughs -------------------------------------------------------------------------------

PATH_COMMENT = re.compile(r"# ([\w/.-]+\.(?:py|toml))\n")
QUOTED = {"Write a model": ("model", "acme-gans"), "Data sets": ("dataset", "acme-data")}
"""Sections that quote a template."""
TEMPLATE_FILES = (".py", ".toml", ".md")


@pytest.mark.parametrize("title", QUOTED)
def test_a_quoted_block_is_in_the_template(title):
    kind, name = QUOTED[title]
    folders = (TEMPLATES / kind, TEMPLATES / "common")
    paths = [path for folder in folders for path in folder.rglob("*.*")]
    files = [path.read_text("utf-8") for path in paths if path.suffix in TEMPLATE_FILES]
    quoted = [*blocks(section(title), "python"), *blocks(section(title), "toml")]

    assert quoted
    for block in quoted:
        block = block.replace(name.replace("-", "_"), "my_plugin").replace(name, "my-plugin")
        assert any(block.strip() in file for file in files), block


def test_every_block_is_run_or_quoted_or_a_hook():
    hooks = blocks(section("The hooks"), "python")
    tested = [b for title in QUOTED for x in ("python", "toml") for b in blocks(section(title), x)]
    others = [
        block
        for block in blocks(TEXT, "python") + blocks(TEXT, "toml")
        if not PATH_COMMENT.match(block) and block not in hooks + tested
    ]

    assert [block.split()[0] for block in others] == [
        "def",  # test_the_shown_engine_has_the_parameters_of_the_protocol
        "capabilities",  # test_the_shown_capabilities_and_known_failures_are_valid
        "from",  # test_the_three_lines_are_a_conformance_class
        "FOLDER",  # test_the_shown_pretrained_model_is_in_the_folder_that_its_entry_names
        "[[players.layers]]",  # test_a_layer_can_be_used_in_a_spec_file
    ]


def test_the_shown_pretrained_model_is_in_the_folder_that_its_entry_names():
    (block,) = blocks(section("Pretrained models"), "python")
    module = {
        "Path": Path,
        "Entry": Entry,
        "hookimpl": gandem.hookimpl,
        "__file__": "/acme_gans.py",
    }

    exec(block, module)

    (entry,) = module["gandem_pretrained"]()
    assert module[entry.target.partition(":")[2]] == Path("/pretrained")
    assert f"/pretrained/{entry.id.partition('/')[2]} --dtype" in section("Pretrained models")


class Walkthrough:
    """A folder in which the commands of the page run, in this process.

    Installing a package puts its sources on the path, as ``pip install -e`` does;
    test_scaffold.py runs pip itself.
    """

    def __init__(self, folder: Path, installed_plugins: Any) -> None:
        self.folder, self.installed_plugins = folder, installed_plugins
        self.sources = folder
        self.packages: list[str] = []

    def run(self, line: str) -> str:
        """Run a command of the page; a training makes two steps, on a backend that is installed."""
        program, *arguments = shlex.split(line)
        if program == "pip":
            self.install(arguments[-1])
            return ""
        if program == "python":
            command = [sys.executable, *arguments]
            done = subprocess.run(command, cwd=self.folder, capture_output=True)
            assert done.returncode == 0, done.stdout + done.stderr
            return ""
        assert program == "gandem"
        if arguments[0] == "train":
            arguments[arguments.index("--steps") + 1] = "2"
            arguments += [] if "--backend" in arguments else ["--backend", HOME]
        with self.plugins(), contextlib.chdir(self.folder):
            return said(*arguments)

    def install(self, package: str) -> None:
        """Make a package visible by its metadata, as an editable install does."""
        project = tomllib.loads((self.folder / package / "pyproject.toml").read_text("utf-8"))
        name, version = project["project"]["name"], project["project"]["version"]
        self.packages, self.sources = [package], self.folder / package / "src"
        metadata = self.sources / f"{package.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (metadata / "METADATA").write_text(text)
        points = project["project"]["entry-points"]["gandem"].items()
        (metadata / "entry_points.txt").write_text(
            "[gandem]\n" + "".join(f"{name} = {value}\n" for name, value in points)
        )

    def install_copy(self, package: str) -> None:
        """Install the files that pip packages, data files included."""
        self.packages, self.sources = [package], self.folder / "installed"
        pip = "-m pip install --quiet --no-deps --no-compile --no-build-isolation"
        options = f"--disable-pip-version-check --target {self.sources} ./{package}"
        self.run(f"python {pip} {options}")

    def plugins(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which the package is loaded."""
        return self.installed_plugins(self.sources, names=self.packages)


@pytest.fixture(scope="module")
def new_model(tmp_path_factory, installed_plugins):
    """The package of a model, after its walk-through."""
    walkthrough = Walkthrough(tmp_path_factory.mktemp("walkthrough"), installed_plugins)
    for line in commands("Write a model")[:4]:
        walkthrough.run(line)
    return walkthrough


@needs_a_backend
def test_four_commands_lead_to_a_grid_of_images(new_model):
    names = [line.split()[1] for line in commands("Write a model")[:4]]

    assert names == ["plugins", "install", "train", "generate"]
    assert (new_model.folder / "grid.png").is_file()


@needs_a_backend
def test_the_model_is_listed_and_shown(new_model):
    look, show, _ = commands("Write a model")[4:]

    assert "acme-gans/example" in new_model.run(look)
    assert "generator" in new_model.run(show)


@pytest.fixture(scope="module")
def extended(new_model):
    """The same package with everything that the page adds to it."""
    for block in re.findall(r"^```(?:python|toml)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE):
        if comment := PATH_COMMENT.match(block):
            path = new_model.folder / "acme-gans" / comment[1]
            before = path.read_text("utf-8") if path.exists() else ""
            path.write_text(before + "\n\n" + block[comment.end() :], "utf-8")
    new_model.install_copy("acme-gans")
    return new_model


@needs_a_backend
def test_everything_the_page_adds_is_listed_without_errors(extended):
    plugins = json.loads(extended.run("gandem plugins list --json"))["plugins"]
    (plugin,) = [plugin for plugin in plugins if plugin["name"] == "acme-gans"]

    assert plugin["problems"] == []
    assert plugin["adds"] == {
        "models": ["acme-gans/example"],
        "layers": ["acme-gans/res-block", "acme-gans/attention-block"],
        "schedules": ["acme-gans/one-cycle"],
        "losses": ["acme-gans/logistic", "acme-gans/relative"],
        "extractors": ["acme-gans/thumbnails"],
        "metrics": ["acme-gans/mean-distance"],
        "launchers": ["acme-gans/sequential"],
        "callbacks": ["acme-gans/state-file"],
        "exporters": ["acme-gans/npz"],
    }


@needs_a_backend
def test_a_layer_can_be_set(extended):
    assert "residual" in extended.run(commands("Layers")[0])


@needs_a_backend
def test_an_attention_block_is_trained_and_its_run_does_not_need_the_plugin(extended):
    extended.run(commands("Layers")[1])

    folder = extended.folder / "runs" / "attention"
    said("generate", folder, "-n", 4, "-o", extended.folder / "attention.png")
    layers = tomllib.loads((folder / "spec.toml").read_text("utf-8"))["players"][1]["layers"]
    assert [layer["kind"] for layer in layers[3:5]] == ["self_attention", "residual"]
    assert layers[4]["layers"][2]["input"] == "layer:features"


@pytest.mark.parametrize("line", commands("Schedules"))
def test_a_schedule_can_be_set(extended, line):
    assert "piecewise([4e-05, 0.001, 0], [0, 100, 300])" in extended.run(line)


@needs_a_backend
def test_a_layer_can_be_used_in_a_spec_file(extended):
    (block,) = blocks(section("Layers"), "toml")
    spec = extended.run("gandem show acme-gans/example --toml")
    head, flatten, rest = spec.rpartition('[[players.layers]]\nkind = "flatten"')
    assert flatten
    (extended.folder / "mine.toml").write_text(f"{head}{block}{flatten}{rest}")

    shown = extended.run("gandem show mine.toml --toml")

    assert "acme-gans/res-block" not in shown
    assert tomllib.loads(shown)["players"][1]["layers"][5]["kind"] == "residual"


@needs_a_backend
@pytest.mark.parametrize("line", [x for x in commands("Entries in a file") if "train" in x])
def test_a_loss_is_trained_with_and_a_callback_notified(extended, line):
    extended.run(line)

    folder = extended.folder / line.rpartition(" ")[2]
    assert (folder / "state.txt").read_text() == "finished"


@needs_a_backend
def test_an_extractor_and_a_metric_score(extended):
    (line,) = re.findall(r"`(gandem evaluate RUN [^`]+)`", section("Feature extractors"))
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    np.savez(extended.folder / "noise.npz", images=images)

    text = extended.run(line.replace("RUN", "noise.npz --data digits -n 20 --json"))

    (scores,) = json.loads(text)
    assert scores["protocol"]["extractor"] == "acme-gans/thumbnails"
    assert scores["values"]["frechet"] > 2 * scores["real_baseline"]["frechet"]
    name = "acme-gans/mean-distance"
    assert scores["values"][name] > 2 * scores["real_baseline"][name]


def compare_command() -> str:
    (line,) = re.findall(r"`(gandem compare [^`…]+)…`", section("Launchers"))
    return line


@needs_a_backend
def test_a_launcher_runs_jobs(extended, monkeypatch):
    monkeypatch.setattr(sys.modules["gandem.compare"], "run_job", lambda job: f"{job} is done")
    name = compare_command().partition("--launcher ")[2].strip()

    with extended.plugins():
        launcher = load_launcher(name, workers=None, address=None, folder=extended.folder)
        futures = launcher.submit(["one", "two"])
        launcher.close()

    assert [future.result() for future in futures] == ["one is done", "two is done"]


@needs_a_backend
def test_an_exporter_writes_the_weights(extended):
    (line,) = re.findall(r"`(gandem export [^`]+)`", section("Exporters"))

    assert "differs by at most 0.0e+00" in extended.run(line)
    assert (extended.folder / "first.npz").is_file()


@pytest.mark.slow
@needs_a_backend
def test_a_launcher_trains_a_comparison(extended):
    pytest.importorskip("scipy")
    quick = "--sweep=latent=4,5 --seeds 1 --steps 2 --data digits -n 20 --extractor pixels"
    options = f"--backends {HOME} --set width=2 {quick} --out compared --json"

    text = extended.run(f"{compare_command()} {options}")

    assert [cell["state"] for cell in json.loads(text)["cells"]] == ["done", "done"]


def test_the_loss_with_an_auxiliary_network_has_the_form_of_the_protocol():
    code = [b for b in blocks(section("Losses"), "python") if "losses.py" in b.partition("\n")[0]]
    names: dict[str, type] = {}
    exec("".join(code), names)
    loss = names["Informed"]()

    expected = {n for n in (*vars(AuxiliaryLoss), *AuxiliaryLoss.__annotations__) if n[0] != "_"}
    expected |= {"real", "fake", "generator", "smoothable"}
    assert {name for name in expected if hasattr(loss, name)} == expected
    for name in expected - {"auxiliaries", "smoothable"}:
        parameters = list(inspect.signature(getattr(loss, name)).parameters)
        assert parameters == list(inspect.signature(getattr(AuxiliaryLoss, name)).parameters)[1:]


@needs_a_backend
def test_a_data_set_is_trained_on(tmp_path, installed_plugins):
    walkthrough = Walkthrough(tmp_path, installed_plugins)
    for line in commands("Data sets"):
        walkthrough.run(line)

    assert (tmp_path / "drawn.png").is_file()


# --- backends ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def backend(tmp_path_factory, installed_plugins):
    if "torch" not in THERE:
        pytest.skip("the template delegates to PyTorch, which is not installed")
    walkthrough = Walkthrough(tmp_path_factory.mktemp("backend"), installed_plugins)
    for line in commands("Backends")[:4]:
        walkthrough.run(line)
    return walkthrough


def test_a_new_backend_trains(backend):
    assert (backend.folder / "acme.png").is_file()


@pytest.mark.slow
def test_a_new_backend_can_be_checked(backend):
    line = "gandem plugins check acme-jax/example -k versions"
    assert line in section("Backends")

    assert "acme-jax/example" in backend.run(line)


@pytest.mark.parametrize("words", re.findall(r'-k (\w+|"[^"]+")', section("Backends")))
def test_the_words_that_select_tests_match_some(words):
    tests = list_tests(suite.BackendConformance)

    assert all(any(word in test for test in tests) for word in words.strip('"').split(" or "))


def test_the_shown_engine_has_the_parameters_of_the_protocol():
    (code,) = [b for b in blocks(section("Backends"), "python") if b.startswith("def engine")]
    names: dict[str, Any] = {}
    exec(code, names)

    parameters = inspect.signature(names["engine"]).parameters
    expected = inspect.signature(Backend.engine).parameters

    assert [(p.name, p.kind) for p in parameters.values()] == [
        (p.name, p.kind) for p in expected.values()
    ]


def test_the_shown_capabilities_and_known_failures_are_valid():
    text = section("Backends")
    names: dict[str, Any] = {}
    exec(next(b for b in blocks(text, "python") if b.startswith("capabilities")), names)

    assert set(names["capabilities"]) < set(CAPABILITIES)
    assert all(f"`{name}`" in text for name in CAPABILITIES)
    tests = list_tests(suite.BackendConformance)
    assert find_unknown_failures(names["known_failures"], tests, ["hinge"]) == []


def test_the_three_lines_are_a_conformance_class():
    text = next(b for b in blocks(section("Backends"), "python") if "Conformance" in b)
    names: dict[str, type] = {}
    exec(text, names)

    assert issubclass(names["TestAcme"], suite.BackendConformance)
    assert names["TestAcme"].backend == "acme-jax/example"
