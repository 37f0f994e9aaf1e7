"""The spec: frozen data that describes a GAN completely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from gandem.core.errors import NotFoundError, SpecError, shown, suggest
from gandem.core.fields import Checked, Count, Fraction, Range
from gandem.core.specs.layers import Layer
from gandem.core.specs.optimizers import Optimizer
from gandem.core.specs.schedules import Number
from gandem.core.specs.stages import Stage

Amount = Annotated[Number, Range(0)]
"""0 ≤ x; a constant or a schedule."""
Share = Annotated[Number, Range(0, 1, open_high=True)]
"""0 ≤ x < 1; a constant or a schedule."""
Probability = Annotated[Number, Range(0, 1)]
"""0 ≤ x ≤ 1; a constant or a schedule."""
Strength = Annotated[float, Range(0)]
"""0 ≤ x."""
NotNegativeInt = Annotated[int, Range(0, 2**31 - 1)]
"""A whole number from 0."""

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
class Points(Checked):
    """Points instead of images: the dimension of each point.

    They enter the networks unscaled; ``low`` and ``high`` are the limits of plots.
    """

    size: Count = 2
    low: float = -5.0
    high: float = 5.0

    @property
    def shape(self) -> tuple[int]:
        """(size,)."""
        return (self.size,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latent(Checked):
    """The generator's noise: ``size`` independent N(0, 1), or U(-1, 1) numbers.

    The first ``categories`` of them are instead a uniform one-hot class, and the next ``codes`` are
    U(-1, 1): the latent code of InfoGAN (Chen et al. 2016, arXiv:1606.03657).
    """

    size: Count
    distribution: Literal["normal", "uniform"] = "normal"
    categories: Annotated[int, Range(0, 100_000)] = 0
    codes: Annotated[int, Range(0, 100_000)] = 0

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if self.categories + self.codes > self.size:
            raise SpecError(
                f"latent: {self.categories} categories and {self.codes} codes do not fit into a "
                f"size of {self.size}; make size larger."
            )

    @property
    def parts(self) -> dict[str, slice]:
        """The position of the latent code in the noise: ``category`` and ``code``, if present.

        >>> Latent(size=74, categories=10, codes=2).parts
        {'category': slice(0, 10, None), 'code': slice(10, 12, None)}
        """
        ends = self.categories, self.categories + self.codes
        parts = {"category": slice(0, ends[0]), "code": slice(*ends)}
        return {name: part for name, part in parts.items() if part.start < part.stop}


@dataclass(frozen=True, slots=True, kw_only=True)
class Player(Checked):
    """A network and the optimizer that trains it.

    ``input`` names the input of the first layer: ``"noise"`` (latent,), ``"image"`` (H, W, C), or
    (size,) for points, or ``"label"`` (classes,). Layers such as ``concatenate`` read other inputs,
    and earlier layers: ``"layer:NAME"``. ``outputs`` names layers whose outputs a loss reads. A
    layer ``image_8`` among those of the generator is an image of 8 rows, which other networks read
    as ``"image:8"``; real images are brought to each of these resolutions by a box filter.

    ``frozen`` names layers whose weights no update changes, ``"conv2d"``, or ``"block/conv2d"``
    inside a block. Gradients pass through them; running statistics and the vectors of spectral norm
    follow the images as in other layers.

    A discriminator may read the noise too, if there is a player ``encoder`` from images to noise
    (BiGAN, Donahue et al. 2017, arXiv:1605.09782). It then compares real images and their encodings
    with fake images and the noise that they were made from, and the encoder minimizes the
    generator's loss with real and fake exchanged.
    """

    name: str
    input: str
    optimizer: Optimizer
    layers: tuple[Layer, ...]
    outputs: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        object.__setattr__(self, "frozen", tuple(sorted({*self.frozen})))
        _refuse_deep(self.layers, self.name)


def _refuse_deep(layers: tuple[Layer, ...], name: str) -> None:
    """Refuse deeply nested layers, which would exhaust the stack of recursive functions."""
    for _ in range(DEEPEST_LAYERS):
        parts = (part for layer in layers for part in layer.branches.values())
        layers = tuple(layer for part in parts for layer in part)
        if not layers:
            return
    raise SpecError(f"{shown(name)}: layers are nested more than {DEEPEST_LAYERS} deep.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transforms(Checked):
    """Random changes of an image through which gradients pass (Zhao et al. 2020, arXiv:2006.10738).

    ``flip``: mirror left to right with probability 1/2.
    ``translation``: shift by up to this share of the height and width, padding with zeros.
    ``cutout``: set a rectangle with this share of the height and width to zero.
    ``brightness``: add a number of up to this share of half the range of pixel values to the image;
    the paper uses 0.5.
    ``saturation``: multiply the distance of each pixel from its mean over the channels by a factor
    between 1 - saturation and 1 + saturation; the paper uses 1.
    ``contrast``: multiply the distance of each pixel from the mean of the image by a factor between
    1 - contrast and 1 + contrast; the paper uses 0.5.
    """

    flip: bool = False
    translation: Fraction = 0.0
    cutout: Fraction = 0.0
    brightness: Strength = 0.0
    saturation: Strength = 0.0
    contrast: Strength = 0.0

    @property
    def moves(self) -> bool:
        """True if pixels change their positions."""
        return self.flip or self.translation > 0

    @property
    def recolors(self) -> bool:
        """True if pixels change their colors."""
        return bool(self.brightness or self.saturation or self.contrast)

    @property
    def changes(self) -> bool:
        """True if an image is changed at all."""
        return bool(self.moves or self.cutout or self.recolors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Augment(Transforms):
    """Differentiable augmentation of all images, real or fake, that the discriminator sees; the
    generator gets its gradient through it (Zhao et al. 2020, arXiv:2006.10738).

    ``probability``: of each group of changes (positions, cutout, colors), for each image.
    ``adaptive_target``: the probability starts at 0 and is adapted every 4 steps (Karras et al.
    2020, arXiv:2006.06676, who use 0.6): it rises while the mean sign of the logits of real images
    is above this value, and falls while it is below; 0 keeps ``probability``.
    ``adaptive_images``: number of real images within which it can rise from 0 to 1.
    """

    probability: Probability = 1.0
    adaptive_target: Fraction = 0.0
    adaptive_images: Count = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency(Transforms):
    """A penalty on the squared difference between the discriminator's logits of an image before and
    after random changes (Zhang et al. 2019, arXiv:1910.12027; for fake images too, Zhao et al.
    2020, arXiv:2002.04724).

    ``real``: weight for real images; the papers use 10.
    ``fake``: weight for fake images.
    """

    real: Amount = 0.0
    fake: Amount = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PathLength(Checked):
    """A penalty on how unevenly the generator's image changes with the output of a layer, its
    styles (Karras et al. 2020, section 3.2, arXiv:1912.04958). It is an update of the generator of
    its own, after that on the loss.

    ``weight``: the authors use 2; 0 disables it.
    ``layer``: the layer, one of the generator's ``outputs``.
    ``interval``: the penalty is computed in every so many steps only, with its weight times this
    number; the authors use 8.
    ``decay``: of the average of path lengths, from which the penalty measures.
    ``shrink``: by how much its batch of noise is smaller; the authors use 2.
    """

    weight: Amount = 0.0
    layer: str = ""
    interval: Count = 1
    decay: Share = 0.99
    shrink: Count = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss(Checked):
    """The losses of the players.

    ``halves``: the discriminator's loss is the sum or the mean of its real and fake terms; a loss
    that compares both is used whole or halved.
    ``label_smoothing``: one-sided, real targets become 1 - label_smoothing (Salimans et al. 2016,
    arXiv:1606.03498).
    ``gradient_penalty``: weight λ of (‖∇D‖ - c)² (Gulrajani et al. 2017, arXiv:1704.00028, who use
    10 and c = 1).
    ``gradient_penalty_norm``: c; 0 gives the zero-centered penalty (Thanh-Tung et al. 2019,
    arXiv:1902.03984).
    ``gradient_penalty_points``: where the gradient is taken: at random points ``"between"`` real
    and fake images, or ``"near-real"`` images, moved by up to half the standard deviation of the
    batch (DRAGAN, Kodali et al. 2017, arXiv:1705.07215).
    ``r1``: weight γ of ½‖∇D‖² at real images (Mescheder et al. 2018, arXiv:1801.04406).
    ``r2``: weight γ of ½‖∇D‖² at fake images (the same).
    ``penalty_interval``: gradient penalties are computed in every so many steps only, with their
    weights times this number (Karras et al. 2020, arXiv:1912.04958, who use 16).
    ``lecam``: weight λ of the squared distances of real logits to the moving average of fake ones
    and vice versa (Tseng et al. 2021, arXiv:2104.03310).
    ``lecam_decay``: decay of these averages per update of the discriminator.
    ``drift``: weight of the mean squared logit of real images, which keeps a critic near 0 (Karras
    et al. 2018, arXiv:1710.10196, who use 0.001).
    ``feature_matching``: weight of the squared distance between the mean outputs of layers for real
    and for fake images, which the generator minimizes too (Salimans et al. 2016, arXiv:1606.03498).
    ``discriminator.outputs`` names the layers.
    ``adversarial_weight``: weight of the generator's loss on the logits; 0 leaves only feature
    matching.
    ``orthogonal``: weight β of the orthogonal regularization of the generator, the sum of ‖WᵀW ⊙ (1
    - I)‖² over its kernels W as matrices (kh·kw·in, out), a term of its loss (Brock et al. 2018,
    equation 3, arXiv:1809.11096, who use 1e-4).
    ``top_k``: the share of the generator's fake images, those with the highest logits, that it
    learns from (Sinha et al. 2020, arXiv:2002.06224, who let it fall to 0.5, as an exponential
    schedule does).
    ``class_weight``: weight of the class loss in an AC-GAN (Odena et al. 2017, arXiv:1610.09585).
    Its discriminator predicts the label instead of reading it: it returns 1 + classes logits, and
    both players also minimize the cross-entropy of the classes.
    """

    name: str = "non-saturating"
    halves: Literal["sum", "mean"] = "sum"
    label_smoothing: Share = 0.0
    gradient_penalty: Amount = 0.0
    gradient_penalty_norm: Amount = 1.0
    gradient_penalty_points: Literal["between", "near-real"] = "between"
    r1: Amount = 0.0
    r2: Amount = 0.0
    penalty_interval: Count = 1
    lecam: Amount = 0.0
    lecam_decay: Share = 0.99
    drift: Amount = 0.0
    consistency: Consistency = Consistency()
    orthogonal: Amount = 0.0
    path_length: PathLength = PathLength()
    feature_matching: Amount = 0.0
    adversarial_weight: Amount = 1.0
    top_k: Annotated[Number, Range(0, 1, open_low=True)] = 1.0
    class_weight: Amount = 0.0

    @property
    def penalizes_gradients(self) -> bool:
        """True if the discriminator's gradient at some images is penalized."""
        return bool(self.gradient_penalty or self.r1 or self.r2)

    @property
    def has_penalty(self) -> bool:
        """True if the discriminator minimizes more than its loss on real and fake images."""
        consistent = self.consistency.real or self.consistency.fake
        return bool(self.penalizes_gradients or self.lecam or self.drift or consistent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training(Checked):
    """The training protocol. One step is ``discriminator_steps`` updates of the discriminator, then
    one of the generator.

    ``noise``: the generator's update uses the last fake images of the discriminator's update
    (``"reused"``) or ``"fresh"`` ones.
    ``passes``: the discriminator sees real and fake images in two forward passes (``"separate"``)
    or concatenated in one (``"joint"``, real first); with batch norm these differ.
    ``partial_batch``: the last, smaller batch of an epoch is kept or dropped.
    ``ema_decay``: decay of the generator's weight average, which starts at the initial weights and
    is updated after each update of the generator; 0 disables it.
    ``ema_half_life``: instead of the decay, the number of images after which an old weight counts
    half: decay = 0.5^(batch_size / ema_half_life) (Karras et al. 2020, arXiv:1912.04958).
    ``lookahead_interval``: after so many steps the weights of all players return part of the way to
    those of that many steps ago (Lookahead, Chavdarova et al. 2021, arXiv:2006.14567, who use 5 and
    more); 0 disables it.
    ``lookahead_share``: the share of the way that is kept.
    ``sampling``: batches are cut from the shuffled data, or each image is drawn with
    ``"replacement"``. An epoch then has ``batches_per_epoch`` batches; 0 means as many as the data
    would fill.
    ``flip``: real images are mirrored left to right with probability 1/2.
    ``generator_batches``: number of batches of fresh noise in the generator's update; with 2 it
    sees as many images as the discriminator.
    ``discriminator_skip_below``: the discriminator is not updated while its loss is below this
    value; 0 never skips.
    ``weight_clip``: after each update the discriminator's weights are clipped to this absolute
    value (Arjovsky et al. 2017, arXiv:1701.07875); 0 disables it.
    ``pac``: the discriminator sees so many images at once, side by side in the channels (PacGAN,
    Lin et al. 2018, arXiv:1712.04086, who use 2).
    ``instance_noise``: standard deviation of normal noise on all images that the discriminator sees
    (Sønderby et al. 2017, arXiv:1610.04490, who let it fall to 0, as a linear schedule does).
    """

    batch_size: Count = 64
    epochs: Count = 20
    discriminator_steps: Count = 1
    noise: Literal["fresh", "reused"] = "fresh"
    passes: Literal["separate", "joint"] = "separate"
    partial_batch: Literal["keep", "drop"] = "keep"
    ema_decay: Share = 0.0
    ema_half_life: Amount = 0.0
    lookahead_interval: NotNegativeInt = 0
    lookahead_share: Annotated[float, Range(0, 1, open_low=True)] = 0.5
    sampling: Literal["shuffled", "replacement"] = "shuffled"
    batches_per_epoch: NotNegativeInt = 0
    flip: bool = False
    generator_batches: Count = 1
    discriminator_skip_below: Amount = 0.0
    weight_clip: Amount = 0.0
    pac: Count = 1
    instance_noise: Amount = 0.0
    augment: Augment = Augment()
    stages: tuple[Stage, ...] = ()

    @property
    def averages(self) -> bool:
        """True if the generator's weights are averaged."""
        return bool(self.ema_decay or self.ema_half_life)

    def average_decay(self) -> float:
        """Return the decay of the weight average, of a training without schedules."""
        half_life: Any = self.ema_half_life
        decay: Any = 0.5 ** (self.batch_size / half_life) if half_life else self.ema_decay
        return float(decay)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Spec(Checked):
    """A GAN and its training, independent of any framework."""

    name: str
    image: Image | Points
    latent: Latent
    classes: Annotated[int, Range(0, 100_000)] = 0
    loss: Loss
    training: Training
    players: tuple[Player, ...]

    def __repr__(self) -> str:
        names = ", ".join(player.name for player in self.players)
        return f"<Spec {self.name}: noise ({self.latent.size},), image {self.image.shape}, {names}>"

    def player(self, name: str) -> Player:
        """Return the player of that name."""
        for player in self.players:
            if player.name == name:
                return player
        near = suggest(name, [player.name for player in self.players])
        raise NotFoundError(f"The spec {self.name!r} has no player {name!r}.{near}")
