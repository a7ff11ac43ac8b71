# SPDX-License-Identifier: Apache-2.0
"""The matrix multiplication of conv2d on MVE: two channels x four pixels per block, VMLADAVA.

A window is `chunks` times 16 bytes. VMLADAVA multiplies 16 inputs with 16 weights and adds all
products to a general register, so that two vectors of weights and four of inputs give 8 x 16
products in 14 instructions. Sums of four pixels then become one vector per channel, and everything
that follows is the same for its lanes: bias and multipliers come from general registers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...network import Conv2D, Dense, DepthwiseConv2D, Network
from ..base import Constant, Function
from ..dsp.routine import HELPER, Routine
from .requantise import Kind, Scaling, live_weight, scaling_of

CHUNK = 16
"""Inputs that one instruction multiplies."""
PIXELS = 4
FRAME = 56
"""Bytes of the stack that hold the first fields of struct te_mve_gemm, and a clamp."""

_X = ("r1", "r3", "r5", "r7")
_SUMS = (("r0", "r2", "r4", "r6"), ("r8", "r10", "r12", "lr"))


@dataclass(frozen=True)
class GemmRoutine:
    """What distinguishes one routine from another.

    first: chunks before the loop, 1 to 7; unroll: chunks per round of the loop, 0 for no loop; odd:
    whether the number of channels is odd; clamped: whether the clamp is narrower than int8.
    """

    kind: Kind
    first: int
    unroll: int
    odd: bool
    clamped: bool

    @classmethod
    def of(cls, scaling: Scaling, chunks: int, unroll: int, clamp: tuple[int, int]) -> GemmRoutine:
        """The routine for windows of `chunks`, with code for at most `unroll` chunks in a loop."""
        odd = len(scaling.bias) % 2 == 1
        clamped = clamp != (-128, 127)
        if chunks <= unroll:
            return cls(scaling.kind, chunks, 0, odd, clamped)
        return cls(scaling.kind, (chunks - 1) % unroll + 1, unroll, odd, clamped)

    def loops(self, chunks: int) -> int:
        """Rounds of the loop for windows of `chunks`."""
        return (chunks - self.first) // self.unroll if self.unroll else 0

    @property
    def bias(self) -> int:
        """Bytes that the pointers stand before their pixels, for the loop to move them first."""
        return CHUNK * (self.unroll - self.first) if self.unroll else 0

    @property
    def name(self) -> str:
        loop = f"_loop{self.unroll}" if self.unroll else ""
        tail = ("_odd" if self.odd else "") + ("_clamped" if self.clamped else "")
        return f"te_gemm_2x4_{self.first}{loop}_{self.kind}{tail}_mve"

    def function(self) -> Function:
        """The C function: one pointer to struct te_mve_gemm."""
        return Function(self.name, _text(self), (HELPER, "te_mve_gemm"))


def _text(how: GemmRoutine) -> str:
    r = Routine({"w": "r9", "y": "r11", "offsets": "q7"})
    r.note(
        "r1, r3, r5, r7: four pixels, q0-q3: their first chunks; r9: weights; q7: outputs' places"
    )
    r.ops("push {{r4-r11, lr}}", "vpush {{d8-d15}}", f"sub sp, #{FRAME}")
    r.ops("ldmia r0!, {{r1-r12}}", "stmia sp, {{r1-r12}}")
    r.op("vldrh.u16 {offsets}, [r0]")
    if how.clamped:
        r.ops("ldrd r1, r2, [r0, #16]", f"strd r1, r2, [sp, #{FRAME - 8}]")
    r.ops("ldr {y}, [sp, #16]", "ldm sp, {{r1, r3, r5, r7}}")
    if how.bias:
        r.ops(*(f"sub {x}, #{how.bias}" for x in _X), "stm sp, {{r1, r3, r5, r7}}")
    r.label("four_pixels")
    r.op("ldr {w}, [sp, #32]")
    for number, x in enumerate(_X):
        r.op(f"vldrb.u8 q{number}, [{x}, #{how.bias}]")
    r.label("two_channels")
    _multiply(r, how)
    for q, sums in zip(("q5", "q6"), _SUMS, strict=True):
        r.op(f"vmov {q}[2], {q}[0], {sums[0]}, {sums[2]}")
        r.op(f"vmov {q}[3], {q}[1], {sums[1]}, {sums[3]}")
    r.op("ldmia {w}!, {{r0, r2, r4, r6, r8, r10}}", "bias, multiplier, second constant of either")
    scale(r, how.kind, (("q5", "r0", "r2", "r4"), ("q6", "r6", "r8", "r10")), "q4")
    r.op("ldrd r12, lr, [sp, #24]", "zero point of the output, end of the weights")
    r.ops("vqmovnb.s32 q5, q5", "vqmovnt.s32 q5, q6", "vqadd.s16 q5, q5, r12")
    if how.clamped:
        r.ops(f"ldrd r0, r2, [sp, #{FRAME - 8}]", "vdup.16 q4, r0", "vdup.16 q6, r2")
        r.ops("vmax.s16 q5, q5, q4", "vmin.s16 q5, q5, q6")
    else:
        r.op("vqmovnb.s16 q5, q5")
    if how.unroll:
        r.op("ldr {y}, [sp, #16]")
    if how.odd:
        r.note("the last channel stands alone: every second lane")
        r.ops("movw r0, #0xffff", "cmp {w}, lr", "it eq", "movweq r0, #0x3333", "vmsr p0, r0")
        r.ops("vpst", "vstrbt.16 q5, [{y}, {offsets}]")
    else:
        r.op("vstrb.16 q5, [{y}, {offsets}]")
    r.op("add {y}, #2")
    if how.unroll:
        r.op("str {y}, [sp, #16]")
    r.ops("cmp {w}, lr", "bne.w @two_channels")
    r.note("the next four pixels")
    r.ops("ldr r0, [sp, #36]", "subs r0, #1", "beq @done", "str r0, [sp, #36]")
    r.ops("ldm sp, {{r1, r3, r5, r7}}", "ldrd r2, r4, [sp, #40]")
    r.ops(*(f"add {x}, r2" for x in _X), "stm sp, {{r1, r3, r5, r7}}", "add {y}, r4")
    if how.unroll:
        r.op("str {y}, [sp, #16]")
    r.op("b.w @four_pixels")
    r.label("done")
    r.ops(f"add sp, #{FRAME}", "vpop {{d8-d15}}", "pop {{r4-r11, pc}}")
    return r.text("Four pixels times all weights, two channels at a time.", ["const void *gemm"])


def _multiply(r: Routine, how: GemmRoutine) -> None:
    """The sums of two channels of four pixels."""
    if how.unroll:
        r.ops("ldm sp, {{r1, r3, r5, r7}}", "ldr r11, [sp, #20]")
    r.ops("vldrb.u8 q5, [{w}], #16", "vldrb.u8 q6, [{w}], #16")
    for pixel in range(PIXELS):
        r.op(f"vmladav.s8 {_SUMS[0][pixel]}, q{pixel}, q5")
        r.op(f"vmladav.s8 {_SUMS[1][pixel]}, q{pixel}, q6")
    for chunk in range(1, how.first):
        _chunk(r, f"#{how.bias + CHUNK * chunk}]")
    if how.unroll:
        r.label("chunks")
        _chunk(r, f"#{CHUNK * how.unroll}]!")
        for chunk in range(1, how.unroll):
            _chunk(r, f"#{CHUNK * chunk}]")
        r.ops("subs r11, #1", "bne.w @chunks")


def _chunk(r: Routine, place: str) -> None:
    """128 products of the inputs at this place behind the pointers."""
    r.ops("vldrb.u8 q5, [{w}], #16", "vldrb.u8 q6, [{w}], #16")
    for pixel, x in enumerate(_X):
        r.op(f"vldrb.u8 q4, [{x}, {place}")
        r.op(f"vmladava.s8 {_SUMS[0][pixel]}, q4, q5")
        r.op(f"vmladava.s8 {_SUMS[1][pixel]}, q4, q6")


def scale(
    r: Routine,
    kind: Kind,
    vectors: tuple[tuple[str, str, str, str], ...],
    spare: str,
    load: Callable[[str], None] | None = None,
) -> None:
    """Requantises each vector; with it stand its bias, multiplier and second constant.

    Those are general registers, or vector registers that `load` fills before each use. `spare` is a
    vector register to overwrite.
    """

    def each(column: int, instruction: str) -> None:
        for vector in vectors:
            if load is not None:
                load(vector[column])
        for vector in vectors:
            r.op(instruction.format(vector[0], vector[column]))

    each(1, "vadd.i32 {0}, {0}, {1}")
    each(2, f"{'vqdmulh' if kind == 'single' else 'vqrdmulh'}.s32 {{0}}, {{0}}, {{1}}")
    if kind == "three_step":
        for q, *_ in vectors:
            r.ops(f"vshr.s32 {spare}, {q}, #31", f"vadd.i32 {q}, {q}, {spare}")
    if kind == "two_step":
        each(3, "vqrdmulh.s32 {0}, {0}, {1}")
    elif load is None:
        each(3, "vrshl.s32 {0}, {1}")
    else:
        each(3, "vrshl.s32 {0}, {0}, {1}")


def scaling_words(scaling: Scaling) -> np.ndarray:
    """Bias, multiplier and second constant of each channel: int32 [channels, 3]."""
    return np.stack([scaling.bias, scaling.multiplier, scaling.second], axis=1)


class Gemm:
    """A layer as a multiplication of windows of `length` bytes with all channels' weights."""

    def __init__(self, network: Network, layer: Conv2D | Dense, unroll: int) -> None:
        found = scaling_of(network, layer)
        assert found is not None and not isinstance(layer, DepthwiseConv2D)
        self.scaling, self.layer = found, layer
        self.length = layer.weight.size // len(layer.bias)
        self.chunks = -(-self.length // CHUNK)
        self.routine = GemmRoutine.of(found, self.chunks, unroll, layer.clamp)
        self.zero_point = network.output_of(layer).zero_point

    def stream(self) -> Constant:
        """Per pair of channels: chunks of either in turn, then the constants of their scaling."""
        channels = len(self.layer.bias)
        padded = np.zeros((channels + channels % 2, self.chunks, CHUNK), np.int8)
        flat = live_weight(self.layer, self.scaling).reshape(channels, -1)
        padded.reshape(len(padded), -1)[:channels, : self.length] = flat
        pairs = padded.reshape(-1, 2, self.chunks, CHUNK).transpose(0, 2, 1, 3)
        weights = np.ascontiguousarray(pairs).reshape(len(pairs), -1).view(np.int32)
        words = scaling_words(self.scaling)
        words = np.concatenate([words, words[-1:]]) if channels % 2 else words
        return Constant("weight", np.hstack([weights, words.reshape(-1, 6)]).reshape(-1))

    def sizes(self, pixels: int) -> str:
        """The initialiser of a struct te_mve_sizes."""
        channels = len(self.layer.bias)
        low, high = self.layer.clamp
        pairs = (channels + 1) // 2
        stream = pairs * (2 * CHUNK * self.chunks + 24)
        return (
            f"{{{pixels}, {self.length}, {CHUNK * self.chunks}, {channels}, "
            f"{self.routine.loops(self.chunks)}, {stream}, {self.zero_point}, {low}, {high}}}"
        )
