"""Runs: trainings in folders, their checkpoints, and what is generated from them.

Everything that other packages of gandem use is listed here.
"""

from gandem.core.runs.checkpoint import (
    Checkpoint,
    checkpoint_path,
    read_checkpoint,
    write_checkpoint,
)
from gandem.core.runs.config import Progress, Settings
from gandem.core.runs.generation.sampling import Images, sample
from gandem.core.runs.resume_point import resume
from gandem.core.runs.run import Run, from_pretrained, open_run, pick_device
from gandem.core.runs.run_dir import next_run_dir
from gandem.core.runs.setup import train

__all__ = [
    "Checkpoint",
    "Images",
    "Progress",
    "Run",
    "Settings",
    "checkpoint_path",
    "from_pretrained",
    "next_run_dir",
    "open_run",
    "pick_device",
    "read_checkpoint",
    "resume",
    "sample",
    "train",
    "write_checkpoint",
]
