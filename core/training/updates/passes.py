"""Whether one pass of the discriminator may take the place of two."""

from __future__ import annotations

import functools

from gandem.core.specs import Spec, plan_spec

__all__ = ["can_share_pass"]


@functools.lru_cache(maxsize=64)
def can_share_pass(spec: Spec) -> bool:
    """Return True if one pass over real and fake images gives the same logits as two passes.

    Batch norm depends on the batch, spectral norm iterates once per pass, and what layers draw
    belongs to a pass, also in the generator.
    """
    plans = plan_spec(spec)
    if any(plan.drawing_nodes() for plan in plans.values()):
        return False
    return not any(
        node.layer.depends_on_batch or node.layer.has_spectral_norm
        for node in plans["discriminator"].walk()
    )
