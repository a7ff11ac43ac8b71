# SPDX-License-Identifier: Apache-2.0
"""Removes conversions between float32 and int8 that a network doesn't need.

What stands between two quantised layers, a Dequantize and a Quantize, is a table of 256 results:
often the identity, or what a Requantize gives. And an input that several Quantize read alike is
quantised once. So float32 values, four times the bytes, are left only at the network's ends.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..kernels.registry import REFERENCE
from ..network import Dequantize, Layer, Network, Quantize, Requantize, Tensor
from .edit import Edit


def fuse_interface(network: Network) -> Network:
    """Fewer conversions, the same bytes."""
    edit = Edit(network)
    for name in [layer.name for layer in network.layers if isinstance(layer, Quantize)]:
        layer = next((other for other in edit.layers if other.name == name), None)
        if layer is None:
            continue
        before = edit.producer(layer.inputs[0])
        if isinstance(before, Dequantize):
            _without_float(edit, before, layer)
        else:
            _once(edit, layer)
    return edit.network()


def _without_float(edit: Edit, first: Layer, second: Layer) -> None:
    """Lets `second` read what `first` reads, by way of a Requantize or of nothing."""
    x, y = edit.tensors[first.inputs[0]], edit.tensors[second.output]
    stored = np.arange(-128, 128).astype(np.int8)
    shape = stored.shape
    middle = Tensor("f", shape, "float32")
    ends = (replace(x, name="x", shape=shape), replace(y, name="y", shape=shape))
    apart = (Dequantize("d", ("x",), "f"), Quantize("q", ("f",), "y"))
    at_once = Requantize("r", ("x",), "y")
    small = replace(
        edit.original,
        tensors={t.name: t for t in (*ends, middle)},
        layers=apart,
        inputs=("x",),
        outputs=("y",),
    )
    value = REFERENCE[Dequantize](small, apart[0], [stored])
    table = REFERENCE[Quantize](small, apart[1], [value])
    same = np.array_equal(table, stored) and x.quantisation == y.quantisation
    if same and edit.alias(second.output, x.name):
        return
    if np.array_equal(table, REFERENCE[Requantize](small, at_once, [stored])):
        edit.put(second, [Requantize(second.name, (x.name,), second.output)])


def _once(edit: Edit, layer: Layer) -> None:
    """Merges a Quantize with an earlier one of the same tensor and quantisation."""
    wanted = edit.tensors[layer.output].quantisation
    for other in edit.layers:
        if other is layer:
            return
        same = isinstance(other, Quantize) and other.inputs == layer.inputs
        if same and edit.tensors[other.output].quantisation == wanted:
            edit.alias(layer.output, other.output)
            return
