"""Writing the folder of a saved model, whole or not at all.

::

    digits/
        spec.toml    run.json    model.safetensors    README.md    samples.png
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gandem.core.data.images import save_image
from gandem.core.documents import parse_json
from gandem.core.errors import RunError
from gandem.core.files import check_new_folder, temporary_beside, write_file
from gandem.core.runs.checkpoint import FORMAT, MODEL, Checkpoint, read_scores, write_arrays
from gandem.core.runs.generation.sampling import Images
from gandem.core.runs.record import RunRecord, write_record
from gandem.core.runs.saved.card import write_card
from gandem.core.runs.saved.weights import choose_players, select_weights
from gandem.core.specs import Spec, to_toml

SAMPLES, CARD = "samples.png", "README.md"
SCORES = "scores.json"
"""What ``gandem evaluate --save`` writes into the folder of a run."""
PRIVATE_OPTIONS = ("--data-dir", "--out", "-o")
"""Options of a command whose values are paths of the machine that trained."""

_FOLDERS = re.compile(r"(?<![\w./])(?:~/|/(?!/))(?:[^:=]*/)?(?=[^/])")
"""The folders at the beginning of an absolute path."""


def write_model(
    path: Path,
    spec: Spec,
    record: RunRecord,
    checkpoint: Checkpoint,
    draw: Callable[[Path], Images],
    *,
    players: str | Sequence[str] | None = None,
    dtype: str | None = None,
    license: str = "",
    evaluation: Mapping[str, Any] | None = None,
    target: str = "",
) -> None:
    """Write a saved model to a new folder; see :meth:`gandem.core.runs.run.Run.save_pretrained`.

    Args:
        draw: generates samples from a folder with spec, record and weights.

    Raises:
        RunError: the folder is not empty or cannot be written, or the checkpoint lacks a player.
    """
    check_new_folder(path)
    chosen = choose_players(spec, players)
    for name in chosen:
        checkpoint.check_player(name)
    published = publish_record(record, checkpoint, license, evaluation)
    header = {
        **checkpoint.header,
        "data": published.to_data()["data"],
        "format": FORMAT,
        "players": list(chosen),
        "precision": checkpoint.precision,
    }
    arrays = select_weights(spec, checkpoint.state, chosen, dtype)
    with temporary_beside(path) as temporary:
        try:
            temporary.mkdir()
            write_file(temporary / "spec.toml", to_toml(spec).encode())
            write_record(temporary, published)
            write_arrays(temporary / MODEL, header, arrays)
            save_image(temporary / SAMPLES, draw(temporary).grid())
            size = (temporary / MODEL).stat().st_size
            card = write_card(target or path.name, spec, published, chosen, size)
            write_file(temporary / CARD, card.encode())
            temporary.replace(path)
        except OSError as error:
            raise RunError(f"{path}: cannot be written ({error.strerror or error}).") from None


def publish_record(
    record: RunRecord,
    checkpoint: Checkpoint,
    license: str = "",
    evaluation: Mapping[str, Any] | None = None,
) -> RunRecord:
    """Return the record of a saved model: as of a checkpoint, without paths of the machine.

    Args:
        evaluation: scores to record, as :meth:`gandem.metrics.evaluation.Scored.to_data` returns
            them; None for those that the training took of this checkpoint.
    """
    step, settings = checkpoint.step, record.settings
    state = "interrupted" if record.state == "running" else record.state
    if settings is not None:
        data = None if settings.data is None else hide_folders(settings.data)
        extractor = None if settings.extractor is None else hide_folders(settings.extractor)
        settings = replace(settings, data=data, extractor=extractor, data_dir=None)
    origin = record.origin and replace(record.origin, source=hide_folders(record.origin.source))
    segments = [replace(part, command=hide_paths(part.command)) for part in record.segments]
    is_last = record.steps == step
    return replace(
        record,
        settings=settings,
        state=state,
        steps=step,
        command=hide_paths(record.command),
        data=replace(record.data, name=hide_folders(record.data.name)),
        origin=origin,
        losses=record.losses if is_last else {},
        best=record.best if record.best is not None and record.best.step == step else None,
        evaluation=_take_scores(record.evaluation, checkpoint, evaluation),
        allowed_changes=(),
        segments=tuple(segments),
        license=license or record.license,
    )


def _take_scores(
    recorded: Mapping[str, Any] | None,
    checkpoint: Checkpoint,
    given: Mapping[str, Any] | None,
) -> dict[str, Any] | None:
    """Return the evaluation to record: protocol, real baseline, and the scores as ``last``."""
    if given is not None:
        scores = {"step": checkpoint.step, **given["values"]}
        return {**{key: given[key] for key in ("protocol", "real_baseline")}, "last": scores}
    if recorded is None or "protocol" not in recorded:
        return None
    last = recorded.get("last")
    if not isinstance(last, dict) or last.get("step") != checkpoint.step:
        scores = read_scores(checkpoint.header)
        last = {"step": checkpoint.step, **scores} if scores else None
    if last is None:
        return None
    return {key: recorded[key] for key in ("protocol", "real_baseline") if key in recorded} | {
        "last": last
    }


def read_scores_of(folder: Path, step: int) -> dict[str, Any] | None:
    """Return the first scores of a checkpoint in a run's :data:`SCORES`, those of the average."""
    try:
        rows = parse_json((folder / SCORES).read_bytes())
    except (OSError, ValueError):
        return None
    for row in rows if isinstance(rows, list) else ():
        parts = ("details", "protocol", "values", "real_baseline")
        if isinstance(row, dict) and all(isinstance(row.get(part), dict) for part in parts):
            if row["details"].get("step") == step:
                return row
    return None


def hide_folders(name: str) -> str:
    """Return a path, or the name of data, without the folders of an absolute path.

    >>> hide_folders("folder:/home/ada/faces"), hide_folders("mnist")
    ('folder:faces', 'mnist')
    """
    return re.sub(_FOLDERS, "", name)


def hide_paths(command: str) -> str:
    """Return a command without options for folders, and with the last part of each absolute path
    alone.

    >>> hide_paths("gandem train dcgan --data folder:/home/ada/faces --data-dir /data --out runs/1")
    'gandem train dcgan --data folder:faces'
    """
    try:
        words = shlex.split(command)
    except ValueError:  # not a command line
        words = command.split()
    kept: list[str] = []
    is_value = False
    for word in words:
        is_private = word.partition("=")[0] in PRIVATE_OPTIONS
        if not is_private and not is_value:
            kept.append(hide_folders(word))
        is_value = is_private and "=" not in word
    return shlex.join(kept)


def is_saved_model(folder: Path) -> bool:
    """Return True for the folder of a saved model, False for that of a training."""
    return os.path.isfile(folder / MODEL)
