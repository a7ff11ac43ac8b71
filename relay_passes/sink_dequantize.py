# SPDX-License-Identifier: Apache-2.0
"""Brings a QDQ graph into the form that the patterns of `partition` expect.

- Every use of a dequantised value gets a dequantize of its own: a shared one would make a composite
  with two results and keep the second user from matching.
- A dequantize moves down through operators that only move or compare values (reshape, transpose,
  maximum pooling, ...), which then work on the stored integers.
- A quantize that directly undoes a dequantize disappears, and one after a concatenation moves to
  the inputs.

All of it is exact: the values that any operator sees stay the same, bit for bit.
"""

from __future__ import annotations

import tvm
from tvm import relax

DEQUANTIZE, QUANTIZE = "relax.dequantize", "relax.quantize"
MOVABLE = frozenset(
    {
        "relax.expand_dims",
        "relax.flatten",
        "relax.nn.max_pool2d",
        "relax.permute_dims",
        "relax.reshape",
        "relax.squeeze",
    }
)
"""Operators of one tensor that commute with an increasing map of its elements."""
_CONSTANT_VIEWS = frozenset({DEQUANTIZE, "relax.reshape", "relax.permute_dims"})
"""What may stand for a value instead of a variable, and so is emitted at each use."""


def sink_dequantize(module: tvm.IRModule) -> tvm.IRModule:
    """A new module whose `main` is in the form described above; shapes and results stay."""
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


def _operator(expr: relax.Expr | None) -> str:
    if isinstance(expr, relax.Call) and isinstance(expr.op, tvm.ir.Op):
        return str(expr.op.name)
    return ""


def _rebuilt(call: relax.Call, arguments: list[relax.Expr]) -> relax.Call:
    return relax.Call(call.op, arguments, call.attrs, call.ty_args, call.span)


def _is_constant(expr: relax.Expr | None) -> bool:
    while expr is not None and _operator(expr) in _CONSTANT_VIEWS:
        expr = expr.args[0]
    return isinstance(expr, tvm.ir.GenericConst)


def _one_parameter(call: relax.Call) -> bool:
    """Whether one scale and one zero point hold for the whole tensor."""
    return all(
        isinstance(c, tvm.ir.GenericConst) and c.value.numpy().size == 1 for c in call.args[1:3]
    )


def _undoes(quantize: relax.Call, dequantize: relax.Call) -> bool:
    if not (_one_parameter(quantize) and _one_parameter(dequantize)):
        return False
    if dequantize.args[0].ty.dtype != quantize.attrs.out_dtype:
        return False
    return all(
        quantize.args[i].value.numpy().item() == dequantize.args[i].value.numpy().item()
        for i in (1, 2)
    )


class _Rewriter:
    def __init__(self, main: relax.Function) -> None:
        self.main = main
        self.builder = relax.BlockBuilder()
        self.bindings = [b for block in main.body.blocks for b in block.bindings]
        self.bound = {binding.var: binding.value for binding in self.bindings}
        # A value is replaced by a variable, or by an expression that is emitted where it is used.
        self.replacement: dict[relax.Var, relax.Expr] = {}

    def run(self) -> tvm.IRModule:
        with self.builder.function("main", list(self.main.params)):
            with self.builder.dataflow():
                for binding in self.bindings:
                    self.replacement[binding.var] = self.rewritten(binding.value)
                result = self.builder.emit_output(self.used(self.main.body.body))
            self.builder.emit_func_output(result)
        return self.builder.get()

    def stored(self, expr: relax.Expr) -> relax.Expr:
        return self.replacement.get(expr, expr) if isinstance(expr, relax.Var) else expr

    def used(self, expr: relax.Expr) -> relax.Expr:
        """The expression as an operand: a variable, constant or tuple of them."""
        if isinstance(expr, relax.Tuple):
            return relax.Tuple([self.used(field) for field in expr.fields])
        found = self.stored(expr)
        if _operator(found) not in _CONSTANT_VIEWS:
            return found
        # A call of its own at each use: FuseOpsByPattern takes one call object in two bindings for
        # one operator, and leaves the second out of its composite.
        return self.builder.emit(_rebuilt(found, [self.used(a) for a in found.args]))

    def rewritten(self, value: relax.Expr) -> relax.Expr:
        """What replaces a bound value."""
        if isinstance(value, relax.Var):
            return self.stored(value)
        if not isinstance(value, relax.Call):
            return self.builder.emit(self.used(value))
        name = _operator(value)
        first = self.stored(value.args[0]) if value.args else None
        if name == DEQUANTIZE or (name in _CONSTANT_VIEWS and _is_constant(first)):
            return _rebuilt(value, [first, *value.args[1:]])
        if first is not None and _operator(first) == DEQUANTIZE:
            if name in MOVABLE and isinstance(first.args[0], relax.Var) and _one_parameter(first):
                moved = self.builder.emit(_rebuilt(value, [first.args[0], *value.args[1:]]))
                return _rebuilt(first, [moved, *first.args[1:]])
            if name == QUANTIZE and _undoes(value, first):
                return first.args[0]
        if name == QUANTIZE:
            concat = self.bound.get(value.args[0], value)
            if _operator(concat) == "relax.concat" and isinstance(concat.args[0], relax.Tuple):
                return self.builder.emit(self.concatenated(value, concat))
        return self.builder.emit(_rebuilt(value, [self.used(a) for a in value.args]))

    def concatenated(self, quantize: relax.Call, concat: relax.Call) -> relax.Expr:
        """A quantised concatenation joins integers; each input is requantised if need be."""
        parts = []
        for field in concat.args[0].fields:
            part = self.stored(field)
            if _operator(part) == DEQUANTIZE and _undoes(quantize, part):
                parts.append(part.args[0])
            else:
                requantised = _rebuilt(quantize, [self.used(field), *quantize.args[1:]])
                parts.append(self.builder.emit(requantised))
        return relax.op.concat(relax.Tuple(parts), concat.attrs.axis)
