# SPDX-License-Identifier: Apache-2.0
"""transpose: permutes dimensions; dimensions that stay neighbours are copied as one run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..network import DTYPES, Network, Transpose
from .base import Code, Configuration, Function, Kernel, Operands, render
from .loops import index_expression, nested


def reference(network: Network, layer: Transpose, inputs: list[np.ndarray]) -> np.ndarray:
    """Any dtype and rank."""
    return np.transpose(inputs[0], layer.permutation)


def simplify(shape: Sequence[int], permutation: Sequence[int]) -> list[tuple[int, int]]:
    """(size, input stride in elements) of the output's dimensions, as few as do the same.

    Dimensions of size 1 vanish, and neighbours in the output that are neighbours in the input in
    the same order become one. The identity gives at most one dimension.
    """
    strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    merged: list[tuple[int, int]] = []
    for axis in permutation:
        size, stride = shape[axis], strides[axis]
        if size == 1:
            continue
        if merged and merged[-1][1] == size * stride:
            merged[-1] = (merged[-1][0] * size, stride)
        else:
            merged.append((size, stride))
    return merged


TEMPLATE = """\
static void @NAME@(const void *values, void *result)
{
    const int8_t *x = (const int8_t *)values;
    int8_t *y = (int8_t *)result;
    {{ loops | indent }}
}
"""


class TransposePortable(Kernel[Transpose]):
    """Any permutation, rank and dtype."""

    name = "transpose_portable"
    layer = Transpose

    def emit(self, network: Network, layer: Transpose, configuration: Configuration) -> Code:
        x = network.input_of(layer)
        dimensions = simplify(x.shape, layer.permutation)
        if len(dimensions) <= 1:
            return Code(call=_copy(x.nbytes))
        run = element = DTYPES[x.dtype]
        loops = [(size, stride * element) for size, stride in dimensions]
        if loops[-1][1] == element:
            run = loops.pop()[0] * element
        index = index_expression([stride for _, stride in loops])
        body = (
            f"*y++ = x[{index}];" if run == 1 else f"memcpy(y, x + ({index}), {run});\ny += {run};"
        )
        text = render(TEMPLATE, loops=nested([size for size, _ in loops], body))

        def call(operands: Operands, names: Sequence[str]) -> str:
            return f"{names[0]}({operands.inputs[0]}, {operands.output});"

        label = "_".join("x".join(map(str, v)) for v in (x.shape, layer.permutation))
        function = Function(f"te_transpose_{label}", text)
        return Code(functions=(function,), call=call)


def _copy(size: int) -> Callable[[Operands, Sequence[str]], str]:
    def call(operands: Operands, names: Sequence[str]) -> str:
        if operands.inputs[0] == operands.output:
            return ""
        return f"memmove({operands.output}, {operands.inputs[0]}, {size});"

    return call


KERNELS: tuple[Kernel[Transpose], ...] = (TransposePortable(),)
REFERENCE = {Transpose: reference}
