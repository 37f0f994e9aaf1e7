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
from gandem.core.plugins.registry import is_installed as installed
from gandem.core.plugins.registry import registry

THERE = [row.id for row in registry().entries("backends") if installed(row) and "/" not in row.id]
HOME = "torch" if "torch" in THERE else next(iter(THERE), "torch")
"""The backend of tests that work on any backend."""
SMALL = {"image": [8, 8, 1], "latent": 4, "learning_rate": 0.03, "batch_size": 16}
TINY = {"dcgan": SMALL | {"width": 2}}
TINY |= {"cgan": SMALL | {"classes": 3, "generator_width": 2, "discriminator_width": 2}}
TINY |= {"msg-gan": SMALL | {"width": 2}}
"""Small models for the shared data, which train in less than a second."""

needs_a_backend = pytest.mark.skipif(not THERE, reason="no framework is installed")
needs_both = pytest.mark.skipif(not {"torch", "keras"} <= set(THERE), reason="needs both")
on_each = pytest.mark.parametrize("backend", THERE)


def lacking(name: str, reason: str) -> NoReturn:
    """Skip a test because something is missing; fail if GANDEM_TEST_REQUIRES names it."""
    required = os.environ.get("GANDEM_TEST_REQUIRES", "").split()
    (pytest.fail if name in required else pytest.skip)(reason)


LINE = re.compile(r"Error: [^\n]+\n")


def tiny(model: str = "dcgan", **more: object) -> list[object]:
    """Return arguments of ``gandem train`` for a small model."""
    changes = TINY[model] | more
    return [
        *("train", model, "--backend", HOME),
        *(f"--set={path}={value}" for path, value in changes.items()),
    ]


def gandem(*arguments: object) -> Result:
    """Run the command in this process, without progress."""
    with patch("gandem.terminal.progress.FIRST_LINE_DELAY", 1e9):
        return CliRunner().invoke(main, [str(a) for a in arguments], prog_name="gandem")


def said(*arguments: object) -> str:
    """Run the command; return its output, and fail if it fails or writes to standard error."""
    done = gandem(*arguments)
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return done.stdout


def refused(*arguments: object, code: int = 1) -> str:
    """Run the command; return its error, and fail if that is not a single line."""
    done = gandem(*arguments)
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.stdout == ""
    assert LINE.fullmatch(done.stderr), done.stderr
    assert done.exit_code == code
    return done.stderr.removeprefix("Error: ").rstrip("\n")


def command(*arguments: object) -> list[str]:
    """Return the arguments that start the command in a child process."""
    return [sys.executable, "-m", "gandem", *map(str, arguments)]


def process(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a child process."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, cwd=cwd, timeout=300, check=False
    )


def limited(
    kind: str, most: int, *arguments: object, cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Run the command in a child process with a limit of a resource, such as RLIMIT_FSIZE."""
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
