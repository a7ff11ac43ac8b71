# SPDX-License-Identifier: Apache-2.0
"""The depthwise convolution on MVE: windows of 4 x 4 inputs of one channel, VMLADAV.

Four rows of a channel are interleaved: one word holds a column of four inputs, 16 bytes a window of
4 x 4. One VMLADAV multiplies it with a 3 x 3 kernel that stands at one of four places in it, so that a
load gives 2 x 2 outputs at stride 1. Rows come in pairs: a pair is gathered once, kept as halfwords,
and is the lower half of one strip's words and the upper half of the next one's. So a strip has been
read when its outputs are written, and those may take the inputs' place.

Kernels up to 7 x 7 are four such windows: eight rows by eight columns. The words of the lower four rows
are kept until they are those of the upper four, two strips later: three rows of words in turn.
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
)
"""The first fields of struct te_mve_depthwise, a word each."""
SLOT = {name: f"[sp, #{4 * i}]" for i, name in enumerate(FIELDS)}
GATHER = 4 * len(FIELDS)
STORE = GATHER + 16
CLAMP = STORE + 16
COPIED = CLAMP + 8
"""Bytes of the struct: a multiple of what a load of twelve registers takes."""
assert COPIED % 48 == 0
FRAME = COPIED
TABLE = {4: 10, 8: 13}
"""Words of the table per pair of rows, by the size of the window."""


@dataclass(frozen=True)
class DepthwiseRoutine:
    """What distinguishes one routine from another.

    window: 4 for kernels up to 3 x 3, 8 for kernels up to 7 x 7; smaller ones are filled up with
    zeros. stride: 1 or 2; clamped: whether the clamp is narrower than int8.
    """

    kind: Kind
    window: int
    stride: int
    clamped: bool

    def function(self) -> Function:
        """The C function: one pointer to struct te_mve_depthwise."""
        size, tail = f"{self.window - 1}x{self.window - 1}", "_clamped" * self.clamped
        name = f"te_depthwise{size}_stride{self.stride}_{self.kind}{tail}_mve"
        text = _text(self) if self.window == 4 else large_text(self)
        return Function(name, text, (HELPER, "te_mve_copy", "te_mve_depthwise"))


def _text(how: DepthwiseRoutine) -> str:
    r = Routine({})
    r.note("r5, r7, r9: bias, multiplier, second constant; r8: table of strips; q4-q7: weights")
    enter(r, FRAME)
    r.label("channel")
    r.ops(f"ldr r0, {SLOT['record']}", "vldrw.u32 q4, [r0], #16", "ldmia r0!, {{r5, r7, r9}}")
    r.op(f"str r0, {SLOT['record']}")
    if how.stride == 1:
        r.note("the kernel one column further right, one row further down, and both")
        r.ops("movs r0, #0", "vmov q5, q4", "vshlc q5, r0, #32")
        r.ops("vshl.i32 q6, q4, #8", "vshl.i32 q7, q5, #8")
    r.op(f"ldr r8, {SLOT['table']}")
    r.label("strip")
    gather(r, 4)
    _convolve(r, how)
    r.ops(f"ldr r0, {SLOT['table_end']}", "cmp r8, r0", "bne.w @strip")
    leave(r, FRAME)
    head = "Depthwise convolution, channel by channel, two rows or one at a time."
    return r.text(head, ["const void *layer"])


def enter(r: Routine, frame: int) -> None:
    """Saves registers and copies the struct to the stack."""
    r.ops("push {{r4-r11, lr}}", "vpush {{d8-d15}}", f"sub sp, #{frame}", "mov lr, sp")
    for _ in range(COPIED // 48):
        r.ops("ldmia r0!, {{r1-r12}}", "stmia lr!, {{r1-r12}}")


def leave(r: Routine, frame: int) -> None:
    """Goes to the next channel, or returns."""
    r.note("the next channel")
    r.ops(f"ldrd r0, r1, {SLOT['x']}", "adds r0, #1", "adds r1, #1", f"strd r0, r1, {SLOT['x']}")
    r.ops(f"ldr r0, {SLOT['channels']}", "subs r0, #1", f"str r0, {SLOT['channels']}")
    r.op("bne.w @channel")
    r.ops(f"add sp, #{frame}", "vpop {{d8-d15}}", "pop {{r4-r11, pc}}")


def gather(r: Routine, window: int) -> None:
    """A pair of rows becomes halfwords; with the pair before it, words.

    Groups of eight columns that lie inside are told apart from what needs predicates and, in rows
    outside, other bytes.
    """
    r.note("r0, r1: two rows; lr: groups of eight columns; r2: columns left; r10: what is kept of")
    r.note("them and r3: what is added, for rows outside")
    slots = "r12, " if window == 8 else ""
    r.ops(f"ldmia r8!, {{{{r0, r1, r2, r3, r10, {slots}lr}}}}", f"ldr r11, {SLOT['x']}")
    r.ops("add r0, r11", "add r1, r11", f"ldrd r4, r6, {SLOT['halves']}")
    if window == 8:
        r.op("add r6, r12", "one of three rows of words")
    r.ops(f"ldr r12, {SLOT['group_step']}", f"vldrh.u16 q2, [sp, #{GATHER}]")
    r.op("wls lr, lr, @columns_left")
    r.label("eight_columns")
    r.ops("vldrb.u16 q1, [r0, q2]", "vldrb.u16 q0, [r1, q2]", "vsli.16 q1, q0, #8")
    _interleave(r)
    r.op("le lr, @eight_columns")
    r.label("columns_left")
    r.ops("cbz r2, @gathered", "vdup.16 q3, r10")
    r.label("columns")
    r.ops("vctp.16 r2", "vpstt", "vldrbt.u16 q1, [r0, q2]", "vldrbt.u16 q0, [r1, q2]")
    r.ops("vsli.16 q1, q0, #8", "vand q1, q1, q3", "vadd.i16 q1, q1, r3")
    _interleave(r)
    r.ops("subs r2, #8", "bhi @columns")
    r.label("gathered")
    r.note("the padding on the right")
    r.ops(f"ldrd r0, r1, {SLOT['after']}", "add r0, r6", "vdup.32 q0, r1", "vstrw.32 q0, [r0]")
    if window == 8:
        r.op("vstrw.32 q0, [r0, #16]")


def _interleave(r: Routine) -> None:
    """Keeps the pair in q1; the pair before it and this one become words."""
    r.ops("vldrh.u16 q0, [r4]", "vstrh.16 q1, [r4], #16")
    r.ops("vst20.16 {{q0, q1}}, [r6]", "vst21.16 {{q0, q1}}, [r6]!", "vadd.i16 q2, q2, r12")


def finish(
    r: Routine, how: DepthwiseRoutine, vectors: tuple[str, ...], y: str, zero_point: str
) -> None:
    """Requantises q1, and q2 if there are two rows, and stores the lanes that p0 tells."""
    scale(r, how.kind, tuple((q, "r5", "r7", "r9") for q in vectors), "q0")
    r.op("vqmovnb.s32 q1, q1")
    if len(vectors) == 2:
        r.op("vqmovnt.s32 q1, q2")
    r.op(f"vqadd.s16 q1, q1, {zero_point}")
    if how.clamped:
        r.ops(f"ldrd r0, r2, [sp, #{CLAMP}]", "vdup.16 q0, r0", "vmax.s16 q1, q1, q0")
        r.ops("vdup.16 q0, r2", "vmin.s16 q1, q1, q0")
    else:
        r.op("vqmovnb.s16 q1, q1")
    size = 16 if len(vectors) == 2 else 32
    r.ops("vpst", f"vstrbt.{size} q1, [{y}, q3]")


def _convolve(r: Routine, how: DepthwiseRoutine) -> None:
    r.note("r3: y; r4: full blocks of four columns; r6, r12: lanes of a full and of a last one")
    r.ops("ldmia r8!, {{r3, r4, r6, r12}}", f"ldrd r11, r0, {SLOT['y']}", "add r3, r11")
    r.ops("mov r11, r0", f"ldrd r1, r10, {SLOT['words']}", f"vldrw.u32 q3, [sp, #{STORE}]")
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
    else:
        for total in ("r0", "r2", "r4", "r6"):
            r.ops("vldrw.u32 q0, [r1], #8", f"vmladav.s8 {total}, q0, q4")
        r.ops("vmov q1[2], q1[0], r0, r4", "vmov q1[3], q1[1], r2, r6")
    finish(r, how, ("q1", "q2") if how.stride == 1 else ("q1",), "r3", "r11")
    r.ops("add r3, r10", "le lr, @block")
    r.label("last_block")
    r.ops(
        "cmp r12, #0", "beq @strip_done", "vmsr p0, r12", "movs r12, #0", "mov lr, #1", "b @block"
    )
    r.label("strip_done")


LARGE_FRAME = FRAME + 80
_WEIGHTS = FRAME
"""Where the lower rows' weights lie on the stack; four words of counts follow."""
_COUNT, _TAIL, _NEXT = (FRAME + 64 + 4 * i for i in range(3))


def large_text(how: DepthwiseRoutine) -> str:
    """The routine for windows of eight by eight."""
    r = Routine({})
    r.note("r5, r7, r9: bias, multiplier, second constant; q4-q7: weights of the upper rows")
    enter(r, LARGE_FRAME)
    r.label("channel")
    r.op(f"ldr r0, {SLOT['record']}")
    r.ops(*(f"vldrw.u32 q{4 + i}, [r0], #16" for i in range(4)), "ldmia r0!, {{r5, r7, r9}}")
    r.op(f"str r0, {SLOT['record']}")
    if how.stride == 1:
        r.note("q4, q5: upper left and right; q6, q7: lower; all of them one row further down")
        for side in (0, 1):
            upper, lower, at = f"q{4 + side}", f"q{6 + side}", _WEIGHTS + 32 * side
            r.ops(f"vstrw.32 {lower}, [sp, #{at}]", f"vshl.i32 {lower}, {lower}, #8")
            r.ops(f"vsri.32 {lower}, {upper}, #24", f"vstrw.32 {lower}, [sp, #{at + 16}]")
            r.op(f"vshl.i32 {lower}, {upper}, #8")
    r.ops(f"ldr r8, {SLOT['table']}", f"str r8, [sp, #{_NEXT}]")
    r.label("strip")
    r.op(f"ldr r8, [sp, #{_NEXT}]")
    gather(r, 8)
    _convolve_large(r, how)
    r.ops(f"ldr r0, [sp, #{_NEXT}]", f"ldr r1, {SLOT['table_end']}", "cmp r0, r1", "bne.w @strip")
    leave(r, LARGE_FRAME)
    head = (
        "Depthwise convolution, channel by channel, two rows or one at a time; four windows each."
    )
    return r.text(head, ["const void *layer"])


def _convolve_large(r: Routine, how: DepthwiseRoutine) -> None:
    r.note("r1, r3: upper and lower words; r11: y; r2: full blocks; r4, r6: lanes")
    r.ops("ldmia r8!, {{r0, r1, r2, r3, r4, r6}}", f"str r8, [sp, #{_NEXT}]")
    r.ops(f"ldr r10, {SLOT['words']}", "add r1, r10", "add r3, r10")
    r.ops(f"ldr r11, {SLOT['y']}", "add r11, r0", f"strd r2, r6, [sp, #{_COUNT}]")
    r.ops(f"vldrw.u32 q3, [sp, #{STORE}]", "vmsr p0, r4", "cmp r2, #0", "beq.w @last_block")
    r.label("block")
    if how.stride == 1:
        _eight_outputs(r)
    else:
        _four_outputs(r)
    r.op(f"ldr r2, {SLOT['zero_point']}")
    finish(r, how, ("q1", "q2") if how.stride == 1 else ("q1",), "r11", "r2")
    r.ops(f"ldr r2, {SLOT['y_step']}", "add r11, r2")
    r.ops(f"ldr r2, [sp, #{_COUNT}]", "subs r2, #1", f"str r2, [sp, #{_COUNT}]", "bne.w @block")
    r.label("last_block")
    r.ops(f"ldr r2, [sp, #{_TAIL}]", "cmp r2, #0", "beq @strip_done", "vmsr p0, r2")
    r.ops("movs r4, #1", "movs r6, #0", f"strd r4, r6, [sp, #{_COUNT}]", "b.w @block")
    r.label("strip_done")


class _Sums:
    """Multiplies; the first product of each sum overwrites it."""

    def __init__(self, r: Routine) -> None:
        self._r, self._begun = r, set[str]()

    def __call__(self, total: str, x: str, weights: str) -> None:
        mac = "vmladava" if total in self._begun else "vmladav"
        self._begun.add(total)
        self._r.op(f"{mac}.s8 {total}, {x}, {weights}")


def _eight_outputs(r: Routine) -> None:
    """Four columns of two rows: r0, r2, r4, r6 and r8, r10, r12, lr."""
    rows = (("r0", "r2", "r4", "r6"), ("r8", "r10", "r12", "lr"))
    mac = _Sums(r)
    # The word that comes last moves the pointer to the next block.
    for column in (4, 5, 6, 7, 1, 2, 3, 0):
        r.op("vldrw.u32 q0, " + ("[r1], #16" if column == 0 else f"[r1, #{4 * column}]"))
        side = column // 4
        mac(rows[0][column % 4], "q0", f"q{4 + side}")
        mac(rows[1][column % 4], "q0", f"q{6 + side}")
    for side, columns in ((1, (4, 5, 6, 7)), (0, (1, 2, 3, 0))):
        at = _WEIGHTS + 32 * side
        r.ops(f"vldrw.u32 q1, [sp, #{at}]", f"vldrw.u32 q2, [sp, #{at + 16}]")
        for column in columns:
            r.op("vldrw.u32 q0, " + ("[r3], #16" if column == 0 else f"[r3, #{4 * column}]"))
            mac(rows[0][column % 4], "q0", "q1")
            mac(rows[1][column % 4], "q0", "q2")
    for q, sums in zip(("q1", "q2"), rows, strict=True):
        r.op(f"vmov {q}[2], {q}[0], {sums[0]}, {sums[2]}")
        r.op(f"vmov {q}[3], {q}[1], {sums[1]}, {sums[3]}")


def _four_outputs(r: Routine) -> None:
    """Four columns of one row, two words apart: r0, r2, r4, r6."""
    sums = ("r0", "r2", "r4", "r6")
    mac = _Sums(r)
    for words, left in (("r1", 4), ("r3", 6)):
        for column in (2, 4, 6, 8, 10, 0):
            r.op(f"vldrw.u32 q0, [{words}" + ("], #32" if column == 0 else f", #{4 * column}]"))
            if column < 8:
                mac(sums[column // 2], "q0", f"q{left}")
            if column >= 4:
                mac(sums[column // 2 - 2], "q0", f"q{left + 1}")
    r.ops("vmov q1[2], q1[0], r0, r4", "vmov q1[3], q1[1], r2, r6")
