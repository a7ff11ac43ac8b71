# SPDX-License-Identifier: Apache-2.0
"""In-order issue of one or two instructions per cycle, held up by operands that aren't ready."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from .instruction import Instruction


@dataclass(frozen=True)
class Issued:
    """An instruction that went into the pipeline; `early`: its result is there a cycle sooner."""

    instruction: Instruction
    cycle: int
    early: bool = False


@dataclass
class Pipeline:
    """The state of a simulation.

    cycle: the last in which something was issued; issued: what was. producers: who computes a
    register. busy: units of one model by name, each with the cycle from which it is free.
    """

    cycle: int = -1
    issued: list[Issued] = field(default_factory=list)
    producers: dict[str, Issued] = field(default_factory=dict)
    busy: dict[str, int] = field(default_factory=dict)


class ScoreboardModel(ABC):
    """Issues instructions in order; subclasses hold a core's latencies and pairing rules."""

    core: str

    @abstractmethod
    def delay(self, producer: Issued, register: str, consumer: Instruction) -> int:
        """Cycles from `producer`'s issue until `consumer`, which reads `register`, may issue."""

    @abstractmethod
    def occupancy(self, instruction: Instruction) -> int:
        """Cycles that it issues for, at least 1; only the last may be shared."""

    @abstractmethod
    def pairs(self, older: Instruction, younger: Instruction) -> bool:
        """Whether both may issue in one cycle, their operands ready."""

    def available(self, instruction: Instruction, pipeline: Pipeline) -> int:
        """The first cycle in which the units that it needs are free."""
        return 0

    def begin(self, instruction: Instruction, pipeline: Pipeline) -> None:
        """Notes in `pipeline.busy` what the instruction occupies from pipeline.cycle on."""
        return None

    def is_early(self, instruction: Instruction, pipeline: Pipeline) -> bool:
        """Whether the instruction, issuing now, gives its result a cycle sooner."""
        return False

    def straight(self, code: Sequence[Instruction]) -> list[int]:
        """As CycleModel.straight."""
        pipeline = Pipeline()
        spent = []
        for instruction in code:
            before = pipeline.cycle
            ready = max(self._ready(instruction, pipeline), self.available(instruction, pipeline))
            if not self._joins(instruction, ready, pipeline):
                pipeline.cycle = max(ready, pipeline.cycle + 1)
                pipeline.issued = []
            issued = Issued(instruction, pipeline.cycle, self.is_early(instruction, pipeline))
            self.begin(instruction, pipeline)
            pipeline.issued.append(issued)
            for register in instruction.writes:
                pipeline.producers[register] = issued
            if instruction.base is not None:
                pipeline.producers[instruction.base] = issued
            pipeline.cycle += self.occupancy(instruction) - 1
            spent.append(pipeline.cycle - before)
        return spent

    def _ready(self, instruction: Instruction, pipeline: Pipeline) -> int:
        cycles = [0]
        for register in instruction.reads:
            producer = pipeline.producers.get(register)
            if producer is not None:
                cycles.append(producer.cycle + self.delay(producer, register, instruction))
        return max(cycles)

    def _joins(self, instruction: Instruction, ready: int, pipeline: Pipeline) -> bool:
        if len(pipeline.issued) != 1 or ready > pipeline.cycle:
            return False
        return self.pairs(pipeline.issued[0].instruction, instruction)
