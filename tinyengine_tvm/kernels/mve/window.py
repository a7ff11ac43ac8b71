# SPDX-License-Identifier: Apache-2.0
"""Copies windows that lie inside an image, 16 bytes at a time, without counting them exactly.

The last vector of a row reaches past it, in the image as in the copy, where the next row or the next
window then overwrites it.
"""

from __future__ import annotations

from ..base import Function
from ..dsp.routine import HELPER, Routine

VECTOR = 16
_FURTHEST = 112
"""Greatest multiple of a vector in a load's immediate."""


def copied_bytes(row_bytes: int) -> int:
    """Bytes that are read and written of a row of `row_bytes`."""
    return -(-row_bytes // VECTOR) * VECTOR


def window_copy(rows: int, row_bytes: int) -> Function:
    """The C function that copies windows of `rows` runs of `row_bytes`, one beside the other.

    Its arguments: where to, where from, steps (bytes to the next row of the image, to the next window,
    to the next copy), and how many windows, at least 1.
    """
    r = Routine({"to": "r0", "from": "r1", "width": "r4", "row_to": "r3", "row_from": "r2"})
    r.ops("push {{r4-r7, lr}}", "ldm r2, {{r4, r5, r6}}", "mov lr, r3")
    r.label("window")
    r.ops("mov {row_from}, {from}", "mov {row_to}, {to}")
    vectors = copied_bytes(row_bytes) // VECTOR
    looped = rows * vectors > 16
    if looped:
        r.ops(f"mov r7, #{rows}")
        r.label("row")
        _row(r, vectors, row_bytes, True)
        r.ops("subs r7, #1", "bne @row")
    else:
        for row in range(rows):
            _row(r, vectors, row_bytes, row < rows - 1)
    r.ops("add {from}, r5", "add {to}, r6", "le lr, @window")
    r.op("pop {{r4-r7, pc}}")
    name = f"te_copy_windows_{rows}x{row_bytes}_mve"
    arguments = ["int8_t *to", "const int8_t *from", "const int32_t *steps", "int32_t count"]
    return Function(
        name, r.text("Windows side by side, copied one after the other.", arguments), (HELPER,)
    )


def _row(r: Routine, vectors: int, row_bytes: int, more: bool) -> None:
    done = 0
    for vector in range(vectors):
        if VECTOR * vector - done > _FURTHEST:
            done = VECTOR * vector
            r.ops(
                f"add {{row_from}}, #{_FURTHEST + VECTOR}", f"add {{row_to}}, #{_FURTHEST + VECTOR}"
            )
        at = VECTOR * vector - done
        q = f"q{vector % 4}"
        r.ops(f"vldrb.u8 {q}, [{{row_from}}, #{at}]", f"vstrb.8 {q}, [{{row_to}}, #{at}]")
    if more:
        if done:
            r.ops(f"sub {{row_from}}, #{done}", f"sub {{row_to}}, #{done}")
        r.ops("add {row_from}, {width}", f"add {{row_to}}, #{row_bytes}")
