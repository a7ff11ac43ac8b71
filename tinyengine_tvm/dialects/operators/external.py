# SPDX-License-Identifier: Apache-2.0
"""Calls of functions that bring their C."""

from __future__ import annotations

import math

from ...network import DTYPES, External, Lookup, Tensor
from ..lower import Lowering, read_as
from ..stored import UnsupportedError, raw
from ..tree import Call, Constant, Expression, offsets

COPY = """\
static void @NAME@(const void *x, void *y)
{{
    memcpy(y, (const uint8_t *)x + {offset}, {size});
}}
"""


def external(lowering: Lowering, call: Call) -> Tensor:
    """A function of any operands."""
    node = call.root
    code = node.attributes["code"]
    if isinstance(code, str):
        raise UnsupportedError(code)
    inputs = tuple(_operand(lowering, part).name for part in node.operands)
    known = None
    if node.dtype == "int8":
        known = read_as(lowering.graph, call.result) or raw(call.result)
    if code.table is not None and known is not None:
        return lowering.emit(
            Lookup, inputs, node.shape, known, table=code.table, operators=code.operators
        )
    if node.dtype not in DTYPES:
        raise UnsupportedError(f"values of type {node.dtype}")
    return lowering.emit(
        External,
        inputs,
        node.shape,
        known,
        node.dtype,
        symbol=code.c.name,
        function=code.c.text,
        operators=code.operators,
        scratch_bytes=code.c.scratch_bytes,
        alignment=code.c.alignment,
        helpers=code.c.helpers,
        includes=code.c.includes,
        macs=code.macs,
    )


def _operand(lowering: Lowering, expression: Expression) -> Tensor:
    if isinstance(expression, Constant):
        if str(expression.data.dtype) not in DTYPES:
            raise UnsupportedError(f"a constant of type {expression.data.dtype}")
        return lowering.constant(expression.data)
    return lowering.any_tensor(expression)


def field(lowering: Lowering, call: Call) -> Tensor:
    """One of several results of a function."""
    whole = call.root[0]
    producer = next(c for c in lowering.graph.calls if c.result == whole)
    index, outputs = call.root.attributes["index"], producer.root.attributes["outputs"]
    shape, dtype = outputs[index]
    size = math.prod(shape) * DTYPES[dtype]
    known = None
    if dtype == "int8":
        known = read_as(lowering.graph, call.result) or raw(call.result)
    return lowering.emit(
        External,
        (lowering.any_tensor(whole).name,),
        shape,
        known,
        dtype,
        symbol="te_tvm_field",
        function=COPY.format(offset=offsets(outputs)[index], size=size),
        operators=("field",),
    )
