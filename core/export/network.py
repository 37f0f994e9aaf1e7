"""What an exporter receives: a player's network as data, with its weights and facts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gandem.core.errors import RunError, SpecError
from gandem.core.runs.checkpoint import Checkpoint
from gandem.core.runs.record import RunRecord
from gandem.core.runs.saved.hub import name_folder
from gandem.core.specs import (
    IMAGE,
    Image,
    NetworkPlan,
    Points,
    Shape,
    Spec,
    digest,
    is_image,
    plan_spec,
    result_spec,
)
from gandem.core.training import averaged_players
from gandem.core.training.state import STAGE, WEIGHT

__all__ = [
    "LABEL",
    "ExportNetwork",
    "Port",
    "SavedRun",
    "make_network",
    "name_networks",
    "result_of",
]

LABEL = "label"


class SavedRun(Protocol):
    """What is exported of a :class:`gandem.core.runs.Run`."""

    @property
    def path(self) -> Path:
        """Its folder."""

    @property
    def spec(self) -> Spec:
        """Its spec."""

    @property
    def record(self) -> RunRecord:
        """Its record."""

    def checkpoint(self, which: int | str = ...) -> Checkpoint:
        """Read a checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or the output of an exported network.

    Attributes:
        name: an identifier in every language: ``"noise"``, ``"image"``, ``"image_8"``.
        key: its name in the plan: ``"image:8"``.
        shape: without the batch axis; () for class numbers, (H, W, C) for images.
        dtype: ``"float32"``, ``"int64"`` for class numbers, ``"uint8"`` for bytes.
        limits: lowest and highest value of an image or of points; None for other numbers.
    """

    name: str
    key: str
    shape: Shape
    dtype: str = "float32"
    limits: tuple[float, float] | None = None

    def describe(self) -> dict[str, Any]:
        """Return the port as plain data, with the batch axis as ``"N"``."""
        limits = {} if self.limits is None else {"limits": list(self.limits)}
        return {"name": self.name, "shape": ["N", *self.shape], "dtype": self.dtype, **limits}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportNetwork:
    """A player's network in inference mode, as data.

    Attributes:
        name: of the run, an identifier among several networks of one file.
        spec: of the networks as they are after training: it has no stages.
        player: the name of the player.
        plan: the layers of the player, with shapes and names of arrays.
        arrays: parameters and running statistics, float32, by canonical name and in canonical
            layout, as a checkpoint holds them. Averaged weights stand under the name of the weight.
        facts: plain data for the metadata of the file: model, player, step, digest, data, ….
        labels: ``"integers"``, class numbers (N,), or ``"weights"``, class weights (N, classes).
        pixels: ``"float32"``, or ``"uint8"`` for images of bytes.
        examples: the run's own output, float32, for the fixed latents of the verification: with
            seed 0, and classes by turns.
    """

    name: str
    spec: Spec
    player: str
    plan: NetworkPlan
    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]
    labels: str = "integers"
    pixels: str = "float32"
    examples: np.ndarray | None = None

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The inputs, in the order of the plan."""
        return tuple(self._port(key, shape) for key, shape in self.plan.inputs.items())

    @property
    def output(self) -> Port:
        """The output: images or points of a generator, logits of a discriminator, the noise of an
        encoder.
        """
        shape = self.plan.output_shape
        if self.player == "generator":
            port = self._port(IMAGE, shape)
            name = IMAGE if isinstance(self.spec.image, Image) else "points"
            return Port(name=name, key=IMAGE, shape=shape, dtype=self.pixels, limits=port.limits)
        name = {"discriminator": "logits", "encoder": "noise"}.get(self.player, "output")
        return Port(name=name, key=name, shape=shape)

    def _port(self, key: str, shape: Shape) -> Port:
        if key == LABEL and self.labels == "integers":
            return Port(name=key, key=key, shape=(), dtype="int64")
        image = self.spec.image
        limits = (image.low, image.high) if is_image(key) else None
        return Port(name=key.replace(":", "_"), key=key, shape=shape, limits=limits)

    def describe(self) -> dict[str, Any]:
        """Return the facts with inputs and output, as plain data."""
        ports = {"inputs": [port.describe() for port in self.inputs]}
        return {"name": self.name, **self.facts, **ports, "output": self.output.describe()}


def result_of(spec: Spec, state: Mapping[str, np.ndarray]) -> Spec:
    """Return the spec of the networks that a training results in.

    Raises:
        RunError: a training in stages has not reached its last resolution.
    """
    stages = len(spec.training.stages)
    if not stages:
        return spec
    if (int(state[STAGE]), float(state[WEIGHT])) != (stages - 1, 1.0):
        raise RunError(
            f"The training is in stage {int(state[STAGE]) + 1} of {stages}; networks can be "
            "exported when the last stage has faded in."
        )
    return result_spec(spec)


def make_network(
    run: SavedRun,
    checkpoint: Checkpoint,
    name: str,
    player: str,
    *,
    ema: bool,
    **choices: Any,
) -> ExportNetwork:
    """Return a player's network of a run.

    Args:
        ema: use the moving average of the weights, if the run keeps one.
        choices: ``labels`` and ``pixels`` of :class:`ExportNetwork`.

    Raises:
        SpecError: there is no such player, or points cannot be bytes.
        RunError: the checkpoint does not hold the player, or a training in stages has not reached
            its last resolution.
    """
    run.spec.player(player)
    checkpoint.check_player(player)
    spec = result_of(run.spec, checkpoint.state)
    if choices.get("pixels") == "uint8" and (
        player != "generator" or isinstance(spec.image, Points)
    ):
        raise SpecError("Only images can be written as uint8; leave pixels out.")
    plan = plan_spec(spec)[player]
    is_average = ema and player in averaged_players(spec)
    average = "average/" if is_average else ""
    names = {p.name: average + p.name for p in plan.parameters()}
    names |= {p.name: p.name for p in plan.statistics()}
    arrays = {name: checkpoint.state[key].astype(np.float32) for name, key in names.items()}
    for array, value in arrays.items():
        if not np.isfinite(value).all():
            raise RunError(
                f"{run.path}: {array} has numbers that are not finite; the training diverged. "
                "Choose an earlier --checkpoint."
            )
    record, data = run.record, run.record.data
    facts = {
        "model": run.spec.name,
        "player": player,
        "step": checkpoint.step,
        "weights": "average" if is_average else "last",
        "spec_digest": digest(run.spec),
        "seed": record.seed,
        "classes": spec.classes,
        "class_names": list(data.class_names),
        "data": {
            "name": _hide_folders(data.name),
            **{key: getattr(data, key) for key in ("digest", "source", "license")},
        },
        "backend": record.backend,
        "versions": {"gandem": record.gandem, **record.versions},
    }
    return ExportNetwork(
        name=name, spec=spec, player=player, plan=plan, arrays=arrays, facts=facts, **choices
    )


def _hide_folders(name: str) -> str:
    """Return the name of a data set without the folders of a path, which others need not know.

    >>> _hide_folders("npz:/home/me/faces.npz"), _hide_folders("mnist")
    ('npz:faces.npz', 'mnist')
    """
    kind, colon, argument = name.partition(":")
    return kind + colon + re.split(r"[/\\]", argument.rstrip("/\\"))[-1]


def name_networks(runs: Sequence[SavedRun]) -> list[str]:
    """Return a name for each run, that of its folder or its repository; equal ones are numbered."""
    names: list[str] = []
    for run in runs:
        stem = name = name_folder(run.path) or "run"
        number = 1
        while name in names:
            number += 1
            name = f"{stem}-{number}"
        names.append(name)
    return names
