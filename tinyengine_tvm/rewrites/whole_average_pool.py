# SPDX-License-Identifier: Apache-2.0
"""Turns an average pool over the whole plane into a mean."""

from __future__ import annotations

import math

from ..kernels.geometry import geometry_of
from ..kernels.pool import summation_order
from ..network import AveragePool2D, Layer, Mean, Network
from ..network.layers import INT8_RANGE


def whole_average_pool(network: Network) -> Network:
    """In mode onnx, where both add float32 in the same order: one kernel for global pools.

    In mode tflite the two layers round differently: a pool divides the sum of stored values, a mean
    multiplies the distance from the zero point.
    """
    if network.mode != "onnx":
        return network
    return network.with_layers(_as_mean(network, layer) for layer in network.layers)


def _as_mean(network: Network, layer: Layer) -> Layer:
    if not isinstance(layer, AveragePool2D) or layer.padding or layer.clamp != INT8_RANGE:
        return layer
    y = network.output_of(layer)
    if math.prod(y.shape[:3]) > 1 or summation_order(geometry_of(network, layer)) != "lanes":
        return layer
    return Mean(layer.name, layer.inputs, layer.output, axes=(1, 2))
