# SPDX-License-Identifier: Apache-2.0
"""Translates composites of Relay into the words of `tree.py`: `quantize(op(dequantize(x)))`.

Relay has two forms of quantised operators. ONNX files come in as dequantize, float operator,
quantize, which is that form already. TFLite files become operators of the qnn dialect, which carry
scales and zero points as operands; they are told as if they were written the other way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tvm
from tvm import relay

from ..errors import ModelError
from .relay_words import attributes, integers, operator
from .tree import Constant, Expression, Node

PRODUCTS = {"qnn.conv2d": "nn.conv2d", "qnn.dense": "matmul"}
SUMS = {"qnn.add": "add", "qnn.mul": "multiply"}


def shape_of(kind: tvm.ir.TensorType, where: str) -> tuple[int, ...]:
    """The static shape of a tensor type.

    Raises:
        ModelError: it is dynamic.
    """
    try:
        return tuple(int(size) for size in kind.shape)
    except TypeError:
        raise ModelError(
            f"{where} has a dynamic shape; export the model with fixed shapes"
        ) from None


def translated(root: Any, bound: Mapping[Any, Any]) -> Node:
    """The tree of a composite's body; `bound` holds what its parameters stand for."""
    node = _Translation(bound).expression(root)
    assert isinstance(node, Node)
    return node


class _Translation:
    def __init__(self, bound: Mapping[Any, Any]) -> None:
        self.bound = bound

    def expression(self, expr: Any) -> Expression:
        if expr in self.bound:
            found = self.bound[expr]
            return Node("tuple", tuple(found), {}, (), "") if isinstance(found, list) else found
        if isinstance(expr, relay.Constant):
            return Constant(expr.data.numpy())
        if isinstance(expr, relay.Tuple):
            return Node("tuple", tuple(map(self.expression, expr.fields)), {}, (), "")
        if not isinstance(expr, relay.Call):
            raise ModelError(f"the TVM module holds a {type(expr).__name__} inside of an operator")
        word = operator(expr)
        special: dict[str, Callable[[relay.Call], Node]] = {
            "qnn.requantize": self.requantize,
            "qnn.concatenate": self.concatenate,
            "matmul": self.matmul,
            "nn.pad": self.pad,
            **dict.fromkeys(SUMS, self.sum),
        }
        return special.get(word, self.plain)(expr)

    def plain(self, call: relay.Call) -> Node:
        word = operator(call) or "call"
        operands = tuple(map(self.expression, call.args))
        return _node(word, operands, attributes(word, call), call)

    def matmul(self, call: relay.Call) -> Node:
        """nn.dense takes [out, in]."""
        weight = _turned(self.expression(call.args[1]))
        return _node("matmul", (self.expression(call.args[0]), weight), {}, call)

    def pad(self, call: relay.Call) -> Node:
        value = self.expression(call.args[1])
        if not isinstance(value, Constant):
            raise ModelError("the value of a padding is computed at run time; make it constant")
        found = {**attributes("nn.pad", call), "pad_value": float(value.data.item())}
        return _node("nn.pad", (self.expression(call.args[0]),), found, call)

    def sum(self, call: relay.Call) -> Node:
        lhs, rhs, scale_a, zero_a, scale_b, zero_b, scale, zero = map(self.expression, call.args)
        a, b = _dequantized(lhs, scale_a, zero_a), _dequantized(rhs, scale_b, zero_b)
        real = Node(SUMS[operator(call)], (a, b), {}, _shape(call), "float32")
        return _quantized(real, scale, zero, call)

    def concatenate(self, call: relay.Call) -> Node:
        """Joins stored values where all share one quantisation; else there is no word for it."""
        data, scales, zero_points, scale, zero_point = map(self.expression, call.args)
        parameters = zip(_fields(scales), _fields(zero_points), strict=True)
        same = all(_equal(s, scale) and _equal(z, zero_point) for s, z in parameters)
        return _node("concat" if same else "qnn.concatenate", (data,), _axis(call), call)

    def requantize(self, call: relay.Call) -> Node:
        """The end of a product, or of a mean of integers; else a change of quantisation."""
        source = call.args[0]
        scale, zero_point = self.expression(call.args[3]), self.expression(call.args[4])
        bias = None
        if operator(source) == "add" and operator(source.args[0]) in PRODUCTS:
            source, bias = source.args
        if operator(source) in PRODUCTS:
            return _quantized(self.product(source, bias), scale, zero_point, call)
        parameters = self.expression(call.args[1]), self.expression(call.args[2])
        if operator(source) == "mean" and operator(source.args[0]) == "astype":
            x = _dequantized(self.expression(source.args[0].args[0]), *parameters)
            real = Node("mean", (x,), attributes("mean", source), _shape(source), "float32")
        else:
            real = _dequantized(self.expression(source), *parameters)
        return _quantized(real, scale, zero_point, call)

    def product(self, call: relay.Call, bias: Any) -> Node:
        x, weight, zero_x, zero_weight, scale_x, scale_weight = map(self.expression, call.args)
        real_x = _dequantized(x, scale_x, zero_x)
        word = PRODUCTS[operator(call)]
        found: dict[str, Any] = {}
        if word == "nn.conv2d":
            found = attributes(word, call)
            weight, axis = _convolution_weight(weight, found)
        else:
            axis = 0
        real_weight = _dequantized(weight, scale_weight, zero_weight, axis)
        if word == "matmul":
            real_weight = _turned(real_weight)
        real = Node(word, (real_x, real_weight), found, _shape(call), "float32")
        if bias is None:
            return real
        # A bias of qnn stands at the scale of the accumulator.
        step = Node("multiply", (scale_x, scale_weight), {}, scale_weight.shape, "float32")
        added = _dequantized(self.expression(bias), step, Constant(np.zeros((), np.int32)), 0)
        return Node("add", (real, added), {}, real.shape, "float32")


def _convolution_weight(weight: Expression, found: dict[str, Any]) -> tuple[Expression, int]:
    """The weight with its output channels on one axis, and that axis.

    Relay's depthwise kernels lie as [height, width, channel, multiplier] or
    [channel, multiplier, height, width]; scales run over channel and multiplier together.
    """
    layout = found["kernel_layout"]
    if layout == "HWOI" and isinstance(weight, Constant):
        height, width, channels, multiplier = weight.data.shape
        found["kernel_layout"] = "HWIO"
        return Constant(weight.data.reshape(height, width, 1, channels * multiplier)), 3
    return weight, layout.index("O")


def _turned(weight: Expression) -> Node:
    if isinstance(weight, Node) and weight.op == "permute_dims":
        inner = weight[0]
        if isinstance(inner, Node) and weight.attributes["axes"] in (None, (1, 0)):
            return inner
    rows, columns = weight.shape
    return Node("permute_dims", (weight,), {"axes": (1, 0)}, (columns, rows), weight.dtype)


def _node(op: str, operands: tuple[Expression, ...], found: dict[str, Any], call: Any) -> Node:
    return Node(op, operands, found, _shape(call), str(call.checked_type.dtype))


def _shape(call: relay.Call) -> tuple[int, ...]:
    return shape_of(call.checked_type, f"the result of {call.op.name}")


def _dequantized(x: Expression, scale: Expression, zero_point: Expression, axis: int = 0) -> Node:
    return Node("dequantize", (x, scale, zero_point), {"axis": axis}, x.shape, "float32")


def _quantized(real: Node, scale: Expression, zero_point: Expression, call: Any) -> Node:
    return _node("quantize", (real, scale, zero_point), {"axis": 0}, call)


def _fields(expression: Expression) -> tuple[Expression, ...]:
    return expression.operands if isinstance(expression, Node) else (expression,)


def _equal(a: Expression, b: Expression) -> bool:
    return isinstance(a, Constant) and isinstance(b, Constant) and bool(np.all(a.data == b.data))


def _axis(call: relay.Call) -> dict[str, Any]:
    return {"axis": integers(call.attrs.axis)[0]}
