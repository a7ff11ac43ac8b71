# SPDX-License-Identifier: Apache-2.0
"""concat: each input is copied in runs, one run per index of the dimensions before the axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..network import DTYPES, Concat, Network
from .base import Code, Configuration, Function, Kernel, Operands


def reference(network: Network, layer: Concat, inputs: list[np.ndarray]) -> np.ndarray:
    """Arrays of one dtype that differ in the size of `axis` only."""
    return np.concatenate(inputs, axis=layer.axis)


TEXT = """\
static void @NAME@(const void *x, int32_t runs, int32_t run, int32_t pitch, void *y)
{
    const int8_t *from = (const int8_t *)x;
    int8_t *to = (int8_t *)y;
    for (int32_t i = 0; i < runs; ++i) {
        memcpy(to + i * pitch, from + i * run, (size_t)run);
    }
}
"""


class ConcatPortable(Kernel[Concat]):
    """Any shape, axis and dtype."""

    name = "concat_portable"
    layer = Concat

    def emit(self, network: Network, layer: Concat, configuration: Configuration) -> Code:
        y = network.output_of(layer)
        runs = math.prod(y.shape[: layer.axis])
        inner = math.prod(y.shape[layer.axis + 1 :]) * DTYPES[y.dtype]
        pitch = y.shape[layer.axis] * inner

        def call(operands: Operands, names: Sequence[str]) -> str:
            lines, offset = [], 0
            for name, x in zip(layer.inputs, operands.inputs, strict=True):
                run = network.tensor(name).shape[layer.axis] * inner
                lines.append(
                    f"{names[0]}({x}, {runs}, {run}, {pitch}, (int8_t *){operands.output}"
                    f" + {offset});"
                )
                offset += run
            return "\n".join(lines)

        function = Function("te_concat", TEXT)
        return Code(functions=(function,), call=call)


KERNELS: tuple[Kernel[Concat], ...] = (ConcatPortable(),)
REFERENCE = {Concat: reference}
