"""BigGAN: noise and class reach each block, and orthogonal kernels allow truncated noise."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

from gandem.core.specs import (
    Adam,
    BatchNorm,
    Concatenate,
    Dense,
    Embedding,
    Initializer,
    Layer,
    Loss,
    Modulate,
    Normal,
    Number,
    SelfAttention,
    Slice,
    Spec,
    Steps,
    Training,
)
from gandem.models.resnet import Norm, down_blocks, features, images, projection, up_block
from gandem.models.sngan_projection import sngan_projection

START = Normal(std=0.02)
AVERAGE = Steps(values=(0.0, 0.9999), boundaries=(1000.0,))
"""The decay of the authors' program: the average starts at the weights after 1000 steps."""


def biggan(
    *,
    image: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
    latent: int = 120,
    embedding: int = 128,
    width: int = 256,
    discriminator_width: int = 256,
    blocks: int = 3,
    orthogonal: Number = 1e-4,
    learning_rate: Number = 2e-4,
    discriminator_steps: int = 4,
    ema_decay: Number = AVERAGE,
    batch_size: int = 50,
    epochs: int = 500,
) -> Spec:
    """Return the BigGAN of Brock et al. 2018, arXiv:1809.11096, at the size of CIFAR-10.

    Like ``sagan`` it has attention and spectral norm in both players and a projection
    discriminator. All classes share one embedding. The noise is divided into parts: the first
    makes the smallest image, and each block of the generator reads one of the others beside the
    embedded class, for scale and offset of its batch norms. The orthogonal regularization makes
    the generator smooth enough for noise that is truncated at generation.

    The training is that of the authors' PyTorch program for CIFAR-10. Departures from it: that
    program has no attention, no parts of the noise, no shared embedding and no regularization for
    images of this size, while the paper has them for 128×128 pixels; the weight of the
    regularization counts as in equation 3 of the paper, where the gradient of the program is half
    as large; as in ``sngan`` convolutions before batch norm and the last layer of the
    discriminator have no bias, and batch norm has epsilon 2e-5.

    Args:
        image: (height, width, channels); height and width divisible by 2 for each block.
        classes: number of classes.
        latent: size of the noise, at least ``blocks + 1``.
        embedding: numbers that stand for a class.
        width: filters of the generator, divisible by 8.
        discriminator_width: filters of the discriminator, divisible by 8.
        blocks: of the generator.
        orthogonal: weight of the orthogonal regularization.
        learning_rate: of Adam, for both players.
        discriminator_steps: updates of the discriminator per update of the generator.
        ema_decay: of the average of the generator's weights.
        batch_size: images per batch; each update of the discriminator has a batch of its own.
        epochs: passes over the data, by default.
    """
    plain = sngan_projection(image=image, classes=classes, latent=latent, blocks=blocks)
    ends = [latent * part // (blocks + 1) for part in range(blocks + 2)]
    first, *parts = (Slice(start=start, stop=stop) for start, stop in pairwise(ends))
    attention = SelfAttention(reduction=8, value_reduction=2, pool=True, spectral_norm=True)
    up = [up_block(width, _part_norm(width, part), spectral_norm=True) for part in parts]
    down = down_blocks(discriminator_width, blocks - 1)
    table = Embedding(name="class", units=embedding, table_init=START)
    generator = (
        Concatenate(name="embedded", layers=(table,)),
        first,
        *images(
            image, [*up[:-1], attention, up[-1]], width=width, halvings=blocks, spectral_norm=True
        ),
    )
    discriminator = (
        *features([down[0], attention, *down[1:]]),
        *projection(discriminator_width),
    )
    adam = Adam(learning_rate=learning_rate, beta1=0.0, beta2=0.999, epsilon=1e-8)
    players = zip(plain.players, (generator, discriminator), strict=True)
    return replace(
        plain,
        name="biggan",
        loss=Loss(name="hinge", halves="sum", orthogonal=orthogonal),
        training=Training(
            batch_size=batch_size,
            epochs=epochs,
            discriminator_steps=discriminator_steps,
            noise="fresh",
            ema_decay=ema_decay,
        ),
        players=tuple(
            replace(player, optimizer=adam, layers=_start_kernels(layers, START))
            for player, layers in players
        ),
    )


def _part_norm(width: int, part: Slice) -> Norm:
    """Return batch norm whose scale and offset depend on a part of the noise and on the class."""

    def linear() -> tuple[Layer, ...]:
        dense = Dense(units=width, bias=False, spectral_norm=True)
        return (part, Concatenate(input="layer:embedded/class"), dense)

    plain = BatchNorm(epsilon=2e-5, decay=0.9, affine=False)
    return (plain, Modulate(input="noise", scale=linear(), offset=linear()))


def _start_kernels(layers: Iterable[Layer], start: Initializer) -> tuple[Layer, ...]:
    """Return the layers with another initializer of all kernels, inner ones too."""

    def change(layer: Layer) -> Layer:
        fields: dict[str, Any] = {
            name: _start_kernels(branch, start) for name, branch in layer.branches.items()
        }
        if hasattr(layer, "kernel_init"):
            fields["kernel_init"] = start
        return replace(layer, **fields)

    return tuple(map(change, layers))
