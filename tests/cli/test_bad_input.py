"""Bad input to the command: one line of error, the right exit code, no files left behind."""

import json
import re
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from support.commands import (
    HOME,
    LINE,
    TINY,
    command,
    needs_a_backend,
    on_each,
    process,
    refused,
    said,
    tiny,
)

from gandem.core.specs import to_toml
from gandem.core.specs.loading import load_spec


@pytest.fixture
def litter(tmp_path, run):
    """A folder with one of everything that can be wrong; commands are run in it."""
    spec = to_toml(load_spec("dcgan", TINY["dcgan"]))
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
    nan = np.full((40, 8, 8, 1), 0.5)
    nan[3, 2, 1] = np.nan
    files: dict[str, bytes | str] = {
        "prose.toml": "Dear gandem, please train.",
        "binary.toml": bytes(range(256)),
        "open.toml": spec.replace("units = 16", "units = 17"),
        "unknown.toml": spec.replace("slope = 0.2", "slop = 0.2", 1),
        "list.json": "[1, 2]",
        "empty.toml": "",
        "noise.npz": b"PK not a zip",
    }
    assert files["open.toml"] != spec
    for name, content in files.items():
        raw = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(raw)
    with (tmp_path / "huge.toml").open("wb") as huge:
        huge.truncate(10_000_000)
    arrays = {
        "none": {"images": images[:0]},
        "shape": {"images": images[:, :6]},
        "nan": {"images": nan},
        "unlabeled": {"images": images},
        "labels": {"images": images, "labels": np.arange(40) % 11},
        "negative": {"images": images, "labels": np.arange(40) - 1},
        "ten": {"images": images, "labels": np.arange(40) % 10},
    }
    for name, held in arrays.items():
        np.savez(tmp_path / f"{name}.npz", **held)
    for name in ("empty", "full", "broken", "list", "specless", "unweighted", "torn"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    (tmp_path / "broken" / "run.json").write_text('{"model": ')
    (tmp_path / "list" / "run.json").write_text("[1]")
    for name in ("specless", "unweighted", "torn"):
        (tmp_path / name / "run.json").write_bytes((run / "run.json").read_bytes())
    for name in ("unweighted", "torn"):
        (tmp_path / name / "spec.toml").write_bytes((run / "spec.toml").read_bytes())
    (tmp_path / "torn" / "checkpoints").mkdir()
    *_, whole = sorted((run / "checkpoints").iterdir())
    (tmp_path / "torn" / "checkpoints" / whole.name).write_bytes(whole.read_bytes()[:5000])
    return tmp_path


BAD = {
    "train nope": "No model named 'nope'. There are: 'acgan', 'bigan', 'biggan',",
    "train dcgn": "No model named 'dcgn'. Did you mean 'dcgan'?",
    "train dcgan --backend torhc": "No backend named 'torhc'. Did you mean 'torch'?",
    "train dcgan --data digit": "No data set named 'digit'. Did you mean 'digits'?",
    "train dcgan --set latnt=3": "The spec 'dcgan' has no field 'latnt'. Did you mean",
    "train dcgan --set latent": "Expected path=value, received 'latent'",
    "train dcgan --set latent=many": "latent: expected a whole number, received 'many'; for",
    "train prose.toml": "prose.toml: The spec is not TOML: ",
    "train binary.toml": "binary.toml: not a text file.",
    "train huge.toml": "huge.toml: larger than 1 MB",
    "train open.toml": "open.toml: generator/reshape: ",
    "train unknown.toml": "unknown field 'slop'. Did you mean 'slope'?",
    "train list.json": "list.json: The spec is not a JSON object.",
    "train empty.toml": "empty.toml: the spec: the fields 'name', 'image', ",
    "train missing.toml": "missing.toml: cannot be read (No such file or directory).",
    "show prose.toml": "prose.toml: The spec is not TOML: ",
    "show nope": "No model named 'nope'",
    "show empty": "empty: not a run; it has no run.json.",
    "show broken": "broken/run.json: damaged",
    "show specless": "specless: not a run; it has no spec.toml",
    "parity nope": "No model named 'nope'",
    "parity open.toml --size full": "open.toml: generator/reshape: ",
    "parity dcgan --backends torch": "A comparison needs two backends; received 1.",
    "parity dcgan --backends torch,kears": "No backend named 'kears'. Did you mean 'keras'?",
    "generate missing -o x.png": "missing: not a run; it does not exist.",
    "generate empty -o x.png": "empty: not a run; it has no run.json.",
    "generate ten.npz -o x.png": "ten.npz: not a run; it is not a folder.",
    "generate broken -o x.png": "broken/run.json: damaged; ",
    "generate list -o x.png": "list/run.json: damaged; expected a JSON object",
    "generate specless -o x.png": "specless: not a run; it has no spec.toml",
    "generate unweighted -o x.png": "unweighted: it has no checkpoint yet.",
    "generate torn -o x.png": "torn/checkpoints/step-000006.safetensors: not a checkpoint",
    "train dcgan --out full": "full: it exists and is not an empty folder; choose another --out.",
    "train dcgan --out ten.npz": "ten.npz: it exists and is not an empty folder",
    "DCGAN --data npz:none.npz": "npz:none.npz: it has no images",
    "DCGAN --data npz:noise.npz": "npz:noise.npz: it is not an .npz file",
    "DCGAN --data npz:missing.npz": "npz:missing.npz: 'missing.npz' does not exist",
    "DCGAN --data npz:shape.npz": "npz:shape.npz: its images are (6, 8, 1), the spec",
    "DCGAN --data npz:nan.npz": "npz:nan.npz: expected finite floats, received 1 NaN",
    "DCGAN --data npz:unlabeled.npz --classes 1": "it has no labels, so no classes",
    "DCGAN --data npz:ten.npz --batch-size 41": "40 images cannot fill a batch of 41",
    "DCGAN --data npz:ten.npz --classes 3,12": "there is no class 12; its classes are 0",
    "CGAN --data npz:unlabeled.npz": "it has no labels, the spec 'cgan' is conditional.",
    "CGAN --data npz:labels.npz": "it has the label 10, the spec 'cgan' knows 0 to",
    "CGAN --data npz:negative.npz": "expected labels from 0 to 65535, received -1",
    "CGAN --data npz:ten.npz --set classes=12": "it has 10 classes, the spec",
}
MISUSED = {
    "train": "Missing argument 'MODEL'.",
    "train dcgan --classes 3,,": "Invalid value for '--classes': expected classes",
    "train dcgan --steps 0": "Invalid value for '--steps': 0 is not in the range x>=1.",
    "train dcgan --steps 1.5": "Invalid value for '--steps': '1.5' is not a valid integer",
    "train dcgan --seed -1": "Invalid value for '--seed': -1 is not in the range x>=0.",
    "train dcgan --precision float16": "Invalid value for '--precision': 'float16' is not one of",
    "train dcgan cgan": "Got unexpected extra argument",
    "parity dcgan --size huge": "Invalid value for '--size': 'huge' is not one of",
    "parity dcgan --steps 0": "Invalid value for '--steps': 0 is not in the range x>=1.",
}


def arguments_of(line: str) -> list[str]:
    short = {"CGAN": tiny("cgan", classes=10), "DCGAN": tiny()}
    return [str(word) for part in line.split() for word in short.get(part, [part])]


@pytest.mark.parametrize("line", [*BAD, *MISUSED])
def test_bad_input_is_one_line_and_leaves_nothing_behind(litter, monkeypatch, line):
    monkeypatch.chdir(litter)
    before = sorted(litter.rglob("*"))
    arguments = arguments_of(line)
    if arguments[0] == "train" and "--out" not in arguments:
        arguments += ["--out", "run"]

    words = refused(*arguments, code=1 if line in BAD else 2)

    assert (BAD | MISUSED)[line] in words
    assert len(words) < 400
    assert sorted(litter.rglob("*")) == before


def test_bad_input_is_one_line_in_a_process_of_its_own_too(litter):
    before = sorted(litter.rglob("*"))

    done = process("train", "huge.toml", "--out", "run", cwd=litter)

    assert (done.returncode, done.stdout) == (1, "")
    assert LINE.fullmatch(done.stderr), done.stderr
    assert sorted(litter.rglob("*")) == before


@pytest.mark.parametrize("command", [["show"], ["train"], ["parity"], ["generate", "-o", "x.png"]])
@pytest.mark.parametrize("name", ["x" * 300, "./" + "x" * 300, "x" * 300 + ".toml", "\x01", ""])
def test_a_name_that_no_file_can_have_is_one_line(tmp_path, monkeypatch, command, name):
    monkeypatch.chdir(tmp_path)

    refused(command[0], name, *command[1:])

    assert not list(tmp_path.iterdir())


@needs_a_backend
def test_a_gpu_that_is_not_there_is_one_line(data, tmp_path):
    words = refused(
        *(*tiny(), "--data", data, "--device", "cuda:99"),
        *("--out", tmp_path / "run"),
    )

    assert re.search("sees no device 'cuda:99'; it has cpu", words)
    assert not (tmp_path / "run").exists()


@on_each
def test_a_training_that_diverges_is_one_line_and_keeps_its_log(data, tmp_path, backend):
    out = tmp_path / "run"

    words = refused(
        *(*tiny(learning_rate=1e30), "--backend", backend),
        *("--data", data, "--epochs", 9, "--out", out),
    )

    assert re.search(r"training diverged, .*; try a smaller learning rate\.$", words)
    assert json.loads((out / "run.json").read_text())["state"] == "diverged"
    assert (out / "log.jsonl").read_text()
    assert "state      diverged after" in said("show", out)


LITTLE_MEMORY = """
import json, resource, sys
from gandem.cli import main
resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30, 16 * 2**30))
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments, prog_name="gandem")
    except SystemExit as end:
        print(f"exit code {end.code}", file=sys.stderr)
"""


@needs_a_backend
def test_too_little_memory_is_one_line(run, tmp_path):
    pytest.importorskip("resource", reason="limits are of Unix")
    too_large = [
        *("train", "mlp-gan", "--set", "hidden=[1000000000]", "--steps", "1", "--out", "run"),
        *("--backend", HOME, "--data", "digits"),
    ]
    too_many = ["generate", str(run), "-n", str(10**10), "-o", "x.png"]

    done = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY, json.dumps([too_large, too_many])],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )

    line = r"Error: [^\n]+ would take at least [\d.]+ TB of memory, [^\n]+\nexit code 1\n"
    assert re.fullmatch(f"({line}){{2}}", done.stderr), done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


# --- where nothing can be written ----------------------------------------------------------------


@pytest.mark.parametrize("out", ["ten.npz/run", "/proc/gandem/run"])
def test_a_place_where_no_folder_can_be_made_is_one_line(litter, monkeypatch, data, out):
    monkeypatch.chdir(litter)
    before = sorted(litter.rglob("*"))

    words = refused(*tiny(), "--data", data, "--steps", 1, "--out", out)

    assert re.search(r"cannot be (created|written) \([A-Z][a-z ]+\)\.$", words)
    assert sorted(litter.rglob("*")) == before


def test_images_that_cannot_be_written_are_one_line(run):
    words = refused("generate", run, "-o", "/proc/x.png")

    assert words.startswith("/proc/x.png: cannot be written (")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["list"], ["show", "dcgan", "--json"]])
def test_an_output_that_is_full_is_one_line(arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run(command(*arguments), stdout=full, stderr=subprocess.PIPE, text=True)

    assert done.returncode == 1
    assert done.stderr == "Error: The output: cannot be written (No space left on device).\n"


@pytest.fixture
def largest_file():
    """Limit how many bytes this process may write into one file: a function takes the number."""
    resource = pytest.importorskip("resource", reason="limits are of Unix")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@needs_a_backend
def test_a_disk_full_from_the_start_is_one_line_and_no_folder(data, tmp_path, largest_file):
    largest_file(300)

    words = refused(*tiny(), "--data", data, "--steps", 9, "--out", tmp_path / "a" / "run")

    assert words == f"{tmp_path}/a/run/run.json: cannot be written (File too large)."
    assert not list(tmp_path.iterdir())


@needs_a_backend
def test_a_disk_full_in_the_middle_is_one_line_and_keeps_a_log_that_can_be_read(
    data, tmp_path, largest_file
):
    run = tmp_path / "run"
    largest_file(7000)

    words = refused(*tiny(), "--data", data, "--steps", 500, "--log-every", 1, "--out", run)

    assert words.startswith(f"{run}/")
    assert words.endswith(": cannot be written (File too large).")
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    facts = json.loads((run / "run.json").read_text())
    assert facts["state"] == "failed"
    assert 2 < facts["steps"] <= len(rows) + 1
    assert not list(tmp_path.rglob("*.part"))


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own, if this user may have one: a function takes its size and mode."""
    mounted = []

    def mount(options: str) -> Path:
        place = tmp_path / "disk"
        place.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("this user may not mount a disk")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


@needs_a_backend
def test_a_real_disk_that_fills_up_is_one_line_and_every_file_on_it_is_whole(data, small_disk):
    disk = small_disk("size=200k")

    words = refused(
        *(*tiny(), "--data", data, "--epochs", 1000, "--log-every", 1),
        *("--out", disk / "run"),
    )

    assert re.search(r"cannot be written \(No space left on device\)\.$", words)
    files = [path for path in disk.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix == ".part"]
    for path in files:
        if path.suffix == ".png":
            assert iio.imread(path).shape == (92, 92, 3)
    for line in (disk / "run" / "log.jsonl").read_text().splitlines():
        json.loads(line)
    json.loads((disk / "run" / "run.json").read_text())


def test_a_read_only_disk_is_one_line_and_untouched(data, small_disk, run):
    disk = small_disk("size=1m,ro")

    words = refused(*tiny(), "--data", data, "--steps", 1, "--out", disk / "a/run")
    assert words == f"{disk}/a/run: cannot be written (Read-only file system)."
    words = refused(*tiny(), "--data", data, "--steps", 1, "--out", disk)
    assert words == f"{disk}: cannot be written (Read-only file system)."
    words = refused("generate", run, "-o", disk / "x.png")
    assert words == f"{disk}/x.png: cannot be written (Read-only file system)."
    assert not list(disk.iterdir())


LONG = "x" * 300
DEEP = "a/" * 1500 + "b"
UNUSABLE = {
    "data npz": ("data", f"npz:{LONG}"),
    "data folder": ("data", f"folder:{LONG}"),
    "train on an npz": ("train", "dcgan", "--data", f"npz:{LONG}"),
    "train into a long folder": ("train", "dcgan", "--data", "npz:no.npz", "--out", LONG),
    "train a spec": ("train", f"{LONG}.toml"),
    "show": ("show", LONG),
    "evaluate": ("evaluate", LONG),
    "report": ("report", LONG),
    "runs": ("runs", LONG),
    "new plugin": ("plugins", "new", "acme", "--kind", "loss", "--out", DEEP),
}


@pytest.mark.parametrize("arguments", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_path_that_no_system_takes_is_one_line(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)

    refused(*arguments)


def test_a_path_that_may_not_be_read_is_one_line(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "closed/t.npz")

    monkeypatch.setattr("gandem.data.npz._read_arrays", refuse)

    assert refused("data", "npz:closed/t.npz") == (
        "closed/t.npz: cannot be used (Permission denied)."
    )
