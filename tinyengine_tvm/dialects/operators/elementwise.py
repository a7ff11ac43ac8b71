# SPDX-License-Identifier: Apache-2.0
"""add, multiply and softmax composites."""

from __future__ import annotations

from ...network import Add, Layer, Mul, Softmax, Tensor
from ..lower import Lowering
from ..stored import UnsupportedError, as_node
from ..tree import Call, Constant, Node
from .activation import FULL, result_of


def add(lowering: Lowering, call: Call) -> Tensor:
    """quantize(dequantize(a) + dequantize(b)), with relu or clip."""
    return _binary(lowering, call, Add)


def multiply(lowering: Lowering, call: Call) -> Tensor:
    """quantize(dequantize(a) * dequantize(b)), with relu or clip."""
    return _binary(lowering, call, Mul)


def _binary(lowering: Lowering, call: Call, kind: type[Layer]) -> Tensor:
    value, quantised, clamp = result_of(call.root, lowering.mode)
    value = as_node(value)
    a, _ = lowering.operand(value[0])
    b, _ = lowering.operand(value[1])
    shape = call.result.shape
    if shape not in (a.shape, b.shape):
        raise UnsupportedError(f"shapes {a.shape} and {b.shape}: one must have the result's shape")
    if a.data is not None and b.data is not None:
        raise UnsupportedError("two constant operands; fold them in the model")
    # Kernels see operands of one rank, the smaller one filled with ones on the left.
    rank = len(shape)
    a = lowering.reshaped(a, (1,) * (rank - len(a.shape)) + a.shape)
    b = lowering.reshaped(b, (1,) * (rank - len(b.shape)) + b.shape)
    return lowering.emit(kind, (a.name, b.name), shape, quantised, clamp=clamp)


def softmax(lowering: Lowering, call: Call) -> Tensor:
    """softmax over the last axis, quantised on both sides or float32."""
    root = call.root
    if root.op == "nn.softmax":
        x, quantised, value = lowering.tensor(root[0]), None, root
        if x.dtype != "float32":
            raise UnsupportedError(f"softmax of {x.dtype} without its quantisation")
        beta = 1.0
    else:
        inner, quantised, clamp = result_of(root, lowering.mode)
        value = as_node(inner)
        if clamp != FULL:
            raise UnsupportedError("a clip after softmax")
        operand, beta = value[0], 1.0
        if isinstance(operand, Node) and operand.op == "multiply":
            factor = operand[1]
            if not isinstance(factor, Constant) or factor.data.size != 1:
                raise UnsupportedError("softmax of a product")
            operand, beta = operand[0], float(factor.data.item())
        x, _ = lowering.operand(operand)
    if value.attributes["axis"] not in (-1, len(x.shape) - 1):
        raise UnsupportedError(
            f"softmax over axis {value.attributes['axis']}; only the last axis is supported"
        )
    return lowering.emit(Softmax, (x.name,), x.shape, quantised, beta=beta)
