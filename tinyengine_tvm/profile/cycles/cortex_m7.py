# SPDX-License-Identifier: Apache-2.0
"""Cortex-M7: two instructions per cycle, in order, with early and late stages.

Arm publishes no timings of this core. The rules are measurements on silicon (STM32H7) that others
published: github.com/jnk0le/random, "pipeline cycle test/doc/cortex_m7.md", and Mark Owen,
quinapalus.com/cm7cycles.html; latencies of what these don't measure are those of Arm's scheduling
model in LLVM (ARMScheduleM7.td).

Operands are counted from the late ALU, where plain arithmetic computes: a result of latency 1 is
there for it in the next cycle. Shifted operands and addresses are needed a cycle before that, sums
of products a cycle after it, stored data two.
"""

from __future__ import annotations

from .instruction import FLAGS, Instruction
from .mnemonics import FLOAT_KINDS, Kind
from .scoreboard import Issued, Pipeline, ScoreboardModel

_LATENCY = {
    Kind.SATURATE: 2,
    Kind.MULTIPLY: 2,
    Kind.ACCUMULATE: 2,
    Kind.LONG_MULTIPLY: 2,
    Kind.LONG_ACCUMULATE: 2,
    Kind.FLOAT: 3,
    Kind.FLOAT_ACCUMULATE: 5,
    Kind.FLOAT_MOVE: 3,
    Kind.FLOAT_MOVE_PAIR: 3,
}
"""Cycles until the late ALU can use a result, where it isn't 1."""
_MULTIPLIES = frozenset({Kind.MULTIPLY, Kind.ACCUMULATE, Kind.LONG_MULTIPLY, Kind.LONG_ACCUMULATE})
_LOADS = frozenset({Kind.LOAD, Kind.LOAD_PAIR, Kind.LOAD_MULTIPLE})
_BITS = frozenset(
    {
        Kind.EXTEND,
        Kind.EXTEND_SIMD,
        Kind.EXTEND_ADD,
        Kind.PACK,
        Kind.REVERSE,
        Kind.BITFIELD,
        Kind.COUNT,
        Kind.SATURATE,
        Kind.SIMD,
    }
)
"""Only as the older of two, and never two of them."""
_EARLY_SHIFTER = frozenset({Kind.EXTEND_ADD, Kind.PACK, Kind.REVERSE, Kind.BITFIELD, Kind.SATURATE})
"""Their marked operand is needed early, and none issues beside a shifted operand."""
_LISTS = frozenset(
    {
        Kind.LOAD_PAIR,
        Kind.LOAD_MULTIPLE,
        Kind.STORE_PAIR,
        Kind.STORE_MULTIPLE,
        Kind.FLOAT_LOAD_MULTIPLE,
        Kind.FLOAT_STORE_MULTIPLE,
    }
)
_ALONE = _LISTS | {
    Kind.DIVIDE,
    Kind.BRANCH_TABLE,
    Kind.SYSTEM,
    Kind.FLOAT_MOVE_PAIR,
    Kind.FLOAT_STATUS,
}
_EARLY_NAMES = frozenset({"add", "addw", "sub", "subw", "mov", "movw", "movt"})
_OCCUPANCY = {
    Kind.DIVIDE: 7,
    Kind.FLOAT_DIVIDE: 16,
    Kind.BRANCH_TABLE: 2,
    Kind.SYSTEM: 3,
}
_STORES = frozenset({Kind.STORE, Kind.FLOAT_STORE})
_FLOAT_ARITHMETIC = frozenset({Kind.FLOAT, Kind.FLOAT_ACCUMULATE, Kind.FLOAT_DIVIDE})
_FLOAT_TRANSFERS = frozenset({Kind.FLOAT_MOVE, Kind.FLOAT_LOAD, Kind.FLOAT_STORE})
_BUFFERED_STORES = 5
_NARROW_STORE = 2
"""Cycles that a byte or halfword takes to leave the store buffer: measured between 2 and 4."""
_MISPREDICTED = 8


class CortexM7(ScoreboardModel):
    """The model; see the file's head for its sources."""

    core = "cortex-m7"

    def delay(self, producer: Issued, register: str, consumer: Instruction) -> int:
        if register == FLAGS and consumer.kind is Kind.BRANCH:
            return 0  # it is predicted
        latency = self._latency(producer, register)
        if register in consumer.address_registers:
            return latency + 1
        if register in consumer.data:
            return max(0, latency - 2)
        if register in consumer.shifted and self._needs_early(consumer):
            return latency + 1
        if consumer.kind in _MULTIPLIES:
            if register in consumer.added:
                return max(0, latency - 1)
            if producer.instruction.kind in _LOADS and register in producer.instruction.writes:
                return max(2, latency)
        if consumer.kind is Kind.FLOAT_ACCUMULATE and register in consumer.added:
            return min(latency, 3)
        return latency

    def _latency(self, producer: Issued, register: str) -> int:
        made = producer.instruction
        if register not in made.writes:
            return 0  # a base that was written back: the address is computed early
        if producer.early and register != FLAGS:
            return 0
        if made.kind is Kind.LOAD and made.access < 4:
            return 2
        if made.kind is Kind.FLOAT_MOVE and register[0] != "s":
            return 1
        own = self.occupancy(made) - 1
        return _LATENCY.get(made.kind, 1) + own

    def occupancy(self, instruction: Instruction) -> int:
        if instruction.kind in _LISTS:
            return max(1, (instruction.words + 1) // 2)
        return _OCCUPANCY.get(instruction.kind, 1)

    def pairs(self, older: Instruction, younger: Instruction) -> bool:
        kinds = (older.kind, younger.kind)
        if any(kind in _ALONE for kind in kinds) or younger.kind in _BITS:
            return False
        multiplies = sum(kind in _MULTIPLIES for kind in kinds)
        stores = sum(kind in _STORES for kind in kinds)
        if multiplies + stores > 1 or sum(i.branches for i in (older, younger)) > 1:
            return False
        if self._needs_early(older) and self._needs_early(younger):
            return False
        if sum(kind in _FLOAT_ARITHMETIC for kind in kinds) > 1:
            return False
        if Kind.FLOAT_ACCUMULATE in kinds and any(kind in _FLOAT_TRANSFERS for kind in kinds):
            return False
        if all(kind in (Kind.LOAD, Kind.FLOAT_LOAD) for kind in kinds):
            return _other_bank(older, younger)
        return True

    def _needs_early(self, instruction: Instruction) -> bool:
        """Whether it uses the shifter of the early stage."""
        shifts = instruction.kind is Kind.ALU and instruction.shift is not None
        return shifts or instruction.kind in _EARLY_SHIFTER

    def is_early(self, instruction: Instruction, pipeline: Pipeline) -> bool:
        """Plain ADD, SUB and MOV as the older of two, and shifts, if their operands are there."""
        older = not pipeline.issued
        if instruction.kind is Kind.SHIFT:
            if not older and self._needs_early(pipeline.issued[0].instruction):
                return False
        elif not older or instruction.name not in _EARLY_NAMES or instruction.shift is not None:
            return False
        return all(
            pipeline.cycle >= found.cycle + self._latency(found, register) + 1
            for register in instruction.reads
            if (found := pipeline.producers.get(register)) is not None
        )

    def available(self, instruction: Instruction, pipeline: Pipeline) -> int:
        if instruction.kind is Kind.STORE:
            return pipeline.busy.get("stores", 0) - _BUFFERED_STORES * _NARROW_STORE
        if instruction.kind in FLOAT_KINDS:
            return pipeline.busy.get("float", 0)
        return 0

    def begin(self, instruction: Instruction, pipeline: Pipeline) -> None:
        if instruction.kind is Kind.STORE:
            takes = 1 if instruction.access == 4 else _NARROW_STORE
            pipeline.busy["stores"] = max(pipeline.busy.get("stores", 0), pipeline.cycle) + takes

    def branching(
        self, branch: Instruction, before: Instruction | None, executed: int, taken: int
    ) -> int:
        """As CycleModel.branching: the rarer way of a conditional branch is mispredicted."""
        if branch.kind is not Kind.BRANCH:
            return taken * _MISPREDICTED
        return min(taken, executed - taken) * _MISPREDICTED


def _other_bank(older: Instruction, younger: Instruction) -> bool:
    """Whether two loads are known to go to an even and an odd word."""
    if older.offset is None or younger.offset is None or older.base is not None:
        return False
    if older.address_registers != younger.address_registers:
        return False
    if older.writes & younger.address_registers:
        return False
    return (older.offset // 4 + younger.offset // 4) % 2 == 1


CORTEX_M7 = CortexM7()
