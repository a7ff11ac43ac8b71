# SPDX-License-Identifier: Apache-2.0
"""The stack frame of the multiplication routines: struct te_gemm, and what they need beside it."""

from __future__ import annotations

from .assembly import Assembly

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
    "quads",
    "singles",
    "row_gap",
    "low",
    "high",
    "last",
)
"""The fields of struct te_gemm, a word each, in the order of the C header."""
SLOT = {name: 4 * i for i, name in enumerate((*FIELDS, "rows_left"))}
FRAME = 4 * (len(SLOT) + len(SLOT) % 2)


def copy_arguments(a: Assembly) -> None:
    """Saves the caller's registers and copies the struct that r0 points to onto the stack."""
    a("push {r4-r11, lr}", f"sub sp, #{FRAME}")
    a.note("the arguments go to the stack, where they are one load away")
    a("mov r12, sp")
    for first in range(0, len(FIELDS), 8):
        last = min(first + 8, len(FIELDS)) - first
        if last > 1:
            a(f"ldmia r0!, {{r1-r{last}}}", f"stmia r12!, {{r1-r{last}}}")
        else:
            a("ldr r1, [r0], #4", "str r1, [r12], #4")


def loop_entry(a: Assembly, label: int) -> None:
    """Makes an address of `entry`, the bytes of the loop at `label` that the first round leaves out."""
    a(f"ldr r0, [sp, #{SLOT['entry']}]", f"adr.w r1, {label}f", "add r0, r1", "orr r0, #1")
    a(f"str r0, [sp, #{SLOT['entry']}]")
