"""Cases of losses and optimizers."""

from __future__ import annotations

import numpy as np

from gandem.core.plugins.entry import entries
from gandem.core.specs import SGD, Adam, AdamW, Loss, RMSprop
from gandem.core.training import is_paired, load_loss
from gandem.testing.case_types import LossCase, OptimizerCase, Role, hashed_numbers


def list_losses() -> list[LossCase]:
    """Return each loss, of logits near 0 and far from it."""
    column = np.array([[18.0], [19.5], [20.5], [22.0], [25.0], [30.0]])
    logits = {
        "near 0": np.concatenate([3 * hashed_numbers("logits", (7, 1)), [[0.0], [1.0], [-1.0]]]),
        "around 20": np.concatenate([column, -column[1:]]),
        "at 100": np.array([[100.0], [-100.0], [100.0]]),
        "at 700": np.array([[700.0], [-700.0], [0.0], [-700.0]]),
    }
    losses = [load_loss(Loss(name=entry.id)) for entry in entries("gandem")["losses"]]
    halves: tuple[tuple[str, Role, float], ...] = (
        ("real", "real", 1.0),
        ("real 0.9", "real", 0.9),
        ("fake", "fake", 0.0),
        ("generator", "generator", 1.0),
    )
    pairs: tuple[tuple[str, Role], ...] = (
        ("pair", "pair"),
        ("pair of the generator", "pair_generator"),
    )
    cases = []
    for loss in losses:
        for size, values in logits.items():
            name = f"{type(loss).__name__} {size}"
            if is_paired(loss):
                arrays = {"real": values, "fake": np.roll(values, 2)}
                cases += [
                    LossCase(name=f"{name} {part}", loss=loss, role=role, target=1, arrays=arrays)
                    for part, role in pairs
                ]
                continue
            cases += [
                LossCase(
                    name=f"{name} {half}",
                    loss=loss,
                    role=role,
                    target=target,
                    arrays={"logits": values},
                )
                for half, role, target in halves
                if loss.smoothable or target != 0.9
            ]
    return cases


LOSSES = tuple(list_losses())
OPTIMIZERS = tuple(
    OptimizerCase(name=name, optimizer=optimizer)
    for name, optimizer in {
        "adam": Adam(learning_rate=1e-3),
        "adam of DCGAN": Adam(learning_rate=2e-4, beta1=0.5),
        "adam without momentum": Adam(learning_rate=1e-2, beta1=0.0, beta2=0.9, epsilon=1e-7),
        "adam with weight decay": Adam(learning_rate=1e-2, weight_decay=0.1),
        "adam, epsilon beside the uncorrected root": Adam(
            learning_rate=1e-3, epsilon=1e-7, epsilon_placement="uncorrected"
        ),
        "adam, clipped gradients": Adam(learning_rate=1e-2, clip_norm=50.0),
        "sgd, clipped gradients": SGD(learning_rate=0.1, momentum=0.9, clip_norm=1.0),
        "adamw": AdamW(learning_rate=1e-2),
        "adamw with weight decay": AdamW(learning_rate=0.1, beta1=0.5, weight_decay=0.5),
        "adamw without weight decay": AdamW(learning_rate=1e-3, weight_decay=0.0),
        "adamw, epsilon beside the uncorrected root": AdamW(
            learning_rate=1e-2, beta1=0.5, epsilon=1e-6, epsilon_placement="uncorrected"
        ),
        "rmsprop": RMSprop(learning_rate=5e-5),
        "rmsprop of another decay": RMSprop(learning_rate=1e-2, decay=0.99, epsilon=1e-6),
        "rmsprop with weight decay": RMSprop(learning_rate=1e-2, weight_decay=0.1),
        "sgd": SGD(learning_rate=0.1),
        "sgd with momentum": SGD(learning_rate=0.1, momentum=0.9),
        "sgd with weight decay": SGD(learning_rate=0.1, weight_decay=0.1),
        "sgd with both": SGD(learning_rate=1e-2, momentum=0.5, weight_decay=1.0),
        "sgd at rest": SGD(learning_rate=0.0, momentum=0.9),
    }.items()
)
