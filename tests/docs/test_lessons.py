"""The lessons in three languages have the same commands and pictures, and all are valid."""

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
from gandem.commands.render import format_accuracy
from gandem.core.plugins.registry import registry
from gandem.core.specs import parse_setting
from gandem.core.specs.loading import load_spec

DOCS = Path(__file__).parents[2] / "docs"
ENGLISH, *OTHERS = PAGES = ["lessons.md", "licoes.pt-BR.md", "lecciones.es.md"]
PATH = re.compile(r"(?:image|latent|loss|training)\.\w+")
"""A field of the spec, as tables name it."""


@cache
def text_of(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def blocks(page: str) -> list[str]:
    """Return the lines of the code blocks, in order."""
    code = re.findall(r"^```\w+\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE)
    return "".join(code).splitlines()


def quoted(page: str) -> list[str]:
    """Return the inline code of a page, in order."""
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", prose)


def pictures(page: str) -> list[str]:
    return re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text_of(page))


def commands() -> list[str]:
    """Return every command with arguments of the English page, each once."""
    lines = [*blocks(ENGLISH), *quoted(ENGLISH)]
    return list(dict.fromkeys(x for x in lines if x.startswith("gandem ") and x.count(" ") > 1))


def settings(words: list[str]) -> dict[str, object]:
    """Return the changes that the ``--set`` options of a command make."""
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
def test_a_translation_shows_the_same_pictures_with_descriptions(page):
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


# --- the English page ---------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_the_accuracy_is_quoted_as_it_is_printed(page):
    line = format_accuracy({"epoch": 10, "real": 0.5, "fake": 0.87, "count": 100})

    assert line in blocks(page)
    assert line in quoted(page)


@pytest.mark.parametrize("picture", pictures(ENGLISH))
def test_a_picture_exists_and_is_small(picture):
    assert 0 < (DOCS / picture).stat().st_size < 3_000_000


@pytest.mark.parametrize("line", commands())
def test_a_command_parses(line):
    name, *arguments = shlex.split(line)[1:]

    context = main.get_command(None, name).make_context(name, arguments)

    assert isinstance(context, click.Context)


@pytest.mark.parametrize(
    "line", [line for line in commands() if line.split()[1] in ("train", "show", "parity")]
)
def test_a_command_names_a_listed_model_and_its_parameters(line):
    words = shlex.split(line)

    spec = load_spec(words[2], settings(words))

    assert words[2] in [row.id for row in registry().entries("models")]
    assert {player.name for player in spec.players} >= {"generator", "discriminator"}


@pytest.mark.parametrize("line", [line for line in commands() if "--data" in line.split()])
def test_a_command_names_a_listed_data_set(line):
    words = shlex.split(line)
    name = words[words.index("--data") + 1].partition(":")[0]

    assert name in [row.id for row in registry().entries("datasets")]


@pytest.mark.parametrize("path", sorted({p for p in quoted(ENGLISH) if PATH.fullmatch(p)}))
def test_a_field_of_the_spec_exists(path):
    part, _, field = path.partition(".")

    assert hasattr(getattr(load_spec("dcgan"), part), field)


@pytest.mark.parametrize("option", sorted({q for q in quoted(ENGLISH) if q.startswith("--")}))
def test_an_option_exists(option):
    """In training, interpolation or style transfer; a setting fits some model."""
    known = {
        spelling
        for command in ("train", "interpolate", "style")
        for parameter in main.get_command(None, command).params
        for spelling in parameter.opts
    }
    name, *_ = words = shlex.split(option)

    assert name in known
    if name == "--set":
        assert load_spec("dcgan-dropout", settings(words)).name == "dcgan-dropout"
