"""The child process that reads data sets of frameworks: its errors, its progress, its cache."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from support.commands import refused, said

from gandem.core.errors import DataError
from gandem.core.plugins.installation import install_command
from gandem.core.process import ChildCommand, ChildResult, run_child
from gandem.data import frameworks
from gandem.data.frameworks import FrameworkSet, hash_files, load_set


def no_process(*_: object, **__: object) -> None:
    raise AssertionError("a process was started")


@pytest.mark.parametrize(("name", "extra"), [("torchvision", "torch"), ("keras", "keras")])
def test_error_without_the_framework_says_what_to_install(name, extra, monkeypatch):
    monkeypatch.setattr(frameworks, "is_installed", lambda row: False)

    assert refused("data", f"{name}:mnist").endswith(install_command(extra))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("torchvision", "expected the name of a data set, received none"),
        ("keras:", "expected the name of a data set, received none"),
        ("keras:mnist:tset", "it has no part 'tset'. Did you mean 'test'?"),
        ("torchvision:MNIST --data-dir nowhere", "there is no folder 'nowhere'."),
        ("keras:mnist --data-dir nowhere", "there is no folder 'nowhere'."),
    ],
)
def test_wrong_name_is_refused_before_a_process_is_started(data, words, monkeypatch):
    monkeypatch.setattr(frameworks, "is_installed", lambda row: True)
    monkeypatch.setattr(frameworks, "run_child", no_process)

    assert words in refused("data", *data.split())


def test_frameworks_are_listed():
    rows = {row["id"] for row in json.loads(said("list", "--json"))["datasets"]}

    assert {"torchvision", "keras"} <= rows


@pytest.fixture
def fake_process(tmp_path, monkeypatch):
    """Return a function that replaces the child process by some Python code."""

    def replace_process(code: str) -> None:
        def run_fake(command: ChildCommand) -> ChildResult:
            return run_child(replace(command, module="fake_process"))

        (tmp_path / "fake_process.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(frameworks, "run_child", run_fake)

    replace_process.source = FrameworkSet(  # type: ignore[attr-defined]
        name="torchvision:X", framework="torchvision", parts=("x",), root=tmp_path, given=True
    )
    return replace_process


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL, often because memory ran out"),
        ("print('noise'); 1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "exit code 3"),
    ],
)
def test_process_that_fails_is_one_line(fake_process, code, line):
    fake_process(code)

    with pytest.raises(DataError) as caught:
        load_set(fake_process.source)

    assert str(caught.value) == f"torchvision:X: the process of torchvision failed: {line}"


def test_set_that_does_not_open_is_given_up(tmp_path):
    code = """
import sys, time
from gandem.data import framework_process
class Slow:
    open_set = staticmethod(lambda request: time.sleep(60))
sys.modules["slow"] = Slow
framework_process.TIME_LIMIT, framework_process.READERS = 0.36, {"slow": "slow"}
framework_process.main(sys.argv[1])
"""
    request = {"name": "x", "framework": "slow", "parts": [], "root": str(tmp_path), "given": False}
    request |= {"want": "open", "shape": None, "folder": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(request)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.strip() == "! x: slow did not open it within 0.0001 hours."
    assert done.returncode == 1


def test_progress_of_downloads_and_images_is_shown(fake_process, monkeypatch):
    shown = []
    monkeypatch.setattr(frameworks.ProgressBars, "show", lambda bars, *what: shown.append(what))
    lines = " 45%|####5     | 76M/170M\r\x1b[1m  250/1000\x1b[0m 1s 1us/step\n@ 7 9\n! no.\n"
    fake_process(f"import sys; sys.stdout.write({lines!r}); sys.exit(1)")

    with pytest.raises(DataError, match=r"^no\.$"):
        load_set(fake_process.source)

    assert shown == [("download", 45, 100), ("download", 25, 100), ("read images", 7, 9)]


def test_hash_of_files_changes_with_each_file(tmp_path):
    assert hash_files(tmp_path) == hash_files(tmp_path / "nowhere") == ""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_bytes(b"1")
    (tmp_path / "deep" / "loop").symlink_to(tmp_path)
    before = hash_files(tmp_path)
    (tmp_path / "b").write_bytes(b"1")

    assert len({before, hash_files(tmp_path), ""}) == 3
