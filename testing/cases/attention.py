"""Cases of attention."""

from __future__ import annotations

from gandem.core.specs import Conv2D, Dense, Flatten, LeakyRelu, SelfAttention, Silu
from gandem.testing.case_types import Case
from gandem.testing.cases.base import image_case


def list_attention() -> list[Case]:
    """Return self-attention with each of its settings, alone and in a discriminator."""
    shape = (3, 4, 4)
    return [
        image_case("self_attention", SelfAttention(reduction=2, value_reduction=2), shape=shape),
        image_case("self_attention of one channel", SelfAttention(reduction=4, value_reduction=1),
                   shape=shape),
        image_case("self_attention pooled",
                   SelfAttention(reduction=2, value_reduction=2, pool=True), shape=(4, 5, 4)),
        image_case("spectral norm self_attention",
                   SelfAttention(reduction=1, value_reduction=1, spectral_norm=True), shape=shape),
        image_case("spectral norm self_attention in a discriminator",
                   Conv2D(filters=4, kernel=4, stride=2, spectral_norm=True), LeakyRelu(slope=0.1),
                   SelfAttention(reduction=4, value_reduction=2, spectral_norm=True), Silu(),
                   Flatten(), Dense(units=1)),
    ]  # fmt: skip
