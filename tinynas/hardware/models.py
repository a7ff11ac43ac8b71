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


def _operands(architecture: Architecture) -> Iterator[tuple[Layer, list[int]]]:
    """Each layer, and the values that it reads as numbers: the one before it, and maybe an older.

    0 is the network's input, n the output of layer n - 1.
    """
    entry, wide, block = 0, 0, ""
    for index, layer in enumerate(architecture.layers()):
        name = layer.name.rpartition(".")[0]
        if name != block:
            block, entry = name, index
        older = {"add": [entry], "scale": [wide]}.get(layer.kind, [])
        yield layer, [index, *older]
        if layer.kind == "depthwise":
            wide = index + 1


def tflm_arena(architecture: Architecture, pointer: int = 4) -> int:
    """Bytes of the arena that TFLite Micro takes, with its reference kernels.

    Activations have 16-byte alignment, nothing overlaps, and each tensor, the largest first, goes
    into the first gap (its GreedyMemoryPlanner). Beside them lie what it keeps for each tensor and
    operator, and 8 bytes for each channel of weights; these were calibrated on its Python package,
    where pointers take 8 bytes, and are scaled to `pointer` bytes. Squeeze-and-excite wasn't: its
    product is taken for an addition. Kernels with scratch of their
    own (CMSIS-NN) take more.
    """
    shapes = [architecture.input]
    last = [0]
    weighted = channels = adds = 0
    for index, (layer, read) in enumerate(_operands(architecture)):
        for value in read:
            last[value] = index
        adds += layer.kind in ("add", "scale")
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
    operands = list(_operands(architecture))
    last = {value: index for index, (_, read) in enumerate(operands) for value in read}
    sizes = [_bytes(architecture.input), *(_bytes(layer.outputs) for layer, _ in operands)]
    peak = 0
    for index, (layer, _) in enumerate(operands):
        x, y = _bytes(layer.inputs), _bytes(layer.outputs)
        if layer.kind == "depthwise":
            x, y = max(x, y), layer.outputs[1] * layer.outputs[2]
        waiting = sum(sizes[value] for value in range(index) if last[value] >= index)
        peak = max(peak, x + y + waiting)
    return peak
