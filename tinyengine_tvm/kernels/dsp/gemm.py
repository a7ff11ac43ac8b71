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
from .outputs import BUFFER, W0, W1, WEIGHTS, X0, X1, Form, Outputs, rescale, store
from .stack import FRAME, SIGNATURE, SLOT, copy_arguments, loop_entry

FIRST = ("r0", "r1", "r2", "r3")
SECOND = ("r4", "r5", "r6", "r7")
Loads = Literal["pairs", "singles"]
"""How a step's operands are loaded: by LDRD, or by LDRs in a row. Cortex-M4 takes N + 1 cycles for N
words in one instruction, but also for N single loads that follow each other: four words in 5 cycles
instead of 6, for two instructions more."""


@dataclass(frozen=True)
class Routine:
    """What distinguishes one multiplication routine from another.

    unroll: steps (pairs of inputs) in a row of code: all of a window where the gather holds its sizes
    too, else those of one round of a loop over any number of them.
    """

    gather: Gather
    form: Form
    outputs: Outputs
    unroll: int
    loads: Loads = "pairs"

    @property
    def name(self) -> str:
        size = "" if self.gather.routing == "compact" else f"_{self.unroll}"
        loads = "" if self.loads == "pairs" else f"_{self.loads}"
        return f"te_gemm_4x2_{self.form}_{self.gather.routing}{size}{loads}_dsp"

    @property
    def whole(self) -> bool:
        return self.gather.routing == "whole"


def instructions(routine: Routine, rows: int, length: int, steps: int, blocks: int) -> int:
    """About how many a pair of pixels takes: windows of these sizes, so many blocks of channels."""
    finish = Assembly()
    rescale(finish, routine.outputs, routine.form, (FIRST, SECOND))
    store(finish, routine.outputs, (FIRST, SECOND), 3)
    rounds = -(-steps // routine.unroll)
    loop = 2 if routine.whole else 4 + 3 * rounds
    own = loop + steps * (step_bytes(routine.form, routine.loads) // 4) + finish.instructions
    return routine.gather.instructions(rows, length) + blocks * own + 9


def step_bytes(form: Form, loads: Loads) -> int:
    """Code bytes of one step of the unrolled loop: every instruction has four."""
    return (48 if form == "packed" else 44) + (8 if loads == "singles" else 0)


def routine_text(routine: Routine) -> str:
    """The C text of a routine, a naked function: te_gemm_routine of te_gemm.h."""
    a = Assembly()
    copy_arguments(a)
    if not routine.whole:
        loop_entry(a, 4)
    a.label(2)
    routine.gather.emit(a, SLOT)
    _multiply(a, routine)
    a.note("the next pair of pixels")
    a("add r8, r9", f"str r8, [sp, #{SLOT['y']}]")
    a(f"ldr r10, [sp, #{SLOT['pairs']}]", "subs r10, #1", f"str r10, [sp, #{SLOT['pairs']}]")
    a("bne.w 2b", f"add sp, #{FRAME}", "pop {r4-r11, pc}")
    kind = "all unrolled" if routine.whole else f"{routine.unroll} per round"
    comment = (
        f"Pairs of pixels times {routine.form} weights, 4 channels at a time; {kind}.\n"
        " * r0-r3: sums of the first pixel, r4-r7: of the second, r8 r9: inputs, r10 r11: weights,\n"
        " * r12: widened pixels, lr: weights."
    )
    return a.function(SIGNATURE, comment)


def _multiply(a: Assembly, routine: Routine) -> None:
    a.note("all channels of the pair")
    a(f"ldr {WEIGHTS}, [sp, #{SLOT['weights']}]")
    a.label(3)
    if routine.whole:
        a(f"ldr {BUFFER}, [sp, #{SLOT['buffer']}]", f"ldmia {WEIGHTS}!, {{r0-r3}}")
        for step in range(routine.unroll):
            _step(a, routine, step == 0)
    else:
        a(f"ldrd {BUFFER}, {W1}, [sp, #{SLOT['buffer']}]")
        a(f"ldmia {WEIGHTS}, {{r0-r3}}", f"ldmia {WEIGHTS}!, {{r4-r7}}", f"bx {W1}")
        a(".balign 4")
        a.label(4)
        for _ in range(routine.unroll):
            _step(a, routine, False)
        a(f"ldr {W0}, [sp, #{SLOT['buffer_end']}]", f"cmp {BUFFER}, {W0}", "bne.w 4b")
    rescale(a, routine.outputs, routine.form, (FIRST, SECOND))
    store(a, routine.outputs, (FIRST, SECOND), 3)


def _step(a: Assembly, routine: Routine, first: bool) -> None:
    """Two inputs of each pixel; the first step of a block copies the biases to the second pixel."""
    if routine.loads == "pairs":
        a(f"ldrd {X0}, {X1}, [{BUFFER}], #8")
    else:
        a(f"ldr {X1}, [{BUFFER}, #4]", f"ldr {X0}, [{BUFFER}], #8")
    load_weights(a, routine.loads)
    products(a, routine.form, X0, X1, first)


def load_weights(a: Assembly, loads: Loads) -> None:
    """The next two words of weights, after a load of something else."""
    if loads == "pairs":
        a(f"ldrd {W0}, {W1}, [{WEIGHTS}], #8")
    else:
        a(f"ldr {W1}, [{WEIGHTS}, #4]", f"ldr {W0}, [{WEIGHTS}], #8")


def products(a: Assembly, form: Form, x: str, x_second: str, first: bool) -> None:
    """A step's 16 products, of the inputs in `x` and `x_second` and the weights in W0 and W1."""

    def mac(channel: int, weight: str) -> None:
        one, two = FIRST[channel], SECOND[channel]
        a(f"smlad {two}, {weight}, {x_second}, {one if first else two}")
        a(f"smlad {one}, {weight}, {x}, {one}")

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
