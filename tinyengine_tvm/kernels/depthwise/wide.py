# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolution with horizontal stride 2 and kernels of up to 8 columns.

Every window begins on a word of the plane, so a row of the kernel is T = ceil(columns / 2) words of
two taps, and SMLAD multiplies two at a time. A block is one row by n columns: per row of the kernel
one LDM brings the taps, n + T - 1 words of the plane come in pairs, and each serves up to T outputs.
"""

from __future__ import annotations

from typing import ClassVar

from ..dsp.routine import Routine
from .rows import CONSTANTS, STEP, ZERO_OUT, Finish, RowRoutine

MOST_COLUMNS = 6
"""Copies of the bias that the stack frame has room for."""


def most_columns(words: int) -> int:
    """Columns of the output whose sums fit the registers beside `words` words of taps."""
    return min(MOST_COLUMNS, 9 - words)


def best_columns(rows: int, words: int, out_width: int) -> int:
    """Columns per block that cost the fewest instructions over a row of the output."""

    def block(n: int) -> int:
        return rows * (2 + (n + words) // 2 + n * words) + 6 + 4 * n if n else 0

    def cost(n: int) -> int:
        return out_width // n * (block(n) + 1) + block(out_width % n)

    return min(range(1, most_columns(words) + 1), key=lambda n: (cost(n), n))


class WideStride2(RowRoutine):
    """sums a0.., taps t0.., w0 and w1 words of the plane; `tap` runs through the record."""

    pointers: ClassVar = {"in": "r12", "out": "lr"}
    column_bytes = 4

    def __init__(
        self,
        rows: int,
        words: int,
        stride: int,
        columns: int,
        pitch: int,
        row: int,
        unroll: int,
        rests: list[int],
        finish: Finish,
    ) -> None:
        super().__init__(pitch, row, unroll, rests, finish)
        self.rows, self.words, self.stride, self.block_columns = rows, words, stride, columns
        sums, names = most_columns(words), [f"a{i}" for i in range(most_columns(words))]
        names += [f"t{i}" for i in range(words)] + ["w0", "w1", "tap"]
        self.sums = sums
        self.registers = {**self.pointers, **{n: f"r{i}" for i, n in enumerate(names)}}

    @property
    def title(self) -> str:
        return (
            f"Depthwise {self.rows} rows by {2 * self.words - 1} or {2 * self.words} columns, "
            f"stride {self.stride}x2, rows of {self.pitch} bytes."
        )

    @property
    def record_words(self) -> int:
        return self.rows * self.words + 3

    def load_channel(self, r: Routine) -> None:
        taps = 4 * self.rows * self.words
        r.op("mov {tap}, {in}")
        r.op(f"ldrd {{w0}}, {{w1}}, [{{in}}, #{taps}]", "multiplier, rounding")
        r.op(f"strd {{w0}}, {{w1}}, [sp, #{CONSTANTS}]")
        r.op(f"ldr {{w0}}, [{{in}}, #{taps + 8}]", "bias")
        for at in range(0, 4 * MOST_COLUMNS, 8):
            r.op(f"strd {{w0}}, {{w0}}, [sp, #{at}]")
        r.op(f"add {{in}}, {{in}}, #{taps + 12}")

    def block(self, r: Routine, columns: int, advance: bool) -> None:
        sums = [f"{{a{i}}}" for i in range(columns)]
        r.op(f"ldm sp, {{{{{', '.join(sums)}}}}}" if columns > 1 else "ldr {a0}, [sp]", "bias")
        taps = [f"{{t{i}}}" for i in range(self.words)]
        loaded = columns + self.words - 1
        for row in range(self.rows):
            if len(taps) > 1:
                r.op(f"ldmia {{tap}}!, {{{{{', '.join(taps)}}}}}", f"taps of row {row}")
            else:
                r.op(f"ldr {taps[0]}, [{{tap}}], #4", f"tap of row {row}")
            # The first pair comes last, since only an access without offset can move the pointer on.
            for word in [*range(2, loaded, 2), 0]:
                both = word + 1 < loaded
                place = f"[{{in}}], #{self.pitch}" if word == 0 else f"[{{in}}, #{4 * word}]"
                r.op(f"ldrd {{w0}}, {{w1}}, {place}" if both else f"ldr {{w0}}, {place}")
                for index, x in ((word, "{w0}"), (word + 1, "{w1}"))[: 2 if both else 1]:
                    for column, a in enumerate(sums):
                        if 0 <= index - column < self.words:
                            r.op(f"smlad {a}, {x}, {taps[index - column]}, {a}")
        r.op(f"sub {{tap}}, {{tap}}, #{4 * self.rows * self.words}")
        back = self.rows * self.pitch - (4 * columns if advance else 0)
        for part in [4092] * (back // 4092) + [back % 4092]:
            r.op(f"sub {{in}}, {{in}}, #{part}")
        self.finish.emit(r, sums, "{w0}", "{w1}", ZERO_OUT, CONSTANTS)
        r.op(f"ldr {{w0}}, [sp, #{STEP}]", "bytes to the next pixel")
        for column, a in enumerate(sums):
            r.op(f"strb {a}, [{{out}}{', {w0}' if column % 2 else ''}]")
            if column % 2:
                r.op("add {out}, {out}, {w0}, lsl #1")
        if columns % 2:
            r.op("add {out}, {out}, {w0}")
