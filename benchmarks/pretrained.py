"""Writes the pretrained models: ``python benchmarks/pretrained.py [NAME…] --runs DIR``.

Trains each recipe in ``DIR/NAME``, or resumes it there; a finished run is taken as it is. Then it
rounds the weights to float16, which makes them equal on all backends, scores what was rounded, and
writes the folder of the model and its entry in the registry.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

import gandem
from gandem.core.errors import GandemError, suggest
from gandem.core.process import ChildCommand, run_child
from gandem.core.runs import Run, open_run
from gandem.core.runs.checkpoint import MODEL
from gandem.core.runs.saved.folder import hide_paths
from gandem.pretrained import FOLDER

RECIPES = FOLDER / "recipes.toml"
REGISTRY = FOLDER.parent / "registry.toml"
MARK = "# Pretrained models; the rest of this file is written by 'make pretrained'.\n"
LICENSE = "mit"
DTYPE = "float16"
MAX_SIZE = 1_200_000  # bytes of a model's weights


def train_recipe(name: str, recipe: Mapping[str, str], runs: Path, data_dir: Path | None) -> Run:
    """Return the finished run of a recipe.

    Raises:
        GandemError: the training failed, or the folder holds the run of another recipe.
    """
    folder = runs / name
    options = () if data_dir is None else ("--data-dir", str(data_dir))
    arguments = ("train", *shlex.split(recipe["train"]))
    if not (folder / "spec.toml").is_file():
        _call(*arguments, *options, "--out", str(folder))
    elif open_run(folder).record.state != "finished":
        _call("resume", str(folder), *options)
    run = open_run(folder)
    command = shlex.split(hide_paths(run.record.first_command))
    if command != ["gandem", *arguments]:
        raise GandemError(f"{folder}: it is a run of another recipe ({shlex.join(command)}).")
    return run


def _call(*arguments: str) -> None:
    """Run a command of gandem.

    Raises:
        GandemError: it failed.
    """
    done = run_child(ChildCommand(module="gandem", arguments=arguments, on_line=_print_line))
    if done.code:
        raise GandemError(f"gandem {shlex.join(arguments)} failed.")


def _print_line(line: str) -> bool:
    sys.stderr.write(f"{line}\n")
    return True


def save_model(name: str, recipe: Mapping[str, str], run: Run, data_dir: Path | None) -> None:
    """Write the folder of a model from its run, with the scores of the rounded weights.

    Raises:
        GandemError: its weights are too large, or differ from those in the folder.
    """
    options: dict[str, Any] = {"dtype": DTYPE, "license": LICENSE, "target": name}
    options["checkpoint"] = recipe.get("checkpoint", "last")
    with tempfile.TemporaryDirectory() as place:
        model = run.save_pretrained(Path(place) / "scored", **options)
        (scored,) = gandem.evaluate(model, data_dir=data_dir)
        folder = Path(place) / name
        run.save_pretrained(folder, evaluation=scored.to_data(), **options)
        weights, known = folder / MODEL, FOLDER / name / MODEL
        if (size := weights.stat().st_size) > MAX_SIZE:
            raise GandemError(f"{name}: {size} bytes, expected at most {MAX_SIZE}.")
        if known.is_file():
            if not have_equal_arrays(weights, known):
                raise GandemError(
                    f"{known.parent}: it holds other weights. Released weights never change; give "
                    "the recipe another name, or remove the folder if it was not released."
                )
            shutil.copy(known, weights)  # a header may have other versions
        shutil.rmtree(known.parent, ignore_errors=True)
        shutil.copytree(folder, known.parent)


def have_equal_arrays(first: Path, second: Path) -> bool:
    """Return True if two files of weights hold the same numbers."""
    arrays, others = load_file(first), load_file(second)
    return arrays.keys() == others.keys() and all(
        np.array_equal(value, others[name]) for name, value in arrays.items()
    )


def write_registry(recipes: Mapping[str, Mapping[str, str]]) -> None:
    """Write the entries of the models that have a folder to the end of the registry."""
    text = REGISTRY.read_text("utf-8").partition(MARK)[0]
    entries = []
    for name, recipe in recipes.items():
        path = FOLDER / name / MODEL
        if path.is_file():
            fields = {"id": name, "target": "gandem.pretrained:FOLDER", "title": recipe["title"]}
            fields["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
            lines = [f"{key} = {json.dumps(value)}" for key, value in fields.items()]
            entries.append("[[pretrained]]\n" + "\n".join(lines) + "\n")
    REGISTRY.write_text(text + MARK + "\n".join(entries), "utf-8")


def main() -> None:
    """Write the chosen models, or all."""
    parser = argparse.ArgumentParser(prog="pretrained.py")
    parser.add_argument("names", nargs="*", help="models to make; all by default")
    parser.add_argument("--runs", type=Path, default=Path("runs/pretrained"))
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    recipes = tomllib.loads(RECIPES.read_text("utf-8"))
    try:
        for name in arguments.names or recipes:
            if name not in recipes:
                raise GandemError(f"No recipe named {name!r}.{suggest(name, recipes)}")
            run = train_recipe(name, recipes[name], arguments.runs, arguments.data_dir)
            save_model(name, recipes[name], run, arguments.data_dir)
            write_registry(recipes)
            sys.stderr.write(f"{name} is in {FOLDER / name}\n")
    except GandemError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
