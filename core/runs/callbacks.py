"""Telling watchers of a training what happens, so that none of them can stop or change it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from gandem.core.plugins.hookspecs import RunInfo
from gandem.core.plugins.isolation import aside, sentence
from gandem.core.plugins.registry import Watcher

__all__ = ["Watching"]


class Watching:
    """The watchers of one training.

    A watcher that raises is reported once and not called again; Ctrl-C goes through.

    Args:
        run: what they are told of the training.
        watchers: those of ``registry().watchers``.
        notice: takes the report, one line.
    """

    def __init__(
        self, run: RunInfo, watchers: Iterable[Watcher], notice: Callable[[str], None]
    ) -> None:
        self._run, self.notice = run, notice
        self._watchers = list(watchers)

    def before_training(self) -> None:
        """Tell that the first step is about to be made."""
        self._tell("before_training")

    def after_log(self, step: int, losses: Mapping[str, float]) -> None:
        """Tell that a row of the log is on disk."""
        self._tell("after_log", step=step, losses=_frozen(losses))

    def after_checkpoint(self, step: int, path: Path, samples: Path | None) -> None:
        """Tell that a checkpoint is on disk."""
        self._tell("after_checkpoint", step=step, path=path, samples=samples)

    def after_training(self, step: int, state: str, losses: Mapping[str, float]) -> None:
        """Tell how the training ended."""
        self._tell("after_training", step=step, state=state, losses=_frozen(losses))

    def _tell(self, moment: str, **facts: object) -> None:
        facts["run"] = self._run
        for watcher in list(self._watchers):
            try:
                for hook in watcher.hooks.get(moment, ()):
                    with aside():
                        hook.function(*(facts[name] for name in hook.argnames))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a stranger's function may raise anything
                self._watchers.remove(watcher)
                self.notice(
                    f"The plugin {watcher.name!r} ({watcher.distribution}): gandem_{moment} raised "
                    f"{sentence(error)}; it is muted for the rest of this training."
                )


def _frozen(losses: Mapping[str, float]) -> Mapping[str, float]:
    """Return a copy that is read-only, and stays as it is when the next losses are read."""
    return MappingProxyType({name: float(value) for name, value in losses.items()})
