# SPDX-License-Identifier: Apache-2.0
"""What the portable kernels of conv2d, depthwise_conv2d and dense have in common."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, TypeVar

import numpy as np

from ..network import Conv2D, Dense, DepthwiseConv2D, Network, Tensor
from ..network.arithmetic import requantisation_of
from .base import Constant

Weighted = Conv2D | DepthwiseConv2D | Dense
WeightedT = TypeVar("WeightedT", Conv2D, DepthwiseConv2D, Dense, Conv2D | Dense)

MOST_REMEMBERED = 1024
_alike: OrderedDict[tuple[Any, ...], tuple[Any, Tensor, Tensor]] = OrderedDict()


def alike(network: Network, layer: WeightedT) -> tuple[WeightedT, Tensor, Tensor]:
    """A layer of the same weights and quantisation, the same one each time, its input and output.

    What depends on nothing else is derived once for all parts that a layer is computed in. Sizes,
    padding and strides are those of the first such layer that was seen.
    """
    x, y = network.input_of(layer), network.output_of(layer)
    # As long as the first layer is remembered, no other array has the identity of one of its.
    arrays = (id(layer.weight), id(layer.weight_scale), id(layer.bias))
    key = (network.mode, type(layer), arrays, layer.clamp, x.quantisation, y.quantisation)
    found = _alike.setdefault(key, (layer, x, y))
    _alike.move_to_end(key)
    if len(_alike) > MOST_REMEMBERED:
        _alike.popitem(last=False)
    return found


def pad_channels(array: np.ndarray, block: int, axis: int = 0) -> np.ndarray:
    """Zeros appended along `axis` up to a multiple of `block`."""
    missing = -array.shape[axis] % block
    widths = [(0, missing if i == axis else 0) for i in range(array.ndim)]
    return np.pad(array, widths)


def requantise_constants(
    network: Network, layer: Weighted, bias: np.ndarray, block: int = 1
) -> tuple[Constant, ...]:
    """bias int32, multiplier int32 and shift int8, padded to a multiple of `block` channels."""
    how = requantisation_of(network, layer)
    return (
        Constant("bias", pad_channels(bias.astype(np.int32), block)),
        Constant("multiplier", pad_channels(how.multiplier, block)),
        Constant("shift", pad_channels(how.shift.astype(np.int8), block)),
    )


def bias_with_input_zero_point(network: Network, layer: Weighted) -> np.ndarray:
    """bias - zero point * sum of weights: int32 [out], for kernels that read every tap raw.

    It wraps at 32 bits as the accumulator on the microcontroller does, so the final sum is exact.
    """
    channels = -1 if isinstance(layer, DepthwiseConv2D) else 0
    weight = np.moveaxis(layer.weight.astype(np.int64), channels, 0)
    sums = weight.reshape(len(layer.bias), -1).sum(axis=1)
    folded = layer.bias.astype(np.int64) - network.input_of(layer).zero_point * sums
    return folded.astype(np.uint64).astype(np.uint32).view(np.int32)


def scale_helper(network: Network) -> str:
    """The helper of runtime_c/kernels that rounds as the network's mode says."""
    return f"te_scale_{network.mode}"
