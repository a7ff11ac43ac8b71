# SPDX-License-Identifier: Apache-2.0
"""Counts of instructions and branches become cycles: every arrival and departure counts once."""

from __future__ import annotations

import pytest

from tinyengine_tvm.boards import get_board
from tinyengine_tvm.paths import runtime_c
from tinyengine_tvm.profile import count_model, profile_model
from tinyengine_tvm.profile.cycles import MODELS, count_cycles
from tinyengine_tvm.profile.cycles.flow import Flow, FlowCycles
from tinyengine_tvm.profile.hotspots import annotate
from tinyengine_tvm.profile.result import AddressCounts

M4 = MODELS["cortex-m4"]
CALIBRATION = runtime_c() / "profile" / "calibration"


def spent(code, *layers: AddressCounts) -> list[dict[int, int]]:
    cycles = FlowCycles(M4, Flow.of(code, layers))
    return [cycles.layer(layer) for layer in layers]


@pytest.fixture
def mps2():
    board = get_board("mps2-an386")
    if board.missing():
        pytest.skip(board.describe())
    return board


def test_arrivals_by_branch_have_another_neighbour(assemble):
    # The second load follows the first once, pipelined (1), and 9 times a branch (2).
    code = assemble("ldr r0, [r1]; 1: ldr r2, [r3]; subs r4, #1; bne 1b")
    first, load, subs, bne = (i.address for i in code)
    counts = AddressCounts({first: 1, load: 10, subs: 10, bne: 10}, {bne: 9})
    (cycles,) = spent(code, counts)
    assert cycles == {first: 2, load: 1 + 9 * 2, subs: 10, bne: 10 + 9 * 2}


def test_a_branch_that_was_never_taken_costs_one_cycle(assemble):
    code = assemble("cmp r0, #0; beq 1f; mov r1, r2; 1:")
    (cycles,) = spent(code, AddressCounts({i.address: 7 for i in code}, {}))
    assert list(cycles.values()) == [7, 7, 7]


def test_a_call_costs_its_branch_though_all_counts_are_equal(assemble):
    code = assemble("bl 1f; ldr r0, [r1]; bx lr; 1: bx lr")
    call, load, end, inner = (i.address for i in code)
    (cycles,) = spent(
        code, AddressCounts(dict.fromkeys((call, load, end, inner), 4), {call: 4, end: 4, inner: 4})
    )
    assert cycles == {call: 4 * 3, load: 4 * 2, end: 4 * 3, inner: 4 * 3}


def test_only_what_was_not_taken_arrives_from_above(assemble):
    # IT folds onto the 16-bit branch above it, which 4 of 10 pass; the other 6 come from below.
    code = assemble("beq 2f; 1: it ne; movne r0, #1; bx lr; 2: b 1b")
    beq, it, mov, end, back = (i.address for i in code)
    executed = {beq: 10, it: 10, mov: 10, end: 10, back: 6}
    (cycles,) = spent(code, AddressCounts(executed, {beq: 6, end: 10, back: 6}))
    assert cycles == {beq: 10 + 6 * 2, it: 6, mov: 10, end: 30, back: 18}


def test_unexecuted_code_between_costs_nothing(assemble):
    code = assemble("cmp r0, #0; beq 1f; mov r1, r2; 1: ldr r3, [r1]")
    compare, branch, skipped, load = (i.address for i in code)
    ran = [code[0], code[1], code[3]]
    counts = AddressCounts({compare: 5, branch: 5, load: 5}, {branch: 5})
    (cycles,) = spent(ran, counts)
    assert cycles == {compare: 5, branch: 5 + 5 * 2, load: 5 * 2}
    assert skipped not in cycles


def test_layers_that_share_code_keep_their_own_cycles(assemble):
    # In the first layer the load is always reached from above, where the address was computed.
    code = assemble("add r1, r1, #4; 1: ldr r0, [r1]; subs r4, #1; bne 1b")
    add, load, subs, bne = (i.address for i in code)
    straight = AddressCounts({add: 3, load: 3, subs: 3, bne: 3}, {})
    looped = AddressCounts({add: 1, load: 8, subs: 8, bne: 8}, {bne: 7})
    one, two = spent(code, straight, looped)
    assert one == {add: 3, load: 3 * 3, subs: 3, bne: 3}
    assert two == {add: 1, load: 3 + 7 * 2, subs: 8, bne: 8 + 7 * 2}


def test_a_layer_that_begins_amid_straight_code(assemble):
    code = assemble("add r1, r1, #4; ldr r0, [r1]; mov r2, r3")
    add, load, mov = (i.address for i in code)
    first, second = AddressCounts({add: 1}, {}), AddressCounts({load: 1, mov: 1}, {})
    assert spent(code, first, second) == [{add: 1}, {load: 2, mov: 1}]


def test_loops_of_known_length(mps2, tmp_path):
    """The calibration program: 4000 rounds of 2 instructions, and 100 rounds of 5."""
    program, counts = count_model(mps2, CALIBRATION, tmp_path)
    layers = [layer.addresses for layer in counts.layers]
    cycles = count_cycles("cortex-m4", program.path, layers)
    assert [sum(layer.values()) for layer in cycles.layers] == [
        # MOVS, LSLS; SUBS and BNE, which is taken but once.
        2 + 4000 * 2 + 3999 * 2,
        0,
        # LDR, MOVS; LDR 2, LDR pipelined 1, STR 1, SUBS, BNE; MOVS, BX.
        3 + 100 * (2 + 1 + 1 + 1 + 1) + 99 * 2 + 1 + 3,
    ]
    text = annotate(program, counts, core="cortex-m4")
    assert text.startswith("8506 instructions, about 16805 cycles of cortex-m4\n")
    assert "        4000        11998   71.40%  100% " in text


def test_no_cycles_without_a_model_or_a_rule(mps2, tmp_path, monkeypatch):
    program, counts = count_model(mps2, CALIBRATION, tmp_path)
    layers = [layer.addresses for layer in counts.layers]
    unknown = count_cycles("cortex-m55", program.path, layers)
    assert unknown.total is None and unknown.layers == ()
    assert unknown.note == "no cycles: nobody has published the timings of cortex-m55"
    from tinyengine_tvm.profile.cycles import mnemonics

    monkeypatch.delitem(mnemonics.FORMS, "sub")
    assert count_cycles("cortex-m4", program.path, layers).note == (
        "no cycles: no timing is known of 'subs r2, #1'"
    )


@pytest.mark.parametrize("name", ["mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505"])
def test_profiles_have_cycles_that_add_up(name, tmp_path):
    board = get_board(name)
    if board.missing():
        pytest.skip(board.describe())
    profile = profile_model(board, CALIBRATION)
    cycles = [layer.cycles for layer in profile.layers]
    assert profile.cycles_note is None and None not in cycles
    assert profile.cycles == sum(c for c in cycles if c is not None) > 0
    document = profile.to_json()
    assert document["cycles"] == profile.cycles
    assert [layer["cycles"] for layer in document["layers"]] == cycles


def test_boards_without_a_model_say_so():
    board = get_board("mps3-an547")
    if board.missing():
        pytest.skip(board.describe())
    document = profile_model(board, CALIBRATION).to_json()
    assert document["cycles"] is document["cycles_per_mac"] is None
    assert [layer["cycles"] for layer in document["layers"]] == [None] * 3
    assert "cortex-m55" in document["cycles_note"]
