# SPDX-License-Identifier: Apache-2.0
"""concat: inputs are copied in runs, one run per index of the dimensions before the axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..network import Concat, Network
from .base import Code, Configuration, Function, Kernel, Operands, render


def reference(network: Network, layer: Concat, inputs: list[np.ndarray]) -> np.ndarray:
    """Arrays of one dtype that differ in the size of `axis` only."""
    return np.concatenate(inputs, axis=layer.axis)


TEMPLATE = """\
static void @NAME@({% for run in run_bytes %}const void *from{{ loop.index0 }}, {% endfor %}void *to)
{
{% for run in run_bytes %}
    const int8_t *x{{ loop.index0 }} = (const int8_t *)from{{ loop.index0 }};
{% endfor %}
    int8_t *y = (int8_t *)to;
    for (int32_t i = 0; i < {{ runs }}; ++i) {
{% for run in run_bytes %}
        memmove(y, x{{ loop.index0 }}, {{ run }});
        x{{ loop.index0 }} += {{ run }};
        y += {{ run }};
{% endfor %}
    }
}
"""


class ConcatPortable(Kernel[Concat]):
    """Any shape, axis and dtype."""

    name = "concat_portable"
    layer = Concat

    def overlap(
        self, network: Network, layer: Concat, configuration: Configuration
    ) -> dict[int, int]:
        """All of an operand may lie at the output's end.

        Of operand k, `i` runs are read when `i` runs of every operand are written, and as many
        bytes as are missing from the others lie between the two places.
        """
        return {i: network.tensor(name).nbytes for i, name in enumerate(layer.inputs)}

    def emit(self, network: Network, layer: Concat, configuration: Configuration) -> Code:
        y = network.output_of(layer)
        runs = math.prod(y.shape[: layer.axis])
        sizes = [network.tensor(name).nbytes for name in layer.inputs]
        if runs > 1:
            return self._interleaved(layer, runs, [size // runs for size in sizes])

        def call(operands: Operands, names: Sequence[str]) -> str:
            lines, offset = [], 0
            for index, (x, size) in enumerate(zip(operands.inputs, sizes, strict=True)):
                if index not in operands.in_place:
                    lines.append(f"memmove((int8_t *){operands.output} + {offset}, {x}, {size});")
                offset += size
            return "\n".join(lines)

        return Code(call=call)

    @staticmethod
    def _interleaved(layer: Concat, runs: int, run_bytes: list[int]) -> Code:
        """A run of each operand, then the next one of each."""
        text = render(TEMPLATE, runs=runs, run_bytes=run_bytes)

        def call(operands: Operands, names: Sequence[str]) -> str:
            return f"{names[0]}({', '.join(operands.inputs)}, {operands.output});"

        return Code(functions=(Function(f"te_concat_{len(run_bytes)}", text),), call=call)


KERNELS: tuple[Kernel[Concat], ...] = (ConcatPortable(),)
REFERENCE = {Concat: reference}
