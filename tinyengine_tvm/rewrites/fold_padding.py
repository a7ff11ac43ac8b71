# SPDX-License-Identifier: Apache-2.0
"""Folds padding by the zero point into the layers that follow."""

from __future__ import annotations

from dataclasses import replace

from ..network import Conv2D, DepthwiseConv2D, Layer, MaxPool2D, Network, Pad, Padding
from .edit import Edit

LEAST = -128


def fold_padding(network: Network) -> Network:
    """A Pad of rows and columns disappears when every reader can take over its padding.

    A convolution pads by the zero point itself. Maximum pooling ignores what it pads, which is the
    same as padding by the least value.
    """
    edit = Edit(network)
    for pad in [layer for layer in network.layers if isinstance(layer, Pad)]:
        x = edit.tensors[pad.inputs[0]]
        readers = edit.consumers(pad.output)
        spatial = len(pad.pads) == 4 and pad.pads[0] == pad.pads[3] == (0, 0)
        if not spatial or not readers or pad.output in edit.outputs:
            continue
        extended = [_extended(reader, pad, x.zero_point) for reader in readers]
        if any(layer is None for layer in extended):
            continue
        for reader, layer in zip(readers, extended, strict=True):
            assert layer is not None
            inputs = tuple(x.name if name == pad.output else name for name in reader.inputs)
            edit.put(reader, [replace(layer, inputs=inputs)])
        edit.layers.remove(pad)
    return edit.network()


def _extended(layer: Layer, pad: Pad, zero_point: int) -> Layer | None:
    """The layer with the pad's rows and columns in its own padding, None where that differs."""
    if isinstance(layer, (Conv2D, DepthwiseConv2D)):
        fits = pad.value == zero_point
    elif isinstance(layer, MaxPool2D):
        fits = pad.value == LEAST
    else:
        return None
    (top, bottom), (left, right) = pad.pads[1], pad.pads[2]
    own = layer.padding
    padding = Padding(own.top + top, own.left + left, own.bottom + bottom, own.right + right)
    if isinstance(layer, MaxPool2D):
        # A window that lies in the padding altogether has no maximum.
        fits = fits and max(padding.top, padding.bottom) < layer.kernel[0]
        fits = fits and max(padding.left, padding.right) < layer.kernel[1]
    return replace(layer, padding=padding) if fits else None
