# SPDX-License-Identifier: Apache-2.0
"""Numpy semantics of depthwise_conv2d."""

from __future__ import annotations

import numpy as np

from ...network import DepthwiseConv2D, Network
from ...network.arithmetic import requantisation_of, requantise
from ..conv2d.semantics import windows


def depthwise_reference(
    network: Network, layer: DepthwiseConv2D, inputs: list[np.ndarray]
) -> np.ndarray:
    """int8 NHWC in and out; accumulators wrap at 32 bits as on every engine."""
    view = windows(
        inputs[0], network.input_of(layer).zero_point, layer.kernel, layer.stride, layer.padding
    )
    repeated = np.repeat(view, layer.multiplier, axis=2)
    sums = np.einsum("hwcyx,yxc->hwc", repeated, layer.weight.astype(np.int64))
    accumulator = (sums + layer.bias).astype(np.uint64).astype(np.uint32).view(np.int32)
    return requantise(accumulator, requantisation_of(network, layer))[np.newaxis]
