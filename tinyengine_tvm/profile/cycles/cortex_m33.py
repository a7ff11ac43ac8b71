# SPDX-License-Identifier: Apache-2.0
"""Cortex-M33: one instruction per cycle, results of some a cycle late, branches beside 16-bit code.

Arm publishes no timings of this core. The rules are measurements on silicon (RP2350) that others
published: github.com/jnk0le/random, "pipeline cycle test/doc/cortex_m33.md", and the model in
github.com/slothy-optimizer/slothy, slothy/targets/arm_v7m/cortex_m33.py. What neither holds is
taken from the Cortex-M4; docs/cycle-model.md says which.
"""

from __future__ import annotations

from .instruction import FLAGS, Instruction
from .mnemonics import FLOAT_KINDS, Kind
from .scoreboard import Issued, Pipeline, ScoreboardModel

_LATENCY = {
    Kind.LOAD: 2,
    Kind.LOAD_PAIR: 2,
    Kind.LOAD_MULTIPLE: 2,
    Kind.MULTIPLY: 2,
    Kind.ACCUMULATE: 2,
    Kind.LONG_MULTIPLY: 2,
    Kind.LONG_ACCUMULATE: 2,
    Kind.EXTEND_ADD: 2,
    Kind.EXTEND_SIMD: 2,
    Kind.PACK: 2,
    Kind.SIMD: 2,
    Kind.SATURATE: 2,
    Kind.FLOAT: 2,
    Kind.FLOAT_ACCUMULATE: 3,
    Kind.FLOAT_MOVE: 2,
    Kind.FLOAT_MOVE_PAIR: 2,
}
"""Cycles until a result can be used, where it isn't 1."""
_ADDS_LATE = frozenset({Kind.ACCUMULATE, Kind.LONG_ACCUMULATE, Kind.EXTEND_ADD})
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
_OCCUPANCY = {
    # As Cortex-M4.
    Kind.DIVIDE: 12,
    Kind.FLOAT_DIVIDE: 14,
    Kind.BRANCH_TABLE: 3,
    Kind.SYSTEM: 2,
    Kind.FLOAT_MOVE_PAIR: 2,
}
_INDIRECT_REFILL = 2
"""Unpublished: the middle of what Arm documents for Cortex-M4."""


class CortexM33(ScoreboardModel):
    """The model; see the file's head for its sources."""

    core = "cortex-m33"

    def delay(self, producer: Issued, register: str, consumer: Instruction) -> int:
        made = producer.instruction
        if register == FLAGS and consumer.kind is Kind.BRANCH:
            return 0
        if register not in made.writes:
            return 1  # a base that was written back
        latency = _LATENCY.get(made.kind, 1)
        if made.kind is Kind.ALU and made.shift not in (None, "lsl"):
            latency = 2
        # The words of a list come one by one; the last counts.
        latency += self.occupancy(made) - 1 if made.kind in _LISTS else 0
        stored = register in consumer.data and register not in consumer.address_registers
        added = register in consumer.added and consumer.kind in _ADDS_LATE
        return max(1, latency - 1) if stored or added else latency

    def occupancy(self, instruction: Instruction) -> int:
        if instruction.kind in _LISTS:
            return max(1, instruction.words)
        if instruction.name == "mul" and instruction.sets_flags:
            return 2
        return _OCCUPANCY.get(instruction.kind, 1)

    def pairs(self, older: Instruction, younger: Instruction) -> bool:
        return older.size == 2 and younger.size == 2 and younger.kind in (Kind.BRANCH, Kind.IT)

    def available(self, instruction: Instruction, pipeline: Pipeline) -> int:
        return pipeline.busy.get("float", 0) if instruction.kind in FLOAT_KINDS else 0

    def begin(self, instruction: Instruction, pipeline: Pipeline) -> None:
        if instruction.kind is Kind.FLOAT_ACCUMULATE:
            pipeline.busy["float"] = pipeline.cycle + 3

    def branching(
        self, branch: Instruction, before: Instruction | None, executed: int, taken: int
    ) -> int:
        """As CycleModel.branching: beside an instruction that sets the flags 2 cycles, else 1."""
        if branch.kind is not Kind.BRANCH:
            return taken * _INDIRECT_REFILL
        beside_flags = before is not None and self.pairs(before, branch) and before.sets_flags
        return taken * (2 if beside_flags else 1)


CORTEX_M33 = CortexM33()
