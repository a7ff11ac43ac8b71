# SPDX-License-Identifier: Apache-2.0
"""Sizes of layers that slide a window over a feature map, as templates want them."""

from __future__ import annotations

from dataclasses import dataclass

from ..network import (
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    MaxPool2D,
    Network,
    Padding,
)


@dataclass(frozen=True)
class Geometry:
    """Sizes in elements; a dense layer is a 1x1 convolution over a column of rows."""

    height: int
    width: int
    depth: int
    out_height: int
    out_width: int
    channels: int
    kh: int
    kw: int
    sy: int
    sx: int
    pad_top: int
    pad_left: int
    pad_bottom: int
    pad_right: int

    @property
    def padded(self) -> bool:
        return any((self.pad_top, self.pad_left, self.pad_bottom, self.pad_right))

    @property
    def label(self) -> str:
        """For names of C functions: kernel, sizes, and the stride where it isn't 1."""
        stride = "" if (self.sy, self.sx) == (1, 1) else f"_stride{self.sy}"
        if self.sx != self.sy:
            stride += f"x{self.sx}"
        sizes = f"{self.height}x{self.width}x{self.depth}_{self.channels}"
        return f"{self.kh}x{self.kw}_s8_{sizes}{stride}"


def geometry_of(
    network: Network, layer: Conv2D | DepthwiseConv2D | MaxPool2D | AveragePool2D | Dense
) -> Geometry:
    """The sizes of a layer."""
    x, y = network.input_of(layer).shape, network.output_of(layer).shape
    if isinstance(layer, Dense):
        return Geometry(x[0], 1, x[1], y[0], 1, y[1], 1, 1, 1, 1, 0, 0, 0, 0)
    p: Padding = layer.padding
    return Geometry(
        *x[1:], *y[1:], *layer.kernel, *layer.stride, p.top, p.left, p.bottom, p.right
    )
