"""Run the command in tests: in this process, in a child process, or with a resource limit."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

import pytest
from click.testing import CliRunner, Result

from gandem.cli import main
from gandem.core.plugins.registry import installed, registry

THERE = [row.id for row in registry().entries("backends") if installed(row) and "/" not in row.id]
HOME = "torch" if "torch" in THERE else next(iter(THERE), "torch")
"""The backend of tests that would do on any."""
SMALL = {"image": [8, 8, 1], "latent": 4, "learning_rate": 0.03, "batch_size": 16}
TINY = {"dcgan": SMALL | {"width": 2}}
TINY |= {"cgan": SMALL | {"classes": 3, "generator_width": 2, "discriminator_width": 2}}
"""Sizes that train in a moment on the shared data."""

needs_a_backend = pytest.mark.skipif(not THERE, reason="no framework is installed")
needs_both = pytest.mark.skipif(not {"torch", "keras"} <= set(THERE), reason="needs both")
on_each = pytest.mark.parametrize("backend", THERE)


def lacking(name: str, reason: str) -> NoReturn:
    """Skip a test for want of something; in a run that requires it, fail."""
    required = os.environ.get("GANDEM_TEST_REQUIRES", "").split()
    (pytest.fail if name in required else pytest.skip)(reason)


LINE = re.compile(r"Error: [^\n]+\n")


def tiny(model: str = "dcgan", **more: object) -> list[object]:
    """Return arguments that make ``gandem train`` quick."""
    changes = TINY[model] | more
    return [
        *("train", model, "--backend", HOME),
        *(f"--set={path}={value}" for path, value in changes.items()),
    ]


def gandem(*arguments: object) -> Result:
    """Run the command in this process, which says nothing of its progress however slow it is."""
    with patch("gandem.core.progress.PATIENCE", 1e9):
        return CliRunner().invoke(main, [str(a) for a in arguments], prog_name="gandem")


def said(*arguments: object) -> str:
    """Run the command, which shall succeed in silence but for what it returns."""
    done = gandem(*arguments)
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return done.stdout


def refused(*arguments: object, code: int = 1) -> str:
    """Run the command, which shall end in one line; return it."""
    done = gandem(*arguments)
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.stdout == ""
    assert LINE.fullmatch(done.stderr), done.stderr
    assert done.exit_code == code
    return done.stderr.removeprefix("Error: ").rstrip("\n")


def command(*arguments: object) -> list[str]:
    """Return what starts the command in a process of its own."""
    return [sys.executable, "-m", "gandem", *map(str, arguments)]


def process(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, as people do."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, cwd=cwd, timeout=300, check=False
    )


def limited(
    kind: str, most: int, *arguments: object, cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process that may not use more than ``most`` of a resource."""
    pytest.importorskip("resource", reason="limits are of Unix")
    code = (
        "import resource; from gandem.cli import main; "
        f"resource.setrlimit(resource.{kind}, ({most}, {most})); main(prog_name='gandem')"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=300,
        check=False,
    )
