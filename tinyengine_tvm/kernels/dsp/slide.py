# SPDX-License-Identifier: Apache-2.0
"""The matrix multiplication of windows that overlap: 4 channels x 2 neighbouring pixels per block.

Rows of the input are widened to int16 once, padding included, and windows are read from there. Windows
of neighbours at stride 1 share all columns but one. What the second pixel reads in one column the first
one reads in the next, so it stays in its register: a step after the first of a row of the window loads
one word of inputs instead of two; at other strides both are loaded. Nothing is copied per window, and
none needs care at the border.

Registers are those of `gemm`; r8 and r9 take turns in holding the newer column.
"""

from __future__ import annotations

from dataclasses import dataclass

from .assembly import Assembly
from .gemm import FIRST, SECOND, Loads, load_weights, products
from .outputs import BUFFER, WEIGHTS, X0, X1, Form, Outputs, rescale, store
from .stack import FRAME, SIGNATURE, SLOT, copy_arguments

LAST_OFFSET = 4095
"""What LDR can add to an address, and ADD to a register."""
WIDEN_SIGNATURE = (
    "@NAME@(const int8_t *x __attribute__((unused)), void *to __attribute__((unused)), "
    "int32_t bytes __attribute__((unused)))"
)


@dataclass(frozen=True)
class SlideRoutine:
    """What distinguishes one routine from another.

    rows, columns, depth: of the window; stride: in columns; pitch: bytes between rows of the widened
    input. unroll: words of a pixel (pairs of channels) in a row of code, a divisor of depth / 2; whole: all rows of the
    window, and all words of a pixel, in a row of code.
    """

    rows: int
    columns: int
    depth: int
    stride: int
    pitch: int
    form: Form
    outputs: Outputs
    unroll: int
    whole: bool
    loads: Loads

    @property
    def name(self) -> str:
        window = f"{self.rows}x{self.columns}x{self.depth}"
        window += "" if self.stride == 1 else f"_stride{self.stride}"
        how = f"{'whole' if self.whole else self.unroll}_{self.loads}"
        return f"te_gemm_4x2_{self.form}_slide_{window}_{how}_dsp"

    @property
    def pixel(self) -> int:
        """Bytes of a widened pixel."""
        return 2 * self.depth

    @property
    def reaches(self) -> bool:
        """Whether all offsets fit their instructions."""
        furthest = (self.columns - 1 + self.stride) * self.pixel + 4 * self.unroll
        return furthest <= LAST_OFFSET and self.pitch <= LAST_OFFSET


def slide_order(rows: int, columns: int, depth: int) -> list[tuple[int, int]]:
    """Indices into a window of the two inputs of each step: all columns of a word, word by word."""
    steps = []
    for row in range(rows):
        for word in range(depth // 2):
            first = word // 2 * 4 + word % 2
            for column in range(columns):
                k = (row * columns + column) * depth + first
                steps.append((k, k + 2))
    return steps


def slide_bytes(columns: int, stride: int, form: Form) -> int:
    """Code bytes of the steps of a word in all columns, at most."""
    loads = columns + (1 if stride == 1 else columns)
    return 4 * (loads + columns * (12 if form == "packed" else 11))


def slide_text(routine: SlideRoutine) -> str:
    """The C text of a routine, a naked function: te_gemm_routine of te_gemm.h."""
    a = Assembly()
    copy_arguments(a)
    a.label(2)
    a(f"ldr {WEIGHTS}, [sp, #{SLOT['weights']}]")
    a.label(3)
    a(f"ldr {BUFFER}, [sp, #{SLOT['buffer']}]")
    if routine.whole:
        a(f"ldmia {WEIGHTS}!, {{r0-r3}}")
        _unrolled_rows(a, routine)
    else:
        a(f"ldmia {WEIGHTS}, {{r0-r3}}", f"ldmia {WEIGHTS}!, {{r4-r7}}")
        _looped_rows(a, routine)
    rescale(a, routine.outputs, routine.form, (FIRST, SECOND))
    store(a, routine.outputs, (FIRST, SECOND), 3)
    a.note("the next pair of pixels")
    a("add r8, r9", f"str r8, [sp, #{SLOT['y']}]")
    for slot in ("buffer", "buffer_end"):
        a(f"ldr r10, [sp, #{SLOT[slot]}]", f"add r10, r10, #{2 * routine.stride * routine.pixel}")
        a(f"str r10, [sp, #{SLOT[slot]}]")
    a(f"ldr r10, [sp, #{SLOT['pairs']}]", "subs r10, #1", f"str r10, [sp, #{SLOT['pairs']}]")
    a("bne.w 2b", f"add sp, #{FRAME}", "pop {r4-r11, pc}")
    kind = "all unrolled" if routine.whole else f"{routine.unroll} words of a pixel per round"
    comment = (
        f"Pairs of neighbours times {routine.form} weights, 4 channels at a time, windows of\n"
        f" * {routine.rows}x{routine.columns}x{routine.depth}, stride {routine.stride}, rows of {routine.pitch} bytes; {kind}.\n"
        " * r0-r3: sums of the first pixel, r4-r7: of the second, r8 r9: inputs, r10 r11: weights,\n"
        " * r12: widened rows, lr: weights."
    )
    return a.function(SIGNATURE, comment)


def _unrolled_rows(a: Assembly, routine: SlideRoutine) -> None:
    start = 0
    for row in range(routine.rows):
        offset = row * routine.pitch - start
        if offset + (routine.columns + routine.stride) * routine.pixel > LAST_OFFSET:
            a(f"add {BUFFER}, {BUFFER}, #{offset}")
            start, offset = row * routine.pitch, 0
        for word in range(routine.depth // 2):
            _columns(a, routine, offset + 4 * word, row == word == 0)


def _looped_rows(a: Assembly, routine: SlideRoutine) -> None:
    words = routine.depth // 2
    further = routine.pitch
    a.label(4)
    if routine.unroll < words:
        a(f"add {X0}, {BUFFER}, #{routine.pixel}", f"str {X0}, [sp, #{SLOT['rows_left']}]")
        a.label(6)
    for word in range(routine.unroll):
        _columns(a, routine, 4 * word, False)
    if routine.unroll < words:
        a(f"ldr {X0}, [sp, #{SLOT['rows_left']}]", f"add {BUFFER}, {BUFFER}, #{4 * routine.unroll}")
        a(f"cmp {BUFFER}, {X0}", "bne.w 6b")
        further -= routine.pixel
    a(f"ldr {X0}, [sp, #{SLOT['buffer_end']}]", f"add {BUFFER}, {BUFFER}, #{further}")
    a(f"cmp {BUFFER}, {X0}", "bne.w 4b")


def _columns(a: Assembly, routine: SlideRoutine, offset: int, first: bool) -> None:
    """A word of a pixel in all columns of a row of the window."""
    here, there = X0, X1
    for column in range(routine.columns):
        if column == 0 or routine.stride > 1:
            a(f"ldr {here}, [{BUFFER}, #{offset + column * routine.pixel}]")
        a(f"ldr {there}, [{BUFFER}, #{offset + (column + routine.stride) * routine.pixel}]")
        load_weights(a, routine.loads)
        products(a, routine.form, here, there, first and column == 0)
        here, there = there, here


def widen_text() -> str:
    """The C text of the routine that widens `bytes`, a multiple of 4: te_widen_routine."""
    a = Assembly()
    a("push {r4-r11, lr}", "lsrs lr, r2, #4", "beq 2f")
    a.label(1)
    a("ldmia r0!, {r4, r6, r8, r10}")
    for even in (4, 6, 8, 10):
        a(f"sxtb16 r{even + 1}, r{even}, ror #8", f"sxtb16 r{even}, r{even}")
    a("stmia r1!, {r4-r11}", "subs lr, #1", "bne 1b")
    a.label(2)
    a("ands lr, r2, #12", "beq 4f")
    a.label(3)
    a("ldr r4, [r0], #4", "sxtb16 r5, r4, ror #8", "sxtb16 r4, r4", "stmia r1!, {r4, r5}")
    a("subs lr, #4", "bne 3b")
    a.label(4)
    a("pop {r4-r11, pc}")
    return a.function(
        WIDEN_SIGNATURE, "Bytes to int16: of every four, the first and third, the rest."
    )
