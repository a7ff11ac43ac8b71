# SPDX-License-Identifier: Apache-2.0
"""Memory models of other engines, for comparing what a search finds with them."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tinyengine_tvm.memory import Buffer
from tinyengine_tvm.memory.buffer import align_up
from tinyengine_tvm.memory.greedy import end, lowest_fit

from ..space import Architecture, Layer

_ALIGNMENT = 16
_NODE, _TENSOR, _KERNEL_POINTERS = 8, 3, 2
"""Pointers' worth of bytes of a node, of an evaluation tensor, and in a convolution's data."""
_CONVOLUTION, _ADD, _MEAN = 52, 94, 98
"""Other bytes of the data that TFLite Micro's reference kernels prepare."""
_BASE, _EACH = 94, 2.75
"""Pointers' worth of bytes that the allocators take, and more for each operator."""


def _bytes(shape: tuple[int, int, int]) -> int:
    return math.prod(shape)


def _operands(architecture: Architecture) -> Iterator[tuple[Layer, int, int]]:
    """Each layer, the value that it reads, and the one that its block reads, as numbers.

    0 is the network's input, n the output of layer n - 1.
    """
    entry, block = 0, ""
    for index, layer in enumerate(architecture.layers()):
        name = layer.name.rpartition(".")[0]
        if name != block:
            block, entry = name, index
        yield layer, index, entry


def tflm_arena(architecture: Architecture, pointer: int = 4) -> int:
    """Bytes of the arena that TFLite Micro takes, with its reference kernels.

    Activations have 16-byte alignment, nothing overlaps, and each tensor, the largest first, goes
    into the first gap (its GreedyMemoryPlanner). Beside them lie what it keeps for each tensor and
    operator, and 8 bytes for each channel of weights; these were calibrated on its Python package,
    where pointers take 8 bytes, and are scaled to `pointer` bytes. Kernels with scratch of their
    own (CMSIS-NN) take more.
    """
    shapes = [architecture.input]
    last = [0]
    weighted = channels = adds = 0
    for layer, index, entry in _operands(architecture):
        last[index] = index
        if layer.kind == "add":
            last[entry] = index
            adds += 1
        shapes.append(layer.outputs)
        last.append(index)
        weighted += layer.biases > 0
        channels += layer.biases
    buffers = [
        Buffer(str(i), align_up(_bytes(shape), _ALIGNMENT), max(0, i - 1), until, _ALIGNMENT)
        for i, (shape, until) in enumerate(zip(shapes, last, strict=True))
    ]
    order = sorted(range(len(buffers)), key=lambda i: (-buffers[i].size, -i))
    head = end(buffers, lowest_fit(buffers, order))
    operators = len(shapes) - 1
    # Weights and biases are tensors, too, and the axes of the mean.
    tensors = len(shapes) + 2 * weighted + 1
    pointers = _TENSOR * tensors + _NODE * operators + _KERNEL_POINTERS * weighted
    pointers += math.ceil(_BASE + _EACH * operators)
    data = _CONVOLUTION * weighted + _ADD * adds + _MEAN + 8 * channels
    return head + pointer * pointers + data


def tinyengine_peak(architecture: Architecture) -> int:
    """The most bytes at once where depthwise convolutions alone are computed in place.

    A layer takes its input and its output, a depthwise one the larger of them and one plane of a
    channel; what a residual adds later is kept. As TinyEngine of MCUNet (NeurIPS 2020), without
    its buffers for im2col.
    """
    kept = {entry for layer, _, entry in _operands(architecture) if layer.kind == "add"}
    peak = 0
    for layer, index, entry in _operands(architecture):
        x, y = _bytes(layer.inputs), _bytes(layer.outputs)
        if layer.kind == "depthwise":
            x, y = max(x, y), layer.outputs[1] * layer.outputs[2]
        waiting = 0
        if layer.name.startswith("blocks.") and entry in kept and entry != index:
            waiting = _entry_bytes(architecture, entry)
        peak = max(peak, x + y + waiting)
    return peak


def _entry_bytes(architecture: Architecture, value: int) -> int:
    if value == 0:
        return _bytes(architecture.input)
    return _bytes(list(architecture.layers())[value - 1].outputs)
