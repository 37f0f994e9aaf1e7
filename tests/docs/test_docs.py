"""README, CHANGELOG and docs are correct: commands parse, code runs, links lead somewhere."""

import functools
import importlib.util
import inspect
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from gandem.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]


def blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands():
    """Return the commands in the shell blocks of every page, each once."""
    text = "".join("".join(blocks("sh", page.read_text("utf-8"))) for page in PAGES)
    lines = text.replace("\\\n", " ").splitlines()
    return list(dict.fromkeys(re.sub(r"  +#.*", "", x) for x in lines if x.startswith("gandem ")))


@pytest.mark.parametrize("line", commands())
def test_a_command_parses(line):
    command, words = main, shlex.split(line)[1:]
    while isinstance(command, click.Group):
        name, *words = words
        command = command.get_command(None, name)
        assert command is not None, f"no command {name!r}"

    context = command.make_context(name, words)

    assert isinstance(context, click.Context)


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", "".join(blocks("sh")), re.MULTILINE))
def test_a_make_target_of_the_readme_is_in_the_makefile(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


needs_both = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "tensorflow", "keras")),
    reason="needs both frameworks; one is not installed",
)


def python_of_the_readme():
    return next(block for block in blocks("python") if "gandem.train(" in block)


@needs_both
def test_the_python_of_the_readme_runs_with_fewer_steps(tmp_path, monkeypatch):
    """Only the arguments of the function that starts processes are checked."""
    import torch
    import torch._dynamo  # before TensorFlow, which gandem imports when it is needed

    import gandem
    from gandem.parity import measure

    calls = []
    parity = functools.partial(bind, calls, inspect.signature(measure))
    monkeypatch.setattr(gandem, "parity", parity)
    code = python_of_the_readme()
    for steps, fewer in (("steps=100", "steps=2"), ("steps=150", "steps=3")):
        assert code.count(steps) == 1
        code = code.replace(steps, fewer)
    monkeypatch.chdir(tmp_path)
    names = {}

    exec(code, names)

    assert isinstance(names["run"].native("generator"), torch.nn.Module)
    assert len(calls) == 1
    assert (tmp_path / "generator.keras").is_file()


def bind(calls, signature, *arguments, **named):
    """Stand in for a function: check that it accepts these arguments."""
    calls.append(signature.bind(*arguments, **named))
    return SimpleNamespace(holds=True)


@pytest.mark.slow
@needs_both
def test_the_python_of_the_readme_runs_as_it_is(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", python_of_the_readme()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "generator.keras").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_heading_leads_to_one(page):
    for file, anchor in re.findall(r"\]\(([^)#:]*\.md|)#([^)]+)\)", page.read_text("utf-8")):
        text = (page.parent / file if file else page).read_text("utf-8")
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        assert anchor in [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings]


def test_the_page_of_the_spec_is_up_to_date():
    """If not, run ``python docs/make_spec.py``."""
    make_page = runpy.run_path(str(ROOT / "docs" / "make_spec.py"))["make_page"]

    assert (ROOT / "docs" / "spec.md").read_text("utf-8") == make_page()


def test_the_gallery_shows_all_its_pictures_which_are_small():
    pictures = [*(ROOT / "docs" / "pictures" / "gallery").iterdir()]
    page = (ROOT / "docs" / "gallery.md").read_text("utf-8")

    assert [path.name for path in pictures if f"(pictures/gallery/{path.name})" not in page] == []
    assert sum(path.stat().st_size for path in pictures) < 6_000_000


def test_every_decision_is_in_the_index():
    folder = ROOT / "docs" / "decisions"
    index = re.findall(
        r"^(\d+)\. \[(.*)\]\((.*)\)$", (folder / "README.md").read_text("utf-8"), re.M
    )

    assert [name for _, _, name in index] == sorted(path.name for path in folder.glob("0*.md"))
    for number, title, name in index:
        assert (folder / name).read_text("utf-8").startswith(f"# {number}. {title}\n")
        assert int(name.partition("-")[0]) == int(number)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_of_the_source_exists(page):
    code = r"^ *```(?:python|toml|diff).*?^ *```"
    text = re.sub(code, "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    folders = "core|backends|callbacks|losses|testing|tests|compare|metrics|benchmarks"
    paths = re.findall(rf"(?<![\w./])(?:{folders})/[\w/]+(?:\.[a-z]+|/)", text)

    roots = (ROOT, page.parent)
    assert [path for path in paths if not any((root / path).exists() for root in roots)] == []
