# SPDX-License-Identifier: Apache-2.0
"""Resizing of images and windows, the same to the last bit on every machine."""

from __future__ import annotations

import numpy as np

# Weights are multiples of 2 ** -BITS. With uint8 values, every product and sum of both directions
# is then an integer below 2 ** 53, so float64 is exact whatever order a BLAS adds in.
BITS = 20
CHUNK_BYTES = 1 << 26


def weights(before: int, after: int) -> np.ndarray:
    """float64 [after, before]: integers, 2 ** BITS in each row.

    Linear interpolation between the centres of pixels; where the size shrinks, its triangle is as
    many times wider, so that all values count (antialiasing). Beyond the edge nothing counts.
    """
    ratio = before / after
    support = max(ratio, 1.0)
    centre = (np.arange(after) + 0.5) * ratio
    distance = np.abs(np.arange(before) + 0.5 - centre[:, None]) / support
    triangle = np.maximum(1.0 - distance, 0.0)
    exact = triangle / triangle.sum(axis=1, keepdims=True) * (1 << BITS)
    whole = np.rint(exact)
    # What rounding leaves over or lacks, at most some 2 ** -BITS a pixel, goes to the largest.
    rows = np.arange(after)
    whole[rows, whole.argmax(axis=1)] += (1 << BITS) - whole.sum(axis=1)
    return whole


def resampled(inputs: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[n, channels, *size] of [n, channels, height, width], of the same type.

    uint8 values are rounded to the nearest, half up.
    """
    count, channels, height, width = inputs.shape
    down, across = weights(height, size[0]), weights(width, size[1]).T
    output = np.empty((count, channels, *size), inputs.dtype)
    step = max(1, CHUNK_BYTES // (8 * channels * height * max(width, size[1])))
    for start in range(0, count, step):
        part = inputs[start : start + step].astype(np.float64)
        # A direction that keeps its size has the identity for weights, and stays exact.
        values = down @ (part @ across) / (1 << 2 * BITS)
        if inputs.dtype == np.uint8:
            values = np.floor(values + 0.5)
        output[start : start + step] = values
    return output
