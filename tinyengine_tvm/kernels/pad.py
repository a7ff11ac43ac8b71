# SPDX-License-Identifier: Apache-2.0
"""pad: the output is filled with the pad value, then the input is copied in, run by run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..network import Network, Pad
from .base import Code, Configuration, Function, Kernel, Operands, render
from .loops import index_expression, nested


def reference(network: Network, layer: Pad, inputs: list[np.ndarray]) -> np.ndarray:
    """int8 of any rank."""
    return np.pad(inputs[0], layer.pads, constant_values=layer.value)


TEMPLATE = """\
static void @NAME@(const int8_t *x, int32_t value, int8_t *y)
{
    memset(y, value, {{ total }});
    {{ loops | indent }}
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

    def emit(self, network: Network, layer: Pad, configuration: Configuration) -> Code:
        x, y = network.input_of(layer), network.output_of(layer)
        sizes, widths = simplify(x.shape, layer.pads)
        padded = [n + sum(w) for n, w in zip(sizes, widths, strict=True)]
        strides = [math.prod(padded[i + 1 :]) for i in range(len(padded))]
        offset = sum(w[0] * s for w, s in zip(widths, strides, strict=True))
        index = index_expression(strides[:-1], offset=offset)
        body = f"memcpy(y + ({index}), x, {sizes[-1]});\nx += {sizes[-1]};"
        text = render(TEMPLATE, total=y.elements, loops=nested(sizes[:-1], body))

        def call(operands: Operands, names: Sequence[str]) -> str:
            return f"{names[0]}({operands.inputs[0]}, {layer.value}, {operands.output});"

        label = "x".join(map(str, x.shape))
        function = Function(f"te_pad_s8_{label}", text)
        return Code(functions=(function,), call=call)


KERNELS: tuple[Kernel[Pad], ...] = (PadPortable(),)
REFERENCE = {Pad: reference}
