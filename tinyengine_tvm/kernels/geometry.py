# SPDX-License-Identifier: Apache-2.0
"""Sizes of layers that slide a window over a feature map, as templates want them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    _, height, width, depth = x
    _, out_height, out_width, channels = y
    return Geometry(
        height,
        width,
        depth,
        out_height,
        out_width,
        channels,
        *layer.kernel,
        *layer.stride,
        p.top,
        p.left,
        p.bottom,
        p.right,
    )


def raster_overlap(g: Geometry, *, window_kept: bool) -> int:
    """Output bytes that may lie over the input of a kernel that goes through pixels in order.

    `window_kept`: the kernel has read all of a pixel's window before it writes the first output of
    that pixel; else it may go back to that window until the pixel is finished. Nothing before the
    first element of the windows still to come is read. Batch 1, int8.
    """
    rows = np.maximum(np.arange(g.out_height) * g.sy - g.pad_top, 0)
    columns = np.maximum(np.arange(g.out_width) * g.sx - g.pad_left, 0)
    first_read = ((rows[:, None] * g.width + columns) * g.depth).reshape(-1)
    # Windows over the upper border begin in the same row, so later ones may begin further left.
    first_read = np.minimum.accumulate(first_read[::-1])[::-1]
    written = np.arange(1, first_read.size + 1) * g.channels
    if window_kept:
        lead = np.max(written[:-1] - first_read[1:], initial=0)
    else:
        lead = np.max(written - first_read)
    return max(0, g.out_height * g.out_width * g.channels - max(0, int(lead)))
