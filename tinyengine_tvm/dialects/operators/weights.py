# SPDX-License-Identifier: Apache-2.0
"""Evaluates constant operands: weights with their scales, and biases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...network import Mode
from ..stored import UnsupportedError, as_node, to_int8
from ..tree import Constant, Expression, Node


@dataclass(frozen=True, eq=False)
class _Quantised:
    """Stored integers, and for each of them its scale and zero point (arrays of one shape)."""

    data: np.ndarray
    scale: np.ndarray
    zero_point: np.ndarray

    def moved(self, node: Node) -> _Quantised:
        return _Quantised(
            _move(self.data, node), _move(self.scale, node), _move(self.zero_point, node)
        )


def product_and_bias(value: Expression) -> tuple[Node, Expression | None]:
    """Parts `product + bias`; None without bias."""
    node = as_node(value)
    return (as_node(node[0]), node[1]) if node.op == "add" else (node, None)


def _move(array: np.ndarray, node: Node) -> np.ndarray:
    if node.op == "reshape":
        return array.reshape(node.shape)
    axes = node.attributes["axes"]
    return array.transpose(axes)


def _number(expression: Expression) -> np.ndarray:
    """A constant, or the product of constants (how TVM gives the scale of an unscaled bias)."""
    if isinstance(expression, Constant):
        return expression.data
    if isinstance(expression, Node) and expression.op == "multiply":
        return _number(expression[0]) * _number(expression[1])
    raise UnsupportedError("a scale that isn't constant")


def _plain(expression: Expression) -> np.ndarray:
    if isinstance(expression, Constant):
        return expression.data
    if isinstance(expression, Node) and expression.op in ("reshape", "permute_dims"):
        return _move(_plain(expression[0]), expression)
    raise UnsupportedError("an operand that isn't constant")


def _evaluate(expression: Expression) -> _Quantised:
    if isinstance(expression, Node) and expression.op in ("reshape", "permute_dims"):
        return _evaluate(expression[0]).moved(expression)
    if not isinstance(expression, Node) or expression.op != "dequantize":
        raise UnsupportedError("weights that aren't quantised")
    data = _plain(expression[0])

    def spread(values: np.ndarray) -> np.ndarray:
        if values.size > 1:
            shape = [1] * data.ndim
            shape[expression.attributes["axis"]] = values.size
            values = values.reshape(shape)
        return np.broadcast_to(values, data.shape)

    return _Quantised(data, spread(_number(expression[1])), spread(_number(expression[2])))


def weights(expression: Expression, to_layout: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """int8 weights, transposed so that the output channel is first, and their float32 scales.

    The scales have one entry when all channels share it.

    Raises:
        UnsupportedError: the weights aren't constant, 8-bit and symmetric.
    """
    found = _evaluate(expression)
    shift = 128 if found.data.dtype == np.uint8 else 0
    if np.any(found.zero_point.astype(np.int64) != shift):
        raise UnsupportedError("weights with a zero point; quantise weights symmetrically")
    data = to_int8(found.data).transpose(to_layout)
    scale = found.scale.transpose(to_layout).reshape(data.shape[0], -1)
    if np.any(scale != scale[:, :1]):
        raise UnsupportedError("weights scaled along another axis than the output channels")
    channels = scale[:, 0].astype(np.float32)
    if not np.all(np.isfinite(channels)) or np.any(channels < 0):
        raise UnsupportedError("a weight scale that is negative or not finite")
    if np.all(channels == channels[0]) and _evaluated_scales(expression) == 1:
        channels = channels[:1]
    return np.ascontiguousarray(data), channels.copy()


def _evaluated_scales(expression: Expression) -> int:
    node = as_node(expression)
    while node.op != "dequantize":
        node = as_node(node[0])
    return _number(node[1]).size


def bias(
    expression: Expression | None,
    channels: int,
    input_scale: float,
    weight_scale: np.ndarray,
    mode: Mode,
) -> np.ndarray:
    """int32 [channels] at scale input x weight.

    TFLite's kernels add the stored bias as it is, whatever scale the file gives it. In ONNX the
    scale counts: a bias stored at another scale (or in float32) is rounded to the nearest step of
    the accumulator, which is far below one step of any int8 result.
    """
    if expression is None:
        return np.zeros(channels, np.int32)
    accumulator = np.float64(input_scale) * weight_scale.astype(np.float64)
    if _is_dequantised(expression):
        found = _evaluate(expression)
        data = found.data.astype(np.int64) - found.zero_point.astype(np.int64)
        data, scale = data.reshape(-1), found.scale.reshape(-1).astype(np.float64)
        exact = np.all(np.abs(scale - accumulator) <= accumulator * 2.0**-22)
        stored = data.astype(np.float64)
        if mode != "tflite" and not exact:
            stored = _rounded(data * scale, accumulator)
    elif mode == "tflite":
        raise UnsupportedError("a bias that isn't quantised")
    else:
        stored = _rounded(_plain(expression).reshape(-1).astype(np.float64), accumulator)
    if stored.size not in (1, channels):
        raise UnsupportedError(f"a bias of {stored.size} values for {channels} channels")
    if np.any(np.abs(stored) > 2**31 - 1):
        raise UnsupportedError("a bias beyond 32 bits")
    return np.broadcast_to(stored, (channels,)).astype(np.int32)


def _rounded(real: np.ndarray, step: np.ndarray) -> np.ndarray:
    if np.any(step == 0):
        raise UnsupportedError("a weight scale of zero")
    return np.rint(real / step)


def _is_dequantised(expression: Expression) -> bool:
    while isinstance(expression, Node) and expression.op in ("reshape", "permute_dims"):
        expression = expression[0]
    return isinstance(expression, Node) and expression.op == "dequantize"
