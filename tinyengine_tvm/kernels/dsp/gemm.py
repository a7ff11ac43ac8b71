# SPDX-License-Identifier: Apache-2.0
"""The matrix multiplication of conv2d and dense: 4 channels x 2 pixels per block, SMLAD.

Two pixels are widened to int16 once (`gather`) and serve every output channel. Registers of the
multiplication: r0-r3 accumulate the channels of the first pixel, r4-r7 of the second, r8 and r9 hold
inputs of either pixel, r10 and r11 weights, r12 points into the widened pixels, lr into the weights,
which are one stream per 4 channels: 4 biases, weights, constants of the requantisation.

Weights are packed (int8: the halfword 256 * b + a holds those of two channels) or wide (int16).
Packed, SMLAD with the raw word sums x * (256 * b + a); SXTB16 then leaves the a's for a second SMLAD,
and the difference of both sums is 256 times b's: one widening instruction per four weights, and the
factor 256 is gone in the requantisation's shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .assembly import Assembly
from .gather import Gather

X0, X1, W0, W1 = "r8", "r9", "r10", "r11"
BUFFER, WEIGHTS = "r12", "lr"
FIRST = ("r0", "r1", "r2", "r3")
SECOND = ("r4", "r5", "r6", "r7")

Form = Literal["packed", "wide"]
Rescale = Literal["fitted", "fitted_each", "two_step", "two_step_halves"]

FIELDS = (
    "y",
    "y_second",
    "weights_end",
    "buffer",
    "entry",
    "buffer_end",
    "x",
    "x_second",
    "x_step",
    "weights",
    "pairs",
    "zero_point",
    "rows",
    "chunks",
    "row_gap",
    "low",
    "high",
)
"""The fields of struct te_gemm, a word each, in the order of the C header."""
SLOT = {name: 4 * i for i, name in enumerate((*FIELDS, "rows_left"))}
FRAME = 4 * (len(SLOT) + len(SLOT) % 2)


@dataclass(frozen=True)
class Routine:
    """What distinguishes one multiplication routine from another.

    form: of the weights; rescale: the requantisation; shift: the immediate of its shift (fitted
    only); steps: pairs of inputs, all unrolled, or None for a loop over any number of them;
    unroll: steps of that loop; tail: channels beyond the last multiple of 4; low, high: whether the
    clamp is narrower than int8 there.
    """

    gather: Gather
    form: Form
    rescale: Rescale
    shift: int
    steps: int | None
    unroll: int
    tail: int
    low: bool
    high: bool

    @property
    def name(self) -> str:
        size = f"{self.steps}" if self.steps is not None else "n"
        return f"te_gemm_4x2_{self.form}_{size}_{self.rescale}_dsp"


def step_bytes(form: Form) -> int:
    """Code bytes of one step of the unrolled loop: every instruction has four."""
    return 48 if form == "packed" else 44


def routine_text(routine: Routine) -> str:
    """The C text of a routine, a naked function of one pointer to struct te_gemm."""
    a = Assembly()
    a("push {r4-r11, lr}", f"sub sp, #{FRAME}")
    a.note("the arguments go to the stack, where they are one load away")
    words = len(FIELDS)
    a("mov r12, sp")
    for first in range(0, words, 8):
        last = min(first + 8, words) - first
        if last > 1:
            a(f"ldmia r0!, {{r1-r{last}}}", f"stmia r12!, {{r1-r{last}}}")
        else:
            a("ldr r1, [r0], #4", "str r1, [r12], #4")
    if routine.steps is None:
        a(f"ldr r0, [sp, #{SLOT['entry']}]", "adr.w r1, 4f", "add r0, r1", "orr r0, #1")
        a(f"str r0, [sp, #{SLOT['entry']}]")
    a.label(2)
    routine.gather.emit(a, SLOT)
    _multiply(a, routine)
    a.note("the next pair of pixels")
    a("add r8, r9", f"str r8, [sp, #{SLOT['y']}]")
    a(f"ldr r10, [sp, #{SLOT['pairs']}]", "subs r10, #1", f"str r10, [sp, #{SLOT['pairs']}]")
    a("bne.w 2b", f"add sp, #{FRAME}", "pop {r4-r11, pc}")
    kind = "all unrolled" if routine.steps is not None else f"{routine.unroll} per round"
    comment = (
        f"Pairs of pixels times {routine.form} weights, 4 channels at a time; {kind}.\n"
        " * r0-r3: sums of the first pixel, r4-r7: of the second, r8 r9: inputs, r10 r11: weights,\n"
        " * r12: widened pixels, lr: weights."
    )
    return a.function("@NAME@(const struct te_gemm *gemm __attribute__((unused)))", comment)


def _multiply(a: Assembly, routine: Routine) -> None:
    a.note("all channels of the pair")
    a(f"ldr {WEIGHTS}, [sp, #{SLOT['weights']}]")
    a.label(3)
    if routine.steps is not None:
        a(f"ldr {BUFFER}, [sp, #{SLOT['buffer']}]", f"ldmia {WEIGHTS}!, {{r0-r3}}")
        for step in range(routine.steps):
            _step(a, routine.form, step == 0)
    else:
        a(f"ldrd {BUFFER}, {W1}, [sp, #{SLOT['buffer']}]")
        a(f"ldmia {WEIGHTS}, {{r0-r3}}", f"ldmia {WEIGHTS}!, {{r4-r7}}", f"bx {W1}")
        a(".balign 4")
        a.label(4)
        for _ in range(routine.unroll):
            _step(a, routine.form, False)
        a(f"ldr {W0}, [sp, #{SLOT['buffer_end']}]", f"cmp {BUFFER}, {W0}", "bne.w 4b")
    _rescale(a, routine)
    _store(a, routine)


def _step(a: Assembly, form: Form, first: bool) -> None:
    """Two inputs of each pixel; the first step of a block copies the biases to the second pixel."""

    def mac(channel: int, weight: str) -> None:
        one, two = FIRST[channel], SECOND[channel]
        a(f"smlad {two}, {weight}, {X1}, {one if first else two}")
        a(f"smlad {one}, {weight}, {X0}, {one}")

    a(f"ldrd {X0}, {X1}, [{BUFFER}], #8", f"ldrd {W0}, {W1}, [{WEIGHTS}], #8")
    if form == "packed":
        for pair, weight in enumerate((W0, W1)):
            mac(2 * pair + 1, weight)
            a(f"sxtb16 {weight}, {weight}")
            mac(2 * pair, weight)
    else:
        mac(0, W0)
        mac(1, W1)
        a(f"ldrd {W0}, {W1}, [{WEIGHTS}], #8")
        mac(2, W0)
        mac(3, W1)


def _rescale(a: Assembly, routine: Routine) -> None:
    """Sums to outputs, four of a pixel packed in r0 and r4."""
    packed = routine.form == "packed"
    pixels = (FIRST, SECOND)
    if packed:
        a.note("256 times the sums of odd channels")
        for channel in (1, 3):
            for pixel in pixels:
                a(f"sub {pixel[channel]}, {pixel[channel - 1]}")
    if routine.rescale.startswith("fitted"):
        for half in (0, 2):
            a(f"ldmia {WEIGHTS}!, {{{X0}, {X1}, {W0}, {W1}}}")
            for channel, (m, r) in zip((half, half + 1), ((X0, X1), (W0, W1)), strict=True):
                for pixel in pixels:
                    a(f"smmla {pixel[channel]}, {pixel[channel]}, {m}, {r}")
        if routine.rescale == "fitted_each":
            a(f"ldmia {WEIGHTS}!, {{{X0}, {X1}, {W0}, {W1}}}")
            for channel, by in enumerate((X0, X1, W0, W1)):
                for pixel in pixels:
                    a(f"asr {pixel[channel]}, {by}")
        for channel in range(4):
            shift = routine.shift + (8 if packed and channel % 2 else 0)
            asr = f", asr #{shift}" if shift and routine.rescale == "fitted" else ""
            for pixel in pixels:
                a(f"ssat {pixel[channel]}, #8, {pixel[channel]}{asr}")
    else:
        if packed:
            for channel in (1, 3):
                for pixel in pixels:
                    a(f"asr {pixel[channel]}, #8")
        a(f"ldmia {WEIGHTS}!, {{{X0}, {X1}, {W0}, {W1}}}")
        for channel, m in enumerate((X0, X1, W0, W1)):
            for pixel in pixels:
                a(f"smmlar {pixel[channel]}, {pixel[channel]}, {m}, {pixel[channel]}")
        a(f"ldmia {WEIGHTS}!, {{{X0}, {X1}, {W0}, {W1}}}")
        a(f"ldr {BUFFER}, [sp, #{SLOT['zero_point']}]")
        for channel, m in enumerate((X0, X1, W0, W1)):
            for pixel in pixels:
                a(f"smmlar {pixel[channel]}, {pixel[channel]}, {m}, {BUFFER}")
        if routine.rescale == "two_step":
            for channel in range(4):
                for pixel in pixels:
                    a(f"ssat {pixel[channel]}, #8, {pixel[channel]}")
    for p in pixels:
        if routine.rescale == "two_step_halves":
            a(f"pkhbt {p[0]}, {p[0]}, {p[2]}, lsl #16", f"pkhbt {p[1]}, {p[1]}, {p[3]}, lsl #16")
            a(f"usat16 {p[0]}, #8, {p[0]}", f"usat16 {p[1]}, #8, {p[1]}")
            a(f"orr {p[0]}, {p[0]}, {p[1]}, lsl #8", f"eor {p[0]}, #0x80808080")
        else:
            a(f"bfi {p[0]}, {p[1]}, #8, #8", f"bfi {p[2]}, {p[3]}, #8, #8")
            a(f"pkhbt {p[0]}, {p[0]}, {p[2]}, lsl #16")
    if routine.low or routine.high:
        a(f"ldrd {X0}, {X1}, [sp, #{SLOT['low']}]")
    for p in pixels:
        if routine.low:
            a(f"ssub8 {W0}, {p[0]}, {X0}", f"sel {p[0]}, {p[0]}, {X0}")
        if routine.high:
            a(f"ssub8 {W0}, {X1}, {p[0]}", f"sel {p[0]}, {p[0]}, {X1}")


def _store(a: Assembly, routine: Routine) -> None:
    """Leaves the end of the output in r8 and the distance of the second pixel in r9."""
    one, two = FIRST[0], SECOND[0]
    a(f"ldm sp, {{{X0}, {X1}, {W0}}}")
    if routine.tail:
        a(f"cmp {WEIGHTS}, {W0}", "beq 5f")
        a(f"str {two}, [{X0}, {X1}]", f"str {one}, [{X0}], #4", f"str {X0}, [sp]", "b.w 3b")
        a.label(5)
        a.note(f"the last {routine.tail} channels")
        a(f"add {W1}, {X0}, {X1}")
        for value, at in ((two, W1), (one, X0)):
            post = f", #{routine.tail}" if at == X0 and routine.tail < 3 else ""
            store = "strb" if routine.tail == 1 else "strh"
            if routine.tail == 3:
                a(f"strh {value}, [{at}], #2", f"lsr {value}, #16", f"strb {value}, [{at}], #1")
            else:
                a(f"{store} {value}, [{at}]{post}")
    else:
        a(f"str {two}, [{X0}, {X1}]", f"str {one}, [{X0}], #4", f"str {X0}, [sp]")
        a(f"cmp {WEIGHTS}, {W0}", "bne.w 3b")
