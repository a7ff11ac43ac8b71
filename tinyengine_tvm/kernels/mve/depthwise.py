# SPDX-License-Identifier: Apache-2.0
"""The depthwise convolution on MVE: windows of 4 x 4 inputs of one channel, VMLADAV.

Four rows of a channel are interleaved: one word holds a column of four inputs, 16 bytes a window of
4 x 4. One VMLADAV multiplies it with a 3 x 3 kernel that stands at one of four places in it, so that a
load gives 2 x 2 outputs at stride 1. Rows come in pairs: a pair is gathered once, kept as halfwords,
and is the lower half of one strip's words and the upper half of the next one's. So a strip has been
read when its outputs are written, and those may take the inputs' place.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..base import Function
from ..dsp.routine import HELPER, Routine
from .gemm import scale
from .requantise import Kind

FIELDS = (
    "halves",
    "inner",
    "width",
    "group_step",
    "after",
    "padding",
    "words",
    "y_step",
    "table",
    "table_end",
    "record",
    "channels",
    "x",
    "y",
    "zero_point",
    "unused",
)
"""The first fields of struct te_mve_depthwise, a word each."""
SLOT = {name: 4 * i for i, name in enumerate(FIELDS)}
GATHER = 4 * len(FIELDS)
STORE = GATHER + 16
CLAMP = STORE + 16
FRAME = CLAMP + 8


@dataclass(frozen=True)
class DepthwiseRoutine:
    """What distinguishes one routine from another; the kernel is 3 x 3, or smaller and filled up.

    stride: 1 or 2; clamped: whether the clamp is narrower than int8.
    """

    kind: Kind
    stride: int
    clamped: bool

    def function(self) -> Function:
        """The C function: one pointer to struct te_mve_depthwise."""
        name = f"te_depthwise3x3_stride{self.stride}_{self.kind}{'_clamped' * self.clamped}_mve"
        return Function(name, _text(self), (HELPER, "te_mve_copy", "te_mve_depthwise"))


def _text(how: DepthwiseRoutine) -> str:
    slot = {name: f"[sp, #{at}]" for name, at in SLOT.items()}
    r = Routine({})
    r.note("r5, r7, r9: bias, multiplier, second constant; r8: table of strips; q4-q7: weights")
    r.ops("push {{r4-r11, lr}}", "vpush {{d8-d15}}", f"sub sp, #{FRAME}", "mov lr, sp")
    for _ in range(2):
        r.ops("ldmia r0!, {{r1-r12}}", "stmia lr!, {{r1-r12}}")
    r.ops("ldrd r1, r2, [r0]", f"strd r1, r2, [sp, #{CLAMP}]")
    r.label("channel")
    r.ops(f"ldr r0, {slot['record']}", "vldrw.u32 q4, [r0], #16", "ldmia r0!, {{r5, r7, r9}}")
    r.op(f"str r0, {slot['record']}")
    if how.stride == 1:
        r.note("the kernel one column further right, one row further down, and both")
        r.ops("movs r0, #0", "vmov q5, q4", "vshlc q5, r0, #32")
        r.ops("vshl.i32 q6, q4, #8", "vshl.i32 q7, q5, #8")
    r.op(f"ldr r8, {slot['table']}")
    r.label("strip")
    _gather(r, slot)
    _convolve(r, how, slot)
    r.ops(f"ldr r0, {slot['table_end']}", "cmp r8, r0", "bne.w @strip")
    r.note("the next channel")
    r.ops(f"ldrd r0, r1, {slot['x']}", "adds r0, #1", "adds r1, #1", f"strd r0, r1, {slot['x']}")
    r.ops(f"ldr r0, {slot['channels']}", "subs r0, #1", f"str r0, {slot['channels']}")
    r.op("bne.w @channel")
    r.ops(f"add sp, #{FRAME}", "vpop {{d8-d15}}", "pop {{r4-r11, pc}}")
    head = "Depthwise convolution, channel by channel, two rows or one at a time."
    return r.text(head, ["const void *layer"])


def _gather(r: Routine, slot: dict[str, str]) -> None:
    """A pair of rows becomes halfwords; with the pair before it, words."""
    r.note("r0, r1: two rows; r2, r3: what remains of them and what is added, for rows outside")
    r.ops("ldmia r8!, {{r0, r1, r2, r3}}", f"ldr r11, {slot['x']}", "add r0, r11", "add r1, r11")
    r.ops("vdup.16 q3, r2", f"ldrd r4, r6, {slot['halves']}", f"ldrd r10, r12, {slot['width']}")
    r.op(f"vldrh.u16 q2, [sp, #{GATHER}]")
    r.label("eight_columns")
    r.ops("vctp.16 r10", "vpstt", "vldrbt.u16 q1, [r0, q2]", "vldrbt.u16 q0, [r1, q2]")
    r.ops("vsli.16 q1, q0, #8", "vand q1, q1, q3", "vadd.i16 q1, q1, r3")
    r.op("vldrh.u16 q0, [r4]", "the pair before")
    r.ops("vstrh.16 q1, [r4], #16", "vst20.16 {{q0, q1}}, [r6]", "vst21.16 {{q0, q1}}, [r6]!")
    r.ops("vadd.i16 q2, q2, r12", "subs r10, #8", "bhi @eight_columns")
    r.note("the padding on the right")
    r.ops(f"ldrd r0, r1, {slot['after']}", "vdup.32 q0, r1", "vstrw.32 q0, [r0]")


def _convolve(r: Routine, how: DepthwiseRoutine, slot: dict[str, str]) -> None:
    r.note(
        "r3: y; r4: full blocks of four columns; r6, r12: lanes to store of a full and a last one"
    )
    r.ops("ldmia r8!, {{r3, r4, r6, r12}}", f"ldrd r11, r0, {slot['y']}", "add r3, r11")
    r.ops("mov r11, r0", f"ldrd r1, r10, {slot['words']}", f"vldrw.u32 q3, [sp, #{STORE}]")
    r.ops("vmsr p0, r6", "wls lr, r4, @last_block")
    r.label("block")
    if how.stride == 1:
        for half in range(2):
            r.op("vldrw.u32 q0, [r1], #8")
            for total, weights in zip(
                ("r0", "r2", "r4", "r6"), ("q4", "q5", "q6", "q7"), strict=True
            ):
                r.op(f"vmladav.s8 {total}, q0, {weights}")
            r.ops(f"vmov q1[{half + 2}], q1[{half}], r0, r2")
            r.ops(f"vmov q2[{half + 2}], q2[{half}], r4, r6")
        vectors: tuple[str, ...] = ("q1", "q2")
    else:
        for total in ("r0", "r2", "r4", "r6"):
            r.ops("vldrw.u32 q0, [r1], #8", f"vmladav.s8 {total}, q0, q4")
        r.ops("vmov q1[2], q1[0], r0, r4", "vmov q1[3], q1[1], r2, r6")
        vectors = ("q1",)
    scale(r, how.kind, tuple((q, "r5", "r7", "r9") for q in vectors), "q0")
    r.op("vqmovnb.s32 q1, q1")
    if how.stride == 1:
        r.op("vqmovnt.s32 q1, q2")
    r.op("vqadd.s16 q1, q1, r11")
    if how.clamped:
        r.ops(f"ldrd r0, r2, [sp, #{CLAMP}]", "vdup.16 q0, r0", "vmax.s16 q1, q1, q0")
        r.ops("vdup.16 q0, r2", "vmin.s16 q1, q1, q0")
    else:
        r.op("vqmovnb.s16 q1, q1")
    size = 16 if how.stride == 1 else 32
    r.ops("vpst", f"vstrbt.{size} q1, [r3, q3]", "add r3, r10", "le lr, @block")
    r.label("last_block")
    r.ops(
        "cmp r12, #0", "beq @strip_done", "vmsr p0, r12", "movs r12, #0", "mov lr, #1", "b @block"
    )
    r.label("strip_done")
