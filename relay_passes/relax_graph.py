# SPDX-License-Identifier: Apache-2.0
"""Edits calls of functions in Relax functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tvm import relax


def plain(function: relax.Function) -> bool:
    """Whether a function is one operator after the other: no branch, cast or side effect."""
    return isinstance(function.body, relax.SeqExpr) and all(
        isinstance(block, relax.DataflowBlock)
        and all(isinstance(binding, relax.VarBinding) for binding in block.bindings)
        for block in function.body.blocks
    )


def with_blocks(function: relax.Function, blocks: list[Any]) -> relax.Function:
    """The function with other bindings, its result the same variable."""
    return relax.Function(
        function.params,
        relax.SeqExpr(blocks, function.body.body),
        function.ret_ty,
        function.is_pure,
        function.attrs,
        function.span,
    )


def called(expr: Any) -> str:
    """The name of the global function that an expression calls, empty for anything else."""
    target = expr.op if isinstance(expr, relax.Call) else None
    return str(target.name_hint) if isinstance(target, relax.GlobalVar) else ""


def renamed(function: relax.Function, names: Mapping[str, relax.GlobalVar]) -> relax.Function:
    """The function with calls of global functions by these names going to others."""
    blocks = []
    for block in function.body.blocks:
        bindings = []
        for binding in block.bindings:
            new, call = names.get(called(binding.value)), binding.value
            if new is not None:
                call = relax.Call(new, call.args, call.attrs, call.ty_args, call.span)
                binding = relax.VarBinding(binding.var, call, binding.span)
            bindings.append(binding)
        blocks.append(type(block)(bindings))
    return with_blocks(function, blocks)


def inlined(function: relax.Function, bodies: Mapping[str, relax.Function]) -> relax.Function:
    """The function with what these global functions compute in place of their calls.

    Functions that those hold themselves are inlined as well.
    """
    blocks = []
    for block in function.body.blocks:
        bindings: list[Any] = []
        for binding in block.bindings:
            body = bodies.get(called(binding.value))
            if body is not None:
                result = _spliced(body, list(binding.value.args), bindings)
                binding = relax.VarBinding(binding.var, result, binding.span)
            bindings.append(binding)
        blocks.append(type(block)(bindings))
    return with_blocks(function, blocks)


def _spliced(function: relax.Function, arguments: list[Any], bindings: list[Any]) -> Any:
    """Appends what a function computes to `bindings`, and gives its result."""
    known: dict[Any, Any] = dict(zip(function.params, arguments, strict=True))
    inner: dict[Any, relax.Function] = {}

    def used(expr: Any) -> Any:
        if isinstance(expr, relax.Var):
            return known.get(expr, expr)
        if isinstance(expr, relax.Tuple):
            return relax.Tuple([used(field) for field in expr.fields])
        if isinstance(expr, relax.TupleGetItem):
            return relax.TupleGetItem(used(expr.tuple_value), expr.index)
        if isinstance(expr, relax.Call):
            operands = [used(argument) for argument in expr.args]
            return relax.Call(expr.op, operands, expr.attrs, expr.ty_args, expr.span)
        return expr

    for block in function.body.blocks:
        for binding in block.bindings:
            variable, value = binding.var, binding.value
            if isinstance(value, relax.Function):
                inner[variable] = value
                continue
            if isinstance(value, relax.Call) and value.op in inner:
                operands = [used(argument) for argument in value.args]
                known[variable] = _spliced(inner[value.op], operands, bindings)
                continue
            known[variable] = relax.DataflowVar(str(variable.name), variable.ty)
            bindings.append(relax.VarBinding(known[variable], used(value), binding.span))
    return used(function.body.body)
