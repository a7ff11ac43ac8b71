# SPDX-License-Identifier: Apache-2.0
"""Cortex-M7: what pairs and what waits, as measurements on silicon have it.

Cycles are those that an instruction adds; 0 is the younger of two that issue together.
"""

from __future__ import annotations

import pytest

from tinyengine_tvm.profile.cycles import MODELS

M7 = MODELS["cortex-m7"]


@pytest.mark.parametrize(
    ("text", "cycles"),
    [
        ("add.w r0, r1, r2; eor.w r3, r4, r5; orr.w r6, r7, r8; and.w r9, r10, r11", [1, 0, 1, 0]),
        # The older ADD computes early, and the younger uses the sum in the same cycle.
        ("add.w r0, r1, r2; eor.w r0, r0, r5", [1, 0]),
        # Logic has no early form.
        ("eor.w r0, r1, r2; add.w r0, r0, r5", [1, 1]),
        # One multiplication per cycle, and none beside a store.
        ("smlad r0, r1, r2, r0; smlad r3, r1, r2, r3", [1, 1]),
        ("smlad r0, r1, r2, r0; str r3, [r4]", [1, 1]),
        ("smlad r0, r1, r2, r0; ldr r3, [r4]", [1, 0]),
        # Sums of products are chained every cycle; a factor waits one cycle more.
        ("smlad r0, r1, r2, r0; smlad r0, r3, r4, r0; smlad r0, r3, r4, r0", [1, 1, 1]),
        ("smlad r0, r1, r2, r3; smlad r4, r0, r1, r5", [1, 2]),
        # No multiplication uses what was loaded in the cycle before; plain arithmetic does.
        ("ldr r0, [r1]; smlad r2, r0, r3, r2", [1, 2]),
        ("ldr r0, [r1]; eor.w r2, r0, r3", [1, 1]),
        # A byte comes a cycle later than a word, an address is needed a cycle earlier.
        ("ldrb r0, [r1]; eor.w r2, r0, r3", [1, 2]),
        ("ldr r0, [r1]; ldr r2, [r0]", [1, 2]),
        ("ldrb r0, [r1]; ldr r2, [r3, r0]", [1, 3]),
        ("ldr r0, [r1]; eor.w r2, r3, r0, ror #8", [1, 2]),
        # Any result can be stored in the cycle that computes it.
        ("ldr r0, [r1]; str r0, [r2]", [1, 0]),
        # Extension and packing go in the older place alone.
        ("sxtb16 r0, r1; sxtb16 r2, r3", [1, 1]),
        ("add.w r0, r1, r2; sxtb16 r3, r4", [1, 1]),
        ("sxtb16 r3, r4; add.w r0, r1, r2", [1, 0]),
        ("sxtb16 r3, r4; smlad r0, r1, r2, r0", [1, 0]),
        # One shifted operand per cycle.
        ("add.w r0, r1, r2, lsl #2; eor.w r3, r4, r5, ror #8", [1, 1]),
        ("add.w r0, r1, r2, lsl #2; eor.w r3, r4, r5", [1, 0]),
        # Two loads together where one word is even and the other odd, and that is known.
        ("ldr r0, [r4]; ldr r1, [r4, #4]", [1, 0]),
        ("ldr r0, [r4]; ldr r1, [r4, #8]", [1, 1]),
        ("ldr r0, [r4]; ldr r1, [r5, #4]", [1, 1]),
        # LDRD, LDM and STM issue alone, two words per cycle.
        ("ldrd r0, r1, [r4]; add.w r5, r6, r7", [1, 1]),
        ("ldmia r0!, {r1-r5}; add.w r8, r9, r9", [3, 1]),
        # An address that was written back is there for the next.
        ("ldr r0, [r4], #4; add.w r9, r9, r9; ldr r1, [r4], #4", [1, 0, 1]),
        # Word stores leave the buffer as fast as they come.
        ("str r0, [r1]; " * 8, [1] * 8),
    ],
)
def test_pairs_and_waits(assemble, text, cycles):
    assert M7.straight(assemble(text)) == cycles


def test_bytes_clog_the_store_buffer(assemble):
    # Two cycles each to leave a buffer of five: the first ones are free, then one per two cycles.
    spent = M7.straight(assemble("strb r0, [r1]; " * 30))
    assert spent[:8] == [1] * 8
    assert sum(spent[-10:]) == 20


def test_the_rarer_way_of_a_branch_is_mispredicted(assemble):
    add, branch, back = assemble("1: adds r0, #1; bne 1b; bx lr")
    assert M7.branching(branch, add, executed=100, taken=99) == 8
    assert M7.branching(branch, add, executed=100, taken=3) == 3 * 8
    assert M7.branching(back, branch, executed=1, taken=1) == 8


def test_the_inner_loop_of_the_multiplication(assemble):
    # Two LDRD, and then eight multiplications that nothing shares a cycle with but two SXTB16. The
    # first one's factors were loaded in the cycle before: one cycle more.
    code = assemble(
        """
        ldrd r8, r9, [r12], #8
        ldrd r10, r11, [lr], #8
        smlad r1, r10, r8, r1; smlad r5, r10, r9, r5
        sxtb16 r10, r10
        smlad r0, r10, r8, r0; smlad r4, r10, r9, r4
        smlad r3, r11, r8, r3; smlad r7, r11, r9, r7
        sxtb16 r11, r11
        smlad r2, r11, r8, r2; smlad r6, r11, r9, r6
        """
    )
    spent = M7.straight(code)
    # SXTB16 of a register and its use are a cycle apart, so neither shares one.
    assert spent == [1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1]
