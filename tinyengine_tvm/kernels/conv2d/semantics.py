# SPDX-License-Identifier: Apache-2.0
"""Numpy semantics of conv2d."""

from __future__ import annotations

import numpy as np

from ...network import Conv2D, Network
from ...network.arithmetic import requantisation_of, requantise
from ...network.layers import Padding


def windows(
    x: np.ndarray,
    zero_point: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding,
) -> np.ndarray:
    """Windows of x - zero_point: int64 [out height, out width, channels, kh, kw] of NHWC batch 1."""
    centred = x[0].astype(np.int64) - zero_point
    padded = np.pad(centred, ((padding.top, padding.bottom), (padding.left, padding.right), (0, 0)))
    view = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(0, 1))
    return view[:: stride[0], :: stride[1]]


def conv2d_reference(network: Network, layer: Conv2D, inputs: list[np.ndarray]) -> np.ndarray:
    """int8 NHWC in and out; accumulators wrap at 32 bits as on every engine."""
    view = windows(
        inputs[0], network.input_of(layer).zero_point, layer.kernel, layer.stride, layer.padding
    )
    # float64 holds these sums exactly (|sum| < 2**53) and multiplies through BLAS.
    height, width = view.shape[:2]
    columns = view.transpose(0, 1, 3, 4, 2).reshape(height * width, -1).astype(np.float64)
    weight = layer.weight.reshape(len(layer.bias), -1).astype(np.float64)
    sums = (columns @ weight.T).astype(np.int64) + layer.bias.astype(np.int64)
    accumulator = sums.astype(np.uint64).astype(np.uint32).view(np.int32)
    result = requantise(accumulator, requantisation_of(network, layer))
    return result.reshape(1, height, width, -1)
