# SPDX-License-Identifier: Apache-2.0
"""The product of a single vector: 4 channels per block, SMLAD.

The vector is widened to int16 once. Registers: r0-r3 accumulate four channels, r4-r7 hold eight
inputs, r8-r11 weights, r12 points into the widened vector, lr into the weights, which come in the same
stream as those of `gemm`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .assembly import Assembly
from .outputs import BUFFER, WEIGHTS, Form, Outputs, rescale, store
from .stack import FRAME, SIGNATURE, SLOT, copy_arguments, loop_entry

STEPS = 4
"""Steps of one part of the loop: a step is two inputs."""
SUMS = ("r0", "r1", "r2", "r3")
INPUTS = ("r4", "r5", "r6", "r7")
TAKEN = ("r8", "r9", "r10", "r11")


@dataclass(frozen=True)
class VectorRoutine:
    """unroll: parts of the loop's round; rest: inputs beyond the last multiple of 4."""

    form: Form
    outputs: Outputs
    unroll: int
    rest: int

    @property
    def name(self) -> str:
        return f"te_gemv_4_{self.form}_dsp"


def part_bytes(form: Form) -> int:
    """Code bytes of a part of the loop: every instruction has four."""
    return 4 * (27 if form == "packed" else 21)


def vector_order(length: int) -> list[tuple[int, int]]:
    """Indices of the two inputs of each step; -1: nothing. Whole parts."""
    steps: list[tuple[int, int]] = []
    whole = length // 4 * 4
    for k in range(0, whole, 4):
        steps += [(k, k + 2), (k + 1, k + 3)]
    singles = [*range(whole, length), -1]
    steps += [(singles[i], singles[i + 1]) for i in range(0, len(singles) - 1, 2)]
    return steps + [(-1, -1)] * (-len(steps) % STEPS)


def vector_instructions(routine: VectorRoutine, length: int, channels: int) -> int:
    """About how many a vector of `length` inputs takes."""
    finish = Assembly()
    rescale(finish, routine.outputs, routine.form, (SUMS,))
    store(finish, routine.outputs, (SUMS,), 3)
    parts = -(-length // (2 * STEPS))
    rounds = -(-parts // routine.unroll)
    own = 3 + 3 * rounds + parts * (part_bytes(routine.form) // 4) + finish.instructions
    return 40 + length // 16 * 12 + -(-channels // 4) * own


def vector_counts(length: int) -> tuple[int, int, int]:
    """`chunks`, `quads` and `singles` of struct te_gemm."""
    return length // 16, length % 16 // 4, length % 4


def vector_text(routine: VectorRoutine) -> str:
    """The C text of a routine, a naked function: te_gemm_routine of te_gemm.h."""
    a = Assembly()
    copy_arguments(a)
    loop_entry(a, 4)
    _widen(a, routine.rest)
    a(f"ldr {WEIGHTS}, [sp, #{SLOT['weights']}]")
    a.label(3)
    a(f"ldrd {BUFFER}, r11, [sp, #{SLOT['buffer']}]", f"ldmia {WEIGHTS}!, {{r0-r3}}", "bx r11")
    a(".balign 4")
    a.label(4)
    for _ in range(routine.unroll):
        _part(a, routine.form)
    a(f"ldr r11, [sp, #{SLOT['buffer_end']}]", f"cmp {BUFFER}, r11", "bne.w 4b")
    rescale(a, routine.outputs, routine.form, (SUMS,))
    store(a, routine.outputs, (SUMS,), 3)
    a(f"add sp, #{FRAME}", "pop {r4-r11, pc}")
    comment = (
        f"A vector times {routine.form} weights, 4 channels at a time.\n"
        " * r0-r3: sums, r4-r7: inputs, r8-r11: weights, r12: widened vector, lr: weights."
    )
    return a.function(SIGNATURE, comment)


def _widen(a: Assembly, rest: int) -> None:
    a.note("the vector to int16: r8 points to it, r12 to the buffer")
    a(f"ldr r8, [sp, #{SLOT['x']}]", f"ldr r12, [sp, #{SLOT['buffer']}]")
    a(f"ldr lr, [sp, #{SLOT['chunks']}]", f"ldr r9, [sp, #{SLOT['quads']}]")
    a("cmp lr, #0", "beq 6f")
    a.label(5)
    a("ldmia r8!, {r0, r2, r4, r6}")
    for even in (0, 2, 4, 6):
        a(f"sxtb16 r{even + 1}, r{even}, ror #8", f"sxtb16 r{even}, r{even}")
    a("stmia r12!, {r0-r7}", "subs lr, #1", "bne 5b")
    a.label(6)
    a("cmp r9, #0", "beq 8f")
    a.label(7)
    a("ldr r0, [r8], #4", "sxtb16 r1, r0, ror #8", "sxtb16 r0, r0")
    a("stmia r12!, {r0, r1}", "subs r9, #1", "bne 7b")
    a.label(8)
    if rest:
        a("ldrsb r0, [r8], #1")
        if rest > 1:
            a("ldrsb r1, [r8], #1", "pkhbt r0, r0, r1, lsl #16")
        a("str r0, [r12], #4")
    if rest > 2:
        a("ldrsb r0, [r8]", "str r0, [r12]")


def _part(a: Assembly, form: Form) -> None:
    """Eight inputs of four channels."""
    a(f"ldmia {BUFFER}!, {{r4-r7}}")
    if form == "wide":
        for x in INPUTS:
            a(f"ldmia {WEIGHTS}!, {{r8-r11}}")
            for total, weight in zip(SUMS, TAKEN, strict=True):
                a(f"smlad {total}, {weight}, {x}, {total}")
        return
    for two in (INPUTS[:2], INPUTS[2:]):
        a(f"ldmia {WEIGHTS}!, {{r8-r11}}")
        for number, weight in enumerate(TAKEN):
            even, odd = SUMS[2 * (number % 2)], SUMS[2 * (number % 2) + 1]
            x = two[number // 2]
            a(f"smlad {odd}, {weight}, {x}, {odd}", f"sxtb16 {weight}, {weight}")
            a(f"smlad {even}, {weight}, {x}, {even}")
