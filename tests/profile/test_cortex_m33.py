# SPDX-License-Identifier: Apache-2.0
"""Cortex-M33: latencies and branches, as measurements on silicon have them."""

from __future__ import annotations

import pytest

from tinyengine_tvm.profile.cycles import MODELS

M33 = MODELS["cortex-m33"]


@pytest.mark.parametrize(
    ("text", "cycles"),
    [
        ("ldr r0, [r1]; add r2, r0, r3", [1, 2]),
        ("ldr r0, [r1]; nop; add r2, r0, r3", [1, 1, 1]),
        ("ldr r0, [r1]; str r0, [r2]", [1, 1]),
        ("ldr r0, [r1]; smlad r2, r3, r4, r0", [1, 1]),
        ("ldr r0, [r1]; smlad r2, r0, r4, r2", [1, 2]),
        ("smlad r0, r1, r2, r0; smlad r0, r3, r4, r0", [1, 1]),
        ("smlad r0, r1, r2, r0; smlad r3, r0, r4, r3", [1, 2]),
        ("add r0, r1, r2, ror #3; add r4, r0, r5", [1, 2]),
        ("add r0, r1, r2, lsl #3; add r4, r0, r5", [1, 1]),
        ("pkhbt r0, r1, r2, lsl #16; eor r4, r0, r5", [1, 2]),
        ("bfi r0, r1, #3, #4; eor r4, r0, r5", [1, 1]),
        ("ldrd r0, r1, [r2]; ldmia r3!, {r4-r7}; push {r4-r6}", [2, 4, 3]),
        ("muls r0, r1, r0", [2]),
        ("cmp r0, #1; it eq; moveq r0, #2", [1, 0, 1]),
        ("vfma.f32 s0, s1, s2; vadd.f32 s3, s4, s5", [1, 3]),
        ("vadd.f32 s0, s1, s2; vadd.f32 s3, s0, s5", [1, 2]),
    ],
)
def test_latencies(assemble, text, cycles):
    assert M33.straight(assemble(text, "cortex-m33")) == cycles


@pytest.mark.parametrize(
    ("text", "taken", "passed"),
    [
        # Beside a 16-bit instruction that sets the flags: 2 taken, 0 not taken.
        ("1: subs r7, #1; bne.n 1b", 1 + 2, 1 + 0),
        # Beside one that doesn't: 1 taken.
        ("1: add r0, r1; bne.n 1b", 1 + 1, 1 + 0),
        # Alone: 2 taken, 1 not taken.
        ("1: add.w r0, r1, r2; bne.n 1b", 1 + 2, 1 + 1),
    ],
)
def test_branches(assemble, text, taken, passed):
    before, branch = assemble(text, "cortex-m33")
    straight = sum(M33.straight([before, branch]))
    assert straight == passed
    assert straight + M33.branching(branch, before, 1, 1) == taken
