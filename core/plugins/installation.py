"""The commands that install what a part of gandem needs, however gandem itself was installed."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

__all__ = ["adapt_command", "install_command"]


def install_command(*extras: str) -> str:
    """Return the command that installs the requirements of some extras of gandem.

    It names the requirements, because ``gandem[torch]`` is known to pip only if gandem came from a
    package index, and not if it was installed from a clone or a wheel.
    """
    try:
        texts = requires("gandem") or []
    except PackageNotFoundError:  # the folder of a clone is on the path
        target = f"{Path(__file__).resolve().parents[2]}[{','.join(extras)}]"
        return f"pip install -e {shlex.quote(target)}"
    return f"pip install {' '.join(map(shlex.quote, _find_requirements(texts, set(extras))))}"


def _find_requirements(texts: list[str], extras: set[str]) -> list[str]:
    """Return what the requirements of gandem add for some extras."""
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
