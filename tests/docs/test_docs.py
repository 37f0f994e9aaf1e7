"""The README and the documentation say what is true: their commands parse, their code runs."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "tensorflow", "keras")),
    reason="needs both frameworks; one is not installed",
)
def test_the_python_of_the_readme_runs(tmp_path):
    code = next(block for block in blocks("python") if "gandem.train(" in block)

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "g.keras").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_to_one(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_table_of_the_registry_and_every_moment_of_a_training_has_its_hook():
    from gandem.core import hookspecs
    from gandem.core.plugins import KINDS, WATCHES

    assert {f"gandem_{name}" for name in (*KINDS, *WATCHES)} == {
        name for name in vars(hookspecs) if name.startswith("gandem_")
    }
