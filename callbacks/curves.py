"""Draw the curves of a training when it ends."""

from __future__ import annotations

from importlib.util import find_spec

from gandem.core.plugins.isolation import format_error
from gandem.core.runs.run import Run
from gandem.core.runs.trainer import Callback, Trainer

MIN_STEPS = 200
"""Steps below which no curves are drawn, since drawing takes a second or two."""


class Curves(Callback):
    """Writes ``curves.png`` and ``curves.svg`` into the run."""

    order = 70

    def __init__(self) -> None:
        self._complete = False

    def on_last_step(self, trainer: Trainer) -> None:
        """Note that no error ended the training."""
        self._complete = True

    def on_train_end(self, trainer: Trainer) -> None:
        """Draw, unless the training is too short or failed."""
        is_drawn = self._complete or trainer.state == "diverged"
        if not is_drawn or trainer.step < MIN_STEPS or find_spec("matplotlib") is None:
            return
        try:
            from gandem.visualize.curves import draw_curves

            run, place = (
                Run(trainer.run_dir, trainer.spec, trainer.record),
                trainer.run_dir / "curves",
            )
            draw_curves([run], place.with_suffix(".png"), place.with_suffix(".svg"))
        except Exception as error:  # must not fail the training
            trainer.notice(f"The curves could not be drawn: {format_error(error)}.")
