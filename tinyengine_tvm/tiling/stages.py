# SPDX-License-Identifier: Apache-2.0
"""Layers that can be computed a part at a time, and the parts of their inputs that takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from ..network import (
    Add,
    AveragePool2D,
    Clip,
    Conv2D,
    DepthwiseConv2D,
    Layer,
    Lookup,
    MaxPool2D,
    Mul,
    Network,
    Padding,
    Quantize,
    Requantize,
    Tensor,
)
from ..network.macs import layer_macs

_WINDOWED = (Conv2D, DepthwiseConv2D, MaxPool2D, AveragePool2D)
_ELEMENTWISE = (Add, Mul, Clip, Lookup, Quantize, Requantize)


@dataclass(frozen=True, order=True)
class Span:
    """Rows, or columns, `begin` to `end` (excluded) of a feature map."""

    begin: int
    end: int

    @property
    def count(self) -> int:
        return self.end - self.begin


@dataclass(frozen=True, order=True)
class Rect:
    """A part of a feature map, with all its channels."""

    rows: Span
    columns: Span


@dataclass(frozen=True, eq=False)
class Stage:
    """What one step of a region computes: rows of a layer, or of the last of several.

    Several layers, each of which reads nothing but the one before, are computed tile by tile:
    `columns` columns of the last one's output at a time, and what they need of the others anew for
    each tile. So nothing is kept of the feature maps between them, however many channels they have.
    """

    layers: tuple[Layer, ...]
    columns: int = 0

    @property
    def tiled(self) -> bool:
        return len(self.layers) > 1

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.layers[0].inputs

    @property
    def output(self) -> str:
        return self.layers[-1].output

    @property
    def name(self) -> str:
        return self.layers[0].name

    def rows_read(self, network: Network, rows: Span) -> Span:
        """The rows of every input that these rows of the output are computed from."""
        for layer in reversed(self.layers):
            rows = rows_read(network, layer, rows)
        return rows

    def kind(self, network: Network, rows: Span) -> tuple[int, ...]:
        """What the shapes of all parts of these rows depend on: equal for all but a few rows."""
        sizes: list[int] = []
        for layer in reversed(self.layers):
            read = rows_read(network, layer, rows)
            sizes += (rows.count, read.count)
            if isinstance(layer, _WINDOWED):
                top, bottom = _window(layer, 0, rows)
                sizes += (read.begin - top, bottom - read.end)
            rows = read
        return tuple(sizes)

    def tiles(self, network: Network, rows: Span) -> list[list[Rect]]:
        """For every tile of a step, the part of each layer's output that it computes."""
        width = network.tensor(self.output).shape[2]
        step = self.columns if self.tiled else width
        result = []
        for begin in range(0, width, step):
            part = Rect(rows, Span(begin, min(begin + step, width)))
            parts = [part]
            for layer in reversed(self.layers[1:]):
                part = part_read(network, layer, part)
                parts.append(part)
            result.append(parts[::-1])
        return result


def stripable(network: Network, layer: Layer) -> bool:
    """Whether rows of this layer's output can be computed from rows of its inputs."""
    tensors = [network.tensor(name) for name in (*layer.inputs, layer.output)]
    if any(t.data is not None or len(t.shape) != 4 or t.shape[0] != 1 for t in tensors):
        return False
    if isinstance(layer, _WINDOWED):
        return True
    return isinstance(layer, _ELEMENTWISE) and len({t.shape for t in tensors}) == 1


def rows_read(network: Network, layer: Layer, rows: Span) -> Span:
    """The rows of every input that these rows of the output are computed from."""
    return _read(network, layer, rows, 0)


def part_read(network: Network, layer: Layer, part: Rect) -> Rect:
    """The part of every input that this part of the output is computed from."""
    return Rect(
        _read(network, layer, part.rows, 0),
        _read(network, layer, part.columns, 1),
    )


@lru_cache(maxsize=1 << 16)
def _window(layer: Layer, axis: int, part: Span) -> tuple[int, int]:
    """First and end of what windows cover along an axis, padding included."""
    padding = layer.padding  # type: ignore[attr-defined]
    before = (padding.top, padding.left)[axis]
    stride, kernel = layer.stride[axis], layer.kernel[axis]  # type: ignore[attr-defined]
    return part.begin * stride - before, (part.end - 1) * stride - before + kernel


def _read(network: Network, layer: Layer, part: Span, axis: int) -> Span:
    if not isinstance(layer, _WINDOWED):
        return part
    size = network.input_of(layer).shape[1 + axis]
    if axis == 1 and part == Span(0, network.output_of(layer).shape[2]):
        # Rows follow each other: columns that nothing reads can't be left out.
        return Span(0, size)
    return _inside(layer, axis, part, size)


@lru_cache(maxsize=1 << 16)
def _inside(layer: Layer, axis: int, part: Span, size: int) -> Span:
    begin, end = _window(layer, axis, part)
    # A window may lie in the padding altogether, yet a layer of no rows is none.
    begin = min(max(begin, 0), size - 1)
    return Span(begin, max(min(end, size), begin + 1))


Shape = tuple[int, ...]
"""What distinguishes parts of a layer: sizes of output, input and padding."""


def shape_of(network: Network, layer: Layer, part: Rect) -> Shape:
    """The shape of a part; parts of one shape differ in where they lie only."""
    read = part_read(network, layer, part)
    sizes = (part.rows.count, part.columns.count, read.rows.count, read.columns.count)
    if not isinstance(layer, _WINDOWED):
        return sizes
    top, bottom = _window(layer, 0, part.rows)
    left, right = _window(layer, 1, part.columns)
    return (
        *sizes,
        read.rows.begin - top,
        bottom - read.rows.end,
        read.columns.begin - left,
        max(0, right - read.columns.end),
    )


def part_of(network: Network, layer: Layer, part: Rect) -> tuple[Network, Layer]:
    """The layer that computes `part` of this layer's output, in a network of its own.

    Its inputs are the parts that `part_read` gives.
    """
    read = part_read(network, layer, part)
    cut = layer
    if isinstance(layer, _WINDOWED):
        top, bottom, left, right = shape_of(network, layer, part)[4:]
        cut = replace(layer, padding=Padding(top, left, bottom, right))
    tensors = {name: _cut(network.tensor(name), read) for name in layer.inputs}
    tensors[layer.output] = _cut(network.tensor(layer.output), part)
    inputs = tuple(dict.fromkeys(layer.inputs))
    return Network(network.name, network.mode, tensors, (cut,), inputs, (layer.output,)), cut


def part_macs(network: Network, layer: Layer, part: Rect) -> int:
    """Multiply-accumulates of a part."""
    _, height, width, _ = network.output_of(layer).shape
    return layer_macs(network, layer) // (height * width) * part.rows.count * part.columns.count


def whole_rows(network: Network, layer: Layer, rows: Span) -> Rect:
    """These rows of a layer's output, in full width."""
    return Rect(rows, Span(0, network.output_of(layer).shape[2]))


def _cut(tensor: Tensor, part: Rect) -> Tensor:
    return replace(tensor, shape=(1, part.rows.count, part.columns.count, *tensor.shape[3:]))


def row_bytes(tensor: Tensor) -> int:
    """Bytes of one row of an NHWC feature map."""
    return tensor.nbytes // tensor.shape[1]


def pixel_bytes(tensor: Tensor) -> int:
    """Bytes of one pixel of an NHWC feature map."""
    return row_bytes(tensor) // tensor.shape[2]
