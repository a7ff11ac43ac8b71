# SPDX-License-Identifier: Apache-2.0
"""Spreading: four channels of a band become four rows of 16-bit words per row, padding at the sides.

A word of the input holds four channels of a pixel. Of two words of neighbouring pixels, PKHBT and
PKHTB make (channels 0 and 1 of both) and (2 and 3 of both), and SXTB16 widens the two values that
belong to one channel: 20 instructions for four pixels of four channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..dsp.routine import Routine

REGISTERS = {
    **{f"p{i}": f"r{i}" for i in range(4)},
    **{f"q{i}": f"r{4 + i}" for i in range(4)},
    "step": "r8",
    "step3": "r9",
    "zero": "r10",
    "end": "r11",
    "from": "r12",
    "to": "lr",
}
ARGUMENTS = (
    "const int8_t *x",
    "void *plane",
    "const void *unused",
    "const struct te_depthwise_work *work",
)
Lanes = Literal["plain", "centred"] | None
Spread = Literal["row", "loop", "any"]
"""A row unrolled, its middle in a loop, or any width and padding."""
QUAD = 4
"""Pixels per step."""
_PLACES = ("[{from}]", "[{from}, {step}]", "[{from}, {step}, lsl #1]", "[{from}, {step3}]")
_FURTHER = {1: "{step}", 2: "{step}, lsl #1", 3: "{step3}", 4: "{step}, lsl #2"}
# Bytes from the start of te_depthwise_work.
CHANNELS, ZERO_IN, QUADS, ROWS, LEFT = 0, 8, 32, 36, 40


def row_groups(left: int, width: int) -> list[list[int | None]]:
    """The columns of a plane's row in fours: pixel numbers, None for padding on either side."""
    columns: list[int | None] = [None] * left + list(range(width))
    columns += [None] * (-len(columns) % QUAD)
    return [columns[i : i + QUAD] for i in range(0, len(columns), QUAD)]


def middle_quads(left: int, width: int) -> int:
    """How many of a row's fours are full and not the first of a padded row."""
    return sum(None not in g for g in row_groups(left, width)[bool(left) :])


def whole_quads(width: int) -> int:
    """The columns, counted from the first pixel, at which four pixels may begin: te_depthwise_work.quads
    of the routine for any width."""
    return max(width - QUAD + 1, 0)


def any_spread_text(row: int) -> str:
    """The routine of four channels for any width and padding.

    A step that lies wholly inside takes an instruction more than where the text holds the width, one
    over the border some 25 more.
    """
    r = Routine({**REGISTERS, "column": "r11", "whole": "r10"})
    r.ops("push {{r4-r11, lr}}", "sub sp, #20", "mov {from}, r0", "mov {to}, r1")
    r.op(f"ldr {{step}}, [r3, #{CHANNELS}]", "bytes from pixel to pixel")
    r.op("add {step3}, {step}, {step}, lsl #1")
    r.op(f"ldrd {{whole}}, r0, [r3, #{QUADS}]", "rows left in r0")
    r.op(f"ldrd r1, r2, [r3, #{LEFT}]", "padding before a row, and its pixels")
    r.ops(f"ldr r3, [r3, #{ZERO_IN}]", "strd r0, r1, [sp]", "strd r2, r3, [sp, #8]")
    r.label("row")
    r.ops("str {to}, [sp, #16]", "ldr r1, [sp, #4]", "rsb {column}, r1, #0")
    r.ops("cmp {column}, {whole}", "bhs @border")
    r.label("four_pixels")
    for index in range(QUAD):
        r.op(f"ldr {{p{index}}}, {_PLACES[index]}")
    r.op(f"add {{from}}, {{from}}, {_FURTHER[QUAD]}")
    r.op("add {column}, {column}, #4")
    r.label("spread")
    _spread(r, row, ("{p0}", "{p1}", "{p2}", "{p3}"), advance=True)
    r.ops("cmp {column}, {whole}", "blo @four_pixels")
    r.ops("ldr {q0}, [sp, #8]", "cmp {column}, {q0}", "bge @row_end")
    r.label("border")
    r.op("ldrd {q0}, {q1}, [sp, #8]", "pixels of a row, padding")
    for index in range(QUAD):
        # As an unsigned number a column before the first pixel lies far behind the last.
        r.ops("cmp {column}, {q0}", "itee hs", f"movhs {{p{index}}}, {{q1}}")
        r.ops(f"ldrlo {{p{index}}}, [{{from}}]", "addlo {from}, {from}, {step}")
        r.op("add {column}, {column}, #1")
    r.op("b @spread")
    r.label("row_end")
    r.ops("ldr {to}, [sp, #16]", f"add {{to}}, {{to}}, #{4 * row}")
    r.ops("ldr r0, [sp]", "subs r0, r0, #1", "str r0, [sp]", "bne @row")
    r.ops("add sp, #20", "pop {{r4-r11, pc}}")
    return r.text(f"Spreads four channels of rows of any width; rows of {row} bytes.", ARGUMENTS)


def spread_instructions(spread: Spread, left: int, width: int) -> int:
    """About how many a row of four channels takes."""
    groups = len(row_groups(left, width))
    inside = middle_quads(left, width)
    if spread == "row":
        return 20 * groups + 3
    if spread == "loop":
        return 22 * inside + 20 * (groups - inside) + 6
    return 23 * inside + 44 * (groups - inside) + 14


def spread_text(left: int, width: int, row: int, unrolled: bool, lanes: Lanes = None) -> str:
    """The routine for rows of `width` pixels after `left` columns of padding.

    `row` is the bytes from one channel's row to the next in the plane. Without `unrolled` the text
    depends on the width only through its remainder. With `lanes` it takes a single channel and writes
    words of two columns, 21 bits apart: the values as they are, or less the zero point.
    """
    group_of = {None: _group, "plain": _lanes, "centred": _centred_lanes}[lanes]
    pitch = row if lanes else 4 * row
    groups = row_groups(left, width)
    quads = middle_quads(left, width)
    unrolled = unrolled or quads == 0
    head = groups[:1] if left else []
    tail = groups[len(head) + quads :]
    r = Routine(REGISTERS)
    r.ops("push {{r4-r11, lr}}", "sub sp, #12", "mov {from}, r0", "mov {to}, r1")
    r.op(f"ldr {{step}}, [r3, #{CHANNELS}]", "bytes from pixel to pixel")
    r.op("add {step3}, {step}, {step}, lsl #1")
    r.op(f"ldr {{zero}}, [r3, #{ZERO_IN}]", "padding, four bytes")
    if lanes:
        r.op("sxtb {zero}, {zero}")
    if lanes == "centred":
        r.op("add {q3}, {zero}, {zero}, lsl #21")
    if unrolled:
        r.op(f"ldr {{end}}, [r3, #{ROWS}]", "rows left")
        r.label("row")
        for number, group in enumerate(groups):
            last = number == len(groups) - 1
            group_of(r, group, row, advance=not last)
        r.op(f"add {{to}}, {{to}}, #{pitch - 8 * (len(groups) - 1)}")
        r.ops("subs {end}, #1", "bne.w @row")
    else:
        r.op(f"ldr r0, [r3, #{ROWS}]")
        r.op(f"ldr r1, [r3, #{QUADS}]")
        r.op("lsl r1, r1, #3")
        r.op("add {end}, {to}, r1", "where this row's fours end")
        if head:
            r.ops("add {end}, #8", "add r1, #8")
        r.op("strd r0, r1, [sp]", "rows left, bytes of all fours")
        r.label("row")
        for group in head:
            group_of(r, group, row, advance=True)
        r.label("four_pixels")
        group_of(r, list(range(QUAD)), row, advance=True)
        r.ops("cmp {to}, {end}", "bne @four_pixels")
        for group in tail:
            group_of(r, group, row, advance=False)
        r.ops("ldrd r0, r1, [sp]", f"add {{end}}, {{end}}, #{pitch}", "sub {to}, {end}, r1")
        r.ops("subs r0, #1", "str r0, [sp]", "bne.w @row")
    r.ops("add sp, #12", "pop {{r4-r11, pc}}")
    what = f"{width} pixels" if unrolled else f"4n + {(left + width) % QUAD} columns"
    count = "a channel" if lanes else "four channels"
    head_text = (
        f"Spreads {count} of a row of {what}, {left} of padding before them; rows of {row} bytes."
    )
    return r.text(head_text, ARGUMENTS)


def _group(r: Routine, group: Sequence[int | None], row: int, advance: bool) -> None:
    """Loads a group of columns at `from` and stores it at `to`; `from` goes on to the next pixel."""
    names, loaded = [], 0
    for index, pixel in enumerate(group):
        if pixel is None:
            names.append("{zero}")
        else:
            names.append(f"{{p{index}}}")
            r.op(f"ldr {{p{index}}}, {_PLACES[loaded]}")
            loaded += 1
    a, b, *_ = names
    if group[2] is None and group[3] is None and not advance:
        r.op(f"pkhbt {{q0}}, {a}, {b}, lsl #16")
        r.op(f"pkhtb {{p0}}, {b}, {a}, asr #16")
        r.op(f"add {{from}}, {{from}}, {_FURTHER[loaded]}")
        _channels(r, row, [("{q0}", "{q2}"), ("{p0}", "{p1}")])
        return
    r.op(f"add {{from}}, {{from}}, {_FURTHER[loaded]}")
    _spread(r, row, names, advance)


def _spread(r: Routine, row: int, columns: Sequence[str], advance: bool) -> None:
    """Words of four columns to four channels' rows; uses the registers of pixels and q."""
    a, b, c, d = columns
    r.op(f"pkhbt {{q0}}, {a}, {b}, lsl #16")
    r.op(f"pkhbt {{q1}}, {c}, {d}, lsl #16")
    r.op(f"pkhtb {{p0}}, {b}, {a}, asr #16")
    r.op(f"pkhtb {{p2}}, {d}, {c}, asr #16")
    place = "[{to}], #8" if advance else "[{to}]"
    back = 8 if advance else 0
    r.ops("sxtb16 {q2}, {q0}", "sxtb16 {q3}, {q1}")
    r.op(f"strd {{q2}}, {{q3}}, {place}", "channel 0")
    r.ops("sxtb16 {q0}, {q0}, ror #8", "sxtb16 {q1}, {q1}, ror #8")
    r.op(f"strd {{q0}}, {{q1}}, [{{to}}, #{row - back}]", "channel 1")
    r.ops("sxtb16 {q2}, {p0}", "sxtb16 {q3}, {p2}")
    r.op(f"strd {{q2}}, {{q3}}, [{{to}}, #{2 * row - back}]", "channel 2")
    r.ops("sxtb16 {p0}, {p0}, ror #8", "sxtb16 {p2}, {p2}, ror #8")
    r.op(f"strd {{p0}}, {{p2}}, [{{to}}, #{3 * row - back}]", "channel 3")


def _centred_lanes(r: Routine, group: Sequence[int | None], row: int, advance: bool) -> None:
    _lanes(r, group, row, advance, centred=True)


def _lanes(
    r: Routine,
    group: Sequence[int | None],
    row: int,
    advance: bool,
    centred: bool = False,
) -> None:
    """As `_group`, for one channel: column 2j + (column 2j + 1) * 2**21."""
    names, loaded = [], 0
    for index, pixel in enumerate(group):
        if pixel is None:
            names.append("{zero}")
        else:
            names.append(f"{{p{index}}}")
            r.op(f"ldrsb {{p{index}}}, {_PLACES[loaded]}")
            loaded += 1
    r.op(f"add {{from}}, {{from}}, {_FURTHER[loaded]}")
    r.op(f"add {{q0}}, {names[0]}, {names[1]}, lsl #21")
    r.op(f"add {{q1}}, {names[2]}, {names[3]}, lsl #21")
    if centred:
        r.ops("sub {q0}, {q0}, {q3}", "sub {q1}, {q1}, {q3}")
    r.op("strd {q0}, {q1}, [{to}], #8" if advance else "strd {q0}, {q1}, [{to}]")


def _channels(r: Routine, row: int, pairs: Sequence[tuple[str, str]]) -> None:
    """Two columns only: single words."""
    for number, (source, spare) in enumerate(pairs):
        r.op(f"sxtb16 {spare}, {source}")
        r.op(f"str {spare}, [{{to}}, #{2 * number * row}]", f"channel {2 * number}")
        r.op(f"sxtb16 {source}, {source}, ror #8")
        r.op(f"str {source}, [{{to}}, #{(2 * number + 1) * row}]", f"channel {2 * number + 1}")
