# SPDX-License-Identifier: Apache-2.0
"""Brings a QDQ graph into the form that the patterns of `partition` expect.

- Every use of a dequantised value gets a dequantize of its own: a shared one would make a composite
  with two results and keep the second user from matching.
- A dequantize moves down through operators that only move or compare values (reshape, transpose,
  maximum pooling, ...), which then work on the stored integers.
- A quantize that directly undoes a dequantize disappears.

All of it is exact: the values that any operator sees stay the same, bit for bit.
"""

from __future__ import annotations

import tvm
from tvm import relax

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

_DEQUANTIZE = "relax.dequantize"
_CONSTANT_VIEWS = frozenset({_DEQUANTIZE, "relax.reshape", "relax.permute_dims"})
"""What replaces a value instead of a variable, and so is emitted at each use."""


def _operator(expr: relax.Expr) -> str:
    is_call = isinstance(expr, relax.Call) and isinstance(expr.op, tvm.ir.Op)
    return expr.op.name if is_call else ""


def _one_parameter(call: relax.Call) -> bool:
    """Whether one scale and one zero point hold for the whole tensor."""
    return all(
        isinstance(c, tvm.ir.GenericConst) and c.value.numpy().size == 1 for c in call.args[1:3]
    )


def _same_parameters(quantize: relax.Call, dequantize: relax.Call) -> bool:
    if not (_one_parameter(quantize) and _one_parameter(dequantize)):
        return False
    if dequantize.args[0].ty.dtype != quantize.attrs.out_dtype:
        return False
    return all(
        quantize.args[i].value.numpy().item() == dequantize.args[i].value.numpy().item()
        for i in (1, 2)
    )


def _grouped(bindings: list[relax.VarBinding]) -> list[relax.VarBinding]:
    """The bindings with the float steps of each quantised operator right before its quantize.

    FuseOpsByPattern leaves parts out of a composite when two operators are interleaved, as ONNX
    files often have them. The order of the quantized results stays.
    """
    by_variable = {binding.var: binding for binding in bindings}
    done: set[relax.Var] = set()
    ordered: list[relax.VarBinding] = []

    def needed(expr: relax.Expr) -> list[relax.Var]:
        if isinstance(expr, relax.Var):
            return [expr]
        if isinstance(expr, relax.Tuple):
            return [variable for field in expr.fields for variable in needed(field)]
        if isinstance(expr, relax.Call):
            return [variable for argument in expr.args for variable in needed(argument)]
        if isinstance(expr, relax.TupleGetItem):
            return needed(expr.tuple_value)
        return []

    def place(root: relax.VarBinding) -> None:
        # An explicit stack: a model may have more operators in a row than Python has frames.
        stack = [root]
        while stack:
            binding = stack[-1]
            waiting = [
                by_variable[v] for v in needed(binding.value) if v in by_variable and v not in done
            ]
            if waiting:
                stack.append(waiting[0])
                continue
            stack.pop()
            if binding.var not in done:
                done.add(binding.var)
                ordered.append(binding)

    for binding in bindings:
        dtype = getattr(binding.var.ty, "dtype", None)
        if dtype is None or str(dtype) != "float32":
            place(binding)
    for binding in bindings:
        place(binding)
    return ordered


def sink_dequantize(module: tvm.IRModule) -> tvm.IRModule:
    """A new module whose `main` is in the form described above; shapes and results stay."""
    main = module["main"]
    builder = relax.BlockBuilder()
    # A value is replaced by a variable, or by a dequantize that is emitted where it is used.
    replacement: dict[relax.Var, relax.Expr] = {}

    def stored(expr: relax.Expr) -> relax.Expr:
        if isinstance(expr, relax.Var):
            return replacement.get(expr, expr)
        return expr

    def used(expr: relax.Expr) -> relax.Expr:
        if isinstance(expr, relax.Tuple):
            return relax.Tuple([used(field) for field in expr.fields])
        result = stored(expr)
        return builder.emit(result) if _operator(result) in _CONSTANT_VIEWS else result

    def rebuilt(call: relax.Call, arguments: list[relax.Expr]) -> relax.Call:
        return relax.Call(call.op, arguments, call.attrs, call.ty_args, call.span)

    def concatenated(quantize: relax.Call, concat: relax.Call) -> relax.Expr:
        """A quantised concatenation joins integers; each input is requantised if need be."""
        parts = []
        for field in concat.args[0].fields:
            if _operator(stored(field)) == _DEQUANTIZE and _same_parameters(
                quantize, stored(field)
            ):
                parts.append(stored(field).args[0])
            else:
                part = rebuilt(quantize, [used(field), *quantize.args[1:]])
                parts.append(builder.emit(builder.normalize(part)))
        return relax.op.concat(relax.Tuple(parts), concat.attrs.axis)

    def visit(binding: relax.VarBinding) -> None:
        value = binding.value
        if isinstance(value, relax.Var):
            replacement[binding.var] = stored(value)
            return
        if isinstance(value, relax.Tuple):
            replacement[binding.var] = builder.emit(used(value))
            return
        if not isinstance(value, relax.Call):
            replacement[binding.var] = builder.emit(value)
            return
        name = _operator(value)
        first = stored(value.args[0]) if value.args else None
        if name == _DEQUANTIZE:
            argument = used(value.args[0])
            replacement[binding.var] = rebuilt(value, [argument, *map(used, value.args[1:])])
            return
        if name in MOVABLE and _operator(first) == _DEQUANTIZE:
            moved = isinstance(first.args[0], relax.Var) and _one_parameter(first)
            if moved:
                integers = builder.emit(rebuilt(value, [first.args[0], *value.args[1:]]))
                replacement[binding.var] = rebuilt(first, [integers, *first.args[1:]])
                return
        if name in ("relax.reshape", "relax.permute_dims") and _is_constant(first):
            # A weight or bias: emitted at each use like the dequantize it wraps.
            replacement[binding.var] = rebuilt(value, [first, *value.args[1:]])
            return
        if name == "relax.quantize":
            if _operator(first) == _DEQUANTIZE and _same_parameters(value, first):
                replacement[binding.var] = first.args[0]
                return
            concat = bound.get(value.args[0])
            if _operator(concat) == "relax.concat" and isinstance(concat.args[0], relax.Tuple):
                replacement[binding.var] = builder.emit(concatenated(value, concat))
                return
        replacement[binding.var] = builder.emit(rebuilt(value, [used(a) for a in value.args]))

    def _is_constant(expr: relax.Expr) -> bool:
        if _operator(expr) in ("relax.reshape", "relax.permute_dims", _DEQUANTIZE):
            return _is_constant(expr.args[0])
        return isinstance(expr, tvm.ir.GenericConst)

    bound = {b.var: b.value for block in main.body.blocks for b in block.bindings}
    ordered = _grouped([b for block in main.body.blocks for b in block.bindings])
    with builder.function("main", list(main.params)):
        with builder.dataflow():
            for binding in ordered:
                visit(binding)
            result = builder.emit_output(used(main.body.body))
        builder.emit_func_output(result)
    rewritten = builder.get()
    functions = {
        variable: function
        for variable, function in module.functions.items()
        if variable.name_hint != "main"
    }
    result_module = tvm.IRModule(
        {**functions, rewritten.get_global_var("main"): rewritten["main"]}, attrs=module.attrs
    )
    return relax.transform.DeadCodeElimination(["main"])(result_module)
