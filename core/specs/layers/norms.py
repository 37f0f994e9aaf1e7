"""Layers that normalize features, or measure how they vary.

With ``affine`` a norm multiplies by a learned ``scale`` and adds a learned ``offset``; without, a
``modulate`` layer after it can do so with numbers that depend on a label or a style.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gandem.core.fields import Count, Fraction
from gandem.core.specs.initializers import Initializer, Ones, Zeros
from gandem.core.specs.layers.base import Layer, Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNorm(Layer):
    r"""Normalize each channel over batch and pixels. Ioffe & Szegedy 2015, arXiv:1502.03167.

    Training uses the biased variance of the batch. The running statistics keep ``decay`` of their
    old value. ``running_variance`` is the batch variance that they follow: the unbiased one, which
    is n/(n-1) times the biased one, as in PyTorch, or the biased one, as in Keras. Inference uses
    the running statistics. With ``affine``: ``scale``, ``offset`` (C,). Running ``mean``,
    ``variance`` (C,).
    """

    kind: ClassVar[str] = "batch_norm"
    keeps_order: ClassVar[bool] = True
    depends_on_batch: ClassVar[bool] = True
    epsilon: Positive = 1e-5
    decay: Fraction = 0.9
    running_variance: Literal["unbiased", "biased"] = "unbiased"
    affine: bool = True
    scale_init: Initializer = Ones()
    offset_init: Initializer = Zeros()

    def removes_constant(self, channels: int) -> bool:
        """Return True: the mean of each channel is subtracted."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNorm(Layer):
    """Normalize each sample. Ba et al. 2016, arXiv:1607.06450.

    ``over="all"``: over every feature at once, ``scale`` and ``offset`` shaped like the features.
    ``over="channels"``: over the channels of each pixel, ``scale`` and ``offset`` (C,). Without
    ``affine`` it has neither.
    """

    kind: ClassVar[str] = "layer_norm"
    keeps_order: ClassVar[bool] = True
    over: Literal["all", "channels"] = "all"
    epsilon: Positive = 1e-5
    affine: bool = True
    scale_init: Initializer = Ones()
    offset_init: Initializer = Zeros()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupNorm(Layer):
    """Normalize contiguous groups of channels of each sample. Wu & He 2018, arXiv:1803.08494.
    With ``affine``: ``scale``, ``offset`` (C,).
    """

    kind: ClassVar[str] = "group_norm"
    groups: Count
    epsilon: Positive = 1e-5
    affine: bool = True
    scale_init: Initializer = Ones()
    offset_init: Initializer = Zeros()

    def removes_constant(self, channels: int) -> bool:
        """Return True if each channel is a group of its own."""
        return self.groups == channels


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceNorm(Layer):
    """Normalize each channel of each sample over its pixels. Ulyanov et al. 2016,
    arXiv:1607.08022. With ``affine``: ``scale``, ``offset`` (C,).
    """

    kind: ClassVar[str] = "instance_norm"
    epsilon: Positive = 1e-5
    affine: bool = True
    scale_init: Initializer = Ones()
    offset_init: Initializer = Zeros()

    def removes_constant(self, channels: int) -> bool:
        """Return True: the mean of each channel is subtracted."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelNorm(Layer):
    """Divide the channels of each pixel by √(mean of their squares + epsilon); of a vector, all
    features. Karras et al. 2018, arXiv:1710.10196.
    """

    kind: ClassVar[str] = "pixel_norm"
    keeps_order: ClassVar[bool] = True
    epsilon: Positive = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class MinibatchStddev(Layer):
    """Append how much the samples of a group differ: (N, H, W, C) → (N, H, W, C + features).
    Karras et al. 2018, arXiv:1710.10196.

    The batch is divided into M groups of ``group_size`` samples, sample n in the group n mod M; if
    N is not a multiple of it, of the largest smaller size that divides N. The biased variance of
    each feature over a group gives its deviation √(variance + epsilon). Each of ``features``
    contiguous parts of the channels appends the mean of its deviations over its channels and all
    pixels, the same for all pixels and samples of a group.
    """

    kind: ClassVar[str] = "minibatch_stddev"
    depends_on_batch: ClassVar[bool] = True
    keeps_constant: ClassVar[bool] = True
    group_size: Count = 4
    features: Count = 1
    epsilon: Positive = 1e-8
