# SPDX-License-Identifier: Apache-2.0
"""Cortex-M3 and M4: one instruction after the other, with the rules between neighbours.

Source: Arm, Cortex-M4 Technical Reference Manual (DDI 0439D), tables 3-1, 3-2 and 7-1 and section
3.3.2; Cortex-M3 Technical Reference Manual (DDI 0337I), table 3-1 and section 3.3.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .instruction import Instruction
from .mnemonics import FLOAT_KINDS, Kind

_LISTS = frozenset(
    {
        Kind.LOAD_PAIR,
        Kind.LOAD_MULTIPLE,
        Kind.STORE_PAIR,
        Kind.STORE_MULTIPLE,
        Kind.FLOAT_LOAD,
        Kind.FLOAT_LOAD_MULTIPLE,
        Kind.FLOAT_STORE,
        Kind.FLOAT_STORE_MULTIPLE,
    }
)
"""1 + N cycles for N words, and never pipelined with a neighbour."""
_FLOAT_RESULTS = frozenset({Kind.FLOAT, Kind.FLOAT_ACCUMULATE, Kind.FLOAT_DIVIDE})
_NOT_PROCESSING = frozenset(
    {Kind.LOAD, Kind.STORE, Kind.BRANCH, Kind.BRANCH_REGISTER, Kind.BRANCH_TABLE, Kind.IT, Kind.NOP}
)
"""With `_LISTS` and FLOAT_KINDS: what is no data processing on core registers."""


@dataclass(frozen=True)
class SequentialModel:
    """A single-issue core whose instructions have fixed costs.

    costs: cycles by kind where it isn't 1. refill: cycles to refill the pipeline after a branch
    (documented: 1 to 3); refill_loaded: after an address came from memory (documented: 3).
    """

    core: str
    costs: Mapping[Kind, int] = field(default_factory=dict)
    refill: int = 2
    refill_loaded: int = 3

    def straight(self, code: Sequence[Instruction]) -> list[int]:
        spent: list[int] = []
        before: Instruction | None = None
        now = floats_free = 0
        for instruction in code:
            wait = 0
            if instruction.kind in FLOAT_KINDS:
                wait = max(0, floats_free - now)
            cost = wait + self._alone_or_after(instruction, before)
            now += cost
            if instruction.kind is Kind.FLOAT_DIVIDE:
                # It completes beside the integer instructions that follow.
                floats_free = now + self.costs.get(Kind.FLOAT_DIVIDE, 1) - 1
            spent.append(cost)
            before = instruction
        return spent

    def _alone_or_after(self, instruction: Instruction, before: Instruction | None) -> int:
        kind = instruction.kind
        follows = before is not None and before.address + before.size == instruction.address
        if kind is Kind.IT:
            folds = follows and before is not None and before.size == 2
            return 0 if folds else 1
        if kind is Kind.FLOAT_DIVIDE:
            cost = 1
        elif kind in _LISTS:
            cost = 1 + instruction.words
        else:
            cost = self.costs.get(kind, 1)
        if before is None:
            return cost if kind is not Kind.STORE else self._store(instruction, pipelined=False)

        needs = instruction.address_registers
        changed = before.writes | ({before.base} if before.base else set())
        pipelined = before.kind is Kind.LOAD and not before.branches and not (needs & changed)
        if kind is Kind.LOAD and not instruction.branches and pipelined:
            cost = 1
        elif kind is Kind.STORE:
            cost = self._store(instruction, pipelined)
        if needs & before.writes and _is_processing(before):
            cost += 1
        if before.kind in _FLOAT_RESULTS and before.writes & instruction.reads:
            cost += 1
        return cost

    def _store(self, instruction: Instruction, pipelined: bool) -> int:
        return 2 if instruction.offset is None and not pipelined else 1

    def branching(
        self, branch: Instruction, before: Instruction | None, executed: int, taken: int
    ) -> int:
        loaded = branch.kind in (Kind.LOAD, Kind.LOAD_MULTIPLE, Kind.BRANCH_TABLE)
        return taken * (self.refill_loaded if loaded else self.refill)


def _is_processing(instruction: Instruction) -> bool:
    kind = instruction.kind
    return kind not in _NOT_PROCESSING and kind not in _LISTS and kind not in FLOAT_KINDS


_COMMON = {
    Kind.LOAD: 2,
    # Documented: 2 to 12, fewer for small quotients.
    Kind.DIVIDE: 12,
    # Two for the load and one for the addition.
    Kind.BRANCH_TABLE: 3,
    Kind.SYSTEM: 2,
}

CORTEX_M4 = SequentialModel(
    "cortex-m4",
    {
        **_COMMON,
        Kind.FLOAT_ACCUMULATE: 3,
        Kind.FLOAT_DIVIDE: 14,
        Kind.FLOAT_MOVE_PAIR: 2,
        Kind.FLOAT_STATUS: 1,
    },
)
CORTEX_M3 = SequentialModel(
    "cortex-m3",
    {
        **_COMMON,
        # MLA takes 2. Documented for the long ones: 3 to 5 and 4 to 7, fewer for small factors.
        Kind.ACCUMULATE: 2,
        Kind.LONG_MULTIPLY: 5,
        Kind.LONG_ACCUMULATE: 7,
    },
)
