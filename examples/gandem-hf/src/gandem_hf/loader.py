"""From a name or a path to gandem's images and labels, through Hugging Face's ``datasets``.

Nothing here imports ``datasets`` before something is loaded, and nothing runs code that a data set
brings: the library, from 4 on, has no way to.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gandem.core.data.dataset import Dataset
from gandem.core.errors import DataError

from gandem_hf.columns import image_column, label_column
from gandem_hf.convert import classes, pixels
from gandem_hf.request import Request

if TYPE_CHECKING:
    import datasets

__all__ = ["load"]

FILES = {".parquet": "parquet", ".arrow": "arrow"}
PATIENCE = 5.0  # seconds for the Hub to answer; the library takes half a minute to give up


def load(argument: str, data_dir: Path | None) -> Dataset:
    """Return a data set of the Hub, or that lies on the disk.

    Args:
        argument: see :class:`~gandem_hf.request.Request`.
        data_dir: where a path begins, and where what comes from the Hub is kept; left out, here,
            and the library's own cache.

    Raises:
        DataError: one line: there is no such thing, the Hub cannot be reached, or it holds no
            images of one size.
    """
    request, name = Request.parse(argument), f"hf:{argument}"
    with _quietly():
        table, origin = _table(request, data_dir, name)
        table, column = image_column(table, request, name)
        labels, class_names = None, ()
        if (labeled := label_column(table, request, name)) is not None:
            labels, class_names = classes(table, labeled, name)
        return Dataset(
            name=name,
            images=pixels(table.select_columns([column]), column, request, name),
            labels=labels,
            class_names=class_names,
            source=f"{origin}, {request.split}, through Hugging Face datasets",
            license=table.info.license or "",
        )


def _table(request: Request, data_dir: Path | None, name: str) -> tuple[datasets.Dataset, str]:
    """Return the rows of one split, and where they are from."""
    path = (data_dir or Path()) / Path(request.source).expanduser()
    with _one_line(name):
        if path.exists():
            return _from_disk(path, request, name), request.source
        if _is_path(request.source):
            raise DataError(f"{name}: there is no {str(path)!r}.")
        return _from_hub(request, data_dir, name)


def _is_path(source: str) -> bool:
    """Say whether a source that is not on the disk could only have been there."""
    return (
        source.startswith((".", "/", "~"))
        or "\\" in source
        or source.count("/") > 1
        or Path(source).suffix in FILES
    )


# --- from the disk -------------------------------------------------------------------------------


def _from_disk(path: Path, request: Request, name: str) -> datasets.Dataset:
    import datasets

    if request.revision:
        raise DataError(f"{name}: only the Hub has revisions, {str(path)!r} lies on the disk.")
    if (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
        return _part(datasets.load_from_disk(str(path)), request.split)
    source = str(path.resolve())
    if path.is_dir():
        return datasets.load_dataset(source, request.config or None, split=request.split)
    if path.suffix not in FILES:
        raise DataError(
            f"{name}: expected a folder, or a file that ends in .parquet or .arrow, received "
            f"{path.name!r}."
        )
    return datasets.load_dataset(FILES[path.suffix], data_files=source, split=request.split)


def _part(saved: datasets.Dataset | datasets.DatasetDict, split: str) -> datasets.Dataset:
    """Return a split, or a part of one, of what ``save_to_disk`` has written."""
    import datasets

    if isinstance(saved, datasets.Dataset):
        saved = datasets.DatasetDict({str(saved.split or "train"): saved})
    instruction = datasets.ReadInstruction.from_spec(split)
    rows = {part: len(table) for part, table in saved.items()}
    return datasets.concatenate_datasets(
        [saved[p.splitname].select(range(p.from_, p.to)) for p in instruction.to_absolute(rows)]
    )


# --- from the Hub --------------------------------------------------------------------------------


def _from_hub(request: Request, data_dir: Path | None, name: str) -> tuple[datasets.Dataset, str]:
    """Return a data set of the Hub at one commit; without a network, the one in the cache."""
    import datasets

    commit = _newest(request, name)
    with _cache_alone(not commit):
        try:
            builder = datasets.load_dataset_builder(
                request.source,
                request.config or None,
                revision=commit or None,
                cache_dir=None if data_dir is None else str(data_dir),
            )
        except (ConnectionError, FileNotFoundError) as error:
            if commit:
                raise
            raise DataError(
                f"{name}: the Hugging Face Hub cannot be reached, and the data is not in the "
                "cache. Connect to the network, or name a path."
            ) from error
        if builder.repo_id is None:  # 'parquet', 'csv': all such files in the working folder
            raise DataError(f"{name}: {request.source!r} is a kind of file; name the file.")
        if request.revision and builder.hash != (commit or request.revision):
            raise DataError(
                f"{name}: the Hugging Face Hub cannot be reached, and the newest in the cache is "
                f"commit {builder.hash}. Connect to the network, or write revision={builder.hash}."
            )
        builder.download_and_prepare()
        return builder.as_dataset(request.split), f"{request.source} at {builder.hash}"


def _newest(request: Request, name: str) -> str:
    """Return the newest commit on the Hub, or that of a revision; nothing where it cannot say."""
    from datasets import config
    from huggingface_hub import HfApi, errors

    if config.HF_HUB_OFFLINE:
        return ""
    try:
        api, revision = HfApi(config.HF_ENDPOINT), request.revision or None
        return api.dataset_info(request.source, revision=revision, timeout=PATIENCE).sha or ""
    except errors.RevisionNotFoundError as error:
        raise DataError(f"{name}: there is no revision {request.revision!r}.") from error
    except errors.RepositoryNotFoundError as error:
        raise DataError(
            f"{name}: the Hugging Face Hub has no data set {request.source!r}, or not for "
            "everybody; log in with: hf auth login"
        ) from error
    except errors.HFValidationError:
        raise
    except Exception:  # no network, no certificate, a Hub that is ill; the library has many for it
        return ""


@contextlib.contextmanager
def _cache_alone(wanted: bool) -> Iterator[None]:
    """Keep the library from asking, again and again, a Hub that does not answer."""
    from datasets import config

    before = config.HF_HUB_OFFLINE
    config.HF_HUB_OFFLINE = before or wanted
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = before


# --- manners -------------------------------------------------------------------------------------


@contextlib.contextmanager
def _one_line(name: str) -> Iterator[None]:
    """Say in one line whatever the library cannot do: it raises nearly anything."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        cause = error.__cause__ if type(error).__name__ == "DatasetGenerationError" else None
        words = str(cause or error).partition("\nExample of usage")[0]  # in Python
        words = " ".join(words.split())[:300] or type(error).__name__
        raise DataError(f"{name}: it cannot be loaded: {words}") from error


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep the library's advice to itself, and its bars where nobody would see them move."""
    import datasets
    from huggingface_hub.utils import logging as hub

    levels = datasets.logging.get_verbosity(), hub.get_verbosity()
    bars = datasets.is_progress_bar_enabled()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what is wrong is raised as well
    hub.set_verbosity_error()
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(levels[0])
        hub.set_verbosity(levels[1])
        if bars:
            datasets.enable_progress_bars()
