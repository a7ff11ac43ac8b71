# SPDX-License-Identifier: Apache-2.0
"""Fuses a Clip into the clamp of the layer before it."""

from __future__ import annotations

from dataclasses import replace

from ..network import (
    Add,
    AveragePool2D,
    Clip,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    MaxPool2D,
    Mul,
    Network,
    Requantize,
)
from .edit import Edit

Clamp = tuple[int, int]

_CLAMPED = (
    Add,
    AveragePool2D,
    Clip,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    MaxPool2D,
    Mul,
    Requantize,
)


def fuse_clip(network: Network) -> Network:
    """A Clip that is the only reader of a layer with a clamp becomes part of that clamp."""
    edit = Edit(network)
    for name in [layer.name for layer in network.layers if isinstance(layer, Clip)]:
        clip = next(layer for layer in edit.layers if layer.name == name)
        assert isinstance(clip, Clip)
        before = edit.producer(clip.inputs[0])
        if clip.clamp == (-128, 127) and edit.alias(clip.output, clip.inputs[0]):
            continue
        if not isinstance(before, _CLAMPED):
            continue
        if edit.only_consumer(before.output) is not clip:
            continue
        fused = replace(before, output=clip.output, clamp=_chained(before.clamp, clip.clamp))
        edit.put(before, [fused])
        edit.layers.remove(clip)
    return edit.network()


def _chained(first: Clamp, second: Clamp) -> Clamp:
    """The clamp equal to `first`, then `second`; they may be disjoint."""
    low, high = (min(max(bound, second[0]), second[1]) for bound in first)
    return low, high
