"""Reads mutated files with the readers of gandem: each is read, or refused in one line.

A :class:`Subject` is a folder of good files and the calls that read them. The mutation of a file is
a function of the seed and its number.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import tomllib
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import tomli_w
from PIL import Image

from gandem.commands.run_summaries import find_runs
from gandem.core.data.dataset import load_dataset
from gandem.core.errors import GandemError
from gandem.core.plugins.entry import Entry
from gandem.core.plugins.registry import registry
from gandem.core.runs import open_run, read_checkpoint, train
from gandem.core.runs.checkpoint import read_header
from gandem.core.specs import read_spec, to_json, to_toml
from gandem.core.training import check_state, list_forms
from support import comparisons
from support.commands import TINY, gandem
from support.mutations import (
    SPEC,
    forge_checkpoint,
    make_checkpoint,
    mutate_bytes,
    mutate_data,
    mutate_json,
    nest_deeply,
)

MAX_MESSAGE = 1200
"""Characters of an error, with the path of the file in it."""
TIME_LIMIT = 60
"""Seconds for one file."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that begin a line or that a terminal obeys."""
Call = Callable[[], object]


@dataclass(frozen=True)
class Failure:
    """A mutated file that was neither read nor refused in one line."""

    subject: str
    number: int
    path: str
    problem: str


@dataclass
class Subject:
    """Good files in a folder, and what reads them.

    Attributes:
        mutate: returns the changed bytes of a file.
        read: returns the calls that read the folder; the random numbers choose some of many.
        writes: True if reading changes the folder, which is then restored.
    """

    folder: Path
    paths: list[Path]
    mutate: Callable[[random.Random, Path, bytes], bytes]
    read: Callable[[random.Random], list[Call]]
    writes: bool = False
    good: dict[Path, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.good = {p: p.read_bytes() for p in sorted(self.folder.rglob("*")) if p.is_file()}

    def restore(self, changed: Path) -> None:
        """Make all files good again."""
        if not self.writes:
            changed.write_bytes(self.good[changed])
            return
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if path.is_symlink() or path.is_file():
                if path not in self.good:
                    path.unlink()
            elif path not in {parent for good in self.good for parent in good.parents}:
                shutil.rmtree(path)
        for path, raw in self.good.items():
            if not path.is_file() or path.read_bytes() != raw:
                path.write_bytes(raw)


def read_mutated(name: str, folder: Path, numbers: range, seed: int) -> Iterator[Failure | bool]:
    """Yield, for each mutated file, True if it was read, False if refused, or a failure."""
    subject = SUBJECTS[name](folder)
    for call in subject.read(random.Random(0)):
        call()  # the good files are read
    subject.restore(subject.paths[0])
    for number in numbers:
        rng = random.Random(f"{name} {seed} {number}")
        kind = rng.choice(sorted({path.name for path in subject.paths}))
        path = rng.choice([path for path in subject.paths if path.name == kind])
        changed = subject.mutate(rng, path, subject.good[path])
        path.write_bytes(changed)
        problems, is_read = [], True
        for call in subject.read(rng):
            refusal, problem = _try(call)
            is_read &= not refusal
            problems += [problem] if problem else []
        subject.restore(path)
        if problems:
            yield Failure(name, number, str(path.relative_to(folder)), problems[0])
        else:
            yield is_read


def _try(call: Call) -> tuple[bool, str]:
    """Return whether a call refused, and what is wrong with how it did."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"not done after {TIME_LIMIT} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(TIME_LIMIT)
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            contextlib.redirect_stderr(io.StringIO()),
            np.errstate(all="ignore"),
        ):
            call()
    except GandemError as error:
        text = str(error)
        if CONTROL.search(text):
            return True, f"the error has control characters: {text!r}"
        return True, f"the error is long: {text}" if len(text) > MAX_MESSAGE else ""
    except Exception:
        return True, traceback.format_exc(limit=-6)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return False, ""


def _command(*arguments: object) -> Call:
    """Return a call of the command, which succeeds or prints an error of one line."""

    def call() -> None:
        done = gandem(*arguments)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        lines = done.stderr.splitlines()
        if done.exit_code and not re.fullmatch(r"Error: [^\n]+", lines[-1] if lines else ""):
            raise AssertionError(f"exit code {done.exit_code}: {done.stderr}")
        if done.exit_code:
            raise GandemError(lines[-1])
        if "--json" in arguments:
            json.loads(done.stdout, parse_constant=_refuse_constant)

    return call


def _refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def _add_toy() -> None:
    """Add the backend of :mod:`support.toy_backend`, which needs no framework, to the registry."""
    backends = registry()._entries["backends"]
    if all(entry.id != "toy" for entry in backends):
        target = "support.toy_backend:Toy"
        backends.append(Entry(id="toy", target=target, kind="backend", provider="tests"))


def _mutate_toml(rng: random.Random, raw: bytes) -> bytes:
    if rng.random() < 0.4:
        return mutate_bytes(rng, raw, raw[::-1])
    try:
        text = tomli_w.dumps(mutate_data(rng, tomllib.loads(raw.decode())))
    except (TypeError, ValueError):  # TOML has no null
        return mutate_bytes(rng, raw, raw[::-1])
    return nest_deeply(rng, text).encode("utf-8", "surrogatepass")


def _mutate(rng: random.Random, path: Path, raw: bytes) -> bytes:
    """Return changed bytes of a file, by its kind."""
    if path.suffix == ".toml":
        return _mutate_toml(rng, raw)
    if path.suffix in (".json", ".jsonl"):
        return mutate_json(rng, raw)
    return mutate_bytes(rng, raw, raw[::-1])


# --- subjects --------------------------------------------------------------------------------


def specs(folder: Path) -> Subject:
    (folder / "spec.toml").write_text(to_toml(SPEC))
    (folder / "spec.json").write_text(to_json(SPEC))
    paths = [folder / "spec.toml", folder / "spec.json"]

    def read(rng: random.Random) -> list[Call]:
        calls: list[Call] = [lambda path=path: read_spec(path) for path in paths]
        return calls + [_command("show", p) for p in paths if rng.random() < 0.1]

    return Subject(folder, paths, _mutate, read)


def checkpoints(folder: Path) -> Subject:
    first, other = make_checkpoint(folder, 6), make_checkpoint(folder / "other", 3)
    path = folder / "checkpoints" / "step-000006.safetensors"
    sealed = [False]

    def mutate(rng: random.Random, path: Path, raw: bytes) -> bytes:
        changed, sealed[0] = forge_checkpoint(rng, first, other)
        return changed

    def check() -> None:
        """Check that a file that is read holds what was written, or what its author wrote."""
        checkpoint = read_checkpoint(path)
        if sealed[0]:
            assert (
                check_state(checkpoint.spec, list_forms(checkpoint.state)) == checkpoint.precision
            )
            assert all(np.isfinite(value).all() for value in checkpoint.state.values())
        else:
            assert checkpoint.header in (first.header, other.header)
            arrays = (first if checkpoint.header == first.header else other).arrays
            assert all(np.array_equal(checkpoint.state[n], value) for n, value in arrays.items())

    return Subject(folder, [path], mutate, lambda rng: [check, lambda: read_header(path)])


def _make_run(folder: Path, **options: Any) -> Path:
    _add_toy()
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    np.savez(folder / "data.npz", images=images)
    changes = TINY["dcgan"] | {"batch_size": 20}
    usual = {"steps": 6, "log_every": 1, "evaluate_every": 1, "evaluate_count": 20}
    return train(
        "dcgan",
        backend="toy",
        data=f"npz:{folder / 'data.npz'}",
        extractor="pixels",
        changes=changes,
        out=folder / "runs" / "run",
        notice=lambda text: None,
        **usual | options,
    ).path


def runs(folder: Path) -> Subject:
    run = _make_run(folder)
    paths = [run / name for name in ("run.json", "spec.toml", "log.jsonl")]

    def read(rng: random.Random) -> list[Call]:
        calls: list[Call] = [
            lambda: open_run(run).settings(),
            lambda: [open_run(run).rows(), open_run(run).samples()],
            lambda: find_runs(run.parent),
        ]
        commands = [
            ("runs", run.parent),
            ("runs", run.parent, "--json"),
            ("show", run),
            ("show", run, "--json"),
        ]
        return calls + [_command(*c) for c in commands if rng.random() < 0.25]

    return Subject(folder, paths, _mutate, read)


def resumed_runs(folder: Path) -> Subject:
    run = _make_run(folder, keep_last=2)
    names = ("run.json", "spec.toml", "log.jsonl")
    paths = [run / name for name in names] + list((run / "checkpoints").iterdir())

    def read(rng: random.Random) -> list[Call]:
        samples = folder / "samples.npz"
        calls = [
            _command("resume", run, "--steps", 8, "--json"),
            _command("generate", run, "-n", 4, "-o", samples),
            _command("evaluate", run, "-n", 20, "--json"),
        ]
        return [rng.choice(calls)]

    return Subject(folder, paths, _mutate, read, writes=True)


def npz_files(folder: Path) -> Subject:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (12, 8, 8), np.uint8), np.arange(12) % 3
    np.savez(folder / "bytes.npz", images=images, labels=labels)
    np.savez_compressed(folder / "floats.npz", x=images / np.float32(255), y=labels)
    np.savez(folder / "points.npz", images=rng.normal(size=(40, 2)))
    np.save(folder / "array.npy", images)
    paths = sorted(folder.glob("*.np[zy]"))

    def read(_: random.Random) -> list[Call]:
        return [lambda path=path: load_dataset(f"npz:{path}") for path in paths]

    return Subject(folder, paths, _mutate, read)


def pictures(folder: Path) -> Subject:
    rng = np.random.default_rng(0)
    place = folder / "pictures"
    for number, ending in enumerate(("png", "jpg", "gif", "bmp", "tif", "webp", "ppm")):
        (place / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(rng.integers(0, 256, (9, 8, 3), np.uint8))
        image.save(place / "ab"[number % 2] / f"{number}.{ending}")
    paths = [path for path in sorted(place.rglob("*")) if path.is_file()]

    def read(_: random.Random) -> list[Call]:
        def load() -> None:
            np.asarray(load_dataset(f"folder:{place}", None, (8, 8, 3)).images)

        return [load]

    return Subject(folder, paths, _mutate, read)


def label_tables(folder: Path) -> Subject:
    rng = np.random.default_rng(0)
    names = [f"{number}.png" for number in range(4)]
    tables = {
        "labels.csv": "file,label\n" + "".join(f"{name},{name[0]}\n" for name in names),
        "metadata.csv": "file_name,label\n" + "".join(f"{name},{name[0]}\n" for name in names),
        "metadata.jsonl": "".join(f'{{"file_name": "{n}", "label": {n[0]}}}\n' for n in names),
        "dataset.json": json.dumps({"labels": [[name, int(name[0])] for name in names]}),
    }
    for table, text in tables.items():
        place = folder / table.replace(".", "-")
        place.mkdir()
        for name in names:
            Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(place / name)
        (place / table).write_text(text)
    paths = [folder / table.replace(".", "-") / table for table in tables]

    def read(_: random.Random) -> list[Call]:
        return [
            lambda path=path: load_dataset(f"folder:{path.parent}", None, (8, 8, 1))
            for path in paths
        ]

    return Subject(folder, paths, _mutate, read)


def zip_files(folder: Path) -> Subject:
    rng = np.random.default_rng(0)
    path = folder / "images.zip"
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for number in range(4):
            with archive.open(f"{'ab'[number % 2]}/{number}.png", "w") as file:
                Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(file, "PNG")

    def read(_: random.Random) -> list[Call]:
        return [lambda: np.asarray(load_dataset(f"folder:{path}", None, (8, 8, 1)).images)]

    return Subject(folder, [path], _mutate, read)


def caches(folder: Path) -> Subject:
    """Prepared images and features of real images; a damaged cache is made anew."""
    _add_toy()
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    for number in range(44):
        image = Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8))
        image.save(folder / "images" / f"{number:02}.png")
    np.savez(folder / "made.npz", images=rng.integers(0, 256, (20, 8, 8), np.uint8))
    os.environ["GANDEM_CACHE"] = str(folder / "cache")
    arguments = ("evaluate", folder / "made.npz", "--data", f"folder:{folder / 'images'}")
    call = _command(*arguments, "-n", 20, "--extractor", "pixels", "--json")
    call()
    paths = [path for path in sorted((folder / "cache").rglob("*.*")) if path.is_file()]
    return Subject(folder, paths, _mutate, lambda rng: [call], writes=True)


def binary_sets(folder: Path) -> Subject:
    """IDX files; their digest is not checked here."""
    from gandem.data.idx import FILES, parse_idx

    rng = np.random.default_rng(0)
    images = b"\0\0\x08\x03" + np.array([5, 4, 4], ">u4").tobytes() + rng.bytes(80)
    labels = b"\0\0\x08\x01" + np.array([5], ">u4").tobytes() + rng.bytes(5)
    (folder / FILES[0]).write_bytes(images)
    (folder / FILES[1]).write_bytes(labels)
    paths = [folder / name for name in FILES[:2]]

    def read(_: random.Random) -> list[Call]:
        return [
            lambda p=p: parse_idx(p.read_bytes(), p.name, rank=3 if "idx3" in p.name else 1)
            for p in paths
        ]

    return Subject(folder, paths, _mutate, read)


def comparison_files(folder: Path) -> Subject:
    grid = comparisons.make_grid(seeds=(0,))
    comparison = comparisons.make_comparison(folder / "comparison", grid)
    (comparison.path / "ended.jsonl").write_text('{"job": "mlp-gan-torch-0", "reason": "lost"}\n')
    endings = (".json", ".jsonl", ".toml")
    paths = [path for path in sorted(comparison.path.rglob("*")) if path.suffix in endings]

    def read(rng: random.Random) -> list[Call]:
        report = ("report", comparison.path, "-o", folder / "report.html")
        return [_command(*report, *(["--json"] if rng.random() < 0.5 else []))]

    return Subject(folder, paths, _mutate, read, writes=True)


SUBJECTS: dict[str, Callable[[Path], Subject]] = {
    "specs": specs,
    "checkpoints": checkpoints,
    "runs": runs,
    "resumed runs": resumed_runs,
    "npz": npz_files,
    "pictures": pictures,
    "label tables": label_tables,
    "zip": zip_files,
    "caches": caches,
    "IDX": binary_sets,
    "comparisons": comparison_files,
}
"""What makes each subject in an empty folder."""
