# SPDX-License-Identifier: Apache-2.0
"""An estimate of cycles from exact counts of executed instructions and taken branches.

docs/cycle-model.md holds the rules of every core, their sources, and what they leave out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..disassembly import disassemble
from ..result import AddressCounts
from .cortex_m7 import CORTEX_M7
from .cortex_m33 import CORTEX_M33
from .flow import Flow, FlowCycles
from .instruction import Instruction, decode
from .model import CycleModel
from .sequential import CORTEX_M3, CORTEX_M4

MODELS: dict[str, CycleModel] = {
    model.core: model for model in (CORTEX_M3, CORTEX_M4, CORTEX_M7, CORTEX_M33)
}
"""The timing model of each core that has one."""


@dataclass(frozen=True)
class CycleCounts:
    """Cycles of one inference by layer and address, or why there are none."""

    layers: tuple[dict[int, int], ...] = ()
    note: str | None = None

    @property
    def known(self) -> bool:
        return self.note is None

    @property
    def total(self) -> int | None:
        """Cycles of all layers, or None."""
        return sum(sum(layer.values()) for layer in self.layers) if self.known else None


def count_cycles(core: str, program: Path, layers: Sequence[AddressCounts]) -> CycleCounts:
    """Cycles that `core` spends on what was counted in `program`, a linked ELF file.

    Raises:
        BoardError: the program cannot be disassembled.
    """
    model = MODELS.get(core)
    if model is None:
        return CycleCounts(note=f"no cycles: nobody has published the timings of {core}")
    instructions = executed_instructions(program, layers)
    if isinstance(instructions, str):
        return CycleCounts(note=f"no cycles: {instructions}")
    cycles = FlowCycles(model, Flow.of(instructions, layers))
    return CycleCounts(tuple(cycles.layer(layer) for layer in layers))


def executed_instructions(
    program: Path, layers: Sequence[AddressCounts]
) -> list[Instruction] | str:
    """The instructions that ran, ascending, or a sentence about one that cannot be decoded.

    Raises:
        BoardError: the program cannot be disassembled.
    """
    executed = {address for layer in layers for address in layer.executed}
    instructions: list[Instruction] = []
    for line in disassemble(program):
        if line.address not in executed:
            continue
        instruction = decode(line)
        if instruction is None:
            return f"no timing is known of '{line.code}'"
        instructions.append(instruction)
        executed.discard(line.address)
    if executed:
        return f"{min(executed):#x} ran but is no code of section .text"
    return instructions


__all__ = ["MODELS", "CycleCounts", "CycleModel", "count_cycles", "executed_instructions"]
