# SPDX-License-Identifier: Apache-2.0
"""Cortex-M4 and M3: snippets whose cycles follow from Arm's tables, derived beside each."""

from __future__ import annotations

import pytest

from tinyengine_tvm.profile.cycles import MODELS

M4 = MODELS["cortex-m4"]
M3 = MODELS["cortex-m3"]

# DDI 0439D 3.3.2 gives the totals of the first four in words.
PIPELINED = [
    ("ldr r0, [r1]; ldr r1, [r2]", [2, 1]),
    ("ldr r0, [r1, r2]; str r0, [r3, #20]", [2, 1]),
    ("ldr r0, [r1, r2]; str r1, [r3, r2]", [2, 1]),
    ("ldr r0, [r1, r5]; ldr r1, [r2]; ldr r2, [r3, #4]", [2, 1, 1]),
    # The loaded value is the next address: nothing is pipelined.
    ("ldr r0, [r1]; ldr r2, [r0]", [2, 2]),
    # So is the base that the load before has moved.
    ("ldr r0, [r1], #4; ldr r2, [r1]", [2, 2]),
    ("ldr r0, [r1], #4; ldrb r2, [r3], #1", [2, 1]),
    # Nothing is pipelined behind a store.
    ("str r0, [r1]; ldr r2, [r3]", [1, 2]),
    # "STR Rx,[Ry,#imm] is always one cycle"; with an offset in a register the table's 2.
    ("str r0, [r1, #4]; strb r2, [r3]", [1, 1]),
    ("str r0, [r1, r2]; str r0, [r1, r2]", [2, 2]),
    # LDRD and LDM take 1 + N and are pipelined with neither neighbour.
    ("ldrd r0, r1, [r2]; ldr r3, [r2]", [3, 2]),
    ("ldr r3, [r4]; ldrd r0, r1, [r2]", [2, 3]),
    ("ldmia r0!, {r1-r3}", [4]),
    ("stmia r0!, {r1-r8}", [9]),
    ("push {r4-r7, lr}", [6]),
    ("strd r0, r1, [r2, #8]", [3]),
    # "an address dependent on the result of a preceding data processing operation": one more.
    ("add r1, r1, #4; ldr r0, [r1]", [1, 3]),
    ("add r1, r1, #4; str r0, [r1]", [1, 2]),
    ("add r1, r1, #4; nop; ldr r0, [r1]", [1, 1, 2]),
    ("add r1, r1, #4; str r1, [r2]", [1, 1]),
    ("sub sp, #8; stmdb sp!, {r0-r3}", [1, 6]),
]

SINGLE = [
    # Tables 3-1 and 3-2: every multiplication of the M4 takes one cycle.
    ("smlad r0, r1, r2, r0; smlad r3, r1, r2, r3", [1, 1]),
    ("smmlar r0, r1, r2, r3; ssat r0, #8, r0; smlal r0, r1, r2, r3; mls r0, r1, r2, r3", [1] * 4),
    ("sxtb16 r0, r1, ror #8; pkhbt r0, r1, r2, lsl #16; usat16 r0, #8, r0", [1] * 3),
    # 2 to 12: the model takes the most.
    ("sdiv r0, r1, r2", [12]),
    # IT folds onto a 16-bit instruction alone.
    ("cmp r0, #1; it eq; moveq r0, #2", [1, 0, 1]),
    ("cmp.w r0, #1; it eq; moveq r0, #2", [1, 1, 1]),
    ("bne 1f; mov r0, r1; 1:", [1, 1]),
]

FLOATS = [
    ("vadd.f32 s0, s1, s2; vmul.f32 s3, s4, s5", [1, 1]),
    # Arithmetic "takes one cycle longer if its result is consumed by the following instruction".
    ("vadd.f32 s0, s1, s2; vmul.f32 s3, s0, s5", [1, 2]),
    ("vfma.f32 s0, s1, s2; vldr s3, [r0]; vstr s3, [r1]", [3, 2, 2]),
    # VDIV takes 14, integer instructions beside it.
    ("vdiv.f32 s0, s1, s2; nop; nop; vmov s5, s6", [1, 1, 1, 12]),
    ("vmov r0, r1, d0; vmrs APSR_nzcv, fpscr; vpush {d8-d9}", [2, 1, 5]),
]


@pytest.mark.parametrize(("text", "cycles"), PIPELINED + SINGLE + FLOATS)
def test_cortex_m4(assemble, text, cycles):
    assert M4.straight(assemble(text, "cortex-m4")) == cycles


@pytest.mark.parametrize(("text", "cycles"), PIPELINED)
def test_cortex_m3_shares_the_rules_of_loads_and_stores(assemble, text, cycles):
    assert M3.straight(assemble(text, "cortex-m4")) == cycles


def test_cortex_m3_multiplies_slower(assemble):
    # DDI 0337I table 3-1: MUL 1, MLA and MLS 2, SMULL 3 to 5, SMLAL 4 to 7; the most of these.
    text = "mul r0, r1, r2; mla r0, r1, r2, r3; mls r0, r1, r2, r3; smull r0, r1, r2, r3"
    assert M3.straight(assemble(text + "; umlal r0, r1, r2, r3")) == [1, 2, 2, 5, 7]


def test_inner_loop_of_a_dot_product(assemble):
    # Two loads pipelined 2 + 1, one multiplication, one subtraction, one branch: 6, and the refill.
    text = "1: ldr r3, [r0], #4; ldr r4, [r1], #4; smlad r2, r3, r4, r2; subs r5, #1; bne 1b"
    code = assemble(text, "cortex-m4")
    assert M4.straight(code) == [2, 1, 1, 1, 1]
    assert M4.branching(code[-1], code[-2], executed=100, taken=99) == 2 * 99


@pytest.mark.parametrize(
    ("text", "cycles"),
    [
        ("1: b 1b", 1 + 2),
        ("bx lr", 1 + 2),
        ("ldr pc, [r0]", 2 + 3),  # "at least five cycles"
        ("pop {r4, pc}", 1 + 2 + 3),
        ("tbb [pc, r0]", 3 + 3),  # "at least six cycles"
    ],
)
def test_branches_that_are_taken(assemble, text, cycles):
    (branch,) = assemble(text, "cortex-m4")
    assert sum(M4.straight([branch])) + M4.branching(branch, None, 1, 1) == cycles
