# SPDX-License-Identifier: Apache-2.0
"""quantize on cores with FPU and DSP extension: eight values per iteration, 6.6 instructions each.

The division is IEEE's, as the semantics demand. Mode tflite rounds half away from zero: the quotient
becomes a number of halves, cut towards zero, and a halving addition of 1 (of 0 below zero) rounds.
Mode onnx rounds half to even, as the FPU does. NaN has to give the least value, but converts to 0:
it leaves the sticky flag of invalid operations behind, as quotients beyond the converted range do,
and then the eight values are done again, one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from ...network import Network, Quantize
from ...targets import Target
from ..base import Code, Configuration, Constant, Function, Kernel, Operands
from .routine import HELPER, Routine

_REGISTERS = {
    "x": "r0",
    "y": "r1",
    "count": "r2",
    # What is added to the halves of a word; mode onnx uses the first only.
    "rise": "r3",
    "rise_below_zero": "r12",
    "todo": "lr",
    "flags": "r4",
    "scale": "s8",
    "q0": "r4",
    "q1": "r5",
    "q2": "r6",
    "q3": "r7",
    "q4": "r8",
    "q5": "r9",
    "q6": "r10",
    "q7": "r11",
}


class QuantizeFpu(Kernel[Quantize]):
    """Any shape."""

    name = "quantize_f32_s8_8_dsp"
    layer = Quantize

    def supports(self, network: Network, layer: Quantize, target: Target) -> bool:
        return target.has("dsp") and target.has("fpu")

    def overlap(
        self, network: Network, layer: Quantize, configuration: Configuration
    ) -> Mapping[int, int]:
        """All of it: four bytes are read for each that is written."""
        return {0: network.output_of(layer).nbytes}

    def emit(self, network: Network, layer: Quantize, configuration: Configuration) -> Code:
        y = network.output_of(layer)
        # Results are saturated to 0 ... 255 above the least value.
        zero = y.zero_point + 128
        rises = (2 * zero + 1, 2 * zero) if network.mode == "tflite" else (zero, zero)
        scale = int(np.float32(y.scale).view(np.int32))
        how = [y.elements, *(rise * 0x10001 for rise in rises), scale]

        def call(operands: Operands, names: Sequence[str]) -> str:
            constants = operands.constant("how")
            return f"{names[0]}({operands.inputs[0]}, {operands.output}, {constants});"

        return Code(
            functions=(Function("te_quantize_f32_s8_dsp", _text(network.mode), (HELPER,)),),
            constants=(Constant("how", np.array(how, np.int32)),),
            call=call,
        )


@lru_cache(maxsize=2)
def _text(mode: str) -> str:
    r = Routine(_REGISTERS)
    r.ops("push {{r4-r11, lr}}", "mov r4, r2")
    r.op("ldmia r4, {{r2, r3, r12, lr}}", "count, rise, rise below zero, scale")
    r.op("vmov {scale}, lr")
    r.label("again")
    r.ops("vmrs {flags}, fpscr", "bic {flags}, {flags}, #1", "vmsr fpscr, {flags}")
    r.label("eight")
    r.ops("subs {count}, #8", "blo @rest", "vldmia {x}!, {{s0-s7}}")
    r.ops(*(f"vdiv.f32 s{i}, s{i}, {{scale}}" for i in range(8)))
    r.ops(*(_convert(mode, i) for i in range(8)))
    r.op("vmrs {flags}, fpscr", "bit 0: NaN, or far out of range")
    r.ops("lsls {flags}, {flags}, #31", "bne @careful")
    r.ops(*(f"vmov {{q{i}}}, {{q{i + 1}}}, s{i}, s{i + 1}" for i in (0, 2, 4, 6)))
    for first in (0, 4):
        _four(r, mode, *(f"{{q{first + i}}}" for i in range(4)))
    r.op("b @eight")
    r.label("careful")
    r.ops("sub {x}, #32", "mov {todo}, #8", "b @one_by_one")
    r.label("rest")
    r.op("adds {todo}, {count}, #8")
    r.ops("mov {count}, #0", "beq @end")
    r.label("one_by_one")
    r.ops("vldmia {x}!, {{s0}}", "vdiv.f32 s0, s0, {scale}", "vcmp.f32 s0, s0")
    r.ops("vmrs apsr_nzcv, fpscr", _convert(mode, 0), "vmov r4, s0")
    if mode == "tflite":
        r.ops("add r4, r4, r4, asr #31", "sxtah r4, r4, {rise}")
    else:
        r.op("ssat r4, #16, r4")
        r.op("sxtah r4, r4, {rise}")
    r.ops("it vs", "mvnvs r4, #0x8000")
    r.op(f"usat r4, #8, r4{', asr #1' if mode == 'tflite' else ''}")
    r.ops("eor r4, r4, #0x80", "strb r4, [{y}], #1", "subs {todo}, #1", "bne @one_by_one")
    r.ops("cmp {count}, #0", "bne @again")
    r.label("end")
    r.op("pop {{r4-r11, pc}}")
    return r.text(
        "Stores 8 results per iteration. how: count, rise, rise below zero, scale.",
        ("const void *x", "int8_t *y", "const int32_t *how"),
    )


def _convert(mode: str, i: int) -> str:
    """Quotient to integer: of halves, cut towards zero, or the nearest."""
    return f"vcvt.s16.f32 s{i}, s{i}, #1" if mode == "tflite" else f"vcvtr.s32.f32 s{i}, s{i}"


def _four(r: Routine, mode: str, a: str, b: str, c: str, d: str) -> None:
    """Four converted quotients to a stored word."""
    if mode == "onnx":
        r.ops(*(f"ssat {q}, #16, {q}" for q in (a, b, c, d)))
    r.ops(f"pkhbt {a}, {a}, {c}, lsl #16", f"pkhbt {b}, {b}, {d}, lsl #16")
    for pair, free in ((a, c), (b, d)):
        if mode == "tflite":
            r.op(f"sadd16 {free}, {pair}, {pair}", "for the signs")
            r.ops(f"sel {free}, {{rise}}, {{rise_below_zero}}", f"shadd16 {pair}, {pair}, {free}")
        else:
            r.op(f"qadd16 {pair}, {pair}, {{rise}}")
    r.ops(f"usat16 {a}, #8, {a}", f"usat16 {b}, #8, {b}", f"orr {a}, {a}, {b}, lsl #8")
    r.ops(f"eor {a}, {a}, #0x80808080", f"str {a}, [{{y}}], #4")
