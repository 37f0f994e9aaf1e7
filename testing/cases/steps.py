"""Cases of whole steps, beside the built-in models: variants of one small GAN that together use
every option of the training protocol.
"""

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
_COLORED: Mapping[str, tuple[Layer, ...]] = {
    "generator": (
        *SMALL.player("generator").layers[:-2],
        kinds.Conv2D(filters=3, kernel=3),
        kinds.Tanh(),
    ),
}
_NO_LAST_BIAS: tuple[Layer, ...] = (
    *SMALL.player("discriminator").layers[:-1],
    kinds.Dense(units=1, bias=False),
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
    optimizer = {"kind": kind, "learning_rate": 2e-3, **fields}
    return {f"{player}.optimizer": optimizer for player in ("generator", "discriminator")}


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
    "relativistic": ({"loss.name": "relativistic"}, {"discriminator": _NO_LAST_BIAS}),
    "relativistic average, joint, conditional": (
        {"loss.name": "relativistic-average", "training.passes": "joint", "loss.halves": "mean"},
        {
            "generator": _CONDITIONAL["generator"],
            "discriminator": (kinds.Concatenate(planes=True), *_NO_LAST_BIAS),
        },
    ),
    "relativistic average hinge, dropout, augmented": (
        {
            "loss.name": "relativistic-average-hinge",
            "training.discriminator_steps": 2,
            "training.augment.flip": True,
            "training.augment.cutout": 0.4,
            "training.instance_noise": 0.2,
        },
        {"discriminator": (*_DROPOUT[:-1], kinds.Dense(units=1, bias=False))},
    ),
    "relativistic average least squares": (
        {"loss.name": "relativistic-average-least-squares", "training.noise": "reused"},
        {"discriminator": _NO_LAST_BIAS},
    ),
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
    "zero-centered, r1 and r2": (
        {
            "loss.gradient_penalty": 2.0,
            "loss.gradient_penalty_norm": 0.0,
            "loss.r1": 0.5,
            "loss.r2": 0.5,
        },
        {"discriminator": _NORMS["discriminator"]},
    ),
    "penalty near real images, every third step, dropout": (
        {
            "loss.gradient_penalty": 2.0,
            "loss.gradient_penalty_points": "near-real",
            "loss.penalty_interval": 3,
            "training.discriminator_steps": 2,
        },
        {"discriminator": _DROPOUT},
    ),
    "lecam, clipped gradients": (
        {
            "loss.lecam": 0.3,
            "loss.lecam_decay": 0.9,
            "loss.name": "hinge",
            "generator.optimizer.clip_norm": 0.05,
            "discriminator.optimizer.clip_norm": 0.5,
        },
        {},
    ),
    "consistency, conditional": (
        {
            "loss.consistency.real": 2.0,
            "loss.consistency.fake": 1.0,
            "loss.consistency.flip": True,
            "loss.consistency.translation": 0.2,
            "training.augment.cutout": 0.4,
        },
        _CONDITIONAL,
    ),
    "packed, with penalties": (
        {
            "training.pac": 2,
            "training.partial_batch": "drop",
            "loss.gradient_penalty": 1.0,
            "loss.consistency.real": 1.0,
            "loss.consistency.brightness": 0.4,
        },
        {"discriminator": _NORMS["discriminator"]},
    ),
    "top half of the generator's batch": (
        {"loss.top_k": 0.5, "training.generator_batches": 2},
        {},
    ),
    "color, half of the images": (
        {
            "image.channels": 3,
            "training.augment.brightness": 0.5,
            "training.augment.saturation": 1.0,
            "training.augment.contrast": 0.5,
            "training.augment.translation": 0.25,
            "training.augment.probability": 0.5,
        },
        _COLORED,
    ),
    "adaptive augmentation": (
        {
            "training.augment.flip": True,
            "training.augment.cutout": 0.5,
            "training.augment.adaptive_target": 0.2,
            "training.augment.adaptive_images": 200,
        },
        {},
    ),
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
