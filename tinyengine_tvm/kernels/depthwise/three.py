# SPDX-License-Identifier: Apache-2.0
"""3x3 depthwise convolution on planes of 16-bit words: strides 1 and 2.

Stride 1: a block is two rows by two columns. The window's words (x0, x1), (x2, x3) of a row serve both
columns: x0 w0 + x1 w1 and x2 w2; x1 w0 and x2 w1 + x3 w2. Each of four rows is loaded once, by one
LDRD, so four outputs take 24 multiplications and 4 loads. Nine products need five instructions at two
per instruction; a row of three needs two, hence six.
Stride 2: a block is one row by four columns; every window begins on a word.
"""

from __future__ import annotations

from types import MappingProxyType

from ..dsp.routine import Routine
from .rows import CONSTANTS, STEP, ZERO_OUT, RowRoutine

_COMMON = {"w0": "r6", "w1": "r7", "in": "r12", "out": "lr"}
_COMMON.update({"a": "r8", "b": "r9", "c": "r10", "d": "r11"})


class ThreeStride1(RowRoutine):
    """taps: t0, t2, t4 = (w0, w1) of the kernel's rows, t1, t3, t5 = (w1, w2)."""

    registers = MappingProxyType({**_COMMON, **{f"t{i}": f"r{i}" for i in range(6)}})
    block_columns = 2
    rows_at_once = 2
    column_bytes = 2
    stride = 1
    base_row = 1
    record_words = 9

    @property
    def title(self) -> str:
        return f"Depthwise 3x3, stride 1, rows of {self.pitch} bytes{self.sizes}."

    def load_channel(self, r: Routine) -> None:
        r.op("ldmia {in}!, {{r0-r8}}", "taps, multiplier, rounding, bias")
        r.ops("strd r8, r8, [sp]", "strd r8, r8, [sp, #8]")
        r.op(f"strd r6, r7, [sp, #{CONSTANTS}]")

    def block(self, r: Routine, columns: int, advance: bool) -> None:
        """a b over c d; a tail of one column computes a and c alone."""
        both = columns == 2
        r.op("ldm sp, {{r8-r11}}" if both else "ldr {a}, [sp]", "bias")
        if not both:
            r.op("ldr {c}, [sp]")
        p = self.pitch
        moved = 4 if advance else 0
        places = [f"[{{in}}, #-{p}]", "[{in}], #4" if advance else "[{in}]"]
        places += [f"[{{in}}, #{p - moved}]", f"[{{in}}, #{2 * p - moved}]"]
        for row, place in enumerate(places):
            r.op(f"ldrd {{w0}}, {{w1}}, {place}")
            for tap, even, odd in ((row, "a", "b"), (row - 1, "c", "d")):
                if 0 <= tap < 3:
                    self._row_products(r, tap, even, odd if both else None)
        sums = ["{a}", "{b}", "{c}", "{d}"] if both else ["{a}", "{c}"]
        self.finish.emit(r, sums, "{w0}", "{w1}", ZERO_OUT, CONSTANTS)
        if self.steps is not None:
            self._store_fixed(r, columns, advance)
            return
        r.op(f"ldrd {{w0}}, {{w1}}, [sp, #{STEP}]", "bytes to the next pixel, to the next row")
        if both:
            r.ops("add {w0}, {out}, {w0}", "strb {d}, [{w0}, {w1}]", "strb {b}, [{w0}]")
        r.ops("strb {c}, [{out}, {w1}]", "strb {a}, [{out}]")
        if advance:
            r.op("rsb {out}, {out}, {w0}, lsl #1")

    def single(self, r: Routine, columns: int, advance: bool) -> None:
        """a b, one row."""
        both = columns == 2
        r.op("ldrd {a}, {b}, [sp]" if both else "ldr {a}, [sp]", "bias")
        moved = 4 if advance else 0
        places = (f"[{{in}}, #-{self.pitch}]", "[{in}], #4" if advance else "[{in}]")
        for tap, place in enumerate((*places, f"[{{in}}, #{self.pitch - moved}]")):
            r.op(f"ldrd {{w0}}, {{w1}}, {place}")
            self._row_products(r, tap, "a", "b" if both else None)
        sums = ["{a}", "{b}"] if both else ["{a}"]
        self.finish.emit(r, sums, "{w0}", "{w1}", ZERO_OUT, CONSTANTS)
        r.op(f"ldr {{w0}}, [sp, #{STEP}]", "bytes to the next pixel")
        r.op("strb {a}, [{out}]")
        if both:
            r.op("strb {b}, [{out}, {w0}]")
        if advance:
            r.op("add {out}, {out}, {w0}, lsl #1")

    def _row_products(self, r: Routine, tap: int, even: str, odd: str | None) -> None:
        t, u = f"{{t{2 * tap}}}", f"{{t{2 * tap + 1}}}"
        r.op(f"smlad {{{even}}}, {{w0}}, {t}, {{{even}}}")
        r.op(f"smlabt {{{even}}}, {{w1}}, {u}, {{{even}}}")
        if odd is not None:
            r.op(f"smlatb {{{odd}}}, {{w0}}, {t}, {{{odd}}}")
            r.op(f"smlad {{{odd}}}, {{w1}}, {u}, {{{odd}}}")

    def _store_fixed(self, r: Routine, columns: int, advance: bool) -> None:
        assert self.steps is not None
        step, out_row = self.steps
        r.op(f"strb {{c}}, [{{out}}, #{out_row}]")
        if columns == 2:
            r.op(f"strb {{d}}, [{{out}}, #{out_row + step}]")
        if advance and step < 256:
            r.ops(f"strb {{a}}, [{{out}}], #{step}", f"strb {{b}}, [{{out}}], #{step}")
            return
        r.op("strb {a}, [{out}]")
        if columns == 2:
            r.op(f"strb {{b}}, [{{out}}, #{step}]")
        if advance:
            r.op(f"add {{out}}, {{out}}, #{2 * step}")


class ThreeStride2(RowRoutine):
    """taps: t0, t1, t2 = (w0, w1) of the kernel's rows, t3 = w2 of rows 0 and 1, t4 = of row 2."""

    registers = MappingProxyType({**_COMMON, **{f"t{i}": f"r{i}" for i in range(5)}, "step": "r5"})
    block_columns = 4
    column_bytes = 4
    stride = 2
    base_row = 0
    record_words = 8

    @property
    def title(self) -> str:
        return f"Depthwise 3x3, stride 2, rows of {self.pitch} bytes{self.sizes}."

    def load_channel(self, r: Routine) -> None:
        r.op("ldmia {in}!, {{r0-r7}}", "taps, bias, multiplier, rounding")
        r.ops("strd r5, r5, [sp]", "strd r5, r5, [sp, #8]")
        r.ops(f"strd r6, r7, [sp, #{CONSTANTS}]", f"ldr {{step}}, [sp, #{STEP}]")

    def block(self, r: Routine, columns: int, advance: bool) -> None:
        sums = ["{a}", "{b}", "{c}", "{d}"][:columns]
        r.op(f"ldm sp, {{{{{', '.join(sums)}}}}}" if columns > 1 else "ldr {a}, [sp]", "bias")
        third = ("bb {x}, {t3}", "bt {x}, {t3}", "bb {x}, {t4}")
        for row in range(3):
            pair = f"{{t{row}}}"
            for word in range(0, columns + 1, 2):
                offset = row * self.pitch + 4 * word
                words = ["{w0}", "{w1}"][: columns + 1 - word]
                load = "ldrd {w0}, {w1}" if len(words) == 2 else "ldr {w0}"
                r.op(f"{load}, [{{in}}, #{offset}]")
                for index, x in enumerate(words, word):
                    if index > 0:
                        half, tap = third[row].split(" {x}, ")
                        a = sums[index - 1]
                        r.op(f"smla{half} {a}, {x}, {tap}, {a}")
                    if index < columns:
                        a = sums[index]
                        r.op(f"smlad {a}, {x}, {pair}, {a}")
        self.finish.emit(r, sums, "{w0}", "{w1}", ZERO_OUT, CONSTANTS)
        if advance:
            r.op(f"add {{in}}, {{in}}, #{4 * columns}")
        if self.steps is not None and self.steps[0] < 256:
            for a in sums:
                r.op(f"strb {a}, [{{out}}], #{self.steps[0]}")
            return
        r.op("strb {a}, [{out}]")
        if columns > 1:
            r.op("strb {b}, [{out}, {step}]")
        if columns > 2:
            r.ops("strb {c}, [{out}, {step}, lsl #1]", "add {out}, {out}, {step}, lsl #1")
        if columns > 3:
            r.op("strb {d}, [{out}, {step}]")
        rest = {1: "{step}", 2: "{step}, lsl #1", 3: "{step}", 4: "{step}, lsl #1"}[columns]
        r.op(f"add {{out}}, {{out}}, {rest}")
