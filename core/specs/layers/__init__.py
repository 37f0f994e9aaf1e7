"""Layers as data. No number is left to a framework's default.

Images are channels-last, ``(height, width, channels)``; vectors are ``(features,)``; shapes are
without the batch axis. Output shapes and parameters are in ``shapes/layers``. Facts about a
layer that other modules need are class attributes and properties here.
"""

from gandem.core.fields import KINDS
from gandem.core.specs.layers import (
    activations,
    affine,
    attention,
    graph,
    modulation,
    norms,
    resampling,
    shaping,
)
from gandem.core.specs.layers.activations import (
    Dropout,
    Elu,
    Gelu,
    LeakyRelu,
    Prelu,
    Relu,
    Selu,
    Sigmoid,
    Silu,
    Softplus,
    Tanh,
)
from gandem.core.specs.layers.affine import (
    Bias,
    Constant,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Embedding,
    PositionEmbedding,
)
from gandem.core.specs.layers.attention import SelfAttention
from gandem.core.specs.layers.base import Layer, Pads
from gandem.core.specs.layers.graph import (
    Add,
    Blend,
    Concatenate,
    Dot,
    FadeIn,
    Head,
    Read,
    Residual,
)
from gandem.core.specs.layers.modulation import (
    Modulate,
    ModulatedConv2D,
    ModulatedConv2DTranspose,
    Multiply,
    PixelNoise,
    Styles,
)
from gandem.core.specs.layers.norms import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    MinibatchStddev,
    PixelNorm,
)
from gandem.core.specs.layers.resampling import (
    AveragePool2D,
    GlobalAveragePool2D,
    GlobalMaxPool2D,
    GlobalSumPool2D,
    MaxPool2D,
    Resample2D,
    Upsample2D,
)
from gandem.core.specs.layers.shaping import (
    DepthToSpace,
    Flatten,
    Reshape,
    Slice,
    SpaceToDepth,
)

__all__ = [
    "LAYERS",
    "Add",
    "AveragePool2D",
    "BatchNorm",
    "Bias",
    "Blend",
    "Concatenate",
    "Constant",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "DepthToSpace",
    "Dot",
    "Dropout",
    "Elu",
    "Embedding",
    "FadeIn",
    "Flatten",
    "Gelu",
    "GlobalAveragePool2D",
    "GlobalMaxPool2D",
    "GlobalSumPool2D",
    "GroupNorm",
    "Head",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "LeakyRelu",
    "MaxPool2D",
    "MinibatchStddev",
    "Modulate",
    "ModulatedConv2D",
    "ModulatedConv2DTranspose",
    "Multiply",
    "Pads",
    "PixelNoise",
    "PixelNorm",
    "PositionEmbedding",
    "Prelu",
    "Read",
    "Relu",
    "Resample2D",
    "Reshape",
    "Residual",
    "SelfAttention",
    "Selu",
    "Sigmoid",
    "Silu",
    "Slice",
    "Softplus",
    "SpaceToDepth",
    "Styles",
    "Tanh",
    "Upsample2D",
]


FAMILIES = (affine, resampling, shaping, norms, activations, graph, attention, modulation)
LAYERS: dict[str, type[Layer]] = {
    cls.kind: cls
    for module in FAMILIES
    for cls in vars(module).values()
    if isinstance(cls, type) and issubclass(cls, Layer) and cls.kind
}
KINDS[Layer] = LAYERS
