# SPDX-License-Identifier: Apache-2.0
"""float32 semantics of quantised tensors, and float constants for C.

Every function rounds to float32 after each operation, in the order onnxruntime does, so that values
that fall on a tie fall to the same side.
"""

from __future__ import annotations

import numpy as np

from ..network import Tensor
from ..network.layers import INT8_RANGE


def dequantise(x: np.ndarray, tensor: Tensor) -> np.ndarray:
    """int8 to float32: (x - zero point) * scale."""
    centred = x.astype(np.float32) - np.float32(tensor.zero_point)
    return centred * np.float32(tensor.scale)


def quantise_half_even(
    x: np.ndarray, tensor: Tensor, clamp: tuple[int, int] = INT8_RANGE
) -> np.ndarray:
    """float32 to int8 as ONNX's QuantizeLinear; NaN gives the least value."""
    return _quantise(x, tensor, clamp, np.rint)


def quantise_half_away(x: np.ndarray, tensor: Tensor) -> np.ndarray:
    """float32 to int8 as TFLite's QUANTIZE; NaN gives the least value.

    Values beyond int32 saturate here, where the reference's conversion is undefined.
    """
    return _quantise(x, tensor, INT8_RANGE, lambda v: np.trunc(v + np.copysign(0.5, v)))


def _quantise(x, tensor, clamp, rounding):  # type: ignore[no-untyped-def]
    low, high = (np.float32(c - tensor.zero_point) for c in clamp)
    with np.errstate(over="ignore", invalid="ignore"):
        quotient = x.astype(np.float32) / np.float32(tensor.scale)
        quotient = np.where(quotient > low, quotient, low)
    # Doubles from here on, so that adding a half is exact.
    quotient = np.minimum(quotient, high).astype(np.float64)
    return (rounding(quotient) + tensor.zero_point).astype(np.int8)


def c_float(value: float) -> str:
    """The shortest C literal that reads back as this float32."""
    return f"{np.float32(value)!s}f"
