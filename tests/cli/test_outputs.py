"""Every command checks the path of its output before its work."""

import os
import tempfile

import pytest
from support.commands import refused

MISSING = "npz:missing.npz"
"""Data, or a run, that does not exist: the error names the output, so that was checked first."""
FILES = {
    "generate": ("generate", "nowhere", "-o", "PATH.png"),
    "generate arrays": ("generate", "nowhere", "-o", "PATH.npz"),
    "interpolate": ("interpolate", "nowhere", "-o", "PATH.gif"),
    "mix": ("mix", "nowhere", "-o", "PATH.png"),
    "traverse": ("traverse", "nowhere", "-o", "PATH.png"),
    "animate": ("animate", "nowhere", "-o", "PATH.png"),
    "plot": ("plot", "nowhere", "-o", "PATH.svg"),
    "data": ("data", MISSING, "-o", "PATH.png"),
    "report": ("report", "nowhere", "-o", "PATH.html"),
    "profile": ("profile", "dcgan", "--data", MISSING, "--trace", "PATH.json"),
}
FOLDERS = {
    "generate": ("generate", "nowhere", "-o", "PATH"),
    "train": ("train", "dcgan", "--data", MISSING, "--out", "PATH"),
    "compare": ("compare", "dcgan", "--data", "digits", "--seeds", "1", "--out", "PATH"),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def read_only(folder, monkeypatch):
    """Let no file be created in the folder, also as root."""

    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)


def fill(arguments, path):
    return [argument.replace("PATH", path) for argument in arguments]


@pytest.mark.parametrize("arguments", FILES.values(), ids=FILES.keys())
@pytest.mark.parametrize("path", ["no/x", "x" * 300, "folder", "pipe"])
def test_file_that_cannot_be_written_is_refused_before_the_work(folder, arguments, path):
    arguments = fill(arguments, path)
    name = arguments[-1]
    if path == "folder":
        (folder / name).mkdir()
        (folder / name / "a file").touch()
    elif path == "pipe":
        os.mkfifo(folder / name)

    assert refused(*arguments).startswith(f"{name}: ")


@pytest.mark.usefixtures("read_only")
@pytest.mark.parametrize("arguments", FILES.values(), ids=FILES.keys())
def test_file_in_a_read_only_folder_is_refused_before_the_work(arguments):
    assert "cannot be written (Permission denied)." in refused(*fill(arguments, "x"))


@pytest.mark.parametrize("arguments", FOLDERS.values(), ids=FOLDERS.keys())
@pytest.mark.parametrize("path", ["file", "file/run", "x" * 300])
def test_folder_that_cannot_be_made_is_refused_before_the_work(folder, arguments, path):
    (folder / "file").touch()

    assert refused(*fill(arguments, path)).startswith((f"{path}: ", "--out: "))


@pytest.mark.usefixtures("read_only")
@pytest.mark.parametrize("name", ["generate", "train"])
def test_folder_in_a_read_only_one_is_refused_before_the_work(name):
    assert "cannot be written (Permission denied)." in refused(*fill(FOLDERS[name], "new"))


@pytest.mark.usefixtures("read_only")
def test_default_output_in_a_read_only_folder_is_refused_before_the_work():
    for arguments in (FOLDERS["train"][:-2], *(FILES[name][:2] for name in ("generate", "plot"))):
        assert "cannot be written (Permission denied)." in refused(*arguments)


def test_page_of_a_comparison_that_is_a_folder_is_refused_before_any_run(folder, monkeypatch):
    monkeypatch.setattr("gandem.compare.execution.load_launcher", None)
    arguments = fill(FOLDERS["compare"], "out")
    (folder / "out" / "index.html").mkdir(parents=True)
    (folder / "out" / "comparison.json").write_text("{}")

    assert refused(*arguments).startswith("out")


def test_device_is_never_replaced_by_a_file(folder):
    os.mkfifo(folder / "pipe.html")
    refused("report", "nowhere", "-o", "pipe.html")

    assert not (folder / "pipe.html").is_file()
