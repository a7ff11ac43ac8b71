# SPDX-License-Identifier: Apache-2.0
"""What the timing models read from the disassembly: kinds, registers and their parts."""

from __future__ import annotations

import pytest

from tinyengine_tvm.profile.cycles.instruction import FLAGS, decode
from tinyengine_tvm.profile.cycles.mnemonics import FORMS, Kind, split_mnemonic
from tinyengine_tvm.profile.disassembly import Line


@pytest.mark.parametrize(
    ("written", "name", "condition", "flags"),
    [
        ("bics", "bic", None, True),
        ("bls.n", "b", "ls", False),
        ("blt.w", "b", "lt", False),
        ("bl", "bl", None, False),
        ("mls", "mls", None, False),
        ("muls", "mul", None, True),
        ("teq", "teq", None, True),
        ("adcs", "adc", None, True),
        ("addseq", "add", "eq", True),
        ("lsllt", "lsl", "lt", False),
        ("movcs", "mov", "cs", False),
        ("vcmpe.f32", "vcmpe", None, True),
        ("vmovgt.f32", "vmov", "gt", False),
        ("itete", "itete", None, False),
        ("smmls", "smmls", None, False),
    ],
)
def test_mnemonics_come_apart_in_one_way(written, name, condition, flags):
    found = split_mnemonic(written)
    assert found is not None
    assert (found.name, found.condition, found.sets_flags) == (name, condition, flags)


def test_every_mnemonic_is_its_own_longest_reading():
    for name in FORMS:
        found = split_mnemonic(name)
        assert found is not None and found.name == name and found.condition is None


def test_what_no_timing_is_known_of_is_not_guessed():
    assert split_mnemonic("vmlaldavx.s16") is None
    assert decode(Line(0, 4, "vmlaldavx.s16 r0, r1, q0, q1")) is None
    assert decode(Line(0, 4, ".word 0x12345678")) is None


def test_parts_of_operands(assemble):
    code = assemble(
        """
        adds r0, #1
        add r0, r1, r2, lsl #3
        smlad r0, r1, r2, r3
        smlal r0, r1, r2, r3
        ssat r0, #8, r1, asr #4
        sxtab16 r0, r1, r2, ror #8
        bfi r0, r1, #3, #4
        movt r0, #1
        adc r0, r1, r2
        """
    )
    adds, shifted, smlad, smlal, ssat, sxtab, bfi, movt, adc = code
    assert (adds.reads, adds.writes) == ({"r0"}, {"r0", FLAGS})
    assert (shifted.reads, shifted.shifted, shifted.shift) == ({"r1", "r2"}, {"r2"}, "lsl")
    assert (smlad.kind, smlad.reads, smlad.added) == (Kind.ACCUMULATE, {"r1", "r2", "r3"}, {"r3"})
    assert smlal.writes == smlal.added == {"r0", "r1"}
    assert smlal.reads == {"r0", "r1", "r2", "r3"}
    assert (ssat.reads, ssat.shifted) == ({"r1"}, {"r1"})
    assert (sxtab.added, sxtab.shifted) == ({"r1"}, {"r2"})
    assert (bfi.reads, bfi.shifted, bfi.writes) == ({"r0", "r1"}, {"r1"}, {"r0"})
    assert movt.reads == {"r0"}
    assert FLAGS in adc.reads


def test_accesses(assemble):
    code = assemble(
        """
        ldr r0, [r1, #8]!
        ldrb r0, [r1, r2, lsl #2]
        str sl, [fp], #-4
        ldrd r0, r1, [r2, #16]
        ldmia r3!, {r4-r6, r8}
        push {r4-r7, lr}
        pop {r4, pc}
        vldmia r0, {d8-d9}
        vstr s3, [r2, #4]
        """
    )
    ldr, ldrb, strp, ldrd, ldm, push, pop, vldm, vstr = code
    assert (ldr.writes, ldr.base, ldr.offset, ldr.access) == ({"r0"}, "r1", 8, 4)
    assert (ldrb.address_registers, ldrb.offset, ldrb.access) == ({"r1", "r2"}, None, 1)
    assert (strp.data, strp.base, strp.reads) == ({"r10"}, "r11", {"r10", "r11"})
    assert (ldrd.writes, ldrd.words, ldrd.base) == ({"r0", "r1"}, 2, None)
    assert (ldm.writes, ldm.words, ldm.base) == ({"r4", "r5", "r6", "r8"}, 4, "r3")
    assert (push.words, push.base, push.branches) == (5, "sp", False)
    assert pop.branches and pop.words == 2
    assert (vldm.writes, vldm.words) == ({"s16", "s17", "s18", "s19"}, 4)
    assert (vstr.kind, vstr.data, vstr.words) == (Kind.FLOAT_STORE, {"s3"}, 1)


def test_branches_and_moves(assemble):
    code = assemble(
        "1: nop; bne 1b; cbz r3, 2f; bl 1b; bx lr; 2: vmov r0, r1, d4; vmov d4, r0, r1; vmov s1, r5"
    )
    _, bne, cbz, bl, bx, to_core, from_core, move = code
    assert bne.branches and bne.conditional and bne.target == 0 and FLAGS in bne.reads
    assert cbz.reads == {"r3"} and cbz.target == to_core.address
    assert bl.target == 0 and not bl.conditional and "lr" in bl.writes
    assert bx.kind is Kind.BRANCH_REGISTER and bx.target is None
    assert (to_core.kind, to_core.writes, to_core.reads) == (
        Kind.FLOAT_MOVE_PAIR,
        {"r0", "r1"},
        {"s8", "s9"},
    )
    assert (from_core.writes, from_core.reads) == ({"s8", "s9"}, {"r0", "r1"})
    assert (move.kind, move.writes, move.reads) == (Kind.FLOAT_MOVE, {"s1"}, {"r5"})
