"""The README and the other pages are correct: commands parse, code runs, links lead somewhere."""

import functools
import importlib.util
import inspect
import re
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
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands():
    lines = "".join(blocks("sh")).splitlines()
    return [line.partition("#")[0].strip() for line in lines if line.startswith("gandem ")]


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_readme_parses(line):
    name, *arguments = shlex.split(line)[1:]

    context = main.get_command(None, name).make_context(name, arguments)

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
    """In this process. Functions that start processes are only checked for their arguments."""
    import torch
    import torch._dynamo  # before TensorFlow, which gandem imports when it is needed

    import gandem

    calls = {}
    for name in ("parity", "compare"):
        signature = inspect.signature(getattr(gandem, name))
        monkeypatch.setattr(gandem, name, functools.partial(bind, calls, name, signature))
    code = python_of_the_readme()
    for more, fewer in (("steps=100", "steps=2"), ("steps=150", "steps=3")):
        assert code.count(more) == 1
        code = code.replace(more, fewer)
    monkeypatch.chdir(tmp_path)
    names = {}

    exec(code, names)

    assert isinstance(names["run"].native("generator"), torch.nn.Module)
    assert list(calls) == ["parity", "compare"]
    assert (tmp_path / "g.keras").is_file()


def bind(calls, name, signature, *arguments, **named):
    """Stand in for a function: check that it takes these arguments."""
    calls[name] = signature.bind(*arguments, **named)
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
    assert (tmp_path / "g.keras").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_to_one(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []
