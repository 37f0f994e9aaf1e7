"""Runs: trainings in folders, their checkpoints, and what is generated from them.

Everything the other rooms may use is listed here.
"""

from gandem.core.runs.animation import Film, growth
from gandem.core.runs.checkpoint import (
    Checkpoint,
    checkpoint_path,
    read_checkpoint,
    write_checkpoint,
)
from gandem.core.runs.curves import draw_curves
from gandem.core.runs.evaluate import evaluate
from gandem.core.runs.folder import next_folder
from gandem.core.runs.latent import Using, slerp
from gandem.core.runs.listing import find_runs
from gandem.core.runs.morph import Way, interpolate
from gandem.core.runs.profile import Profile, profile
from gandem.core.runs.run import Run, open_run, pick_device
from gandem.core.runs.sampling import Images, sample
from gandem.core.runs.settings import Progress, Settings
from gandem.core.runs.train import resume, train
from gandem.core.runs.traversal import Table, each_label, traverse

__all__ = [
    "Checkpoint",
    "Film",
    "Images",
    "Profile",
    "Progress",
    "Run",
    "Settings",
    "Table",
    "Using",
    "Way",
    "checkpoint_path",
    "draw_curves",
    "each_label",
    "evaluate",
    "find_runs",
    "growth",
    "interpolate",
    "next_folder",
    "open_run",
    "pick_device",
    "profile",
    "read_checkpoint",
    "resume",
    "sample",
    "slerp",
    "train",
    "traverse",
    "write_checkpoint",
]
