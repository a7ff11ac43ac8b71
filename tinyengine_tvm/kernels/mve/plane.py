# SPDX-License-Identifier: Apache-2.0
"""The depthwise convolution of small planes on MVE: a channel's inputs are one vector.

An output is the product of that vector with the kernel, moved so that its taps meet their inputs. The
kernel stands in a table with a border as wide as it ever moves, and is gathered from there for each
output. Inputs less their zero point, which is -128, are unsigned bytes, so padding needs no taps;
weights are stored plus 128, and 128 times the inputs' sum is taken off the bias again.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..base import Function
from ..dsp.routine import HELPER, Routine
from .gemm import scale
from .requantise import Kind

LANES = 16
_SUMS = ("r0", "r2", "r4", "r6")
_FIELDS = ("channels", "clamp", "high", "unused", "zero_in", "zero_out")
_OFFSET = {name: 4 * i for i, name in enumerate(_FIELDS)}
_INPUTS = 4 * len(_FIELDS)
_WEIGHTS = _INPUTS + 32
_STORE = _WEIGHTS + 16
_MASK = _STORE + 32


@dataclass(frozen=True)
class PlaneRoutine:
    """What distinguishes one routine from another.

    inputs: of a plane, up to 16; starts: where in its table the kernel of each output begins; table: bytes of it, a multiple of 4;
    clamped: whether the clamp is narrower than int8.
    """

    kind: Kind
    inputs: int
    starts: tuple[int, ...]
    table: int
    clamped: bool

    def function(self) -> Function:
        """The C function: struct te_mve_plane, x, y, records."""
        name = f"te_depthwise_plane{len(self.starts)}_{self.kind}{'_clamped' * self.clamped}_mve"
        return Function(name, _text(self), (HELPER, "te_mve_plane"))


def _text(how: PlaneRoutine) -> str:
    r = Routine({"x": "r1", "y": "r8", "record": "r3", "layer": "r12"})
    r.note("q0: the inputs; q5, q6: their places; q7: places of weights; r5, r7, r9: constants")
    r.ops("push {{r4-r11, lr}}", "vpush {{d8-d15}}", "mov {layer}, r0", "mov {y}, r2")
    r.ops("ldr lr, [{layer}]", f"ldrd r10, r11, [{{layer}}, #{_OFFSET['zero_in']}]")
    r.ops(f"vldrh.u16 q5, [{{layer}}, #{_INPUTS}]", f"vldrh.u16 q6, [{{layer}}, #{_INPUTS + 16}]")
    r.ops(f"vldrb.u8 q7, [{{layer}}, #{_WEIGHTS}]")
    r.label("channel")
    r.ops("vldrb.u16 q0, [{x}, q5]", "vldrb.u16 q1, [{x}, q6]", "vmovnt.i16 q0, q1")
    r.ops("vsub.i8 q0, q0, r10", "ldmia {record}!, {{r5, r7, r9}}")
    if how.inputs < LANES:
        r.ops(f"vldrb.u8 q1, [{{layer}}, #{_MASK}]", "vand q0, q0, q1")
    r.ops("vaddv.u8 r0, q0", "sub r5, r5, r0, lsl #7")
    at = 0
    for first in range(0, len(how.starts), 8):
        outputs = how.starts[first : first + 8]
        for q, part in (("q2", outputs[:4]), ("q3", outputs[4:])):
            for total, start in zip(_SUMS, part, strict=False):
                if start != at:
                    r.op(f"{'add' if start > at else 'sub'} {{record}}, #{abs(start - at)}")
                at = start
                r.ops("vldrb.u8 q1, [{record}, q7]", f"vmladav.u8 {total}, q0, q1")
            if part:
                r.ops(f"vmov {q}[2], {q}[0], r0, r4", f"vmov {q}[3], {q}[1], r2, r6")
        vectors = ("q2", "q3") if len(outputs) > 4 else ("q2",)
        scale(r, how.kind, tuple((q, "r5", "r7", "r9") for q in vectors), "q1")
        r.op("vqmovnb.s32 q2, q2")
        if len(vectors) == 2:
            r.op("vqmovnt.s32 q2, q3")
        r.op("vqadd.s16 q2, q2, r11")
        if how.clamped:
            r.ops(f"ldrd r0, r2, [{{layer}}, #{_OFFSET['clamp']}]", "vdup.16 q1, r0")
            r.ops("vmax.s16 q2, q2, q1", "vdup.16 q1, r2", "vmin.s16 q2, q2, q1")
        else:
            r.op("vqmovnb.s16 q2, q2")
        r.op(f"vldrh.u16 q4, [{{layer}}, #{_STORE + 2 * first}]")
        lanes = store_lanes(len(outputs))
        if lanes != 0xFFFF:
            r.ops(f"movw r0, #{lanes}", "vmsr p0, r0", "vpst", "vstrbt.16 q2, [{y}, q4]")
        else:
            r.op("vstrb.16 q2, [{y}, q4]")
    if how.table != at:
        r.op(f"add {{record}}, #{how.table - at}")
    r.ops("adds {x}, #1", "add {y}, #1", "le lr, @channel")
    r.ops("vpop {{d8-d15}}", "pop {{r4-r11, pc}}")
    arguments = ["const void *layer", "const int8_t *x", "int8_t *y", "const int32_t *record"]
    return r.text(
        "Depthwise convolution of planes that fit a vector, channel by channel.", arguments
    )


def store_lanes(outputs: int) -> int:
    """The bytes of a vector, as bits, in whose halfwords the first `outputs` of eight results lie."""
    return sum(0x3 << (2 * lane) for lane in range(8) if lane_output(lane) < outputs)


def lane_output(lane: int) -> int:
    """Which of eight results a halfword holds: narrowing interleaves two vectors."""
    return lane // 2 + 4 * (lane % 2)
