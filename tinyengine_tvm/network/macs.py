# SPDX-License-Identifier: Apache-2.0
"""Counts of multiply-accumulates, as the field counts them: padding included."""

from __future__ import annotations

import math

from .layers import Conv2D, Dense, DepthwiseConv2D, External, Fused, Layer
from .network import Network


def layer_macs(network: Network, layer: Layer) -> int:
    """Multiply-accumulates of one inference in this layer; 0 for layers without weights."""
    if isinstance(layer, (External, Fused)):
        return layer.macs
    y = network.output_of(layer)
    if isinstance(layer, Conv2D):
        return y.elements * math.prod(layer.weight.shape[1:])
    if isinstance(layer, DepthwiseConv2D):
        return y.elements * math.prod(layer.kernel)
    if isinstance(layer, Dense):
        return y.elements * layer.weight.shape[1]
    return 0


def network_macs(network: Network) -> int:
    """Multiply-accumulates of one inference."""
    return sum(layer_macs(network, layer) for layer in network.layers)
