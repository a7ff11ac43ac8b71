# SPDX-License-Identifier: Apache-2.0
"""Joins reshapes in a row and drops those that change nothing."""

from __future__ import annotations

from dataclasses import replace

from ..network import Network, Reshape
from .edit import Edit


def merge_reshapes(network: Network) -> Network:
    """Reshape of a reshape becomes one; a reshape to the shape that is there already disappears."""
    edit = Edit(network)
    changed = True
    while changed:
        changed = False
        for layer in [layer for layer in edit.layers if isinstance(layer, Reshape)]:
            source = edit.producer(layer.inputs[0])
            if isinstance(source, Reshape):
                edit.put(layer, [replace(layer, inputs=source.inputs)])
                changed = True
                break
            same = edit.tensors[layer.inputs[0]].shape == edit.tensors[layer.output].shape
            if same and edit.alias(layer.output, layer.inputs[0]):
                changed = True
                break
        edit.drop_dead()
    return edit.network()
