# SPDX-License-Identifier: Apache-2.0
"""`sinking` for Relay modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tvm
from tvm import relay

from tinyengine_tvm.dialects.relay_build import function_like, module_like
from tinyengine_tvm.dialects.relay_order import LAST, span_of
from tinyengine_tvm.dialects.relay_words import operator

from .relay_graph import operands_first
from .sinking import DEQUANTIZE, MOVABLE, QUANTIZE, Sinking


@tvm.ir.transform.module_pass(opt_level=0, name="SinkDequantize")
def sink_dequantize(module: tvm.IRModule, _: Any) -> tvm.IRModule:
    """A new module whose `main` is in the form that `sinking` describes; results stay.

    Types have to be inferred before, and again after.
    """
    result, main = module_like(module), module["main"]
    result["main"] = function_like(main, _Rewriter().run(main.body))
    return result


class _Rewriter(Sinking):
    def __init__(self) -> None:
        super().__init__()
        self.bound: set[Any] = set()
        self._types: dict[Any, str] = {}
        # New calls belong to the operator that is being looked at.
        self.span: Any = None

    def run(self, body: Any) -> Any:
        for value in operands_first(body):
            self.span = value.span
            if isinstance(value, relay.Call) and not isinstance(value.op, tvm.ir.Op):
                operands = [self.used(a) for a in value.args]
                self.replacement[value] = self.bind(self.rebuilt(value, operands))
            elif isinstance(value, relay.Call):
                self.replacement[value] = self.rewritten(value)
                kind = value.checked_type
                if isinstance(kind, tvm.ir.TensorType):
                    self._types[self.replacement[value]] = str(kind.dtype)
            elif isinstance(value, relay.TupleGetItem):
                source = self.used(value.tuple_value)
                self.replacement[value] = relay.TupleGetItem(source, value.index)
            # Tuples are built where they are used.
        self.span = span_of(LAST)
        return self.used(body)

    def operator(self, expr: Any) -> str:
        return operator(expr)

    def constant(self, expr: Any) -> np.ndarray | None:
        return expr.data.numpy() if isinstance(expr, relay.Constant) else None

    def dtype(self, expr: Any) -> str:
        if not isinstance(expr, relay.Call):
            return str(expr.checked_type.dtype)
        # What this pass makes has no type yet.
        word = operator(expr)
        if word == QUANTIZE:
            return str(expr.attrs.out_dtype)
        if word == DEQUANTIZE:
            return "float32"
        if word in MOVABLE:
            return self.dtype(expr.args[0])
        return self._types.get(expr, "")

    def fields(self, expr: Any) -> Sequence[Any] | None:
        return list(expr.fields) if isinstance(expr, relay.Tuple) else None

    def tuple(self, fields: Sequence[Any]) -> Any:
        return relay.Tuple(list(fields), self.span)

    def rebuilt(self, call: Any, operands: Sequence[Any]) -> Any:
        return relay.Call(call.op, list(operands), call.attrs, call.type_args, self.span)

    def bind(self, expr: Any) -> Any:
        self.bound.add(expr)
        return expr

    def shared(self, expr: Any) -> bool:
        return not isinstance(expr, relay.Call) or expr in self.bound

    def value_of(self, expr: Any) -> Any:
        return expr

    def joined(self, concat: Any, parts: Sequence[Any]) -> Any:
        return self.rebuilt(concat, [self.tuple(parts)])
