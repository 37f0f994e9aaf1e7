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
from gandem.core.specs import Spec, change, load_spec
from gandem.core.training import (
    Arrays,
    Backend,
    Engine,
    Feed,
    fixed_inputs,
    initial_state,
    load_loss,
)
from gandem.testing.case_types import as_statistic, hashed_numbers
from gandem.testing.trajectory_networks import (
    ATTENTION,
    BIASED,
    CONDITIONAL,
    DROPOUT,
    EQUALIZED,
    NORMS,
    SMALL,
    SPECTRAL,
    STYLES,
    WITH_CLASS_LOGITS,
    Networks,
)

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
        players = tuple(replace(p, layers=self.layers.get(p.name, p.layers)) for p in SMALL.players)
        classes = 3 if "conditional" in self.name else 0
        return change(replace(SMALL, players=players, classes=classes), self.changes)

    def feed(self, precision: str = "float64") -> Feed:
        """Return the inputs of its steps."""
        data = _load_digits() if self.name in MODELS else load_tiny_data()
        return Feed(self.spec, load_loss(self.spec.loss), data, SEED, precision)


@cache
def _load_digits() -> Dataset:
    return load_dataset("digits")


@cache
def load_tiny_data() -> Dataset:
    """Return 70 images (8, 8, 1) in three classes; 70 leaves a partial batch of 6."""
    pixels = np.floor((hashed_numbers("images", (70, 8, 8, 1)) + 1) * 128).astype(np.uint8)
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
    return backend.engine(case.spec, loss, state, precision=precision, device=device)


def make_start_state(case: Trajectory, step: int) -> dict[str, np.ndarray]:
    """Return a plausible state before some step: the first weights plus exact numbers."""
    state = initial_state(case.spec, SEED, "float64")
    for name, value in state.items():
        noise = hashed_numbers(f"{name} {step}", value.shape)
        if name.endswith("/updates"):
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
    """Return small arrays whole, and of each array above 40 elements 16 elements and two sums.

    The elements have hashed positions; the sums run over all elements with hashed signs, so a
    difference at any element changes them.
    """
    parts = {}
    for name, value in arrays.items():
        elements = np.asarray(value, np.float64).ravel()
        if elements.size > 40:
            positions, signs = _hashed_positions(name, elements.size)
            parts[f"{name} (sums)"] = signs @ elements
            elements = elements[positions]
        parts[name] = elements
    return parts


@lru_cache(maxsize=256)  # enough for a few trajectories
def _hashed_positions(name: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return 16 positions in an array, and two rows of signs for its elements."""
    positions = (hashed_numbers(f"{name} places", (16,)) + 1) / 2 * size
    return positions.astype(int), np.sign(hashed_numbers(f"{name} signs", (2, size)))


def summarize(case: Trajectory, engine: Engine) -> dict[str, np.ndarray]:
    """Return what is compared after some steps: the state, and images in inference mode."""
    inputs = fixed_inputs(case.spec, SEED, 3, "float64")
    arrays = {**engine.export(), "images": engine.forward("generator", inputs)}
    if case.spec.training.ema_decay:
        arrays["averaged images"] = engine.forward("generator", inputs, average=True)
    return digest(arrays)


# --- the cases -----------------------------------------------------------------------------------


def _optimizer(kind: str, **fields: float | str) -> dict[str, Any]:
    optimizer = {"kind": kind, "learning_rate": 2e-3, **fields}
    return {f"{player}.optimizer": optimizer for player in ("generator", "discriminator")}


_VARIANTS: dict[str, tuple[Mapping[str, Any], Networks]] = {
    "fresh noise": ({}, {}),
    "reused noise": ({"training.noise": "reused"}, {}),
    "joint passes": ({"training.passes": "joint"}, {}),
    "joint passes, conditional": ({"training.passes": "joint"}, CONDITIONAL),
    "three discriminator steps": ({"training.discriminator_steps": 3}, {}),
    "three discriminator steps, reused noise": (
        {"training.discriminator_steps": 3, "training.noise": "reused"},
        {},
    ),
    "mean of the halves": ({"loss.halves": "mean"}, {}),
    "label smoothing": ({"loss.label_smoothing": 0.1}, {}),
    "weight average": ({"training.ema_decay": 0.9}, {}),
    "dropped partial batch": ({"training.partial_batch": "drop"}, {}),
    "uniform latent": ({"latent.distribution": "uniform"}, {}),
    "separate learning rates": ({"discriminator.optimizer.learning_rate": 4e-3}, {}),
    "minimax": ({"loss.name": "minimax"}, {}),
    "least squares": ({"loss.name": "least-squares", "loss.label_smoothing": 0.2}, {}),
    "hinge": ({"loss.name": "hinge"}, {}),
    "wasserstein, clipped": ({"loss.name": "wasserstein", "training.weight_clip": 0.05}, {}),
    "gradient penalty": (
        {
            "loss.name": "wasserstein",
            "loss.gradient_penalty": 10.0,
            "training.discriminator_steps": 2,
        },
        {"discriminator": NORMS["discriminator"]},
    ),
    "gradient penalty, conditional": ({"loss.gradient_penalty": 1.0}, CONDITIONAL),
    "r1, joint": (
        {"loss.r1": 2.0, "loss.gradient_penalty": 0.5, "training.passes": "joint"},
        {"discriminator": SPECTRAL["discriminator"]},
    ),
    "classes told, conditional": (
        {"loss.class_weight": 0.7, "loss.gradient_penalty": 1.0},
        WITH_CLASS_LOGITS,
    ),
    "discriminator skipped": ({"training.discriminator_skip_below": 1.78}, {}),
    "generator batches, conditional": (
        {"training.generator_batches": 2, "training.discriminator_steps": 2},
        CONDITIONAL,
    ),
    "instance noise": ({"training.instance_noise": 0.3, "training.instance_noise_steps": 15}, {}),
    "augmented": (
        {
            "training.augment.flip": True,
            "training.augment.translation": 0.25,
            "training.augment.cutout": 0.4,
            "training.flip": True,
            "training.generator_batches": 2,
        },
        {},
    ),
    "with replacement": (
        {"training.sampling": "replacement", "training.batches_per_epoch": 5},
        {},
    ),
    "adamw": (_optimizer("adamw", weight_decay=0.05), {}),
    "adam with weight decay": (_optimizer("adam", weight_decay=0.05), {}),
    "rmsprop": (_optimizer("rmsprop", decay=0.9), {}),
    "sgd": (_optimizer("sgd"), {}),
    "sgd with momentum": (_optimizer("sgd", momentum=0.8, weight_decay=0.01), {}),
    "dropout": ({}, {"discriminator": DROPOUT}),
    "dropout, joint, three steps": (
        {"training.passes": "joint", "training.discriminator_steps": 3},
        {"discriminator": DROPOUT},
    ),
    "conditional": ({}, CONDITIONAL),
    "norms, residuals, pools": ({}, NORMS),
    "spectral norm": ({"loss.name": "hinge"}, SPECTRAL),
    "spectral norm, joint, three steps": (
        {
            "loss.name": "hinge",
            "training.passes": "joint",
            "training.discriminator_steps": 3,
            "training.ema_decay": 0.9,
        },
        SPECTRAL,
    ),
    "biased running variance, epsilon beside the uncorrected root": (
        _optimizer("adam", epsilon=1e-5, epsilon_placement="uncorrected"),
        BIASED,
    ),
    "attention, projection, conditional": (
        {"loss.name": "hinge", "training.discriminator_steps": 2, "training.ema_decay": 0.9},
        ATTENTION,
    ),
    "styles, pixel noise, skip connections": (
        {"loss.r1": 2.0, "training.ema_decay": 0.9},
        STYLES,
    ),
    "equalized rates, groups, filters, deviations": (
        {"loss.r1": 2.0, "training.ema_decay": 0.9},
        EQUALIZED,
    ),
}

TRAJECTORIES = (
    *(Trajectory(name=name, changes={}, layers={}, marks=(1, 10, 50, 200)) for name in MODELS),
    *(
        Trajectory(name=name, changes=changes, layers=layers, marks=(1, 5, 20))
        for name, (changes, layers) in _VARIANTS.items()
    ),
)
