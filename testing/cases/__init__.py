"""The P1 cases as data: small networks, losses and optimizers, one case per setting.

Most images are 7 × 8: one odd size and one even, not square.
"""

from gandem.testing.cases.activations import list_elementwise
from gandem.testing.cases.affine import (
    list_convolutions,
    list_equalized,
    list_grouped_convolutions,
    list_learned_images,
    list_spectral_norms,
)
from gandem.testing.cases.attention import list_attention
from gandem.testing.cases.graph import list_chains, list_composites
from gandem.testing.cases.modulation import list_modulations
from gandem.testing.cases.norms import list_norms
from gandem.testing.cases.references import list_references
from gandem.testing.cases.resampling import list_resamplings
from gandem.testing.cases.training import LOSSES, OPTIMIZERS

__all__ = ["CASES", "LOSSES", "OPTIMIZERS"]


CASES = (
    *list_convolutions(),
    *list_resamplings(),
    *list_norms(),
    *list_elementwise(),
    *list_composites(),
    *list_chains(),
    *list_spectral_norms(),
    *list_grouped_convolutions(),
    *list_equalized(),
    *list_learned_images(),
    *list_references(),
    *list_attention(),
    *list_modulations(),
)
