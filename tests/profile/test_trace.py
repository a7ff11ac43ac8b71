# SPDX-License-Identifier: Apache-2.0
"""Cycles from counts against the same models fed with every instruction in the order it ran."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.networks import small_network
from tinyengine_tvm import compile_network
from tinyengine_tvm.boards import get_board
from tinyengine_tvm.boards.base import Program
from tinyengine_tvm.boards.elf import Image
from tinyengine_tvm.boards.qemu import QemuBoard
from tinyengine_tvm.boards.samples import example_inputs
from tinyengine_tvm.profile import count_model
from tinyengine_tvm.profile.cycles import MODELS, CycleModel, executed_instructions
from tinyengine_tvm.profile.cycles.flow import Flow, FlowCycles
from tinyengine_tvm.profile.cycles.instruction import Instruction


class WithoutBranches:
    """A model whose branches cost nothing more: predictions are no matter of order here."""

    def __init__(self, model: CycleModel) -> None:
        self.core = model.core
        self.straight = model.straight

    def branching(
        self, branch: Instruction, before: Instruction | None, executed: int, taken: int
    ) -> int:
        return 0


def trace(board: QemuBoard, program: Program, work: Path) -> list[int]:
    """The addresses of one inference in the order in which QEMU executes them."""
    log = work / "trace.txt"
    options = ["-singlestep", "-d", "exec,nochain", "-D", str(log)]
    board.emulate(program, example_inputs(program.model), options=options)
    image = Image(program.path)
    entry, end = image.address(program.model.run_function), image.address("te_model_returned")
    found = re.findall(r"^Trace .*\[[0-9a-f]+/([0-9a-f]+)/", log.read_text(), re.MULTILINE)
    addresses = [int(text, 16) for text in found]
    start = addresses.index(entry)
    return addresses[start : addresses.index(end, start)]


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m3"])
def test_counts_give_what_a_trace_gives(target, tmp_path):
    board = get_board("mps2-an386")
    if board.missing():
        pytest.skip(board.describe())
    assert isinstance(board, QemuBoard)
    directory = compile_network(small_network(), target=target).save(tmp_path / "net")
    program, counts = count_model(board, directory, tmp_path / "build")
    ran = trace(board, program, tmp_path)
    assert len(ran) == counts.instructions
    layers = [layer.addresses for layer in counts.layers]
    instructions = executed_instructions(program.path, layers)
    assert not isinstance(instructions, str), instructions
    by_address = {instruction.address: instruction for instruction in instructions}
    in_order: Sequence[Instruction] = [by_address[address] for address in ran]
    flow = Flow.of(instructions, layers)
    for core, model in MODELS.items():
        cycles = FlowCycles(WithoutBranches(model), flow)
        estimate = sum(sum(cycles.layer(layer).values()) for layer in layers)
        # What is lost: a pipeline's state before the last block, and at the border of layers.
        allowed = 0.01 if core == "cortex-m7" else 0.0005
        assert estimate == pytest.approx(sum(model.straight(in_order)), rel=allowed), core
