# SPDX-License-Identifier: Apache-2.0
"""The order in which a region's stages compute their rows, and the rows that must be kept.

The last stage asks for the rows it needs next; a stage that is asked computes a few rows, for which
it asks in turn. So a row is computed once, as late as possible, and kept in a line buffer until the
last stage that reads it has done so. A line buffer begins with the oldest row that is still needed:
rows slide down before new ones are written, and what a kernel reads is one contiguous sub-image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..network import Network
from .stages import Span, Stage


@dataclass(frozen=True)
class Step:
    """What one stage does at a time, or a call of the callback that delivers rows of the input.

    Rows are numbered as in the whole feature map; `base` is the row that the line buffer of the
    output begins with while the step runs, `dropped` and `kept` are rows of it that are forgotten
    and moved to its beginning before. `bases` are the same of the inputs' buffers. Feature maps
    that are held whole have base 0.
    """

    stage: int | None
    """Index into the region's stages; None for a delivery."""
    rows: Span
    base: int
    dropped: int
    kept: int
    read: Span
    bases: tuple[int, ...]


@dataclass(frozen=True)
class Schedule:
    """The steps of a region, and the most rows that each line buffer holds."""

    steps: tuple[Step, ...]
    capacity: dict[str, int]


def schedule(
    network: Network,
    stages: Sequence[Stage],
    source: str,
    sink: str,
    chunk: Mapping[str, int],
    *,
    streamed: bool,
) -> Schedule:
    """Simulates the stages of a region.

    `chunk` maps tensors to the rows that are computed at once (of `source`: delivered at once, when
    it's streamed; else it's held whole, as `sink` is).
    """
    heights = {name: network.tensor(name).shape[1] for stage in stages for name in stage.inputs}
    heights[sink] = network.tensor(sink).shape[1]
    done = dict.fromkeys(heights, 0)
    base = dict.fromkeys(heights, 0)
    capacity: dict[str, int] = {}
    steps: list[Step] = []
    producer = {stage.output: i for i, stage in enumerate(stages)}
    readers: dict[str, list[Stage]] = {name: [] for name in heights}
    for stage in stages:
        for name in dict.fromkeys(stage.inputs):
            readers[name].append(stage)
    if not streamed:
        done[source] = heights[source]

    def next_rows(tensor: str) -> Span:
        return Span(done[tensor], min(done[tensor] + chunk[tensor], heights[tensor]))

    def oldest_needed(tensor: str) -> int:
        waiting = [stage for stage in readers[tensor] if done[stage.output] < heights[stage.output]]
        return min(
            (stage.rows_read(network, next_rows(stage.output)).begin for stage in waiting),
            default=heights[tensor],
        )

    def compute(tensor: str) -> None:
        rows = next_rows(tensor)
        index = producer.get(tensor)
        read = Span(0, 0)
        bases: tuple[int, ...] = ()
        if index is not None:
            stage = stages[index]
            read = stage.rows_read(network, rows)
            for name in stage.inputs:
                while done[name] < read.end:
                    compute(name)
            bases = tuple(base[name] for name in stage.inputs)
        dropped = kept = 0
        if tensor != sink:
            begin = min(oldest_needed(tensor), rows.begin)
            dropped, kept = begin - base[tensor], rows.begin - begin
            base[tensor] = begin
            capacity[tensor] = max(capacity.get(tensor, 0), rows.end - begin)
        steps.append(Step(index, rows, base[tensor], dropped, kept, read, bases))
        done[tensor] = rows.end

    while done[sink] < heights[sink]:
        compute(sink)
    return Schedule(tuple(steps), capacity)
