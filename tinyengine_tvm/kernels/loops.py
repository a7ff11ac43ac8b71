# SPDX-License-Identifier: Apache-2.0
"""Nested C loops over dimensions, as strings for templates."""

from __future__ import annotations

from collections.abc import Sequence


def index_expression(strides: Sequence[int], variable: str = "i", offset: int = 0) -> str:
    """The C index that loop variables <variable>0, <variable>1, ... reach at these strides."""
    terms = [str(offset)] if offset else []
    for i, stride in enumerate(strides):
        if stride:
            terms.append(f"{variable}{i}" if stride == 1 else f"{variable}{i} * {stride}")
    return " + ".join(terms) or "0"


def nested(sizes: Sequence[int | str], body: str, variable: str = "i") -> str:
    """`body` within one loop per size, the first outermost; a size is a number or a C expression.

    The result is indented for a function's body, and so is every line of `body` within it.
    """
    lines = []
    for depth, size in enumerate(sizes):
        i = f"{variable}{depth}"
        lines.append(f"{_indent(depth)}for (int32_t {i} = 0; {i} < {size}; ++{i}) {{")
    lines += [_indent(len(sizes)) + line if line else "" for line in body.strip().splitlines()]
    lines += [_indent(depth) + "}" for depth in reversed(range(len(sizes)))]
    return "\n".join(lines)


def _indent(depth: int) -> str:
    return "    " * depth
