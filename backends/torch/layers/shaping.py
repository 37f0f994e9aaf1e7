"""Layers of PyTorch that arrange the same features."""

from torch import Tensor, nn

from gandem.backends.torch.layers.base import build, inward, outward
from gandem.core import specs as kinds
from gandem.core.specs import Node


@build.register(kinds.Flatten)
@build.register(kinds.Reshape)
class Reshape(nn.Module):
    """Reshapes features in (H, W, C) order, or with ``channels_first`` in (C, H, W) order."""

    channels_first = False

    def __init__(self, layer: kinds.Flatten | kinds.Reshape, node: Node) -> None:
        super().__init__()
        self.shape = node.output_shape

    def forward(self, x: Tensor) -> Tensor:
        if self.channels_first:
            *pixels, channels = self.shape
            return x.reshape(-1, channels, *pixels)
        return inward(outward(x).reshape(-1, *self.shape))

    def extra_repr(self) -> str:
        return f"{self.shape}, channels_first={self.channels_first}"


build.register(kinds.DepthToSpace, lambda layer, node: nn.PixelShuffle(layer.factor))
build.register(kinds.SpaceToDepth, lambda layer, node: nn.PixelUnshuffle(layer.factor))


@build.register(kinds.Slice)
class Slice(nn.Module):
    """Keeps some of the channels."""

    def __init__(self, layer: kinds.Slice, node: Node) -> None:
        super().__init__()
        self.start, self.stop = layer.start, layer.stop

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.start : self.stop]

    def extra_repr(self) -> str:
        return f"{self.start}, {self.stop}"
