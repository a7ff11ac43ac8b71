# SPDX-License-Identifier: Apache-2.0
"""Two pixels' windows to int16, in the order in which the multiplication reads them.

A step of the multiplication takes one word of either pixel: two inputs in its halves. Four bytes a word
apart become two steps: SXTB16 leaves bytes 0 and 2, and after a rotation bytes 1 and 3. Bytes that fill
no word are loaded singly. Every instruction's order is mirrored in `order`, by which weights are packed.
Registers: r10 and r11 point into the pixels, r12 into the buffer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .assembly import Assembly

BYTES_PER_STEP = 8
"""Bytes of the buffer: two int16 of two pixels."""


Routing = Literal["whole", "loop", "any", "compact"]
"""How much of a layer's sizes a routine holds: all of them, unrolled; those that matter to speed, with
the rest in loops; or nothing, so that all layers share it. compact leaves out what is faster for long
rows."""


@dataclass(frozen=True)
class Gather:
    """How windows of `rows` runs of `length` bytes are read.

    Unless all is unrolled, rows of 0 stand for any number of them, and `length` tells only whether
    there are 8 bytes or more, and how many are beyond the last multiple of 4. aligned: runs begin at
    multiples of 4 bytes.
    """

    routing: Routing
    rows: int
    length: int
    aligned: bool

    @classmethod
    def of(cls, routing: Routing, rows: int, length: int, aligned: bool) -> Gather:
        """The gather for windows of these sizes, shared with as many others as possible."""
        if routing == "whole":
            return cls(routing, rows, length, aligned)
        if routing == "loop":
            return cls(routing, rows == 1, (8 if length >= 8 else 0) + length % 4, aligned)
        return cls(routing, 0, 8 if routing == "any" else 0, False)

    def emit(self, a: Assembly, slot: Mapping[str, int]) -> None:
        """Appends the code; it may use every register but the stack pointer."""
        a.note("two pixels to int16: r10 and r11 point to them, r12 to the buffer")
        a(f"ldrd r10, r11, [sp, #{slot['x']}]", f"ldr r2, [sp, #{slot['x_step']}]")
        a("add r0, r10, r2", "add r1, r11, r2", f"strd r0, r1, [sp, #{slot['x']}]")
        a(f"ldr r12, [sp, #{slot['buffer']}]")
        emit = {"whole": self._whole, "loop": self._loop}
        emit.get(self.routing, self._any)(a, slot)

    def _whole(self, a: Assembly, slot: Mapping[str, int]) -> None:
        if self.rows > 1:
            a(f"ldr lr, [sp, #{slot['row_gap']}]")
        pending = False
        for row in range(self.rows):
            left = self.length
            while left >= 8 and not pending:
                _eight(a, self.aligned)
                left -= 8
            while left >= 4:
                _four(a)
                left -= 4
            for _ in range(left):
                if pending:
                    a("ldrsb r0, [r10], #1", "ldrsb r1, [r11], #1")
                    a("pkhbt r8, r8, r0, lsl #16", "pkhbt r9, r9, r1, lsl #16")
                    a("stmia r12!, {r8, r9}")
                else:
                    a("ldrsb r8, [r10], #1", "ldrsb r9, [r11], #1")
                pending = not pending
            if row < self.rows - 1:
                a("add r10, lr", "add r11, lr")
        if pending:
            a("stmia r12!, {r8, r9}")

    def _loop(self, a: Assembly, slot: Mapping[str, int]) -> None:
        if not self.rows:
            _first_row(a, slot)
        if self.length >= 8:
            a(f"ldr lr, [sp, #{slot['chunks']}]")
            a.label(7)
            _eight(a, self.aligned)
            a("subs lr, #1", "bne 7b")
        a(f"ldr r0, [sp, #{slot['quads']}]", "cmp r0, #0", "beq 8f")
        _four(a)
        a.label(8)
        left = self.length % 4
        if left:
            a("ldrsb r0, [r10], #1", "ldrsb r1, [r11], #1")
        if left >= 2:
            a("ldrsb r2, [r10], #1", "ldrsb r3, [r11], #1")
            a("pkhbt r0, r0, r2, lsl #16", "pkhbt r1, r1, r3, lsl #16")
        if left:
            a("stmia r12!, {r0, r1}")
        if left == 3:
            a("ldrsb r0, [r10], #1", "ldrsb r1, [r11], #1", "stmia r12!, {r0, r1}")
        if not self.rows:
            _next_row(a, slot)

    def instructions(self, rows: int, length: int) -> int:
        """About how many it executes for a pair of windows of these sizes."""
        if self.routing == "whole":
            a = Assembly()
            self._whole(a, dict.fromkeys(("row_gap",), 0))
            return a.instructions + 6
        chunks, quads, singles = counts(self.routing, length)
        if self.routing == "loop":
            return 6 + rows * (12 + chunks * (13 if self.aligned else 15) + quads * 8 + singles * 4)
        return 6 + rows * (14 + chunks * 15 + quads * 9 + singles * 5)

    def _any(self, a: Assembly, slot: Mapping[str, int]) -> None:
        _first_row(a, slot)
        loops = (("chunks", 12, 13), ("quads", 7, 8), ("singles", 9, 10))
        for count, again, over in loops if self.length >= 8 else loops[1:]:
            a(f"ldr lr, [sp, #{slot[count]}]", "cmp lr, #0", f"beq {over}f")
            a.label(again)
            if count == "chunks":
                _eight(a, False)
            elif count == "quads":
                _four(a)
            else:
                a("ldrsb r0, [r10], #1", "ldrsb r1, [r11], #1", "stmia r12!, {r0, r1}")
            a("subs lr, #1", f"bne {again}b")
            a.label(over)
        _next_row(a, slot)


def counts(routing: Routing, length: int) -> tuple[int, int, int]:
    """`chunks`, `quads` and `singles` of struct te_gemm: what a row of the window is made of."""
    if routing == "compact":
        return 0, length // 4, length % 4
    return length // 8, length % 8 // 4, length % 4


def order(routing: Routing, rows: int, length: int) -> list[tuple[int, int]]:
    """Indices into a window (row by row) of the two inputs of each step; -1: nothing."""
    steps: list[tuple[int, int]] = []
    pending: list[int] = []
    for row in range(rows):
        start, end = row * length, (row + 1) * length
        whole = start + length // 4 * 4
        for k in range(start, whole, 4):
            steps += [(k, k + 2), (k + 1, k + 3)]
        if routing in ("any", "compact"):
            steps += [(k, -1) for k in range(whole, end)]
            continue
        pending += range(whole, end)
        while len(pending) >= 2:
            steps.append((pending.pop(0), pending.pop(0)))
        if routing == "loop" and pending:
            steps.append((pending.pop(), -1))
    if pending:
        steps.append((pending[0], -1))
    return steps


def _first_row(a: Assembly, slot: Mapping[str, int]) -> None:
    a(f"ldr r0, [sp, #{slot['rows']}]", f"str r0, [sp, #{slot['rows_left']}]")
    a.label(6)


def _next_row(a: Assembly, slot: Mapping[str, int]) -> None:
    a(f"ldr r0, [sp, #{slot['rows_left']}]", f"ldr r1, [sp, #{slot['row_gap']}]")
    a("subs r0, #1", f"str r0, [sp, #{slot['rows_left']}]")
    a("add r10, r1", "add r11, r1", "bne 6b")


def _eight(a: Assembly, aligned: bool) -> None:
    """Eight bytes of either pixel: r8, r4 of the first, r9, r5 of the second."""
    if aligned:
        a("ldrd r8, r4, [r10], #8", "ldrd r9, r5, [r11], #8")
    else:
        # LDRD faults on addresses that aren't multiples of 4.
        a("ldr r8, [r10], #4", "ldr r4, [r10], #4", "ldr r9, [r11], #4", "ldr r5, [r11], #4")
    a("sxtb16 r0, r8", "sxtb16 r1, r9", "sxtb16 r2, r8, ror #8", "sxtb16 r3, r9, ror #8")
    a("sxtb16 r6, r4, ror #8", "sxtb16 r7, r5, ror #8", "sxtb16 r4, r4", "sxtb16 r5, r5")
    a("stmia r12!, {r0-r7}")


def _four(a: Assembly) -> None:
    a("ldr r0, [r10], #4", "ldr r1, [r11], #4")
    a("sxtb16 r2, r0, ror #8", "sxtb16 r3, r1, ror #8", "sxtb16 r0, r0", "sxtb16 r1, r1")
    a("stmia r12!, {r0-r3}")
