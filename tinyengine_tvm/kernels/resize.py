# SPDX-License-Identifier: Apache-2.0
"""resize_nearest: copies pixels by index maps of rows and columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..network import Network, ResizeNearest
from .base import Code, Configuration, Constant, Function, Kernel, Operands, render


def reference(network: Network, layer: ResizeNearest, inputs: list[np.ndarray]) -> np.ndarray:
    """int8 NHWC."""
    return inputs[0][:, list(layer.rows)][:, :, list(layer.columns)]


TEMPLATE = """\
static void @NAME@(const int8_t *x,{{ " const uint16_t *rows," if tables }}\
{{ " const uint16_t *columns," if tables }} int8_t *y)
{
    for (int32_t i = 0; i < {{ rows }}; ++i) {
        const int8_t *row = x + {{ row }} * {{ width * depth }};
        for (int32_t j = 0; j < {{ columns }}; ++j) {
            memcpy(y, row + {{ column }} * {{ depth }}, {{ depth }});
            y += {{ depth }};
        }
    }
}
"""


class ResizeNearestPortable(Kernel[ResizeNearest]):
    """Any maps: by a division where they scale evenly, by tables where not."""

    name = "resize_nearest_s8_portable"
    layer = ResizeNearest

    def emit(self, network: Network, layer: ResizeNearest, configuration: Configuration) -> Code:
        _, height, width, depth = network.input_of(layer).shape
        rows, columns = len(layer.rows), len(layer.columns)
        tables = layer.rows != _even(height, rows) or layer.columns != _even(width, columns)
        text = render(
            TEMPLATE,
            tables=tables,
            rows=rows,
            columns=columns,
            width=width,
            depth=depth,
            row="rows[i]" if tables else f"(i * {height} / {rows})",
            column="columns[j]" if tables else f"(j * {width} / {columns})",
        )

        def call(operands: Operands, names: Sequence[str]) -> str:
            maps = [operands.constant(n) for n in ("rows", "columns")] if tables else []
            return f"{names[0]}({', '.join([operands.inputs[0], *maps, operands.output])});"

        constants = (
            Constant("rows", np.array(layer.rows, np.uint16)),
            Constant("columns", np.array(layer.columns, np.uint16)),
        )
        name = f"te_resize_nearest_s8_{height}x{width}_{rows}x{columns}x{depth}"
        return Code(
            functions=(Function(name, text),),
            constants=constants if tables else (),
            call=call,
        )


def _even(size: int, out: int) -> tuple[int, ...]:
    return tuple(i * size // out for i in range(out))


KERNELS: tuple[Kernel[ResizeNearest], ...] = (ResizeNearestPortable(),)
REFERENCE = {ResizeNearest: reference}
