# SPDX-License-Identifier: Apache-2.0
"""Layers that combine two operands element by element, one of them possibly broadcast."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..network import Add, Mul, Network
from .base import Code, Function, Operands, render
from .loops import index_expression, nested


@dataclass(frozen=True)
class BroadcastLoops:
    """The loop nest over the output.

    `whole` and `part` are operand numbers: the first has the output's shape and is read in order,
    the second is read at `index`. `sizes` are the iterations of each loop, outermost first.
    """

    whole: int
    part: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    """Elements of the second operand per step of each loop; 0 where it is broadcast."""

    @property
    def index(self) -> str:
        """The C index into the second operand."""
        return index_expression(self.strides)

    @property
    def label(self) -> str:
        """For names of C functions; empty where a single loop of any length does."""
        if len(self.sizes) == 1:
            return "" if self.strides[0] else "_scalar"
        pairs = zip(self.sizes, self.strides, strict=True)
        return "_" + "x".join(f"{n}" if stride else f"{n}b" for n, stride in pairs)


def broadcast_loops(network: Network, layer: Add | Mul) -> BroadcastLoops:
    """The fewest nested loops for this layer; neighbouring dimensions that behave alike are one."""
    shapes = [network.tensor(name).shape for name in layer.inputs]
    output = network.output_of(layer).shape
    whole = 0 if shapes[0] == output else 1
    part = (1,) * (len(output) - len(shapes[1 - whole])) + shapes[1 - whole]
    groups: list[list[int]] = []
    for size, own in zip(output, part, strict=True):
        if size == 1:
            continue
        if groups and (groups[-1][1] == 1) == (own == 1):
            groups[-1][0] *= size
            groups[-1][1] *= own
        else:
            groups.append([size, own])
    groups = groups or [[1, 1]]
    sizes = tuple(size for size, _ in groups)
    strides = tuple(
        0 if own == 1 and size > 1 else math.prod(own for _, own in groups[i + 1 :])
        for i, (size, own) in enumerate(groups)
    )
    return BroadcastLoops(whole, 1 - whole, sizes, strides)


TEMPLATE = """\
static void @NAME@({{ declarations }})
{
    {{ loops | indent }}
}
"""

Arguments = Sequence[tuple[str, object]]
"""C declarations of parameters, and their values."""


def emit_elementwise(
    network: Network,
    layer: Add | Mul,
    body: str,
    helpers: tuple[str, ...],
    arguments: Callable[[int, int], Arguments],
) -> Code:
    """The C of a layer whose `body` reads `*a++` and `b[@INDEX@]` and writes `*y++`.

    `arguments(i, j)` gives the parameters when operand i of the layer is a and operand j is b.
    """
    loops = broadcast_loops(network, layer)
    counted = len(loops.sizes) == 1
    pairs: list[tuple[str, object]] = [("int32_t count", loops.sizes[0])] if counted else []
    pairs += arguments(loops.whole, loops.part)
    declarations = ["const int8_t *a", "const int8_t *b", *(d for d, _ in pairs), "int8_t *y"]
    text = render(
        TEMPLATE,
        declarations=_wrapped(declarations),
        loops=nested(["count"] if counted else loops.sizes, body.replace("@INDEX@", loops.index)),
    )
    values = ", ".join(str(value) for _, value in pairs)

    def call(operands: Operands, names: Sequence[str]) -> str:
        first, second = (operands.inputs[i] for i in (loops.whole, loops.part))
        return f"{names[0]}({first}, {second}, {values}, {operands.output});"

    name = f"te_{layer.op}_s8{loops.label}"
    return Code(functions=(Function(name, text, helpers),), call=call)


def _wrapped(declarations: Sequence[str]) -> str:
    lines = ["static void @NAME@("]
    for declaration in declarations:
        piece = declaration + ("" if declaration is declarations[-1] else ",")
        if len(lines[-1]) + len(piece) > 96:
            lines.append("    ")
        lines[-1] += ("" if lines[-1].endswith(("(", "    ")) else " ") + piece
    return "\n".join(lines).removeprefix("static void @NAME@(")
