"""The cases of whole steps: small GANs that together use every option of the training protocol.

A trajectory is a GAN, its data and a number of steps. Those of the built-in models train on real
digits for 200 steps (tier P3); the others train on 8×8 images of exact numbers for 20.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from typing import Any

import numpy as np

from gandem.core.data.dataset import Dataset, load_dataset
from gandem.core.plugins.entry import entries
from gandem.core.specs import Spec, change, load_spec, plan_spec
from gandem.core.training import (
    Arrays,
    Backend,
    Engine,
    Feed,
    fixed_inputs,
    initial_state,
    load_loss,
    make_engine,
    make_feed,
    run_resolutions,
)
from gandem.testing.case_types import as_statistic, hashed_numbers
from gandem.testing.cases.variants import VARIANTS
from gandem.testing.trajectory_networks import SMALL, Networks, give_layers

__all__ = [
    "SEED",
    "SMALL",
    "STARTS",
    "TRAJECTORIES",
    "Trajectory",
    "digest",
    "find_trajectory",
    "load_tiny_data",
    "make_start_state",
    "make_step",
    "run_steps",
    "stack_losses",
    "start_engine",
    "summarize",
]

SEED = 7
STARTS = (0, 7, 200)
"""Steps from whose states single steps are made (tier P2)."""
MODELS = tuple(entry.id for entry in entries("gandem")["models"])
"""The built-in models; each is a case at its small size."""


@dataclass(frozen=True, kw_only=True)  # no slots: cached properties need a __dict__
class Trajectory:
    """A GAN and the steps after which it is compared."""

    name: str
    changes: Mapping[str, Any]
    layers: Networks
    marks: tuple[int, ...]

    @cached_property
    def spec(self) -> Spec:
        """The spec of the GAN."""
        if self.name in MODELS:
            return load_spec(self.name, small=True)
        classes = 3 if "conditional" in self.name else 0
        spec = replace(SMALL, players=give_layers(self.layers), classes=classes)
        return change(spec, self.changes)

    def feed(self, precision: str = "float64") -> Feed:
        """Return the inputs of its steps."""
        channels = self.spec.image.shape[-1]
        data = _load_digits() if self.name in MODELS else load_tiny_data(channels)
        return make_feed(self.spec, load_loss(self.spec.loss), data, SEED, precision)


@cache
def _load_digits() -> Dataset:
    return load_dataset("digits")


@cache
def load_tiny_data(channels: int = 1) -> Dataset:
    """Return 70 images (8, 8, channels) in three classes: four batches of 16, and a partial
    one of 6.
    """
    numbers = hashed_numbers("images", (70, 8, 8, channels))
    pixels = np.floor((numbers + 1) * 128).astype(np.uint8)
    return Dataset("tiny", pixels, np.arange(70) % 3)


def find_trajectory(name: str) -> Trajectory:
    """Return the case with a name."""
    return next(case for case in TRAJECTORIES if case.name == name)


def run_steps(engine: Engine, feed: Feed, stop: int, start: int = 0) -> list[dict[str, float]]:
    """Make the steps from ``start`` to before ``stop``; return the losses of each."""
    return [engine.read(engine.step(feed(step))) for step in range(start, stop)]


def start_engine(
    case: Trajectory, backend: Backend, precision: str = "float64", device: str = "cpu"
) -> Engine:
    """Return an engine at the first step of a trajectory."""
    state = initial_state(case.spec, SEED, precision)
    loss = load_loss(case.spec.loss)
    return make_engine(backend, case.spec, loss, state, precision=precision, device=device)


def make_start_state(case: Trajectory, step: int) -> dict[str, np.ndarray]:
    """Return a plausible state before some step: the first weights plus exact numbers."""
    state = initial_state(case.spec, SEED, "float64")
    for name, value in state.items():
        noise = hashed_numbers(f"{name} {step}", value.shape)
        if name.startswith("running/"):
            state[name] = np.asarray((1 + noise) / 2)
        elif name.endswith("/updates"):
            rounds = case.spec.training.discriminator_steps if "discriminator" in name else 1
            state[name] = np.array(step * rounds, np.int64)
        elif name.endswith("/second_moment"):
            state[name] = (1e-2 * noise) ** 2 + 1e-6
        elif name.startswith("optimizer/"):
            state[name] = 1e-2 * noise
        elif name.endswith(("/variance", "_vector")):
            state[name] = as_statistic(name, noise)
        else:
            state[name] = value + 0.02 * noise
    return state


def stack_losses(losses: list[dict[str, float]]) -> dict[str, np.ndarray]:
    """Return the losses of several steps as one array per name."""
    return {name: np.array([row[name] for row in losses]) for name in losses[0]}


def make_step(
    case: Trajectory, engine: Engine, start: int, precision: str = "float64"
) -> dict[str, np.ndarray]:
    """Make one step from :func:`make_start_state`; return the state after it, and the losses."""
    state = make_start_state(case, start)
    engine.load({k: v if v.dtype == np.int64 else v.astype(precision) for k, v in state.items()})
    losses = engine.read(engine.step(case.feed(precision)(start)))
    return {**engine.export(), **{name: np.array(value) for name, value in losses.items()}}


def digest(arrays: Arrays) -> dict[str, np.ndarray]:
    """Return small arrays whole, and of each array above 24 elements 8 elements and two sums.

    The elements have hashed positions; the sums run over all elements with hashed signs, so a
    difference at any element changes them.
    """
    parts = {}
    for name, value in arrays.items():
        elements = np.asarray(value, np.float64).ravel()
        if elements.size > 24:
            positions, signs = _hashed_positions(name, elements.size)
            parts[f"{name} (sums)"] = signs @ elements
            elements = elements[positions]
        parts[name] = elements
    return parts


@lru_cache(maxsize=256)  # enough for a few trajectories
def _hashed_positions(name: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return 8 positions in an array, and two rows of signs for its elements."""
    positions = (hashed_numbers(f"{name} places", (8,)) + 1) / 2 * size
    return positions.astype(int), np.sign(hashed_numbers(f"{name} signs", (2, size)))


def summarize(case: Trajectory, engine: Engine) -> dict[str, np.ndarray]:
    """Return what is compared after some steps: the state, and images in inference mode."""
    inputs = fixed_inputs(case.spec, SEED, 3, "float64")
    images = run_resolutions(engine, plan_spec(case.spec)["generator"], inputs)
    arrays = {**engine.export(), **{f"{name}s": image for name, image in images.items()}}
    if case.spec.training.averages:
        arrays["averaged images"] = engine.forward("generator", inputs, average=True)
    return digest(arrays)


TRAJECTORIES = (
    *(Trajectory(name=name, changes={}, layers={}, marks=(1, 10, 50, 200)) for name in MODELS),
    *(
        Trajectory(name=name, changes=changes, layers=layers, marks=(1, 5, 20))
        for name, (changes, layers) in VARIANTS.items()
    ),
)
