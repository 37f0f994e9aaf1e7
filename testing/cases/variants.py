"""Small GANs that together use every option of the training protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gandem.core import specs as kinds
from gandem.testing.trajectory_networks import (
    ATTENTION,
    BIASED,
    COLORED,
    CONDITIONAL,
    DROPOUT,
    ENCODER,
    ENCODER_CONDITIONAL,
    EQUALIZED,
    NO_LAST_BIAS,
    NORMS,
    RESOLUTIONS,
    SLICES,
    SPECTRAL,
    STYLES,
    WITH_CLASS_LOGITS,
    Networks,
)


def _optimizer(kind: str, **fields: float | str) -> dict[str, Any]:
    optimizer = _optimizer_table(kind, **fields)
    return {f"{player}.optimizer": optimizer for player in ("generator", "discriminator")}


def _optimizer_table(kind: str, **fields: float | str) -> dict[str, Any]:
    return {"kind": kind, "learning_rate": 2e-3, **fields}


PARTIAL = {"training.partial_batch": "keep"}
"""For cases whose losses or passes depend on the number of images. Most backends compile a step for
each number, so the other cases leave out partial batches.
"""
VARIANTS: dict[str, tuple[Mapping[str, Any], Networks]] = {
    "fresh noise": ({}, {}),
    "partial batch": (PARTIAL, {}),
    "joint passes, conditional": ({"training.passes": "joint", **PARTIAL}, CONDITIONAL),
    "two discriminator steps, reused noise": (
        {"training.discriminator_steps": 2, "training.noise": "reused", **PARTIAL},
        {},
    ),
    "weight average": ({"training.ema_decay": 0.9}, {}),
    "lookahead, weight average": (
        {
            "training.lookahead_interval": 3,
            "training.lookahead_share": 0.7,
            "training.ema_decay": 0.9,
        },
        {},
    ),
    "uniform latent, mean of the halves, separate learning rates": (
        {
            "latent.distribution": "uniform",
            "loss.halves": "mean",
            "discriminator.optimizer.learning_rate": 4e-3,
        },
        {},
    ),
    "minimax": ({"loss.name": "minimax"}, {}),
    "least squares": ({"loss.name": "least-squares", "loss.label_smoothing": 0.2}, {}),
    "relativistic": ({"loss.name": "relativistic"}, {"discriminator": NO_LAST_BIAS}),
    "relativistic average, joint, conditional": (
        {
            "loss.name": "relativistic-average",
            "training.passes": "joint",
            "loss.halves": "mean",
            **PARTIAL,
        },
        {
            "generator": CONDITIONAL["generator"],
            "discriminator": (kinds.Concatenate(planes=True), *NO_LAST_BIAS),
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
        {"discriminator": (*DROPOUT[:-1], kinds.Dense(units=1, bias=False))},
    ),
    "relativistic average least squares": (
        {"loss.name": "relativistic-average-least-squares", "training.noise": "reused"},
        {"discriminator": NO_LAST_BIAS},
    ),
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
    "zero-centered, r1 and r2": (
        {
            "loss.gradient_penalty": 2.0,
            "loss.gradient_penalty_norm": 0.0,
            "loss.r1": 0.5,
            "loss.r2": 0.5,
        },
        {"discriminator": NORMS["discriminator"]},
    ),
    "penalty near real images, every third step, dropout": (
        {
            "loss.gradient_penalty": 2.0,
            "loss.gradient_penalty_points": "near-real",
            "loss.penalty_interval": 3,
            "training.discriminator_steps": 2,
        },
        {"discriminator": DROPOUT},
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
        CONDITIONAL,
    ),
    "packed, with penalties": (
        {
            "training.pac": 2,
            "loss.gradient_penalty": 1.0,
            "loss.consistency.real": 1.0,
            "loss.consistency.brightness": 0.4,
        },
        {"discriminator": NORMS["discriminator"]},
    ),
    "top half of the generator's batch": (
        {"loss.top_k": 0.5, "training.generator_batches": 2, **PARTIAL},
        {},
    ),
    "encoder, joint, packed, least squares": (
        {
            "loss.name": "least-squares",
            "training.discriminator_steps": 2,
            "training.passes": "joint",
            "training.pac": 2,
            "training.ema_decay": 0.9,
            "training.augment.flip": True,
        },
        ENCODER,
    ),
    "encoder, relativistic average, conditional": (
        {"loss.name": "relativistic-average", "training.noise": "reused"},
        ENCODER_CONDITIONAL,
    ),
    "feature matching of two layers": (
        {
            "discriminator.outputs": ["leaky_relu", "flatten"],
            "loss.feature_matching": "linear(1, 3, 10)",
            "loss.adversarial_weight": 0.5,
            "training.discriminator_steps": 2,
        },
        {},
    ),
    "feature matching alone, joint, conditional": (
        {
            "discriminator.outputs": ["leaky_relu_1"],
            "loss.feature_matching": 2.0,
            "loss.adversarial_weight": 0.0,
            "training.passes": "joint",
            "training.generator_batches": 2,
            "training.augment.flip": True,
        },
        CONDITIONAL,
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
        COLORED,
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
        {"discriminator": SPECTRAL["discriminator"]},
    ),
    "class loss, conditional": (
        {"loss.class_weight": 0.7, "loss.gradient_penalty": 1.0},
        WITH_CLASS_LOGITS,
    ),
    "discriminator skipped": ({"training.discriminator_skip_below": 1.78}, {}),
    "generator batches, conditional": (
        {"training.generator_batches": 2, "training.discriminator_steps": 2},
        CONDITIONAL,
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
            **PARTIAL,
        },
        {},
    ),
    "with replacement": (
        {"training.sampling": "replacement", "training.batches_per_epoch": 5},
        {},
    ),
    "adamw": (_optimizer("adamw", weight_decay=0.05), {}),
    "rmsprop": (_optimizer("rmsprop", decay=0.9), {}),
    "sgd": (_optimizer("sgd"), {}),
    "sgd with momentum": (_optimizer("sgd", momentum=0.8, weight_decay=0.01), {}),
    "dropout": (PARTIAL, {"discriminator": DROPOUT}),
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
    "several resolutions, joint, conditional": (
        {
            "generator.outputs": ["image_4"],
            "training.passes": "joint",
            "training.instance_noise": 0.1,
            "training.augment.flip": True,
            "training.augment.translation": 0.25,
            "training.augment.cutout": 0.4,
            "training.augment.contrast": 0.5,
            "training.augment.probability": 0.8,
            "loss.gradient_penalty": 1.0,
            "loss.gradient_penalty_points": "near-real",
            "loss.r2": 0.5,
        },
        RESOLUTIONS,
    ),
    "frozen layers, frozen encoder, clipped": (
        {
            "generator.frozen": ["conv2d_transpose_1", "dense"],
            "discriminator.frozen": ["batch_norm", "concatenate/dense"],
            "encoder.frozen": ["batch_norm", "conv2d", "dense"],
            "training.lookahead_interval": 3,
            "training.ema_decay": 0.9,
            "training.weight_clip": 0.05,
            "generator.optimizer.clip_norm": 0.05,
            "encoder.optimizer.clip_norm": 0.05,
        },
        ENCODER,
    ),
    "slices, gates and means, orthogonal, falling top-k, conditional": (
        {"loss.name": "hinge", "loss.orthogonal": 0.1, "loss.top_k": "linear(1, 0.5, 15)"},
        SLICES,
    ),
}
"""Changes of the small GAN, and the layers of its players, by the name of the case."""
