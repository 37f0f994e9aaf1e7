"""The hooks of gandem: everything a plugin can say to it, or hear from it, on a screen or two.

A plugin is a module or object that an installed distribution names in the entry-point group
``gandem``, with functions marked by ``@gandem.hookimpl``.  Our own models, data sets, backends and
watchers come through the same hooks.

Hooks that **add** are called once, when the registry is first read, and return rows: facts and
strings.  They must not import a framework, read a file of data, or take longer than a blink; what a
row's ``target`` names is imported when somebody builds it.  A plugin that raises is reported by
``gandem plugins`` and skipped.  Ids carry the plugin's own prefix, ``acme/wgan``.

Hooks that **watch** are called during every training, on the thread that trains, and return
nothing.  They take the arguments that they name.  The training waits for them, so they must be
quick; they must not change what they are given.  One that raises does not stop the training: it is
reported once, and its plugin is muted for the rest of that training.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pluggy

__all__ = ["Row", "RunInfo", "hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("gandem")
hookimpl = pluggy.HookimplMarker("gandem")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One entry of the registry.

    Attributes:
        id: the name people type; a third party's carries its prefix, ``"acme/wgan"``.
        target: ``"package.module:attribute"``, imported when the entry is built.
        title: a few words for lists.
        paper: where it comes from.
        requires: modules that must be installed for it to work.
        install: what to type to get them.
        small: for models, the arguments that make a size fit for parity work.
        gate: for models, how far apart two backends may be after 200 steps at that size, in
            float64.
        provider: the distribution it came from; filled in by gandem.

    Raises:
        TypeError, ValueError: a field cannot be what it should; the plugin that made the row is
            reported.
    """

    id: str
    target: str
    title: str = ""
    paper: str = ""
    requires: tuple[str, ...] = ()
    install: str = ""
    small: dict[str, Any] = field(default_factory=dict)
    gate: float = 1e-12
    provider: str = ""

    def __post_init__(self) -> None:
        for name in ("id", "target", "title", "paper", "install", "provider"):
            value = getattr(self, name)
            if not (isinstance(value, str) and value.isprintable()):
                raise TypeError(f"Row.{name}: expected a text on one line, received {value!r:.60}.")
        if not re.fullmatch(r"([\w.-]+/)?[\w.-]+", self.id):
            raise ValueError(f"Row.id: expected a name like 'acme/wgan', received {self.id!r}.")
        if not re.fullmatch(r"\w+(\.\w+)*:\w+", self.target):
            raise ValueError(
                f"Row.target: expected 'package.module:attribute', received {self.target!r}."
            )
        requires = self.requires
        if not (isinstance(requires, tuple) and all(isinstance(name, str) for name in requires)):
            raise TypeError(
                f"Row.requires: expected a tuple of module names, received {requires!r}."
            )
        if not isinstance(self.small, dict):
            raise TypeError(f"Row.small: expected a dict, received {self.small!r}.")
        if not isinstance(self.gate, int | float):
            raise TypeError(f"Row.gate: expected a number, received {self.gate!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """The facts of a training, for those who watch it.

    Attributes:
        path: the run's folder; a watcher may make a folder of its own in it.
        model: the name of the spec.
        backend: the backend's id.
        device: where it trains, ``"cpu"``, ``"cuda:0"``.
        precision: ``"float32"`` or ``"float64"``.
        seed: of everything random.
        data: the name of the data set.
        first_step: steps made before; 0 unless the training is resumed.
        steps: steps there shall be at the end, those made before included.
        log_every: steps between two rows of the log.
    """

    path: Path
    model: str
    backend: str
    device: str
    precision: str
    seed: int
    data: str
    first_step: int
    steps: int
    log_every: int


# --- hooks that add ------------------------------------------------------------------------------


@hookspec
def gandem_models() -> Iterable[Row]:  # type: ignore[empty-body]
    """Return rows of models.

    The target is a function with keyword parameters, each with a default, that returns a
    :class:`gandem.core.spec.Spec`.
    """


@hookspec
def gandem_backends() -> Iterable[Row]:  # type: ignore[empty-body]
    """Return rows of backends.

    The target is a function without parameters that returns a
    :class:`gandem.core.training.Backend`.
    """


@hookspec
def gandem_datasets() -> Iterable[Row]:  # type: ignore[empty-body]
    """Return rows of data sets.

    The target is a function ``(argument: str, data_dir: Path | None)`` that returns a
    :class:`gandem.core.datasets.Dataset`; the argument is what follows the colon in ``--data
    name:argument``.
    """


@hookspec
def gandem_objectives() -> Iterable[Row]:  # type: ignore[empty-body]
    """Return rows of objectives.

    The target is a class without parameters of the form
    :class:`gandem.core.training.ObjectiveRule`.
    """


# --- hooks that watch ----------------------------------------------------------------------------


@hookspec
def gandem_before_training(run: RunInfo) -> None:
    """Watch a training begin, or be resumed.

    Called once a training, before its first step, on the thread that trains; ``run.path`` is there.
    Write no file yet: a training that fails at once takes its folder back.
    """


@hookspec
def gandem_after_log(run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
    """Watch a row of the log reach the disk.

    Called every ``run.log_every`` steps, and after the first and the last, on the thread that
    trains: be quick.

    :param step: steps finished, counted from 1; of a resumed training, from its very beginning
    :param losses: read-only; Python floats by name: ``discriminator`` and ``generator`` in the
        objective's unit, ``real_accuracy`` and ``fake_accuracy`` from 0 to 1.  One may be NaN or
        infinite, right before a training ends as ``"diverged"``
    """


@hookspec
def gandem_after_checkpoint(run: RunInfo, step: int, path: Path, samples: Path | None) -> None:
    """Watch a checkpoint reach the disk.

    Called after each, on the thread that trains: copy what you want to keep.  Checkpoints are
    written while the training goes on, so it may be a few steps further.

    :param step: the step that the checkpoint was made after
    :param path: the checkpoint, whole; do not change it.  A newer one may replace it at any time,
        so be ready not to find it
    :param samples: the newest grid of samples, a PNG, maybe of an earlier step; None before the
        first
    """


@hookspec
def gandem_after_training(run: RunInfo, step: int, state: str, losses: Mapping[str, float]) -> None:
    """Watch a training end, well or not.

    Called once for each ``gandem_before_training``, on the thread that trained, even where an error
    or Ctrl-C is on its way to the user: close what you opened.  A killed process calls nothing.

    :param state: ``"finished"``, ``"interrupted"``, ``"diverged"`` or ``"failed"``
    :param losses: the last that were read, as above; empty where none were
    """
