# SPDX-License-Identifier: Apache-2.0
"""One vector times a matrix on MVE: eight channels per block, VMLADAVA.

16 inputs serve eight vectors of weights: 8 x 16 products in 17 instructions. The sums of even and of odd
channels become two vectors, so that narrowing them puts the channels in order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...network import Dense, Network
from ..base import Constant, Function
from ..dsp.routine import HELPER, Routine
from .gemm import CHUNK, scale, scaling_words
from .requantise import Kind, live_weight, scaling_of

BLOCK = 8
_SUMS = ("r0", "r2", "r4", "r6", "r8", "r10", "r12", "lr")
FRAME = 24


@dataclass(frozen=True)
class GemvRoutine:
    """What distinguishes one routine from another.

    first: chunks of 16 inputs before the loop; unroll: chunks per round of the loop, 0 for no loop;
    clamped: whether the clamp is narrower than int8.
    """

    kind: Kind
    first: int
    unroll: int
    clamped: bool

    @classmethod
    def of(cls, kind: Kind, chunks: int, unroll: int, clamp: tuple[int, int]) -> GemvRoutine:
        """The routine for vectors of `chunks`, with code for at most `unroll` chunks in a loop."""
        clamped = clamp != (-128, 127)
        if chunks <= unroll:
            return cls(kind, chunks, 0, clamped)
        return cls(kind, (chunks - 1) % unroll + 1, unroll, clamped)

    def function(self) -> Function:
        """The C function: one pointer to struct te_mve_gemv."""
        loop = f"_loop{self.unroll}" if self.unroll else ""
        name = f"te_gemv_8_{self.first}{loop}_{self.kind}{'_clamped' * self.clamped}_mve"
        return Function(name, _text(self), (HELPER, "te_mve_copy", "te_mve_gemv"))


def _text(how: GemvRoutine) -> str:
    r = Routine({"x": "r1", "w": "r3", "y": "r7", "zero": "r9", "rounds": "r5"})
    r.note("r1: inputs; r3: weights; r7: outputs; r0, r2, r4, r6, r8, r10, r12, lr: sums")
    r.ops("push {{r4-r11, lr}}", f"sub sp, #{FRAME}", "ldmia r0!, {{r1-r4, r7, r9}}")
    r.ops("stm sp, {{r1, r2, r4}}", "ldrd r2, r4, [r0]", "strd r2, r4, [sp, #16]")
    r.label("eight_channels")
    r.op("ldrd {x}, {rounds}, [sp]")
    for index in range(how.first):
        _chunk(r, index == 0)
    if how.unroll:
        r.label("chunks")
        for _ in range(how.unroll):
            _chunk(r, False)
        r.ops("subs {rounds}, #1", "bne.w @chunks")
    r.note("q0: even channels, q1: odd ones")
    for q in (0, 1):
        even = _SUMS[q::2]
        r.op(f"vmov q{q}[2], q{q}[0], {even[0]}, {even[2]}")
        r.op(f"vmov q{q}[3], q{q}[1], {even[1]}, {even[3]}")
    vectors = (("q0", "q2", "q2", "q2"), ("q1", "q3", "q3", "q3"))
    scale(r, how.kind, vectors, "q2", lambda q: r.op(f"vldrw.u32 {q}, [{{w}}], #16"))
    r.ops("vqmovnb.s32 q0, q0", "vqmovnt.s32 q0, q1", "vqadd.s16 q0, q0, {zero}")
    if how.clamped:
        r.ops("ldrd r2, r4, [sp, #16]", "vdup.16 q2, r2", "vdup.16 q3, r4")
        r.ops("vmax.s16 q0, q0, q2", "vmin.s16 q0, q0, q3")
    else:
        r.op("vqmovnb.s16 q0, q0")
    r.ops("ldr r0, [sp, #8]", "vctp.16 r0", "vpst", "vstrbt.16 q0, [{y}], #8")
    r.ops("subs r0, #8", "str r0, [sp, #8]", "bhi.w @eight_channels")
    r.ops(f"add sp, #{FRAME}", "pop {{r4-r11, pc}}")
    return r.text("A vector times all weights, eight channels at a time.", ["const void *gemv"])


def _chunk(r: Routine, first: bool) -> None:
    """128 products."""
    r.op("vldrb.u8 q0, [{x}], #16")
    for number, total in enumerate(_SUMS):
        r.op(f"vldrb.u8 q{1 + number % 2}, [{{w}}], #16")
        r.op(f"vmladav{'' if first else 'a'}.s8 {total}, q0, q{1 + number % 2}")


class Gemv:
    """A dense layer, vector by vector."""

    def __init__(self, network: Network, layer: Dense, unroll: int) -> None:
        found = scaling_of(network, layer)
        assert found is not None
        self.scaling, self.layer = found, layer
        self.length = layer.weight.shape[1]
        self.chunks = -(-self.length // CHUNK)
        self.routine = GemvRoutine.of(found.kind, self.chunks, unroll, layer.clamp)
        self.rows, _ = network.input_of(layer).shape
        self.zero_point = network.output_of(layer).zero_point

    def stream(self) -> Constant:
        """Per eight channels: chunks of all in turn, then vectors of the scaling's constants."""
        channels = len(self.layer.bias)
        count = -(-channels // BLOCK) * BLOCK
        padded = np.zeros((count, self.chunks * CHUNK), np.int8)
        padded[:channels, : self.length] = live_weight(self.layer, self.scaling)
        blocks = padded.reshape(-1, BLOCK, self.chunks, CHUNK).transpose(0, 2, 1, 3)
        weights = np.ascontiguousarray(blocks).reshape(len(blocks), -1).view(np.int32)
        words = np.zeros((count, 3), np.int32)
        words[:channels] = scaling_words(self.scaling)
        # [blocks, constants, even or odd, channels]
        vectors = words.reshape(-1, BLOCK // 2, 2, 3).transpose(0, 3, 2, 1)
        joined = np.hstack([weights, vectors.reshape(len(blocks), -1)])
        return Constant("weight", joined.reshape(-1))

    @property
    def scratch(self) -> int:
        """A copy of the vector, where chunks would reach past the tensor."""
        return self.chunks * CHUNK if self.length % CHUNK else 0

    def sizes(self) -> str:
        """The initialiser of a struct te_mve_gemv_sizes."""
        low, high = self.layer.clamp
        how = self.routine
        rounds = (self.chunks - how.first) // how.unroll if how.unroll else 0
        return (
            f"{{{self.rows}, {self.length}, {len(self.layer.bias)}, {rounds}, "
            f"{self.zero_point}, {low}, {high}}}"
        )
