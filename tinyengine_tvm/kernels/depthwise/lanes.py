# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolution with stride 1 by long multiplications: four products per instruction.

A word of the plane is x0 + x1 * 2**21 of two columns, a word of taps w1 + w0 * 2**21 of two taps. Their
64-bit product has three lanes of 21 bits: x0 w1 | x0 w0 + x1 w1 | x1 w0. Summed by SMLAL over the words
of a window, the middle lane of pair p is the output of column 2p, and the outer lanes belong to the
odd columns: low lane of pair p + high lane of pair p - 1 = output 2p - 1. The sums begin at 2**20 in
the low and the middle lane, so that neither borrows from its neighbour while |sum| < 2**20, which
128 * (sum of |taps|) < 2**20 guarantees: for up to 63 taps it always does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..dsp.routine import Routine
from .rows import ARGUMENTS, Finish

# The stack frame, in bytes from sp, before the taps.
START = 0  # lo and hi of three empty sums
BIAS = 24
LANE_CONSTANTS = 28  # m and R
LANE_ZERO = 36
HIGH = 40  # the high word of the last pair before this block
LANE_STEP = 44
LANE_LAST = 48  # the plane's pointer after the last row
SKIP = 60  # bytes of code that a block skips at the top: blocks of three pairs, of two or fewer
LEAVE = 68  # the flags that say where a block leaves at the bottom
TAPS = 72


def split(pairs: int) -> list[int]:
    """Pairs of a row in blocks of three, two at the end; never a lone pair except alone."""
    sizes = []
    while pairs:
        size = min(pairs, 2 if pairs in (2, 4) else 3)
        sizes.append(size)
        pairs -= size
    return sizes


@dataclass(frozen=True)
class Trim:
    """Rows of the kernel that lie in the padding aren't multiplied; the plane holds no such rows.

    A row of the output enters each block where its first real row is, and leaves it by one of the
    condition flags: no instruction of a block changes them. Since rows of padding add nothing then,
    the plane holds the input less its zero point.
    """

    top: int
    bottom: int
    """Rows of padding, bottom at most 3."""
    height: int
    """Rows of the output, at most 32."""


def can_trim(trim: Trim, kh: int, words: int) -> bool:
    """Whether a routine for a kernel of `kh` rows of `words` words can pass over these rows."""
    within = 0 <= trim.bottom <= 3 and trim.height <= 32
    # Every row of the output needs one of the input, and entering must come before leaving.
    return within and words >= 2 and trim.top + trim.bottom < kh and min(_needed(trim, kh)) > 0


def _needed(trim: Trim, kh: int) -> list[int]:
    """Rows of the kernel that are multiplied, per row of the output."""
    last = [min(kh, kh - trim.bottom + trim.height - 1 - y) for y in range(trim.height)]
    return [end - max(0, trim.top - y) for y, end in enumerate(last)]


def worth_trimming(trim: Trim, kh: int, words: int, pairs: int) -> bool:
    """Whether the multiplications that are spared outnumber the instructions that choose."""
    sizes = split(pairs)
    row = sum((words + 1) // 2 + (n + words) // 2 + n * words for n in sizes)
    needed = _needed(trim, kh)
    # Taking the zero point off costs one instruction for two values.
    cost = trim.height * (12 + len(sizes) * (2 + trim.bottom) + pairs)
    return sum(kh - n for n in needed) * row > cost


class LaneRoutine:
    """The routine of one kernel size and output width; `row` is the bytes of a row of the plane."""

    def __init__(
        self,
        kh: int,
        kw: int,
        out_width: int,
        row: int,
        finish: Finish,
        trim: Trim | None = None,
    ) -> None:
        self.kh, self.kw, self.out_width, self.row, self.finish = kh, kw, out_width, row, finish
        self.trim = trim
        self.words = (kw + 1) // 2
        self.largest = max(split(out_width // 2 + 1))
        self.frame = TAPS + 4 * kh * self.words
        self.frame += -self.frame % 8 + 4

    @property
    def record_words(self) -> int:
        return self.kh * self.words + 3

    def text(self) -> str:
        r = Routine(
            {
                **{f"lo{i}": f"r{2 * i}" for i in range(3)},
                **{f"hi{i}": f"r{2 * i + 1}" for i in range(3)},
                **{f"t{i}": f"r{6 + i}" for i in range(4)},
                "x0": "r10",
                "x1": "r11",
                "in": "r12",
                "out": "lr",
            }
        )
        r.ops("push {{r4-r11, lr}}", f"sub sp, #{self.frame}")
        r.op("ldm r3, {{r4-r9}}", "the work, in the order of its fields")
        r.ops(f"str r4, [sp, #{LANE_STEP}]", f"str r7, [sp, #{LANE_ZERO}]")
        r.ops(f"movw r3, #{self.row}", "mla r3, r3, r9, r0", f"str r3, [sp, #{LANE_LAST}]")
        r.ops("mov r5, #0x100000", "mov r6, #0x200")
        for at in range(START, START + 24, 8):
            r.op(f"strd r5, r6, [sp, #{at}]")
        r.ops("mov {in}, r0", "mov {out}, r1", f"add r3, sp, #{TAPS}")
        self._load_taps(r)
        if self.trim is not None:
            self._start_trim(r, self.trim)
        r.label("row")
        sizes = split(self.out_width // 2 + 1)
        pair = 0
        for number, size in enumerate(sizes):
            self._block(r, pair, size, last=number == len(sizes) - 1)
            pair += size
        if self.trim is not None:
            r.ops(f"ldrd r0, r1, [sp, #{SKIP}]", f"sub r0, r0, #{self._row_code(3)}")
            r.ops(f"sub r1, r1, #{self._row_code(2)}", "usat r0, #15, r0", "usat r1, #15, r1")
            r.ops(f"strd r0, r1, [sp, #{SKIP}]", f"ldr r0, [sp, #{LEAVE}]")
            r.ops("lsl r0, r0, #1", f"str r0, [sp, #{LEAVE}]")
        r.ops(f"add {{in}}, {{in}}, #{self.row}", f"ldr r0, [sp, #{LANE_LAST}]")
        r.ops("cmp {in}, r0", "bne.w @row", f"add sp, #{self.frame}", "pop {{r4-r11, pc}}")
        return r.text(
            f"Depthwise {self.kh}x{self.kw}, stride 1, {self.out_width} columns of output, rows of "
            f"{self.row} bytes.",
            ARGUMENTS,
        )

    def _load_taps(self, r: Routine) -> None:
        left = self.kh * self.words
        while left > 0:
            count = min(left, 6)
            if count > 1:
                r.op(f"ldmia r2!, {{{{r4-r{3 + count}}}}}")
                r.op(f"stmia r3!, {{{{r4-r{3 + count}}}}}")
            else:
                r.ops("ldr r4, [r2], #4", "str r4, [r3], #4")
            left -= count
        r.ops(
            "ldmia r2, {{r4-r6}}", f"str r4, [sp, #{BIAS}]", f"strd r5, r6, [sp, #{LANE_CONSTANTS}]"
        )

    def _row_code(self, size: int) -> int:
        """Bytes of the code for a row of the kernel: every instruction takes four."""
        size = min(size, self.largest)
        return 4 * ((self.words + 1) // 2 + (size + self.words) // 2 + size * self.words)

    def _start_trim(self, r: Routine, trim: Trim) -> None:
        r.op(f"sub {{in}}, {{in}}, #{trim.top * self.row}", "the window begins above the plane")
        r.ops(f"ldr r0, [sp, #{LANE_LAST}]", f"sub r0, r0, #{trim.top * self.row}")
        r.ops(f"str r0, [sp, #{LANE_LAST}]", f"movw r0, #{trim.top * self._row_code(3)}")
        r.ops(f"movw r1, #{trim.top * self._row_code(2)}", f"strd r0, r1, [sp, #{SKIP}]")
        r.op(f"mov r0, #{0x80000000 >> (trim.height - 1)}")
        r.op(f"str r0, [sp, #{LEAVE}]")

    def _enter(self, r: Routine, first: int, size: int) -> None:
        if first == 0 or self.finish.clamp != (-128, 127):
            r.ops(f"ldr r10, [sp, #{LEAVE}]", "msr APSR_nzcvq, r10")
        at = SKIP if size == 3 else SKIP + 4
        r.op(f"ldr r10, [sp, #{at}]", "what lies above the plane")
        r.op("add pc, pc, r10")
        r.op("nop", "passed over: the program counter reads four bytes ahead")

    def _block(self, r: Routine, first: int, size: int, last: bool) -> None:
        r.note(f"pairs {first} to {first + size - 1}")
        r.op(f"ldm sp, {{{{r0-r{2 * size - 1}}}}}")
        taps = [f"{{t{i}}}" for i in range(self.words)]
        loaded = size + self.words - 1
        if self.trim is not None:
            self._enter(r, first, size)
        for row in range(self.kh):
            base = TAPS + 4 * self.words * row
            for word in range(0, self.words, 2):
                _load(r, taps[word : word + 2], f"[sp, #{base + 4 * word}]")
            for word in range(0, loaded, 2):
                names = ["{x0}", "{x1}"][: loaded - word]
                _load(r, names, f"[{{in}}, #{row * self.row + 4 * (first + word)}]")
                for index, x in enumerate(names, word):
                    for pair in range(size):
                        if 0 <= index - pair < self.words:
                            tap = taps[index - pair]
                            r.op(f"smlal {{lo{pair}}}, {{hi{pair}}}, {x}, {tap}")
            left = self.kh - 1 - row
            if self.trim is not None and 0 < left <= self.trim.bottom:
                r.op(f"b{_CONDITIONS[self.trim.bottom - left]}.w @sums_{first}", "the last row")
        r.label(f"sums_{first}")
        self._finish(r, first, size, last)

    def _finish(self, r: Routine, first: int, size: int, last: bool) -> None:
        """Takes the lanes apart, and stores the outputs from column 2 * first - 1 on."""
        outputs: dict[int, str] = {}
        if first:
            r.op(f"ldr r9, [sp, #{HIGH}]", "the pair before this block")
        if not last:
            r.op(f"str {{hi{size - 1}}}, [sp, #{HIGH}]")
        for pair in range(size):
            column = 2 * (first + pair)
            if column < self.out_width:
                r.op(f"lsr {{t{pair}}}, {{lo{pair}}}, #21")
                r.op(f"bfi {{t{pair}}}, {{hi{pair}}}, #11, #10")
                outputs[column] = f"{{t{pair}}}"
        for pair in reversed(range(size)):
            column = 2 * (first + pair) - 1
            if 0 < column < self.out_width:
                before = f"{{hi{pair - 1}}}" if pair else "r9"
                r.op(f"ubfx {{lo{pair}}}, {{lo{pair}}}, #0, #21")
                r.op(f"add {{lo{pair}}}, {{lo{pair}}}, {before}, asr #10")
                outputs[column] = f"{{lo{pair}}}"
        order = [outputs[column] for column in sorted(outputs)]
        r.op(f"ldr r1, [sp, #{BIAS}]")
        for name in order:
            r.op(f"add {name}, {name}, r1")
        self.finish.emit(r, order, "r3", "r5", LANE_ZERO, LANE_CONSTANTS)
        r.op(f"ldr r1, [sp, #{LANE_STEP}]", "bytes to the next pixel")
        for index, name in enumerate(order):
            r.op(f"strb {name}, [{{out}}{', r1' if index % 2 else ''}]")
            if index % 2:
                r.op("add {out}, {out}, r1, lsl #1")
        if len(order) % 2:
            r.op("add {out}, {out}, r1")


_CONDITIONS = ("mi", "eq", "cs")


def _load(r: Routine, names: Sequence[str], place: str) -> None:
    r.op(f"ldrd {names[0]}, {names[1]}, {place}" if len(names) == 2 else f"ldr {names[0]}, {place}")
