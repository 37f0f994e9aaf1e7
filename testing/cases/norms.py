"""Cases of normalization."""

from __future__ import annotations

from gandem.core.specs import (
    BatchNorm,
    Conv2D,
    Dense,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    MinibatchStddev,
    PixelNorm,
    Silu,
)
from gandem.testing.case_types import Case
from gandem.testing.cases.base import SMALL, image_case, vector_case


def list_norms() -> list[Case]:
    """Return each norm, of vectors and of images."""
    silu = Silu()
    return [
        vector_case("batch_norm vector", BatchNorm()),
        vector_case("batch_norm vector of 2 rows", BatchNorm(epsilon=1e-3, decay=0.99), batch=2),
        vector_case("batch_norm vector, biased running variance",
                BatchNorm(running_variance="biased")),
        image_case("batch_norm image, biased running variance",
               BatchNorm(decay=0.99, running_variance="biased")),
        image_case("batch_norm image", BatchNorm(decay=0.8)),
        image_case("batch_norm dead channel", BatchNorm(epsilon=1e-3), image="dead channel"),
        vector_case("batch_norm twice", BatchNorm(), silu, Dense(units=4, bias=False),
                BatchNorm(decay=0.0)),
        vector_case("layer_norm vector all", LayerNorm()),
        vector_case("layer_norm vector channels", LayerNorm(over="channels", epsilon=1e-3)),
        image_case("layer_norm image all", LayerNorm(epsilon=1e-3), shape=(3, 4, 3)),
        image_case("layer_norm image channels", LayerNorm(over="channels"), shape=(3, 4, 3)),
        image_case("group_norm of 1", GroupNorm(groups=1), shape=(3, 4, 4)),
        image_case("group_norm of 2", GroupNorm(groups=2, epsilon=1e-3), shape=(3, 4, 6)),
        image_case("group_norm of all", GroupNorm(groups=4), shape=(3, 4, 4)),
        vector_case("group_norm vector", Dense(units=6), GroupNorm(groups=2)),
        image_case("instance_norm", InstanceNorm(), shape=(3, 4, 3)),
        image_case("instance_norm dead channel", InstanceNorm(epsilon=1e-3), image="dead channel"),
        image_case("pixel_norm image", PixelNorm(), shape=(3, 4, 3)),
        vector_case("pixel_norm vector", PixelNorm(epsilon=1e-3)),
        image_case("chain pixel_norm", Conv2D(filters=3, kernel=3), PixelNorm(), silu,
                   Conv2D(filters=2, kernel=2), shape=SMALL),
        *_minibatches(),
    ]  # fmt: skip


def _minibatches() -> list[Case]:
    """Return deviations over a batch; a group is the largest divisor of the batch."""
    return [
        Case(name=f"minibatch_stddev of {batch} in groups of {layer.group_size}",
             layers=(layer, Conv2D(filters=2, kernel=2), Silu()), inputs={"image": (2, 3, 4)},
             batch=batch)
        for batch, layer in (
            (4, MinibatchStddev(epsilon=1e-3)),
            (6, MinibatchStddev(group_size=3, features=2)),
            (6, MinibatchStddev(group_size=4)),
            (2, MinibatchStddev(features=4)),
        )
    ]  # fmt: skip
