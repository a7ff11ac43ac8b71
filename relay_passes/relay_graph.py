# SPDX-License-Identifier: Apache-2.0
"""Walks and rebuilds Relay graphs without recursion: networks are deeper than Python's stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tvm import relay


def operands_first(body: Any) -> list[Any]:
    """Every tuple, projection and call of a graph once, operands before their users."""
    order: list[Any] = []
    seen: set[Any] = set()
    stack = [(body, False)]
    while stack:
        expr, ready = stack.pop()
        if ready:
            order.append(expr)
            continue
        if expr in seen:
            continue
        seen.add(expr)
        children: list[Any] = []
        if isinstance(expr, relay.Call):
            children = list(expr.args)
        elif isinstance(expr, relay.Tuple):
            children = list(expr.fields)
        elif isinstance(expr, relay.TupleGetItem):
            children = [expr.tuple_value]
        else:
            continue
        stack.append((expr, True))
        stack += [(child, False) for child in reversed(children)]
    return order


def rebuilt(
    body: Any,
    replace: Callable[[Any, Sequence[Any]], Any],
    known: Mapping[Any, Any] | None = None,
) -> Any:
    """The graph with each call replaced by `replace(call, new operands)`.

    `known` maps expressions to what stands for them, such as parameters to arguments.
    """
    made: dict[Any, Any] = dict(known or {})

    def new(expr: Any) -> Any:
        return made.get(expr, expr)

    for expr in operands_first(body):
        if isinstance(expr, relay.Call):
            made[expr] = replace(expr, [new(a) for a in expr.args])
        elif isinstance(expr, relay.Tuple):
            made[expr] = relay.Tuple([new(f) for f in expr.fields], expr.span)
        else:
            made[expr] = relay.TupleGetItem(new(expr.tuple_value), expr.index)
    return new(body)


def same_call(call: Any, operands: Sequence[Any]) -> Any:
    """The call on other operands."""
    return relay.Call(call.op, list(operands), call.attrs, call.type_args, call.span)


def inlined(function: Any, operands: Sequence[Any]) -> Any:
    """What a function computes from these operands."""
    arguments = dict(zip(function.params, operands, strict=True))
    return rebuilt(function.body, same_call, arguments)
