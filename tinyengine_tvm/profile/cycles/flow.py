# SPDX-License-Identifier: Apache-2.0
"""From how often every instruction ran to how often every stretch of code ran after which other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..result import AddressCounts
from .instruction import Instruction
from .model import CycleModel


@dataclass(frozen=True)
class Flow:
    """Executed instructions in ascending order, cut into blocks that always run whole.

    starts: the index of each block's first instruction, and last the number of instructions.
    """

    instructions: tuple[Instruction, ...]
    starts: tuple[int, ...]

    @staticmethod
    def of(instructions: Sequence[Instruction], layers: Sequence[AddressCounts]) -> Flow:
        """Blocks that hold for every layer: within one, all counts are equal and nothing jumps."""
        starts = [0] if instructions else []
        for index in range(1, len(instructions)):
            before, here = instructions[index - 1], instructions[index]
            if (
                before.address + before.size != here.address
                or before.branches
                or any(
                    layer.executed.get(before.address) != layer.executed.get(here.address)
                    for layer in layers
                )
            ):
                starts.append(index)
        return Flow(tuple(instructions), (*starts, len(instructions)))

    def block(self, number: int) -> tuple[Instruction, ...]:
        return self.instructions[self.starts[number] : self.starts[number + 1]]


class FlowCycles:
    """Cycles of a program's layers by the model of a core."""

    def __init__(self, model: CycleModel, flow: Flow) -> None:
        self._model = model
        self._flow = flow
        count = len(flow.starts) - 1
        self._blocks = [flow.block(number) for number in range(count)]
        self._at = {block[0].address: number for number, block in enumerate(self._blocks)}
        self._sources: dict[int, list[int]] = {}
        for number, block in enumerate(self._blocks):
            target = block[-1].target
            if target is not None:
                self._sources.setdefault(target, []).append(number)
        self._known: dict[tuple[int, int | None], list[int]] = {}

    def layer(self, counts: AddressCounts) -> dict[int, int]:
        """Cycles by address, for those that ran."""
        spent: dict[int, int] = {}
        for number, block in enumerate(self._blocks):
            executed = counts.executed.get(block[0].address, 0)
            if not executed:
                continue
            totals = [0] * len(block)
            for times, context in self._arrivals(number, executed, counts):
                for index, cycles in enumerate(self._straight(number, context)):
                    totals[index] += times * cycles
            last = block[-1]
            if last.branches:
                before = block[-2] if len(block) > 1 else None
                taken = counts.taken.get(last.address, 0)
                totals[-1] += self._model.branching(last, before, executed, taken)
            spent.update(
                (instruction.address, cycles)
                for instruction, cycles in zip(block, totals, strict=True)
            )
        return spent

    def _arrivals(
        self, number: int, executed: int, counts: AddressCounts
    ) -> list[tuple[int, int | None]]:
        """How often the block ran after which other; None: after one that isn't known."""
        block = self._blocks[number]
        found: list[tuple[int, int | None]] = []
        rest = executed
        candidates = []
        if number:
            last = self._blocks[number - 1][-1]
            if last.address + last.size == block[0].address:
                passed = counts.executed.get(last.address, 0) - counts.taken.get(last.address, 0)
                candidates.append((passed, number - 1))
        for source in self._sources.get(block[0].address, ()):
            candidates.append((counts.taken.get(self._blocks[source][-1].address, 0), source))
        for times, source in candidates:
            times = min(times, rest)
            if times > 0:
                found.append((times, source))
                rest -= times
        if rest:
            found.append((rest, None))
        return found

    def _straight(self, number: int, context: int | None) -> list[int]:
        key = (number, context)
        if key not in self._known:
            before = () if context is None else self._blocks[context]
            block = self._blocks[number]
            self._known[key] = self._model.straight((*before, *block))[len(before) :]
        return self._known[key]
