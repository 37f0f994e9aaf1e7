"""The commands that install optional requirements, for any way of installing gandem."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path


def install_command(*extras: str) -> str:
    """Return the command that installs the requirements of some extras of gandem.

    The command lists the requirements, because pip resolves ``gandem[torch]`` only if gandem was
    installed from a package index, and not from a clone or a wheel.
    """
    try:
        texts = requires("gandem") or []
    except PackageNotFoundError:  # gandem is imported from a clone
        target = f"{Path(__file__).resolve().parents[2]}[{','.join(extras)}]"
        return f"pip install -e {shlex.quote(target)}"
    return f"pip install {' '.join(map(shlex.quote, _find_requirements(texts, set(extras))))}"


def _find_requirements(texts: list[str], extras: set[str]) -> list[str]:
    """Return the requirements that some extras of gandem add."""
    from packaging.requirements import Requirement

    names: list[str] = []
    for requirement in map(Requirement, texts):
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            continue
        if not any(marker.evaluate({"extra": extra}) for extra in extras):
            continue
        if requirement.name == "gandem":
            names += _find_requirements(texts, requirement.extras - extras)
        else:
            inner = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
            names.append(f"{requirement.name}{inner}{requirement.specifier}")
    return list(dict.fromkeys(names))


def adapt_command(command: str) -> str:
    """Return a command with ``pip install 'gandem[extra]'`` replaced by one that works here."""

    def replacement(match: re.Match[str]) -> str:
        return install_command(*match[1].split(","))

    return re.sub(r"pip install ['\"]?gandem\[([\w,-]+)\]['\"]?", replacement, command)
