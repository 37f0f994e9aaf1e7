"""The spec: frozen data that says everything about a GAN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from gandem.core.errors import NotFoundError, SpecError, shown, suggest
from gandem.core.spec.fields import Checked, Count, Fraction, Range
from gandem.core.spec.layers import Layer
from gandem.core.spec.optimisers import Optimiser

__all__ = ["Image", "Latent", "Objective", "Player", "Spec", "Training"]

DEEPEST_LAYERS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Checked):
    """The images of a GAN: their shape, and the range of pixel values inside the networks."""

    height: Count
    width: Count
    channels: Count = 1
    low: float = -1.0
    high: float = 1.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (self.height, self.width, self.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latent(Checked):
    """The generator's noise: ``size`` independent N(0, 1), or U(-1, 1) numbers.

    The first ``categories`` of them are instead a class drawn evenly, as class weights with a
    single 1, and the next ``codes`` are U(-1, 1): what InfoGAN calls the latent code (Chen et al.
    2016, arXiv:1606.03657).
    """

    size: Count
    distribution: Literal["normal", "uniform"] = "normal"
    categories: Annotated[int, Range(0, 100_000)] = 0
    codes: Annotated[int, Range(0, 100_000)] = 0

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if self.categories + self.codes > self.size:
            raise SpecError(
                f"latent: {self.categories} categories and {self.codes} codes do not fit into "
                f"{self.size} numbers; make size larger."
            )

    @property
    def parts(self) -> dict[str, slice]:
        """Where the latent code stands in the noise: ``category`` and ``code``, as far as there are
        any.

        >>> Latent(size=74, categories=10, codes=2).parts
        {'category': slice(0, 10, None), 'code': slice(10, 12, None)}
        """
        ends = self.categories, self.categories + self.codes
        parts = {"category": slice(0, ends[0]), "code": slice(*ends)}
        return {name: part for name, part in parts.items() if part.start < part.stop}


@dataclass(frozen=True, slots=True, kw_only=True)
class Player(Checked):
    """A network and the optimiser that trains it.

    ``input`` names what enters the first layer: ``"noise"`` (latent,), ``"image"`` (H, W, C) or
    ``"label"`` (classes,). Other inputs join through ``concatenate`` layers.
    """

    name: str
    input: str
    optimiser: Optimiser
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        _refuse_deep(self.layers, self.name)


def _refuse_deep(layers: tuple[Layer, ...], name: str) -> None:
    """Refuse layers within layers without end, before anything walks them and runs out of stack."""
    for _ in range(DEEPEST_LAYERS):
        within = (getattr(layer, part, ()) for layer in layers for part in ("layers", "shortcut"))
        layers = tuple(layer for part in within for layer in part)
        if not layers:
            return
    raise SpecError(f"{shown(name)}: layers are nested more than {DEEPEST_LAYERS} deep.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective(Checked):
    """Which losses are played for.

    ``halves``: the discriminator's loss is the sum, or the mean, of its real and its fake half.
    ``label_smoothing``: one-sided, real targets become 1 - label_smoothing (Salimans et al. 2016,
    arXiv:1606.03498).
    """

    name: str = "non-saturating"
    halves: Literal["sum", "mean"] = "sum"
    label_smoothing: Fraction = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Training(Checked):
    """The training protocol.  One step is ``discriminator_steps`` updates of the discriminator,
    then one of the generator.

    ``noise``: the generator's update judges the discriminator's last fakes again (``"reused"``) or
    ``"fresh"`` ones.
    ``passes``: the discriminator sees real and fake in two forward passes (``"separate"``), or
    stacked in one (``"joint"``, real first); with batch norm these differ.
    ``partial_batch``: the last, smaller batch of an epoch is kept or dropped.
    ``ema_decay``: weight average of the generator, which starts at the initial weights and is
    updated after each of the generator's updates; 0 keeps none.
    """

    batch_size: Count = 64
    epochs: Count = 20
    discriminator_steps: Count = 1
    noise: Literal["fresh", "reused"] = "fresh"
    passes: Literal["separate", "joint"] = "separate"
    partial_batch: Literal["keep", "drop"] = "keep"
    ema_decay: Fraction = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec(Checked):
    """Everything that says what a GAN is and how it is trained, framework-free."""

    name: str
    image: Image
    latent: Latent
    classes: Annotated[int, Range(0, 100_000)] = 0
    objective: Objective
    training: Training
    players: tuple[Player, ...]

    def player(self, name: str) -> Player:
        """Return the player of that name."""
        for player in self.players:
            if player.name == name:
                return player
        near = suggest(name, [player.name for player in self.players])
        raise NotFoundError(f"The spec {self.name!r} has no player {name!r}.{near}")
