# SPDX-License-Identifier: Apache-2.0
"""How a graph's 8-bit values are stored, in int8 terms: scales, zero points, constants.

uint8 becomes int8 by shifting the zero point by 128; real values stay the same.
"""

from __future__ import annotations

import numpy as np

from ..network import Quantisation
from .tree import Constant, Expression, Node, Value


class UnsupportedError(Exception):
    """An extractor can't express its composite; the message says why."""


def as_node(expression: Expression) -> Node:
    """The expression if it is an operator's result."""
    if not isinstance(expression, Node):
        raise UnsupportedError("an operand that no operator computes")
    return expression


def quantisation(node: Node) -> Quantisation:
    """Scale and zero point, in int8 terms, of a quantize or dequantize node."""
    scale, zero_point = node[1], node[2]
    if not isinstance(scale, Constant) or not isinstance(zero_point, Constant):
        raise UnsupportedError("a scale that isn't constant")
    if scale.data.size != 1 or zero_point.data.size != 1:
        raise UnsupportedError("an activation with more than one scale")
    dtype = node.dtype if node.op == "quantize" else node[0].dtype
    shift = _shift(dtype)
    value = float(np.float32(scale.data.item()))
    if not (np.isfinite(value) and value > 0):
        raise UnsupportedError(f"scale {value}")
    zero = int(zero_point.data.item()) - shift
    if not -128 <= zero <= 127:
        raise UnsupportedError(f"zero point {zero + shift} of a {dtype} tensor")
    return Quantisation(value, zero)


def _shift(dtype: str) -> int:
    if dtype not in ("int8", "uint8"):
        raise UnsupportedError(f"{dtype} where an 8-bit tensor belongs")
    return 128 if dtype == "uint8" else 0


def to_int8(data: np.ndarray) -> np.ndarray:
    """8-bit data as int8, shifted by 128 if unsigned."""
    return (data.astype(np.int16) - _shift(str(data.dtype))).astype(np.int8)


def raw(value: Value) -> Quantisation:
    """The quantisation of 8-bit values that nothing quantised: they're what is stored."""
    return Quantisation(1.0, -_shift(value.dtype))
