"""Cases of resampling and reshaping."""

from __future__ import annotations

from gandem.core.specs import (
    AveragePool2D,
    Conv2D,
    Dense,
    DepthToSpace,
    Flatten,
    GlobalAveragePool2D,
    GlobalMaxPool2D,
    GlobalSumPool2D,
    MaxPool2D,
    Resample2D,
    Reshape,
    Silu,
    Slice,
    SpaceToDepth,
    Upsample2D,
)
from gandem.testing.case_types import Case
from gandem.testing.cases.base import SMALL, image_case, vector_case


def list_resamplings() -> list[Case]:
    """Return upsampling, pooling and reshaping."""
    cases = []
    for factor in ((2, 2), (3, 3), (1, 2)):
        for method in ("nearest", "bilinear"):
            layer = Upsample2D(factor=factor, method=method)
            cases.append(image_case(f"upsample2d {method} {factor}", layer, shape=SMALL))
    for pool in (MaxPool2D, AveragePool2D):
        for size, stride in ((2, 2), (3, 1), (3, 2), (2, 3), ((1, 3), (2, 2)), ((4, 3), (1, 3))):
            for padding in ("valid", "same"):
                pooled = pool(size=size, stride=stride, padding=padding)
                cases.append(image_case(f"{pooled.kind} {size} s{stride} {padding}", pooled))
    for filter, up, down, sides in (
        ((1, 3, 3, 1), 1, 1, "zero"),
        ((1, 2, 1), 1, 1, "reflect"),
        ((1, 3, 3, 1), 2, 1, "zero"),
        ((1, 2, 1), 1, 2, "reflect"),
        ((1, 3, 3, 1), 2, 1, "reflect"),
        ((1, 4, 6, 4, 1), (1, 2), (2, 1), "zero"),
        ((1, 2, -0.5), (3, 2), (2, 3), "reflect"),
        ((1,), 1, 2, "zero"),
        ((1, 1), 1, 1, "zero"),
        ((1, 3, 3, 1), 1, 1, ((1, 1), (2, 2))),
        ((1, 2, -0.5), (2, 1), (1, 2), ((3, -1), (0, 4))),
    ):
        gain = 1.0 if len(filter) == 4 else 1.5
        resampled = Resample2D(filter=filter, up=up, down=down, padding=sides, gain=gain)
        name = f"resample2d {filter} up {up} down {down} {sides}"
        cases.append(image_case(name, resampled, Silu(), shape=(5, 6, 2)))
    return [
        *cases,
        image_case("depth_to_space 2", DepthToSpace(), Silu(), shape=(2, 3, 8)),
        image_case("depth_to_space 3", DepthToSpace(factor=3), Silu(), shape=(1, 2, 9)),
        image_case("space_to_depth 2", SpaceToDepth(), Silu(), shape=(4, 6, 2)),
        image_case("space_to_depth 3", SpaceToDepth(factor=3), Silu(), shape=(3, 6, 1)),
        image_case("slice of channels", Slice(start=1, stop=3), Silu(), shape=(2, 3, 4)),
        vector_case("slice of features", Dense(units=5), Slice(stop=2), Dense(units=2)),
        image_case("max_pool2d ties", MaxPool2D(size=3, stride=2, padding="same"), image="ties"),
        image_case("global_max_pool2d", GlobalMaxPool2D()),
        image_case("global_max_pool2d ties", GlobalMaxPool2D(), image="ties"),
        image_case("global_average_pool2d", GlobalAveragePool2D()),
        image_case("global_sum_pool2d", GlobalSumPool2D()),
        image_case("flatten", Flatten(), Dense(units=2), shape=SMALL),
        image_case("reshape to a vector", Reshape(shape=(24,)), Dense(units=2), shape=SMALL),
        image_case("reshape to an image", Reshape(shape=(2, 3, 4)), Conv2D(filters=2, kernel=2),
               shape=SMALL),
        vector_case("reshape a vector", Dense(units=12), Reshape(shape=(2, 3, 2)),
                Conv2D(filters=2, kernel=2)),
    ]  # fmt: skip
