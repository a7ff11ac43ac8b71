# SPDX-License-Identifier: Apache-2.0
"""Layers that can be computed a few rows at a time, and the rows of their inputs that takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..network import (
    Add,
    AveragePool2D,
    Clip,
    Conv2D,
    DepthwiseConv2D,
    Layer,
    MaxPool2D,
    Mul,
    Network,
    Padding,
    Quantize,
    Requantize,
    Tensor,
)

_WINDOWED = (Conv2D, DepthwiseConv2D, MaxPool2D, AveragePool2D)
_ELEMENTWISE = (Add, Mul, Clip, Quantize, Requantize)


@dataclass(frozen=True)
class Rows:
    """Rows `begin` to `end` (excluded) of a feature map."""

    begin: int
    end: int

    @property
    def count(self) -> int:
        return self.end - self.begin


def stripable(network: Network, layer: Layer) -> bool:
    """Whether rows of this layer's output can be computed from rows of its inputs."""
    tensors = [network.tensor(name) for name in (*layer.inputs, layer.output)]
    if any(t.data is not None or len(t.shape) != 4 or t.shape[0] != 1 for t in tensors):
        return False
    if isinstance(layer, _WINDOWED):
        return True
    return isinstance(layer, _ELEMENTWISE) and len({t.shape for t in tensors}) == 1


def rows_read(network: Network, layer: Layer, rows: Rows) -> Rows:
    """The rows of every input that these rows of the output are computed from."""
    if not isinstance(layer, _WINDOWED):
        return rows
    height = network.input_of(layer).shape[1]
    begin = rows.begin * layer.stride[0] - layer.padding.top
    end = (rows.end - 1) * layer.stride[0] - layer.padding.top + layer.kernel[0]
    # A window may lie in the padding altogether, yet a layer of no rows is none.
    begin = min(max(begin, 0), height - 1)
    return Rows(begin, max(min(end, height), begin + 1))


def part_of(network: Network, layer: Layer, rows: Rows) -> tuple[Network, Layer]:
    """The layer that computes `rows` of this layer's output, in a network of its own.

    Its inputs are the rows that `rows_read` gives.
    """
    read = rows_read(network, layer, rows)
    part = layer
    if isinstance(layer, _WINDOWED):
        first = rows.begin * layer.stride[0] - layer.padding.top
        last = (rows.end - 1) * layer.stride[0] - layer.padding.top + layer.kernel[0]
        padding = Padding(
            read.begin - first, layer.padding.left, last - read.end, layer.padding.right
        )
        part = replace(layer, padding=padding)
    tensors = {name: _cut(network.tensor(name), read) for name in layer.inputs}
    tensors[layer.output] = _cut(network.tensor(layer.output), rows)
    inputs = tuple(dict.fromkeys(layer.inputs))
    return Network(network.name, network.mode, tensors, (part,), inputs, (layer.output,)), part


def _cut(tensor: Tensor, rows: Rows) -> Tensor:
    return replace(tensor, shape=(1, rows.count, *tensor.shape[2:]))


def row_bytes(tensor: Tensor) -> int:
    """Bytes of one row of an NHWC feature map."""
    return tensor.nbytes // tensor.shape[1]
