"""The commands that errors suggest for installing what is missing."""

import shlex
import tomllib
from importlib.metadata import PackageNotFoundError

import pytest
from packaging.requirements import Requirement
from support.layout import ROOT

from gandem.core.plugins import installation
from gandem.core.plugins.installation import adapt_command, install_command

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def as_metadata() -> list[str]:
    """Return the requirements of gandem as an installed distribution lists them."""
    extras = [f"{text}; extra == '{extra}'" for extra, texts in EXTRAS.items() for text in texts]
    return [*PROJECT["dependencies"], *extras, "colorama>=1; sys_platform != 'none'"]


@pytest.fixture
def _installed(monkeypatch):
    monkeypatch.setattr(installation, "requires", lambda name: as_metadata())


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("extra", ["torch", "keras", "report", "video", "check"])
def test_the_command_names_the_requirements_of_an_extra(extra):
    *command, first = shlex.split(install_command(extra))[:3]

    assert command == ["pip", "install"]
    assert first == str(Requirement(EXTRAS[extra][0]))
    assert shlex.split(install_command(extra))[2:] == [str(Requirement(t)) for t in EXTRAS[extra]]


@pytest.mark.usefixtures("_installed")
def test_an_extra_of_extras_is_resolved_and_names_each_requirement_once():
    names = shlex.split(install_command("all"))[2:]

    assert {"torch", "keras", "tensorflow", "jinja2"} <= {Requirement(n).name for n in names}
    assert "gandem" not in {Requirement(name).name for name in names}
    assert len(set(names)) == len(names)


def test_in_a_clone_that_is_not_installed_the_command_installs_the_clone(monkeypatch):
    def fail(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installation, "requires", fail)

    assert shlex.split(install_command("torch")) == ["pip", "install", "-e", f"{ROOT}[torch]"]


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("quote", ["'", '"', ""])
def test_the_extras_of_gandem_in_a_command_are_replaced(quote):
    command = f"pip install {quote}gandem[video,dask]{quote}"

    assert adapt_command(command) == install_command("video", "dask")


@pytest.mark.parametrize("command", ["", "pip install 'acme[gandem]'", "pip install eyes"])
def test_other_commands_stay_as_they_are(command):
    assert adapt_command(command) == command
