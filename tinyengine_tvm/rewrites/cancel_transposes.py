# SPDX-License-Identifier: Apache-2.0
"""Moves transposes through the network until they cancel.

Every transpose sinks below the layers that don't care for the order of axes. Two that meet become
one, and a transpose with its inverse nothing. What remains is what the model's interface asks for;
a remaining one that moves only dimensions of size 1 becomes a reshape, and one before a flattened
dense layer is folded into the order of its weights.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..network import Dense, Dequantize, Network, Reshape, Transpose
from .edit import Edit, as_reshape, bytes_moved, moves_only_ones
from .sink_transpose import sink


def cancel_transposes(network: Network) -> Network:
    """The network with the fewest bytes moved among sinking, only joining, and leaving it.

    Where a transposed value has several readers, moving its transpose may need one more of them.
    """
    candidates = [_finished(c) for c in (_sunk(network), _simplified(network), network)]
    return min(candidates, key=bytes_moved)


def _sunk(network: Network) -> Network:
    """Sinks every transpose as far as it goes."""
    edit = Edit(network)
    _simplify(edit)
    # Each step moves a transpose down by one layer, so this ends; the bound only guards a defect.
    for _ in range(len(network.layers) ** 2 + 16):
        if not _sink_one(edit):
            break
        _simplify(edit)
    return edit.network()


def _sink_one(edit: Edit) -> bool:
    for layer in edit.layers:
        if isinstance(layer, Transpose):
            for consumer in edit.consumers(layer.output):
                if sink(edit, layer, consumer):
                    return True
    return False


def _simplified(network: Network) -> Network:
    edit = Edit(network)
    _simplify(edit)
    return edit.network()


def _simplify(edit: Edit) -> None:
    """Joins transposes in a row, drops those without effect and those that exist already."""
    while _join_one(edit) or _share_one(edit):
        edit.drop_dead()
    edit.drop_dead()


def _join_one(edit: Edit) -> bool:
    for layer in edit.layers:
        if not isinstance(layer, Transpose):
            continue
        if layer.permutation == tuple(range(len(layer.permutation))):
            if edit.alias(layer.output, layer.inputs[0]):
                return True
            continue
        before = edit.producer(layer.inputs[0])
        if isinstance(before, Transpose):
            permutation = tuple(before.permutation[p] for p in layer.permutation)
            edit.put(layer, [replace(layer, inputs=before.inputs, permutation=permutation)])
            return True
    return False


def _share_one(edit: Edit) -> bool:
    seen: dict[tuple[str, tuple[int, ...]], Transpose] = {}
    for layer in edit.layers:
        if isinstance(layer, Transpose):
            key = layer.inputs[0], layer.permutation
            first = seen.setdefault(key, layer)
            if first is not layer and layer.output not in edit.outputs:
                return edit.alias(layer.output, first.output)
    return False


def _finished(network: Network) -> Network:
    """Deals with the transposes that stay."""
    edit = Edit(network)
    _fold_into_dense(edit)
    _before_dequantize(edit)
    for layer in list(edit.layers):
        if isinstance(layer, Transpose):
            shape = edit.tensors[layer.inputs[0]].shape
            if moves_only_ones(shape, layer.permutation):
                edit.put(layer, [as_reshape(edit, layer)])
    return edit.network()


def _fold_into_dense(edit: Edit) -> None:
    """transpose, flatten, dense: the columns of the weights are permuted instead."""
    for layer in list(edit.layers):
        if not isinstance(layer, Transpose):
            continue
        flat = edit.only_consumer(layer.output)
        if not isinstance(flat, Reshape) or flat.output in edit.outputs:
            continue
        readers = edit.consumers(flat.output)
        x = edit.tensors[layer.inputs[0]]
        rows = edit.tensors[flat.output].shape
        if not readers or rows != (1, x.elements):
            continue
        if not all(isinstance(reader, Dense) for reader in readers):
            continue
        # Where the element of each column stands before the transpose.
        order = np.arange(x.elements).reshape(x.shape).transpose(layer.permutation).reshape(-1)
        for reader in readers:
            assert isinstance(reader, Dense)
            weight = np.empty_like(reader.weight)
            weight[:, order] = reader.weight
            edit.put(reader, [replace(reader, weight=weight)])
        edit.put(flat, [replace(flat, inputs=layer.inputs)])
        edit.layers.remove(layer)


def _before_dequantize(edit: Edit) -> None:
    """Dequantize, then transpose: the other way round a quarter of the bytes moves."""
    for layer in list(edit.layers):
        if not isinstance(layer, Transpose):
            continue
        before = edit.producer(layer.inputs[0])
        if not isinstance(before, Dequantize) or edit.only_consumer(before.output) is not layer:
            continue
        x = edit.tensors[before.inputs[0]]
        shape = tuple(x.shape[p] for p in layer.permutation)
        moved = edit.new_tensor("transposed", replace(x, shape=shape))
        edit.put(layer, [replace(before, inputs=(moved.name,), output=layer.output)])
        edit.put(before, [replace(layer, inputs=(x.name,), output=moved.name)])
