"""The lessons, in three languages: one and the same commands and pictures, and all of them true."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import click
import pytest

from gandem.cli import main
from gandem.core.plugins.registry import load_spec, registry
from gandem.core.specs import parse_setting

DOCS = Path(__file__).parents[2] / "docs"
ENGLISH, *OTHERS = PAGES = ["lessons.md", "licoes.pt-BR.md", "lecciones.es.md"]
PATH = re.compile(r"(?:image|latent|loss|training)\.\w+")
"""A field of the spec, as it is named in a table."""


@cache
def text_of(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def blocks(page: str) -> list[str]:
    """Return the lines of the code blocks, in order."""
    found = re.findall(r"^```\w+\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE)
    return "".join(found).splitlines()


def quoted(page: str) -> list[str]:
    """Return what stands in backticks within a line, in order."""
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", prose)


def pictures(page: str) -> list[str]:
    return re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text_of(page))


def commands() -> list[str]:
    """Return every command of the English page, each once; a bare `gandem show` names, no more."""
    lines = [*blocks(ENGLISH), *quoted(ENGLISH)]
    return list(dict.fromkeys(x for x in lines if x.startswith("gandem ") and x.count(" ") > 1))


def settings(words: list[str]) -> dict[str, object]:
    """Return the changes that the ``--set`` of a command make."""
    return dict(parse_setting(b) for a, b in pairwise(words) if a == "--set")


# --- three languages -----------------------------------------------------------------------------


@pytest.mark.parametrize("page", OTHERS)
def test_a_translation_has_the_same_commands_in_the_same_order(page):
    assert blocks(page) == blocks(ENGLISH)
    assert len(blocks(page)) > 30


@pytest.mark.parametrize("page", OTHERS)
def test_a_translation_quotes_the_same_code(page):
    assert Counter(quoted(page)) == Counter(quoted(ENGLISH))


@pytest.mark.parametrize("page", OTHERS)
def test_a_translation_shows_the_same_pictures_and_says_what_is_on_each(page):
    assert pictures(page) == pictures(ENGLISH)
    assert text_of(page).count("![") == len(pictures(page))


@pytest.mark.parametrize("page", OTHERS)
def test_a_translation_has_as_many_headings_and_rows(page):
    for start in ("#", "|", "- "):
        lines = [re.findall(f"^{re.escape(start)}", text_of(p), re.M) for p in (page, ENGLISH)]
        assert len(lines[0]) == len(lines[1]), start


@pytest.mark.parametrize("page", PAGES)
def test_a_link_to_a_heading_leads_to_one(page):
    for file, anchor in re.findall(r"\]\(([^)#]*)#([^)]+)\)", text_of(page)):
        headings = re.findall(r"^#+ (.*)$", text_of(file or page), re.MULTILINE)
        assert anchor in [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings]


# --- what they say is true -----------------------------------------------------------------------


@pytest.mark.parametrize("picture", pictures(ENGLISH))
def test_a_picture_is_there_and_quick_to_load(picture):
    assert 0 < (DOCS / picture).stat().st_size < 3_000_000


@pytest.mark.parametrize("line", commands())
def test_a_command_parses(line):
    name, *arguments = shlex.split(line)[1:]

    context = main.get_command(None, name).make_context(name, arguments)

    assert isinstance(context, click.Context)


@pytest.mark.parametrize(
    "line", [line for line in commands() if line.split()[1] in ("train", "show", "parity")]
)
def test_a_command_names_a_model_that_is_listed_and_changes_what_it_has(line):
    words = shlex.split(line)

    spec = load_spec(words[2], settings(words))

    assert words[2] in [row.id for row in registry().entries("models")]
    assert {player.name for player in spec.players} >= {"generator", "discriminator"}


@pytest.mark.parametrize("line", [line for line in commands() if "--data" in line.split()])
def test_a_command_names_data_that_are_listed(line):
    words = shlex.split(line)
    name = words[words.index("--data") + 1].partition(":")[0]

    assert name in [row.id for row in registry().entries("datasets")]


@pytest.mark.parametrize("path", sorted({p for p in quoted(ENGLISH) if PATH.fullmatch(p)}))
def test_a_field_of_the_spec_is_there(path):
    part, _, field = path.partition(".")

    assert hasattr(getattr(load_spec("dcgan"), part), field)


@pytest.mark.parametrize("option", sorted({q for q in quoted(ENGLISH) if q.startswith("--")}))
def test_an_option_on_its_own_is_one(option):
    """Of training, or of interpolation; a setting fits some model."""
    known = {
        known
        for name in ("train", "interpolate")
        for parameter in main.get_command(None, name).params
        for known in parameter.opts
    }
    name, *_ = words = shlex.split(option)

    assert name in known
    if name == "--set":
        assert load_spec("dcgan-dropout", settings(words)).name == "dcgan-dropout"
