"""A callback: the losses of a training as a CSV file in the folder of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gandem import Callback

if TYPE_CHECKING:
    from gandem.core.runs.trainer import Trainer


class Example(Callback):
    """Writes ``step,discriminator,generator`` for each row of the log.

    Methods are called on the thread that trains. An error mutes the callback and is reported once.
    """

    def on_train_start(self, trainer: Trainer) -> None:
        """Write the header of a new file."""
        self.path = trainer.run_dir / "example.csv"
        if not self.path.exists():  # it does if the run was resumed
            self.path.write_text("step,discriminator,generator\n")

    def on_log(self, trainer: Trainer, row: Mapping[str, Any]) -> None:
        """Append a line."""
        with self.path.open("a") as file:
            file.write(f"{row['step']},{row['discriminator']},{row['generator']}\n")
