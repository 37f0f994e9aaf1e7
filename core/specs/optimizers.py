"""Optimizers as data. The formulas are PyTorch's; they are written out where frameworks differ.

A number that is a schedule has one value per step, also in powers: the bias correction of Adam is
1 - βᵗ with the β of the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from gandem.core.fields import KINDS, Checked, Range
from gandem.core.specs.schedules import Number

NotNegative = Annotated[Number, Range(0)]
Share = Annotated[Number, Range(0, 1, open_high=True)]
"""0 ≤ x < 1; a constant or a schedule."""
Positive = Annotated[float, Range(0, open_low=True)]
Placement = Literal["corrected", "uncorrected"]

__all__ = ["OPTIMIZERS", "SGD", "Adam", "AdamW", "Optimizer", "RMSprop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer(Checked):
    """The update rule of a player's weights.

    ``clip_norm``: before an update, the gradients of all weights are scaled down together if their
    norm is above this value, g·min(1, clip_norm / (‖g‖ + 1e-6)), as in PyTorch; 0 disables it
    (Pascanu et al. 2013, arXiv:1211.5063).
    """

    kind: ClassVar[str] = ""
    slots: ClassVar[tuple[str, ...]] = ()
    """Names of the arrays kept for each parameter, in canonical order."""
    learning_rate: NotNegative
    clip_norm: NotNegative = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Adam(Optimizer):
    r"""Adam. Kingma & Ba 2014, arXiv:1412.6980, algorithm 1.

    .. math::
        m \leftarrow m + (1-\beta_1)(g - m), \quad v \leftarrow \beta_2 v + (1-\beta_2) g^2, \quad
        p \leftarrow p - \frac{\eta}{1-\beta_1^t} \cdot \frac{m}{\sqrt{v} / \sqrt{1-\beta_2^t} +
        \epsilon}

    With ``epsilon_placement = "uncorrected"`` epsilon is added to the root before its bias is
    corrected, as in Keras and TensorFlow; the paper calls this epsilon ε̂, in section 2.

    .. math::
        p \leftarrow p - \eta \frac{\sqrt{1-\beta_2^t}}{1-\beta_1^t} \cdot
        \frac{m}{\sqrt{v} + \epsilon}

    ``weight_decay`` is L2: it is added to the gradient, g + λp.
    """

    kind: ClassVar[str] = "adam"
    slots: ClassVar[tuple[str, ...]] = ("first_moment", "second_moment")
    beta1: Share = 0.9
    beta2: Share = 0.999
    epsilon: Positive = 1e-8
    epsilon_placement: Placement = "corrected"
    weight_decay: NotNegative = 0.0

    def effective_epsilon(self, root: float) -> float:
        """Return the epsilon of the first formula that gives this update.

        Args:
            root: √(1 - β2ᵗ), of update number t.
        """
        return self.epsilon if self.epsilon_placement == "corrected" else self.epsilon / root


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW(Adam):
    """:class:`Adam` with decoupled weight decay, p ← p·(1 - ηλ) first. Loshchilov & Hutter 2017,
    arXiv:1711.05101.
    """

    kind: ClassVar[str] = "adamw"
    weight_decay: NotNegative = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class RMSprop(Optimizer):
    r"""RMSprop with epsilon outside the root. Hinton 2012, lecture 6e.

    .. math::
        v \leftarrow \rho v + (1-\rho) g^2, \quad
        p \leftarrow p - \eta \frac{g}{\sqrt{v} + \epsilon}
    """

    kind: ClassVar[str] = "rmsprop"
    slots: ClassVar[tuple[str, ...]] = ("second_moment",)
    decay: Share = 0.9
    epsilon: Positive = 1e-8
    weight_decay: NotNegative = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SGD(Optimizer):
    r"""Gradient descent with momentum; the learning rate stays outside the buffer. Sutskever et
    al. 2013.

    .. math:: b \leftarrow \mu b + g, \quad p \leftarrow p - \eta b
    """

    kind: ClassVar[str] = "sgd"
    slots: ClassVar[tuple[str, ...]] = ("momentum",)
    momentum: Share = 0.0
    weight_decay: NotNegative = 0.0


OPTIMIZERS: dict[str, type[Optimizer]] = {cls.kind: cls for cls in (Adam, AdamW, RMSprop, SGD)}
KINDS[Optimizer] = OPTIMIZERS
