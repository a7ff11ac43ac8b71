# SPDX-License-Identifier: Apache-2.0
"""pad: padding and runs of the input are written in the order of the output."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..network import Network, Pad
from .base import Code, Configuration, Function, Kernel, Operands, render


def reference(network: Network, layer: Pad, inputs: list[np.ndarray]) -> np.ndarray:
    """int8 of any rank."""
    return np.pad(inputs[0], layer.pads, constant_values=layer.value)


TEMPLATE = """\
static void @NAME@(const int8_t *x, int32_t value, int8_t *y)
{
    {{ body | indent }}
}
"""


def simplify(
    shape: Sequence[int], pads: Sequence[tuple[int, int]]
) -> tuple[list[int], list[tuple[int, int]]]:
    """The same padding in as few dimensions as possible: a dimension that isn't padded joins the
    one before it."""
    sizes: list[int] = []
    widths: list[tuple[int, int]] = []
    for size, (before, after) in zip(shape, pads, strict=True):
        if sizes and not (before or after):
            inner = size
            sizes[-1] *= inner
            widths[-1] = (widths[-1][0] * inner, widths[-1][1] * inner)
        else:
            sizes.append(size)
            widths.append((before, after))
    return sizes, widths


class PadPortable(Kernel[Pad]):
    """Any rank."""

    name = "pad_s8_portable"
    layer = Pad

    def overlap(self, network: Network, layer: Pad, configuration: Configuration) -> dict[int, int]:
        """The input may lie at the output's end: as it is read, no more is written than what was
        read and the padding."""
        return {0: network.input_of(layer).nbytes}

    def emit(self, network: Network, layer: Pad, configuration: Configuration) -> Code:
        x = network.input_of(layer)
        sizes, widths = simplify(x.shape, layer.pads)
        if len(sizes) == 1:
            return self._one_piece(layer, sizes[0], *widths[0])
        text = render(TEMPLATE, body="\n".join(_raster(sizes, widths)))

        def call(operands: Operands, names: Sequence[str]) -> str:
            return f"{names[0]}({operands.inputs[0]}, {layer.value}, {operands.output});"

        label = "x".join(map(str, x.shape))
        function = Function(f"te_pad_s8_{label}", text)
        return Code(functions=(function,), call=call)

    @staticmethod
    def _one_piece(layer: Pad, size: int, before: int, after: int) -> Code:
        """All padding lies before or after the input."""

        def call(operands: Operands, names: Sequence[str]) -> str:
            y, lines = f"(int8_t *){operands.output}", []
            if before:
                lines.append(f"memset({y}, {layer.value}, {before});")
            if 0 not in operands.in_place:
                lines.append(f"memmove({y} + {before}, {operands.inputs[0]}, {size});")
            if after:
                lines.append(f"memset({y} + {before + size}, {layer.value}, {after});")
            return "\n".join(lines)

        return Code(call=call)


def _raster(sizes: Sequence[int], widths: Sequence[tuple[int, int]], depth: int = 0) -> list[str]:
    """Statements that write the output from its beginning to its end."""
    padded = [n + sum(w) for n, w in zip(sizes[1:], widths[1:], strict=True)]
    before, after = (width * math.prod(padded) for width in widths[0])
    if len(sizes) == 1:
        lines = [f"memmove(y, x, {sizes[0]});", f"x += {sizes[0]};", f"y += {sizes[0]};"]
    else:
        inner = _raster(sizes[1:], widths[1:], depth + 1)
        lines = [f"for (int32_t i{depth} = 0; i{depth} < {sizes[0]}; ++i{depth}) {{"]
        lines += [f"    {line}" for line in inner] + ["}"]
    return [*_filled(before), *lines, *_filled(after)]


def _filled(count: int) -> list[str]:
    return [f"memset(y, value, {count});", f"y += {count};"] if count else []


KERNELS: tuple[Kernel[Pad], ...] = (PadPortable(),)
REFERENCE = {Pad: reference}
