"""Small GANs that together use every option of the training protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gandem.core import specs as kinds
from gandem.core.specs import Layer, Spec

__all__ = ["SMALL", "VARIANTS"]


def _small() -> Spec:
    adam = kinds.Adam(learning_rate=1e-3, beta1=0.5, beta2=0.99, epsilon=1e-6)
    generator: tuple[Layer, ...] = (
        kinds.Dense(units=2 * 2 * 6, bias=False),
        kinds.BatchNorm(epsilon=1e-4, decay=0.8),
        kinds.Relu(),
        kinds.Reshape(shape=(2, 2, 6)),
        kinds.Conv2DTranspose(filters=5, kernel=4, stride=2),
        kinds.LeakyRelu(slope=0.2),
        kinds.Conv2DTranspose(filters=4, kernel=5, stride=2),
        kinds.Elu(),
        kinds.Conv2D(filters=1, kernel=3),
        kinds.Tanh(),
    )
    discriminator: tuple[Layer, ...] = (
        kinds.Conv2D(filters=5, kernel=3, stride=2),
        kinds.LeakyRelu(slope=0.2),
        kinds.Conv2D(filters=6, kernel=4, stride=2, bias=False),
        kinds.BatchNorm(epsilon=1e-4, decay=0.8),
        kinds.LeakyRelu(slope=0.2),
        kinds.Flatten(),
        kinds.Dense(units=1),
    )
    return Spec(
        name="small",
        image=kinds.Image(height=8, width=8),
        latent=kinds.Latent(size=5),
        loss=kinds.Loss(),
        training=kinds.Training(batch_size=16, noise="fresh"),
        players=(
            kinds.Player(name="generator", input="noise", optimizer=adam, layers=generator),
            kinds.Player(name="discriminator", input="image", optimizer=adam, layers=discriminator),
        ),
    )


SMALL = _small()
_DROPOUT: tuple[Layer, ...] = (
    kinds.Conv2D(filters=5, kernel=3, stride=2),
    kinds.LeakyRelu(slope=0.2),
    kinds.Dropout(rate=0.3),
    kinds.Flatten(),
    kinds.Dropout(rate=0.5),
    kinds.Dense(units=1),
)
_CONDITIONAL: Mapping[str, tuple[Layer, ...]] = {
    "generator": (
        kinds.Concatenate(layers=(kinds.Embedding(units=4), kinds.Dense(units=3))),
        *SMALL.player("generator").layers,
    ),
    "discriminator": (kinds.Concatenate(planes=True), *SMALL.player("discriminator").layers),
}
_WITH_CLASS_LOGITS: Mapping[str, tuple[Layer, ...]] = {
    "generator": _CONDITIONAL["generator"],
    "discriminator": (*SMALL.player("discriminator").layers[:-1], kinds.Dense(units=4)),
}
_NORMS: Mapping[str, tuple[Layer, ...]] = {
    "generator": (
        kinds.Dense(units=4 * 4 * 6),
        kinds.LayerNorm(),
        kinds.Silu(),
        kinds.Reshape(shape=(4, 4, 6)),
        kinds.Upsample2D(method="bilinear"),
        kinds.Conv2D(filters=4, kernel=3, bias=False),
        kinds.InstanceNorm(),
        kinds.Residual(
            layers=(kinds.Conv2D(filters=4, kernel=3), kinds.GroupNorm(groups=2), kinds.Relu())
        ),
        kinds.Conv2D(filters=1, kernel=3),
        kinds.Tanh(),
    ),
    "discriminator": (
        kinds.Conv2D(filters=6, kernel=3),
        kinds.GroupNorm(groups=3),
        kinds.LeakyRelu(slope=0.1),
        kinds.AveragePool2D(),
        kinds.Residual(
            layers=(kinds.Conv2D(filters=8, kernel=3), kinds.LayerNorm(over="channels")),
            shortcut=(kinds.Conv2D(filters=8, kernel=1, bias=False),),
        ),
        kinds.MaxPool2D(),
        kinds.GlobalMaxPool2D(),
        kinds.Dense(units=1),
    ),
}
_SPECTRAL: Mapping[str, tuple[Layer, ...]] = {
    "generator": (
        kinds.Dense(units=2 * 2 * 6, spectral_norm=True),
        kinds.Relu(),
        kinds.Reshape(shape=(2, 2, 6)),
        kinds.Conv2DTranspose(filters=5, kernel=4, stride=2, bias=False, spectral_norm=True),
        kinds.BatchNorm(epsilon=1e-4, decay=0.8),
        kinds.LeakyRelu(slope=0.2),
        kinds.Conv2DTranspose(filters=4, kernel=(5, 3), stride=2),
        kinds.Elu(),
        kinds.Conv2D(filters=1, kernel=3, spectral_norm=True),
        kinds.Tanh(),
    ),
    "discriminator": (
        kinds.Conv2D(filters=5, kernel=3, stride=2, spectral_norm=True),
        kinds.LeakyRelu(slope=0.1),
        kinds.Residual(
            layers=(kinds.Conv2D(filters=6, kernel=(3, 2), spectral_norm=True), kinds.Silu()),
            shortcut=(kinds.Conv2D(filters=6, kernel=1, bias=False, spectral_norm=True),),
        ),
        kinds.Flatten(),
        kinds.Dense(units=1, spectral_norm=True),
    ),
}
_BIASED: Mapping[str, tuple[Layer, ...]] = {
    player.name: tuple(
        replace(layer, running_variance="biased") if isinstance(layer, kinds.BatchNorm) else layer
        for layer in player.layers
    )
    for player in SMALL.players
}


def _optimizer(kind: str, **fields: float | str) -> dict[str, Any]:
    optimizer = _optimizer_table(kind, **fields)
    return {f"{player}.optimizer": optimizer for player in ("generator", "discriminator")}


def _optimizer_table(kind: str, **fields: float | str) -> dict[str, Any]:
    return {"kind": kind, "learning_rate": 2e-3, **fields}


VARIANTS: dict[str, tuple[Mapping[str, Any], Mapping[str, tuple[Layer, ...]]]] = {
    "fresh noise": ({}, {}),
    "reused noise": ({"training.noise": "reused"}, {}),
    "joint passes": ({"training.passes": "joint"}, {}),
    "joint passes, conditional": ({"training.passes": "joint"}, _CONDITIONAL),
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
        {"discriminator": _NORMS["discriminator"]},
    ),
    "gradient penalty, conditional": ({"loss.gradient_penalty": 1.0}, _CONDITIONAL),
    "r1, joint": (
        {"loss.r1": 2.0, "loss.gradient_penalty": 0.5, "training.passes": "joint"},
        {"discriminator": _SPECTRAL["discriminator"]},
    ),
    "classes told, conditional": (
        {"loss.class_weight": 0.7, "loss.gradient_penalty": 1.0},
        _WITH_CLASS_LOGITS,
    ),
    "discriminator skipped": ({"training.discriminator_skip_below": 1.78}, {}),
    "generator batches, conditional": (
        {"training.generator_batches": 2, "training.discriminator_steps": 2},
        _CONDITIONAL,
    ),
    "instance noise": ({"training.instance_noise": "linear(0.3, 0, 15)"}, {}),
    "schedules": (
        {
            "generator.optimizer.learning_rate": "warmup(cosine(2e-3, 1e-4, 3 epochs), 6)",
            "generator.optimizer.beta1": "piecewise([0.1, 0.5, 0.3], [0, 5, 9])",
            "discriminator.optimizer.learning_rate": "steps([1e-3, 5e-4, 2e-4], [5, 12])",
            "discriminator.optimizer.beta2": "linear(0.9, 0.99, 15)",
            "loss.r1": "exponential(10, 0.1, 18)",
            "loss.gradient_penalty": "cosine(0, 3, 2 epochs)",
            "loss.label_smoothing": "linear(0.2, 0, 10)",
            "training.ema_half_life": "linear(0, 200, 12)",
            "training.weight_clip": "linear(0.5, 0.05, 20)",
        },
        {},
    ),
    "schedules of decay and momentum": (
        {
            "generator.optimizer": _optimizer_table(
                "rmsprop", decay="linear(0.8, 0.99, 10)", weight_decay="cosine(0.1, 0, 9)"
            ),
            "discriminator.optimizer": _optimizer_table("sgd", momentum="linear(0, 0.9, 10)"),
            "training.discriminator_skip_below": "linear(1, 1.5, 20)",
            "training.ema_decay": "linear(0.5, 0.9, 10)",
        },
        {},
    ),
    "schedules, adamw": (
        {
            "generator.optimizer": _optimizer_table("adamw", weight_decay="linear(0.1, 0, 10)"),
            "discriminator.optimizer": _optimizer_table("adam", weight_decay="linear(0.1, 0, 9)"),
            "discriminator.optimizer.epsilon_placement": "uncorrected",
            "discriminator.optimizer.beta2": "linear(0.9, 0.99, 15)",
        },
        {},
    ),
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
    "dropout": ({}, {"discriminator": _DROPOUT}),
    "dropout, joint, three steps": (
        {"training.passes": "joint", "training.discriminator_steps": 3},
        {"discriminator": _DROPOUT},
    ),
    "conditional": ({}, _CONDITIONAL),
    "norms, residuals, pools": ({}, _NORMS),
    "spectral norm": ({"loss.name": "hinge"}, _SPECTRAL),
    "spectral norm, joint, three steps": (
        {
            "loss.name": "hinge",
            "training.passes": "joint",
            "training.discriminator_steps": 3,
            "training.ema_decay": 0.9,
        },
        _SPECTRAL,
    ),
    "biased running variance, epsilon beside the uncorrected root": (
        _optimizer("adam", epsilon=1e-5, epsilon_placement="uncorrected"),
        _BIASED,
    ),
}
"""Changes of :data:`SMALL`, and the layers of its players, by the name of the case."""
