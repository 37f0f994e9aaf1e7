"""Attention between the pixels of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gandem.core.fields import Count
from gandem.core.specs.initializers import GlorotUniform, Initializer, Zeros
from gandem.core.specs.layers.base import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfAttention(Layer):
    r"""Each pixel reads all pixels: x + γ·attention(x). Zhang et al. 2018, arXiv:1805.08318.

    .. math:: y_j = x_j + \gamma W_o \sum_i \beta_{ji} W_v x_i, \quad
        \beta_{ji} = \frac{\exp(q_j \cdot k_i)}{\sum_m \exp(q_j \cdot k_m)}, \quad
        q = W_q x, \; k = W_k x

    ``query`` (q), ``key`` (k), ``value`` (v) and ``output`` (o) are convolutions with kernel 1 and
    no bias. Query and key have channels/``reduction`` filters, value channels/``value_reduction``,
    output as many as the image. ``pool``: keys and values are max-pooled 2×2; BigGAN does so, with
    ``value_reduction = 2`` (Brock et al. 2018, arXiv:1809.11096). ``gamma`` (1,) is learned.
    ``spectral_norm``, of all four: see :class:`Dense`.
    """

    kind: ClassVar[str] = "self_attention"
    reduction: Count = 8
    value_reduction: Count = 8
    pool: bool = False
    spectral_norm: bool = False
    kernel_init: Initializer = GlorotUniform()
    gamma_init: Initializer = Zeros()
