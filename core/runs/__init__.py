"""Runs: trainings in folders, their checkpoints, and what is generated from them.

Everything the other rooms may use is listed here.
"""

from gandem.core.runs.checkpoint import checkpoint_path, read_checkpoint, write_checkpoint
from gandem.core.runs.run import Images, Run, next_folder, open_run, pick_device, sample
from gandem.core.runs.train import Progress, Settings, train

__all__ = [
    "Images",
    "Progress",
    "Run",
    "Settings",
    "checkpoint_path",
    "next_folder",
    "open_run",
    "pick_device",
    "read_checkpoint",
    "sample",
    "train",
    "write_checkpoint",
]
