# SPDX-License-Identifier: Apache-2.0
"""`sinking` for Relax modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tvm
from tvm import relax

from .sinking import Sinking


def sink_dequantize(module: tvm.IRModule) -> tvm.IRModule:
    """A new module whose `main` is in the form that `sinking` describes; results stay."""
    main = module["main"]
    rewritten = _Rewriter(main).run()
    functions = {
        variable: function
        for variable, function in module.functions.items()
        if variable.name_hint != "main"
    }
    functions[rewritten.get_global_var("main")] = rewritten["main"]
    result = tvm.IRModule(functions, attrs=module.attrs)
    return relax.transform.DeadCodeElimination(["main"])(result)


class _Rewriter(Sinking):
    def __init__(self, main: relax.Function) -> None:
        super().__init__()
        self.main = main
        self.builder = relax.BlockBuilder()
        self.bindings = [b for block in main.body.blocks for b in block.bindings]
        self.bound = {binding.var: binding.value for binding in self.bindings}

    def run(self) -> tvm.IRModule:
        with self.builder.function("main", list(self.main.params)):
            with self.builder.dataflow():
                for binding in self.bindings:
                    self.replacement[binding.var] = self._replaced(binding.value)
                result = self.builder.emit_output(self.used(self.main.body.body))
            self.builder.emit_func_output(result)
        return self.builder.get()

    def _replaced(self, value: relax.Expr) -> relax.Expr:
        if isinstance(value, relax.Var):
            return self.stored(value)
        if not isinstance(value, relax.Call):
            return self.builder.emit(self.used(value))
        return self.rewritten(value)

    def used(self, expr: Any) -> relax.Expr:
        if isinstance(expr, relax.TupleGetItem):
            return relax.TupleGetItem(self.used(expr.tuple_value), expr.index)
        return super().used(expr)

    def operator(self, expr: Any) -> str:
        if isinstance(expr, relax.Call) and isinstance(expr.op, tvm.ir.Op):
            return str(expr.op.name).removeprefix("relax.")
        return ""

    def constant(self, expr: Any) -> np.ndarray | None:
        return expr.value.numpy() if isinstance(expr, tvm.ir.GenericConst) else None

    def dtype(self, expr: Any) -> str:
        return str(expr.ty.dtype)

    def fields(self, expr: Any) -> Sequence[Any] | None:
        return list(expr.fields) if isinstance(expr, relax.Tuple) else None

    def tuple(self, fields: Sequence[Any]) -> relax.Expr:
        return relax.Tuple(list(fields))

    def rebuilt(self, call: Any, operands: Sequence[Any]) -> relax.Expr:
        return relax.Call(call.op, list(operands), call.attrs, call.ty_args, call.span)

    def bind(self, expr: Any) -> relax.Expr:
        return self.builder.emit(expr)

    def shared(self, expr: Any) -> bool:
        return not isinstance(expr, relax.Call)

    def value_of(self, expr: Any) -> Any:
        return self.bound.get(expr) if isinstance(expr, relax.Var) else expr

    def joined(self, concat: Any, parts: Sequence[Any]) -> relax.Expr:
        return relax.op.concat(relax.Tuple(list(parts)), concat.attrs.axis)
