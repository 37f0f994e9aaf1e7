"""Saved models on the Hugging Face Hub, through ``huggingface_hub``.

Errors never quote its messages: one of them may contain a token.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gandem.core.errors import RunError, shown
from gandem.core.plugins.installation import install_command

PREFIX = "hf://"
REQUIRED = ("spec.toml", "run.json", "model.safetensors")
FILES = (*REQUIRED, "README.md", "samples.png")
"""The files of a saved model; nothing else is downloaded or uploaded."""
MAX_NAME_LENGTH = 96
_NAME = re.compile(r"\b[\w.-]+\b/\b[\w.-]+\b", re.ASCII)
"""``user/name``; neither part begins or ends with a dot or a hyphen."""
_LOGIN = "log in with 'hf auth login', or set HF_TOKEN"


def is_hub_name(text: str) -> bool:
    """Return True for ``hf://user/name``, also as a path, which has one slash less."""
    return text.startswith("hf:/")


def is_repository(text: str) -> bool:
    """Return True if a repository on the hub can be called ``text``, like ``user/name``."""
    has_forbidden = ".." in text or "--" in text or text.endswith(".git")
    return bool(_NAME.fullmatch(text)) and len(text) <= MAX_NAME_LENGTH and not has_forbidden


def parse_name(text: str) -> tuple[str, str | None]:
    """Return the repository and the revision of a name on the hub.

    >>> parse_name("hf://ada/digits@v1")
    ('ada/digits', 'v1')

    Raises:
        RunError: it is not such a name.
    """
    rest = text.removeprefix("hf:").lstrip("/")
    name, _, revision = rest.partition("@")
    if not is_repository(name):
        raise RunError(f"Expected a name on the hub like 'hf://user/name', received {shown(text)}.")
    return name, revision or None


def name_folder(folder: Path) -> str:
    """Return the name of a folder; for one in the cache of ``huggingface_hub``, whose own name is
    that of a commit, the name of the repository without the user.

    >>> name_folder(Path("/cache/models--ada--digits/snapshots/0123abcd"))
    'digits'
    """
    path = folder.resolve()
    is_cached = path.parent.name == "snapshots" and path.parts[-3].startswith("models--")
    return path.parts[-3].rpartition("--")[2] if is_cached else path.name


def download(name: str, revision: str | None = None) -> Path:
    """Return the folder of a repository's files in the cache of ``huggingface_hub``.

    Interrupted downloads continue. Without a network, or with ``HF_HUB_OFFLINE=1``, the cache is
    used.

    Args:
        name: ``"user/name"``.
        revision: a branch, a tag or a commit; by default the newest commit.

    Raises:
        RunError: it cannot be downloaded, or is not a saved model.
    """
    with _hub_errors(name, revision) as hub:
        folder = Path(
            hub.snapshot_download(
                name, revision=revision, allow_patterns=list(FILES), max_workers=2
            )
        )
    for file in REQUIRED:
        if not (folder / file).is_file():
            raise RunError(f"{PREFIX}{name}: not a model of gandem; it has no {file}.")
    return folder


def upload(
    folder: Path,
    name: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
) -> str:
    """Upload the files of a saved model to a repository, which is created if it does not exist.

    Args:
        name: ``"user/name"``.
        private: create the repository as a private one.
        revision: the branch, created if it does not exist; by default ``main``.
        message: of the commit.

    Returns:
        The address of the commit.

    Raises:
        RunError: it cannot be uploaded.
    """
    with _hub_errors(name, revision) as hub:
        api = hub.HfApi(library_name="gandem")
        api.create_repo(name, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(name, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=name,
            folder_path=folder,
            revision=revision,
            allow_patterns=list(FILES),
            commit_message=message or "Upload a model of gandem",
        )
        return str(commit.commit_url)


@contextlib.contextmanager
def _hub_errors(name: str, revision: str | None) -> Iterator[Any]:
    """Yield ``huggingface_hub``, quiet but for progress bars on a terminal; turn its errors into
    ours.

    Raises:
        RunError: it is not installed, or an operation in the block failed.
    """
    try:
        import huggingface_hub as hub
        from huggingface_hub import utils
    except ImportError:
        command = install_command("hub")
        raise RunError(f"Names on a hub need huggingface_hub. Install it with: {command}") from None
    hides_bars = not (sys.stderr.isatty() or utils.are_progress_bars_disabled())
    if hides_bars:
        utils.disable_progress_bars()
    verbosity = utils.logging.get_verbosity()
    utils.logging.set_verbosity_error()
    try:
        yield hub
    except RunError:
        raise
    except Exception as error:  # the client raises errors of several libraries
        problem = _explain(error, revision)
        raise RunError(f"{PREFIX}{name}: {problem}.") from None
    finally:
        utils.logging.set_verbosity(verbosity)
        if hides_bars:
            utils.enable_progress_bars()


def _explain(error: Exception, revision: str | None) -> str:
    """Return what an error of ``huggingface_hub`` means, without its message."""
    from huggingface_hub import errors

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return f"access to it is restricted; request it on its page, then {_LOGIN}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"there is no such repository, or it is private; to read a private one, {_LOGIN}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"it has no revision {shown(revision)}"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids to use the network; unset it"
    if isinstance(error, errors.LocalEntryNotFoundError):
        return "it is not in the cache, and the hub cannot be reached"
    is_token_invalid = isinstance(error, errors.LocalTokenNotFoundError | UnicodeError)
    if is_token_invalid or status == 401:
        return f"the hub does not accept the token, or there is none; {_LOGIN}"
    if status == 403:
        return "the token does not permit this; create one with write access"
    if status is not None:
        return f"the hub answered with HTTP {status}; try again later"
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"the files cannot be stored ({error.strerror})"
    return f"the transfer failed ({type(error).__name__}); try again"
