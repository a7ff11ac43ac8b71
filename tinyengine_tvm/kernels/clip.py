# SPDX-License-Identifier: Apache-2.0
"""clip: clamps stored values, a relu that no layer absorbed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..network import Clip, Network
from .base import Code, Configuration, Function, Kernel, Operands
from .dsp.bytes import ClipDsp


def reference(network: Network, layer: Clip, inputs: list[np.ndarray]) -> np.ndarray:
    """int8 of any shape."""
    return np.clip(inputs[0], *layer.clamp).astype(np.int8)


TEXT = """\
static void @NAME@(const int8_t *x, int32_t count, int32_t low, int32_t high, int8_t *y)
{
    for (int32_t i = 0; i < count; ++i) {
        y[i] = te_clamp(x[i], low, high);
    }
}
"""


class ClipPortable(Kernel[Clip]):
    """Any shape."""

    name = "clip_s8_portable"
    layer = Clip

    def emit(self, network: Network, layer: Clip, configuration: Configuration) -> Code:
        count = network.output_of(layer).elements

        def call(operands: Operands, names: Sequence[str]) -> str:
            low, high = layer.clamp
            return f"{names[0]}({operands.inputs[0]}, {count}, {low}, {high}, {operands.output});"

        return Code(functions=(Function("te_clip_s8", TEXT, ("te_clamp",)),), call=call)


KERNELS: tuple[Kernel[Clip], ...] = (ClipDsp(), ClipPortable())
REFERENCE = {Clip: reference}
