# SPDX-License-Identifier: Apache-2.0
"""clip and requantize on the DSP extension: whole words, and tables read eight times per iteration.

A clip takes a load, SSUB8 and SEL for either bound that can be reached, and a store per four bytes,
with the loop 1.5 to 2 instructions per byte. A requantisation takes two loads and a store per byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ...network import Clip, Layer, Network
from ...targets import Target
from ..base import Code, Configuration, Constant, Function, Kernel, Operands, render
from .routine import HELPER, Routine

CLIP = """\
/* Four at a time; the bounds stand in all four bytes of `low` and `high`. */
static void @NAME@(const int8_t *x, int32_t count, uint32_t low, uint32_t high, int8_t *y)
{
    for (; count >= 4; count -= 4) {
        te_store4(y, {{ word }});
        x += 4;
        y += 4;
    }
    for (; count > 0; --count) {
        *y++ = te_clamp(*x++, (int8_t)low, (int8_t)high);
    }
}
"""


class ClipDsp(Kernel[Clip]):
    """Any shape."""

    name = "clip_s8_4_dsp"
    layer = Clip

    def supports(self, network: Network, layer: Clip, target: Target) -> bool:
        return target.has("dsp")

    def overlap(
        self, network: Network, layer: Clip, configuration: Configuration
    ) -> Mapping[int, int]:
        return {0: network.output_of(layer).nbytes}

    def emit(self, network: Network, layer: Clip, configuration: Configuration) -> Code:
        count = network.output_of(layer).elements
        bounds = [f"0x{bound % 256 * 0x01010101:08x}U" for bound in layer.clamp]
        word = "te_load4(x)"
        if layer.clamp[0] > -128:
            word = f"te_max4({word}, low)"
        if layer.clamp[1] < 127:
            word = f"te_min4({word}, high)"

        def call(operands: Operands, names: Sequence[str]) -> str:
            arguments = [operands.inputs[0], str(count), *bounds, operands.output]
            return f"{names[0]}({', '.join(arguments)});"

        text = render(CLIP, word=word)
        function = Function("te_clip_s8_dsp", text, ("te_lanes", "te_clamp"), ("string.h",))
        return Code(functions=(function,), call=call)


def _look_up() -> str:
    r = Routine({"x": "r0", "table": "r1", "count": "r2", "y": "r3", "a": "r12", "b": "r4"})
    r.op("push {{r4, lr}}")
    r.ops("subs {count}, #8", "blo @rest")
    r.label("eight")
    for _ in range(4):
        r.ops("ldrb {a}, [{x}], #1", "ldrb {b}, [{x}], #1")
        r.ops("ldrb {a}, [{table}, {a}]", "ldrb {b}, [{table}, {b}]")
        r.ops("strb {a}, [{y}], #1", "strb {b}, [{y}], #1")
    r.ops("subs {count}, #8", "bhs @eight")
    r.label("rest")
    r.ops("adds {count}, #8", "beq @end")
    r.label("one_by_one")
    r.ops("ldrb {a}, [{x}], #1", "ldrb {a}, [{table}, {a}]", "strb {a}, [{y}], #1")
    r.ops("subs {count}, #1", "bne @one_by_one")
    r.label("end")
    r.op("pop {{r4, pc}}")
    return r.text(
        "The table begins with the result of 0, then of 1 to 127, then of -128 to -1.",
        ("const int8_t *x", "const int8_t *table", "int32_t count", "int8_t *y"),
    )


class TableDsp(Kernel[Layer]):
    """Any shape: a table of the 256 results, in the order of unsigned bytes."""

    def __init__(self, name: str, layer: type[Layer], reference: Callable[..., np.ndarray]) -> None:
        """reference: the layer's numpy semantics."""
        self.name = name  # type: ignore[misc]
        self.layer = layer  # type: ignore[misc]
        self._reference = reference

    def supports(self, network: Network, layer: Layer, target: Target) -> bool:
        return target.has("dsp")

    def overlap(
        self, network: Network, layer: Layer, configuration: Configuration
    ) -> Mapping[int, int]:
        return {0: network.output_of(layer).nbytes}

    def emit(self, network: Network, layer: Layer, configuration: Configuration) -> Code:
        count = network.output_of(layer).elements
        every = np.arange(256).astype(np.uint8).view(np.int8)
        table = self._reference(network, layer, [every])

        def call(operands: Operands, names: Sequence[str]) -> str:
            x, y, constant = operands.inputs[0], operands.output, operands.constant("table")
            return f"{names[0]}({x}, {constant}, {count}, {y});"

        return Code(
            functions=(Function("te_look_up_s8_dsp", _look_up(), (HELPER,)),),
            constants=(Constant("table", table),),
            call=call,
        )
