# SPDX-License-Identifier: Apache-2.0
"""The frame that the convolving routines share: channels, rows, and blocks along a row.

Blocks are unrolled into a chain. A row that is no longer than the chain enters it where its own number
of blocks is left; a longer one goes round. Which way a row goes is in three addresses on the stack,
found once per call, so that one routine serves every width at next to no cost.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..dsp.routine import Routine

ARGUMENTS = (
    "const void *plane",
    "int8_t *y",
    "const int32_t *record",
    "const struct te_depthwise_work *work",
)


@dataclass(frozen=True)
class Finish:
    """How an accumulator becomes a stored byte.

    `shift` is the immediate of SSAT after one SMMLA (sequences one_sided and single of
    dsp/requantise.py), or None for the two_step sequence. `clamp` are the bounds.
    """

    shift: int | None
    clamp: tuple[int, int]

    @property
    def label(self) -> str:
        kind = "twostep" if self.shift is None else f"shift{self.shift}"
        bounds = "" if self.clamp == (-128, 127) else f"_{self.clamp[0]}_{self.clamp[1]}"
        return (kind + bounds).replace("-", "m")

    def emit(
        self,
        r: Routine,
        accumulators: Sequence[str],
        t0: str,
        t1: str,
        zero_out: int,
        constants: int,
    ) -> None:
        """Bytes in `accumulators`; m and R (or 2m and c) are at `constants` on the stack."""
        r.op(f"ldrd {t0}, {t1}, [sp, #{constants}]", "the channel's multiplier and rounding")
        if self.shift is not None:
            for a in accumulators:
                r.op(f"smmla {a}, {a}, {t0}, {t1}")
            for a in accumulators:
                r.op(f"ssat {a}, #8, {a}, asr #{self.shift}")
        else:
            for a in accumulators:
                r.op(f"smmlar {a}, {a}, {t0}, {a}")
            r.op(f"ldr {t0}, [sp, #{zero_out}]", "zero point of the output")
            for a in accumulators:
                r.op(f"smmlar {a}, {a}, {t1}, {t0}")
            for a in accumulators:
                r.op(f"ssat {a}, #8, {a}")
        low, high = self.clamp
        for a in accumulators:
            if low > -128:
                r.ops(f"cmp {a}, #{low}", "it lt", f"movlt {a}, #{low}")
            if high < 127:
                r.ops(f"cmp {a}, #{high}", "it gt", f"movgt {a}, #{high}")


# The stack frame, in bytes from sp. The first words differ per routine.
CONSTANTS = 24  # m and R
STEP = 32  # bytes from pixel to pixel, then bytes from row to row of the output
ZERO_OUT = 40
ROW_BYTES = 44  # bytes of the plane that the blocks of a row advance
ROW_END = 48
LAST = 52  # the plane's pointer after the last row, then whether half a step of rows follows
ENTRY = 60  # where a row begins
FIRST = 64  # where a row that is longer than the chain enters it
END = 68  # where the chain's end goes
TAIL = 72  # where the row's end goes
BACK = 76  # what is added to the plane's and the output's pointer at a row's end
PLANE = 84  # plane and output pointer of this channel
RECORD = 92  # record pointer, then channels left
SPAN = 100  # bytes of the plane that the rows advance, then the number of rows left over
REST = 108  # columns after the last block
FRAME = 116


class RowRoutine(ABC):
    """One routine: a kernel size and stride, its blocks, and its way of finishing.

    `pitch` is the bytes between rows of the plane, `row` those between its channels' rows; `rests` are
    the numbers of columns that may be left after the blocks of a row. `steps` are the bytes from pixel
    to pixel and from row to row of the output where the text may hold them: that saves instructions,
    but other layers can't share it. `odd_rows`: whether a row may be left after steps of two.
    """

    registers: Mapping[str, str]
    block_columns: int
    """Columns of the output per block."""
    rows_at_once: int = 1
    column_bytes: int
    """Bytes of the plane per column of the output."""
    stride: int
    base_row: int = 0
    """The plane's pointer points to this row of the window, which keeps offsets small."""

    def __init__(
        self,
        pitch: int,
        row: int,
        unroll: int,
        rests: Sequence[int],
        finish: Finish,
        steps: tuple[int, int] | None = None,
        odd_rows: bool = False,
    ) -> None:
        self.pitch, self.row, self.unroll = pitch, row, unroll
        self.rests, self.finish, self.steps = tuple(sorted(set(rests))), finish, steps
        self.odd_rows = odd_rows

    @abstractmethod
    def load_channel(self, r: Routine) -> None:
        """Loads a channel's record from {in} and moves {in} past it."""

    @abstractmethod
    def block(self, r: Routine, columns: int, advance: bool) -> None:
        """Computes the next columns; `advance` moves both pointers on."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What the routine computes."""

    @property
    def sizes(self) -> str:
        """The part of the title that says what the text holds as numbers."""
        return (
            ""
            if self.steps is None
            else ", output rows of {1} bytes, pixels of {0}".format(*self.steps)
        )

    def text(self) -> str:
        r = Routine(self.registers)
        self._prologue(r)
        self._channel(r)
        self._rows(r)
        self._next_channel(r)
        return r.text(self.title, ARGUMENTS)

    def instructions(self, columns: int, rows: int) -> int:
        """About how many a channel takes, of `rows` rows of `columns` columns of the output."""
        blocks, rest = divmod(columns, self.block_columns)
        rounds = -(-blocks // self.unroll)
        row = 9 + (5 * rounds if rounds > 1 else 0)
        row += blocks * self._block(self.block_columns) + (self._block(rest) if rest else 0)
        return 25 + -(-rows // self.rows_at_once) * row

    def _block(self, columns: int) -> int:
        r = Routine(self.registers)
        self.block(r, columns, advance=columns == self.block_columns)
        return r.instructions

    def _prologue(self, r: Routine) -> None:
        step = self.pitch * self.stride * self.rows_at_once
        r.ops("push {{r4-r11, lr}}", f"sub sp, #{FRAME}")
        r.op("ldm r3, {{r4-r11}}", "the work, in the order of its fields")
        r.op(f"strd r4, r5, [sp, #{STEP}]")
        r.ops(f"str r11, [sp, #{REST}]", f"str r7, [sp, #{ZERO_OUT}]")
        if self.base_row:
            r.op(f"add r0, r0, #{self.base_row * self.pitch}")
        r.ops(f"strd r0, r1, [sp, #{PLANE}]", f"strd r2, r8, [sp, #{RECORD}]")
        if self.rows_at_once == 2:
            r.ops("lsr r3, r9, #1", "and r9, r9, #1")
        else:
            r.ops("mov r3, r9", "mov r9, #0")
        r.ops(f"movw r6, #{step}", "mul r3, r3, r6", f"strd r3, r9, [sp, #{SPAN}]")
        r.ops(f"mov r0, #{self.block_columns * self.column_bytes}", "mul r0, r0, r10")
        r.ops(f"str r0, [sp, #{ROW_BYTES}]", "sub r6, r6, r0")
        if self.rows_at_once == 2:
            r.op(f"mov r0, #{self.block_columns}")
            r.ops("mul r0, r0, r10", "mls r7, r0, r4, r5", "add r7, r7, r5")
        else:
            r.op("mov r7, #0")
        r.op(f"strd r6, r7, [sp, #{BACK}]")
        r.op("adr.w r0, @row_end")
        for rest in self.rests:
            if rest:
                r.ops(f"cmp r11, #{rest}", "it eq")
                r.op(f"adreq.w r0, @tail_{rest}")
        r.ops("orr r0, r0, #1", f"str r0, [sp, #{TAIL}]", f"str r0, [sp, #{END}]")
        r.note("the first round takes ((blocks - 1) mod unroll) + 1 blocks, or none at all")
        r.ops("subs r1, r10, #1", "bmi @counted")
        r.ops(f"mov r2, #{self.unroll}", "udiv r3, r1, r2", "mls r1, r3, r2, r1")
        r.label("counted")
        r.ops("add r1, r1, #1", "adr.w r0, @chain_end", "adr.w r2, @last_block")
        r.op("sub r2, r0, r2", "bytes of a block's code")
        r.ops("mls r0, r1, r2, r0", "orr r0, r0, #1")
        r.ops(f"str r0, [sp, #{FIRST}]", f"cmp r10, #{self.unroll}", "bls @short_rows")
        r.ops("adr.w r0, @round_again", "orr r0, r0, #1", f"str r0, [sp, #{END}]")
        r.ops("adr.w r0, @long_row", "orr r0, r0, #1")
        r.label("short_rows")
        r.op(f"str r0, [sp, #{ENTRY}]")

    def _channel(self, r: Routine) -> None:
        r.label("channel")
        r.op(f"ldr {{in}}, [sp, #{RECORD}]")
        self.load_channel(r)
        r.op(f"str {{in}}, [sp, #{RECORD}]")
        r.op(f"ldrd {{in}}, {{out}}, [sp, #{PLANE}]")
        r.op(f"ldrd {{w0}}, {{w1}}, [sp, #{SPAN}]")
        r.ops("add {w0}, {w0}, {in}", f"strd {{w0}}, {{w1}}, [sp, #{LAST}]")
        if self.rows_at_once == 2:
            r.ops("cmp {w0}, {in}", "beq.w @half_step")

    def _rows(self, r: Routine) -> None:
        n = self.block_columns
        r.label("row")
        r.op(f"ldr pc, [sp, #{ENTRY}]")
        r.label("long_row")
        r.op(f"ldr {{w0}}, [sp, #{ROW_BYTES}]")
        r.ops("add {w0}, {w0}, {in}", f"str {{w0}}, [sp, #{ROW_END}]")
        r.op(f"ldr pc, [sp, #{FIRST}]")
        r.label("chain")
        for number in range(self.unroll):
            if number == self.unroll - 1:
                r.label("last_block")
            r.note(f"block {number + 1} of {self.unroll}: {n} columns")
            self.block(r, n, advance=True)
        r.label("chain_end")
        r.op(f"ldr pc, [sp, #{END}]")
        for rest in self.rests:
            if rest:
                r.label(f"tail_{rest}")
                self.block(r, rest, advance=False)
                if rest != self.rests[-1]:
                    r.op("b.w @row_end")
        r.label("row_end")
        if self.rows_at_once == 2:
            r.op(f"ldrd {{w0}}, {{w1}}, [sp, #{BACK}]")
            r.ops("add {in}, {in}, {w0}", "add {out}, {out}, {w1}")
        else:
            r.ops(f"ldr {{w0}}, [sp, #{BACK}]", "add {in}, {in}, {w0}")
        r.ops(f"ldr {{w0}}, [sp, #{LAST}]", "cmp {in}, {w0}", "bne.w @row")

    def _last_row(self, r: Routine) -> None:
        """A row that is left after the steps of two."""
        r.ops(f"ldr {{w0}}, [sp, #{LAST + 4}]", "cmp {w0}, #0", "beq.w @next_channel")
        r.ops(f"ldr {{w0}}, [sp, #{ROW_BYTES}]", "add {w0}, {w0}, {in}")
        r.ops(f"str {{w0}}, [sp, #{ROW_END}]", "cmp {w0}, {in}", "beq.w @last_row_tail")
        r.label("last_row")
        self.single(r, self.block_columns, advance=True)
        r.ops(f"ldr {{w0}}, [sp, #{ROW_END}]", "cmp {in}, {w0}", "bne @last_row")
        r.label("last_row_tail")
        for rest in self.rests:
            if rest:
                if len(self.rests) > 1:
                    r.ops(f"ldr {{w0}}, [sp, #{REST}]", f"cmp {{w0}}, #{rest}", "bne @next_channel")
                self.single(r, rest, advance=False)

    def single(self, r: Routine, columns: int, advance: bool) -> None:
        """As `block`, for one row where a block is two."""
        raise NotImplementedError

    def _next_channel(self, r: Routine) -> None:
        if self.rows_at_once == 2:
            r.label("half_step")
            if self.odd_rows:
                self._last_row(r)
            r.label("next_channel")
        r.ops(f"ldrd r0, r1, [sp, #{PLANE}]", f"add r0, r0, #{self.row}", "add r1, r1, #1")
        r.ops(f"strd r0, r1, [sp, #{PLANE}]", f"ldr r0, [sp, #{RECORD + 4}]")
        r.ops("subs r0, r0, #1", f"str r0, [sp, #{RECORD + 4}]", "bne.w @channel")
        r.ops(f"add sp, #{FRAME}", "pop {{r4-r11, pc}}")
        r.label("round_again")
        r.ops(f"ldr {{w0}}, [sp, #{ROW_END}]", "cmp {in}, {w0}", "bne.w @chain")
        r.op(f"ldr pc, [sp, #{TAIL}]")
