# SPDX-License-Identifier: Apache-2.0
"""The order of operators in the model file, kept in a Relay module.

Relay's graphs have no order of their own. Our importers note each operator's position in its span,
which TVM's passes carry along.
"""

from __future__ import annotations

from typing import Any

from tvm import relay

_SOURCE = "tinyengine.step"
LAST = (1 << 31) - 1
"""The position of what only the outputs need."""


def span_of(position: int) -> Any:
    """The span of an operator at this position."""
    return relay.Span(relay.base.SourceName(_SOURCE), position, position, 0, 0)


def step_of(expr: Any) -> int | None:
    """The position noted on an expression, if any."""
    span = getattr(expr, "span", None)
    if span is None or not hasattr(span, "source_name"):
        return None
    return int(span.line) if str(span.source_name.name) == _SOURCE else None


def marked(expr: Any, position: int) -> Any:
    """The expression with the position on every call that bears none yet."""
    known: dict[Any, Any] = {}

    def visit(part: Any) -> Any:
        if part not in known:
            known[part] = rebuild(part)
        return known[part]

    def rebuild(part: Any) -> Any:
        if isinstance(part, relay.Tuple):
            return relay.Tuple([visit(field) for field in part.fields])
        if not isinstance(part, relay.Call) or step_of(part) is not None:
            return part
        operands = [visit(operand) for operand in part.args]
        return relay.Call(part.op, operands, part.attrs, part.type_args, span_of(position))

    return visit(expr)


def first_step(body: Any) -> int | None:
    """The position of the first operator in a composite's body, if any is noted."""
    steps: list[int] = []

    def visit(part: Any) -> None:
        step = step_of(part)
        if step is not None:
            steps.append(step)

    relay.analysis.post_order_visit(body, visit)
    return min(steps, default=None)
