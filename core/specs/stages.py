"""Stages of a training, at one resolution each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from gandem.core.fields import Checked, Count, Range
from gandem.core.specs.schedules import Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Checked):
    """A part of the training, at one resolution. Karras et al. 2018, arXiv:1710.10196.

    A stage uses a part of each network: the layers up to the generator's head of its resolution,
    and those from the head of a network that reads images. Its optimizers start anew.

    ``resolution``: height of the images in pixels: that of the stage before, or twice as much. The
    last stage has the height of the spec's image.
    ``length``: in the unit; real images are counted, a batch for each update of the discriminator.
    ``fade_in``: the length, in the same unit, in which the new layers replace the head of the stage
    before: their weight rises linearly from 0 to 1, in the generator, the networks that read
    images, and the real images; 0 switches at once.
    ``unit``: of both; the passes over the data are ``"epochs"``.
    ``batch_size``: images per batch; by default ``training.batch_size``.
    ``learning_rate``: of all players; by default their own.
    """

    resolution: Count
    length: Annotated[float, Range(0, 1e15, open_low=True)]
    fade_in: Annotated[float, Range(0)] = 0.0
    unit: Literal["images", "steps", "epochs"] = "images"
    batch_size: Count | None = None
    learning_rate: Annotated[Number, Range(0)] | None = None
