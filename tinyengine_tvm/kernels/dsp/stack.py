# SPDX-License-Identifier: Apache-2.0
"""The stack frame of the multiplication routines: their arguments, and what they need beside them."""

from __future__ import annotations

from .assembly import Assembly

GEMM = (
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
    "row_gap",
)
"""The fields of struct te_gemm, a word each, in the order of the C header."""
SIZES = ("zero_point", "rows", "chunks", "quads", "singles", "low", "high", "last")
"""Those of struct te_gemm_sizes that a routine reads: they come first there."""
SLOT = {name: 4 * i for i, name in enumerate((*GEMM, *SIZES, "rows_left"))}
FRAME = 4 * (len(SLOT) + len(SLOT) % 2)


SIGNATURE = (
    "@NAME@(const struct te_gemm *gemm __attribute__((unused)), "
    "const struct te_gemm_sizes *sizes __attribute__((unused)))"
)


def copy_arguments(a: Assembly) -> None:
    """Saves the caller's registers; copies the structs that r0 and r1 point to onto the stack."""
    a("push {r4-r11, lr}", f"sub sp, #{FRAME}")
    a.note("the arguments go to the stack, where they are one load away")
    a("mov r12, sp")
    for source, fields in (("r0", len(GEMM)), ("r1", len(SIZES))):
        for first in range(0, fields, 8):
            last = min(first + 8, fields) - first + 1
            a(f"ldmia {source}!, {{r2-r{last}}}", f"stmia r12!, {{r2-r{last}}}")


def loop_entry(a: Assembly, label: int) -> None:
    """Makes an address of `entry`, the bytes of the loop at `label` that the first round leaves out."""
    a(f"ldr r0, [sp, #{SLOT['entry']}]", f"adr.w r1, {label}f", "add r0, r1", "orr r0, #1")
    a(f"str r0, [sp, #{SLOT['entry']}]")
