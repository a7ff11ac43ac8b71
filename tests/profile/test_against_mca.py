# SPDX-License-Identifier: Apache-2.0
"""The timing models beside LLVM's: equal where the documents leave no doubt, near elsewhere."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.cycle_model_vs_mca import BOARDS, MCA, SHIPPED, compare, mca_cycles, repeated
from tinyengine_tvm.boards import get_board
from tinyengine_tvm.profile.cycles import MODELS

needs_mca = pytest.mark.skipif(
    shutil.which(MCA) is None, reason="llvm-mca is not on this machine (Debian package llvm)"
)

EQUAL = {
    "cortex-m4": [
        "add.w r0, r1, r2; eor.w r3, r4, r5; orr.w r6, r7, r8",
        "smlad r0, r1, r2, r0; smlad r3, r1, r2, r3; sxtb16 r4, r5",
        "str r0, [r1]; str r2, [r1, #4]",
    ],
    "cortex-m7": [
        "add.w r0, r1, r2; eor.w r3, r4, r5; orr.w r6, r7, r8; and.w r9, r10, r11",
        "smlad r0, r1, r2, r0; smlad r3, r1, r2, r3; smlad r4, r1, r2, r4",
        "sxtb16 r3, r4; smlad r0, r1, r2, r0",
        "ldrd r0, r1, [r2]; ldrd r3, r4, [r2]",
        "add.w r0, r1, r2, lsl #2; eor.w r3, r4, r5, ror #8",
    ],
    "cortex-m33": [
        "add.w r0, r1, r2; eor.w r3, r4, r5; orr.w r6, r7, r8",
        "smlad r0, r1, r2, r0; smlad r3, r1, r2, r3",
    ],
}

# docs/cycle-model.md explains the differences; these are its ranges, with room for other code.
RATIOS = {"cortex-m4": (0.95, 1.4), "cortex-m7": (0.65, 1.2), "cortex-m33": (0.8, 1.4)}


@needs_mca
@pytest.mark.parametrize(("core", "text"), [(c, t) for c, texts in EQUAL.items() for t in texts])
def test_equal_where_the_documents_leave_no_doubt(assemble, core, text):
    code = assemble(text, core)
    assert repeated(MODELS[core], code) == mca_cycles(core, text.split("; "))


@needs_mca
@pytest.mark.parametrize("core", BOARDS)
def test_near_on_the_blocks_that_cost_most(core, tmp_path):
    board = get_board(BOARDS[core])
    if board.missing():
        pytest.skip(board.describe())
    rows = compare(SHIPPED, core, core, 5, tmp_path)
    low, high = RATIOS[core]
    measured = [(row.function, row.ours / row.mca) for row in rows if row.mca is not None]
    assert len(measured) >= 3
    assert all(low < ratio < high for _, ratio in measured), measured


@needs_mca
def test_what_llvm_cannot_read_is_no_number():
    assert mca_cycles("cortex-m4", ["frobnicate r0, r1"]) is None
