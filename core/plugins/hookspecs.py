"""The hooks of gandem: everything a plugin can say to it, or hear from it, on a screen or two.

A plugin is a module or object that an installed distribution names in the entry-point group
``gandem``, with functions marked by ``@gandem.hookimpl``.  Our own models, data sets, backends and
watchers come through the same hooks.  ``docs/plugins.md`` shows each at work.

Hooks that **add** are called once a process, when the registry is first read, which every command
does: without arguments, and each returns rows, facts and strings.  They must not import a
framework, read a file of data, ask for the registry, print, or take longer than a blink; what a
row's ``target`` names is imported when somebody builds it.  Ids carry the plugin's own prefix,
``acme/wgan``.  A hook that raises adds nothing, a row that is wrong is left out; ``gandem plugins``
says why, and everything else goes on.

Hooks that **watch** are called during every training, on the thread that trains, and return
nothing.  They take the arguments that they name, none of them with a default.  The training waits
for them, so they must be quick; they must not change what they are given.  One that raises does not
stop the training: it is reported once, and its plugin is muted for the rest of that training.

"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pluggy

__all__ = ["Entry", "RunInfo", "hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("gandem")
hookimpl = pluggy.HookimplMarker("gandem")


LONGEST_ID = 100
_PART = r"\w([\w.-]*\w)?"
_ID = rf"({_PART}/)?{_PART}(?<!\.toml)(?<!\.json)"  # those would be files


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the registry.

    Attributes:
        id: the name people type; a third party's carries its prefix, ``"acme/wgan"``.  Letters,
            digits, ``_``, ``-`` and ``.``, the last two inside.
        target: ``"package.module:attribute"``, imported when the entry is built.
        title: a few words for lists.
        paper: where it comes from.
        requires: modules that must be installed for it to work.
        install: what to type to get them.
        small: for models, the arguments that make a size fit for parity work.
        data: for models, the data set of their recipe, ``"mnist"``; ``"digits"`` where left out.
        classes: for models, the classes of that data set, by number; empty for all.
        extractor: for data sets, the extractor that suits them, ``"lenet5:digits"``; pixels where
            left out.
        tolerance: for models, how far apart two backends may be after 200 steps at that size, in
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
    data: str = "digits"
    classes: tuple[int, ...] = ()
    extractor: str = ""
    tolerance: float = 1e-12
    provider: str = ""

    def __post_init__(self) -> None:
        for name in ("id", "target", "title", "paper", "install", "data", "extractor", "provider"):
            value = getattr(self, name)
            if not (isinstance(value, str) and value.isprintable()):
                raise TypeError(
                    f"Entry.{name}: expected a text on one line, received {value!r:.60}."
                )
        if not re.fullmatch(_ID, self.id) or len(self.id) > LONGEST_ID:
            raise ValueError(
                f"Entry.id: expected a name like 'acme/wgan', received {self.id!r:.60}."
            )
        if not re.fullmatch(r"\w+(\.\w+)*:\w+", self.target):
            raise ValueError(
                f"Entry.target: expected 'package.module:attribute', received {self.target!r}."
            )
        requires = self.requires
        if not (isinstance(requires, tuple) and all(isinstance(name, str) for name in requires)):
            raise TypeError(
                f"Entry.requires: expected a tuple of module names, received {requires!r}."
            )
        classes = self.classes
        if not (isinstance(classes, tuple) and all(type(number) is int for number in classes)):
            raise TypeError(
                f"Entry.classes: expected a tuple of whole numbers, received {classes!r}."
            )
        if not isinstance(self.small, dict):
            raise TypeError(f"Entry.small: expected a dict, received {self.small!r}.")
        if not isinstance(self.tolerance, int | float):
            raise TypeError(f"Entry.tolerance: expected a number, received {self.tolerance!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """The facts of a training, for those who watch it.

    Attributes:
        path: the run's folder; a watcher may make a folder of its own in it.
        model: the name of the spec.
        backend: the backend's id.
        device: where it trains, ``"cpu"``, ``"cuda:0"``.
        precision: ``"float32"``, ``"float64"``, ``"bfloat16"`` or ``"tf32"``.
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


# --- hooks that add: each once, when the registry is first read ----------------------------------


@hookspec
def gandem_models() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return rows of models.

    The target is a function with keyword parameters, each with a default, that returns a
    :class:`gandem.core.specs.Spec`.  It is called whenever somebody asks for the model, and must
    return equal specs for equal arguments.
    """


@hookspec
def gandem_layers() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return rows of layers, which are compositions of gandem's own and so run on every backend.

    The target is a function with keyword parameters that returns a layer of
    :mod:`gandem.core.specs`, or a sequence of them.  It is called once for each ``kind =
    "acme/res-block"`` of a spec file or a setting, while that is read; the spec keeps what it
    returns.  A parameter that is a list of layers comes as layers.  It must return equal layers for
    equal arguments, and leave their names alone unless it takes a ``name``.
    """


@hookspec
def gandem_backends() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return rows of backends.

    The target is a function without parameters that returns a
    :class:`gandem.core.training.Backend`.  It is called where ``requires`` are installed, and may
    take as long as importing the framework does.
    """


@hookspec
def gandem_datasets() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return rows of data sets.

    The target is a function ``(argument: str, data_dir: Path | None)`` that returns a
    :class:`gandem.core.data.dataset.Dataset`; the argument is what follows the colon in ``--data
    name:argument``.  It is called once a training, may download, and must return the same images in
    the same order each time.
    """


@hookspec
def gandem_losses() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return rows of losses.

    The target is a class without parameters of the form
    :class:`gandem.core.training.AdversarialLoss`.  Its methods run in the middle of every step,
    compiled: they must only compute, with the functions they are given.
    """


@hookspec
def gandem_extractors() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return rows of extractors, whose features scores are computed from.

    The target is a function ``(argument: str, backend: str)`` that returns a
    :class:`gandem.metrics.evaluation.Extractor`: images in, features out, with a name and a hash.  The
    argument is what follows the colon in ``--extractor name:argument``; the backend is the id of
    one that is installed, for those that run on any, and loaded already where a run was.  It is
    called once a command, may download, and must give equal features for equal images.
    """


@hookspec
def gandem_launchers() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return rows of launchers, which run the trainings of ``gandem compare`` somewhere.

    The target is a function ``(workers: int, address: str | None, folder: Path)`` that returns a
    :class:`gandem.compare.Launcher`, which may keep files of its own in the folder.  It is
    called once a command.  Jobs are plain data, each a few ``gandem`` commands; whoever runs them
    must see the same files by the same names.
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
        loss's unit, ``real_accuracy`` and ``fake_accuracy`` from 0 to 1, then the losses of
        further players.  One may be NaN or infinite, right before a training ends as ``"diverged"``
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
