# SPDX-License-Identifier: Apache-2.0
"""Replays a region step by step on memory in which every byte remembers what it holds.

It shares the schedule and the places with the code that is generated, and none of the reasoning
that led to them.
"""

from __future__ import annotations

import numpy as np

from ..memory import PlanError
from ..network import Network
from .region import Fusion, scratch_key
from .schedule import Step
from .stages import Span, row_bytes

NOTHING = -1


class _Replay:
    def __init__(self, fusion: Fusion) -> None:
        self.fusion = fusion
        self.network: Network = fusion.network
        self.source, self.sink = self.network.inputs[0], self.network.outputs[0]
        x, y = self.network.tensor(self.source), self.network.tensor(self.sink)
        lead = max(0, y.nbytes - fusion.overlap)
        self.scratch = np.full(fusion.scratch, NOTHING, np.int64)
        # The planner may place the input as near to the output as this.
        self.ends = np.full(max(y.nbytes, lead + x.nbytes), NOTHING, np.int64)
        self.input_at = lead
        names = sorted(self.network.tensors)
        self.number = {name: i for i, name in enumerate(names)}
        self.done = dict.fromkeys(names, 0)
        if not fusion.streamed:
            rows = Span(0, x.shape[1])
            self._bytes(self.source, rows, 0)[:] = self._values(self.source, rows)
            self.done[self.source] = rows.end

    def _values(self, tensor: str, rows: Span) -> np.ndarray:
        """What the bytes of these rows hold: a number of their own for each."""
        row = row_bytes(self.network.tensor(tensor))
        begin = (self.number[tensor] + 1) << 40
        return np.arange(begin + rows.begin * row, begin + rows.end * row)

    def _bytes(self, tensor: str, rows: Span, base: int) -> np.ndarray:
        """Where rows lie if the buffer of the feature map begins with row `base`."""
        row = row_bytes(self.network.tensor(tensor))
        memory, at = self.scratch, self.fusion.offsets.get(tensor, 0)
        if tensor == self.sink or (tensor == self.source and not self.fusion.streamed):
            memory, at = self.ends, self.input_at if tensor == self.source else 0
        begin, end = at + (rows.begin - base) * row, at + (rows.end - base) * row
        if begin < 0 or end > len(memory):
            raise PlanError(f"rows {rows.begin} to {rows.end} of {tensor} leave their memory")
        return memory[begin:end]

    def _require(self, tensor: str, rows: Span, base: int, when: str) -> None:
        if np.any(self._bytes(tensor, rows, base) != self._values(tensor, rows)):
            raise PlanError(f"rows {rows.begin} to {rows.end} of {tensor} are lost {when}")

    def step(self, step: Step) -> None:
        name = self.source
        if step.stage is not None:
            name = self.fusion.stages[step.stage].output
        if step.rows.begin != self.done[name]:
            raise PlanError(f"row {step.rows.begin} of {name} is computed out of order")
        self.done[name] = step.rows.end
        if step.dropped and step.kept:
            row = row_bytes(self.network.tensor(name))
            at = self.fusion.offsets[name]
            low, kept = at + step.dropped * row, step.kept * row
            if low + kept > len(self.scratch):
                raise PlanError(f"rows of {name} slide from outside their memory")
            self.scratch[at : at + kept] = self.scratch[low : low + kept].copy()
        if step.stage is not None:
            self._compute(step)
        out = self._bytes(name, step.rows, step.base)
        out[:] = self._values(name, step.rows)
        if step.stage is not None:
            self._operands(step, "when the output is written")
        self._require(name, step.rows, step.base, "at once")

    def _compute(self, step: Step) -> None:
        assert step.stage is not None
        stage = self.fusion.stages[step.stage]
        if stage.rows_read(self.network, step.rows) != step.read:
            raise PlanError(f"{stage.name} reads other rows than it needs")
        self._operands(step, f"before {stage.name} reads them")
        key = scratch_key(stage)
        if key in self.fusion.offsets:
            at = self.fusion.offsets[key]
            size = max(p.scratch for p in self.fusion.parts[stage.layers[0].name].values())
            if stage.tiled:
                size = self.fusion.tiles[step.stage].size
            if at + size > len(self.scratch):
                raise PlanError(f"{key} leaves the scratch")
            self.scratch[at : at + size] = NOTHING
        self._operands(step, f"while {stage.name} runs")

    def _operands(self, step: Step, when: str) -> None:
        assert step.stage is not None
        stage = self.fusion.stages[step.stage]
        for tensor, base in zip(stage.inputs, step.bases, strict=True):
            self._require(tensor, step.read, base, when)


def check_fusion(fusion: Fusion) -> None:
    """Checks that every row is computed once, in order, from rows that are still there.

    Raises:
        PlanError: names the feature map and its rows: a defect of this compiler.
    """
    replay = _Replay(fusion)
    for step in fusion.schedule.steps:
        replay.step(step)
    y = fusion.network.tensor(replay.sink)
    if replay.done[replay.sink] != y.shape[1]:
        raise PlanError(f"{replay.sink} isn't computed to its end")
    replay._require(replay.sink, Span(0, y.shape[1]), 0, "at the end")
