"""Finding the folder of a run: by its path, as a pretrained model, or on a hub."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from gandem.core.errors import NotFoundError, RunError, suggest
from gandem.core.plugins.entry import Entry
from gandem.core.plugins.loading import import_target
from gandem.core.plugins.registry import registry
from gandem.core.runs.checkpoint import MODEL
from gandem.core.runs.saved.hub import download, is_hub_name, parse_name

KIND = "pretrained"
"""The kind of entry of pretrained models."""
_NAME = re.compile(r"([\w.-]+/)?[\w.-]+@[\w.-]+")


def find_folder(target: Path | str) -> Path:
    """Return the folder of a run; a path that does not exist is returned as it is.

    Args:
        target: a path, the name of a pretrained model, ``"dcgan@digits"``, or
            ``"hf://user/name"``, optionally with ``@revision``.

    Raises:
        NotFoundError, ClashError: there is not exactly one pretrained model of that name.
        RunError: it is damaged, or cannot be downloaded.
    """
    path = Path(target)
    if not is_name(target):
        return path
    text = path.as_posix()
    if is_hub_name(text):
        return download(*parse_name(text))
    try:
        entry = registry().find(KIND, text)
    except NotFoundError:
        near = suggest(text, [entry.id for entry in registry().entries(KIND)])
        raise NotFoundError(f"No pretrained model or folder named {text!r}.{near}") from None
    return find_pretrained(entry)


def is_name(target: Path | str) -> bool:
    """Return True for a name on a hub or of a pretrained model, False for a path, such as one that
    exists.
    """
    text = Path(target).as_posix()
    return (is_hub_name(text) or bool(_NAME.fullmatch(text))) and not os.path.lexists(target)


def find_pretrained(entry: Entry) -> Path:
    """Return the folder of a pretrained model, whose weights are checked against their SHA-256.

    The target of the entry is a folder, with a subfolder named like the entry without its prefix.

    Raises:
        RunError: a file is missing or damaged.
    """
    place: Any = import_target(entry)
    folder = Path(place) / entry.id.rpartition("/")[2]
    try:
        content = (folder / MODEL).read_bytes()
    except OSError as error:
        raise RunError(f"{folder / MODEL}: cannot be read ({error.strerror or error}).") from None
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise RunError(
            f"{folder / MODEL}: damaged; its SHA-256 is not that of the {entry.full_name}. "
            "Install the package again."
        )
    return folder


def suggest_pretrained(text: str) -> str:
    """Return the end of an error that names the pretrained models of a model, or nothing.

    Args:
        text: what was not found, perhaps the name of a model.
    """
    names = [e.id for e in registry().entries(KIND) if text and e.id.partition("@")[0] == text]
    return f" Did you mean {' or '.join(map(repr, names))}?" if names else ""
