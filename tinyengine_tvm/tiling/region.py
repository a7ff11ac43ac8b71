# SPDX-License-Identifier: Apache-2.0
"""A region: consecutive layers computed together, a few rows at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..network import DepthwiseConv2D, Layer, Network
from ..network.macs import network_macs
from .lines import place_lines
from .parts import Frugality, Part, Parts
from .schedule import Schedule, Step, schedule
from .stages import (
    Rect,
    Shape,
    Span,
    Stage,
    part_macs,
    part_read,
    pixel_bytes,
    row_bytes,
    shape_of,
)
from .tiles import TileBuffers, tile_buffers, tile_shapes, written_at_once


@dataclass(frozen=True)
class Region:
    """Layers `first` to `last` (included) of a network, in its order.

    `source` is the one feature map that they read and don't compute, `sink` the one that they
    compute for others.
    """

    first: int
    last: int
    source: str
    sink: str

    def layers(self, network: Network) -> tuple[Layer, ...]:
        return network.layers[self.first : self.last + 1]


@dataclass(frozen=True, eq=False)
class Fusion:
    """A region with all that is decided about it; sizes and offsets are bytes.

    parts: a layer's kernels by the shape of the part, by layer. offsets: places in the region's
    scratch, of line buffers by tensor, and of what a stage needs while it runs by `scratch_key`.
    tiles: the buffers of stages that go tile by tile, by the stage's index.
    """

    region: Region
    network: Network
    """The region's layers alone."""
    streamed: bool
    stages: tuple[Stage, ...]
    schedule: Schedule
    parts: Mapping[str, Mapping[Shape, Part]]
    tiles: Mapping[int, TileBuffers]
    offsets: Mapping[str, int]
    scratch: int
    overlap: int
    """Bytes of the output's end that may lie over the beginning of the input."""
    macs: int
    cost: int
    """Estimated instructions beyond those of the layers one by one."""
    chunk: Mapping[str, int]

    def part(self, layer: Layer, rect: Rect) -> Part:
        """The kernel of a part of a layer's output."""
        return self.parts[layer.name][shape_of(self.network, layer, rect)]


def scratch_key(stage: Stage) -> str:
    """The name of a stage's own buffer among a region's buffers."""
    return f"scratch of {stage.name}"


def subnetwork(network: Network, region: Region) -> Network:
    """The layers of a region as a network of its own."""
    return network.with_layers(
        region.layers(network), inputs=(region.source,), outputs=(region.sink,)
    )


def fuse(
    parts: Parts,
    region: Region,
    stages: Sequence[Stage],
    chunk: Mapping[str, int],
    *,
    streamed: bool,
    frugality: Frugality,
) -> Fusion:
    """Decides everything about a region whose stages compute `chunk` rows at a time."""
    network = subnetwork(parts.network, region)
    plan = schedule(network, stages, region.source, region.sink, chunk, streamed=streamed)
    found: dict[str, Mapping[Shape, Part]] = {}
    tiles: dict[int, TileBuffers] = {}
    names, sizes, live = _line_buffers(network, stages, plan)
    for i, stage in enumerate(stages):
        # Other steps only differ in where their tiles lie.
        all_tiles = _tiles_of(network, stage, i, plan)
        aligned = _aligned(network, stage, i, plan, all_tiles)
        shapes = tile_shapes(network, stage, all_tiles)
        for layer, wanted in zip(stage.layers, shapes, strict=True):
            found[layer.name] = parts.find(layer, wanted, frugality, aligned=aligned)
        own = [found[layer.name] for layer in stage.layers]
        if stage.tiled:
            tiles[i] = tile_buffers(network, stage, all_tiles, own)
            need = tiles[i].size
        else:
            need = max(part.scratch for part in own[0].values())
        if need:
            names.append(scratch_key(stage))
            sizes.append(need)
            live.append(np.array([step.stage == i for step in plan.steps]))
    offsets, scratch = place_lines(names, sizes, live)
    macs, cost = _work(network, stages, plan)
    return Fusion(
        region,
        network,
        streamed,
        tuple(stages),
        plan,
        found,
        tiles,
        offsets,
        scratch,
        0 if streamed else _overlap(network, stages, plan, region),
        macs,
        cost,
        chunk,
    )


def _tiles_of(network: Network, stage: Stage, index: int, plan: Schedule) -> list[list[Rect]]:
    rows = dict.fromkeys(step.rows for step in plan.steps if step.stage == index)
    kinds: dict[tuple[int, ...], Span] = {}
    for span in rows:
        kinds.setdefault(stage.kind(network, span), span)
    return [tile for span in kinds.values() for tile in stage.tiles(network, span)]


def _aligned(
    network: Network, stage: Stage, index: int, plan: Schedule, tiles: list[list[Rect]]
) -> bool:
    """Whether all that a stage's kernels read and write begins at multiples of 4 bytes.

    Copies of tiles do; rows of line buffers and of whole feature maps may not.
    """
    y = network.tensor(stage.output)
    for step in plan.steps:
        if step.stage != index:
            continue
        if (step.rows.begin - step.base) * row_bytes(y) % 4:
            return False
        for name, base in zip(stage.inputs, step.bases, strict=True):
            if (step.read.begin - base) * row_bytes(network.tensor(name)) % 4:
                return False
    return all(
        not written_at_once(tile[-1]) or tile[-1].columns.begin * pixel_bytes(y) % 4 == 0
        for tile in tiles
    )


def _line_buffers(
    network: Network, stages: Sequence[Stage], plan: Schedule
) -> tuple[list[str], list[int], list[np.ndarray]]:
    """Names and bytes of the line buffers, and for each the steps at which it holds anything."""
    count = len(plan.steps)
    last_read = {name: np.zeros(network.tensor(name).shape[1], np.int64) for name in plan.capacity}
    for at, step in enumerate(plan.steps):
        if step.stage is not None:
            for name in stages[step.stage].inputs:
                if name in last_read:
                    last_read[name][step.read.begin : step.read.end] = at
    live = {name: np.zeros(count, bool) for name in plan.capacity}
    for at, step in enumerate(plan.steps):
        name = output_of(network, stages, step)
        if name in live:
            until = max(at, int(last_read[name][step.rows.begin : step.rows.end].max()))
            live[name][at : until + 1] = True
    names = list(plan.capacity)
    sizes = [plan.capacity[name] * row_bytes(network.tensor(name)) for name in names]
    return names, sizes, [live[name] for name in names]


def output_of(network: Network, stages: Sequence[Stage], step: Step) -> str:
    """The tensor that a step writes; a delivery writes the region's input."""
    return network.inputs[0] if step.stage is None else stages[step.stage].output


def _overlap(network: Network, stages: Sequence[Stage], plan: Schedule, region: Region) -> int:
    """How much of the output's end may lie over the input's beginning; see Kernel.overlap."""
    x, y = network.tensor(region.source), network.tensor(region.sink)
    in_row, out_row = row_bytes(x), row_bytes(y)
    # What a step reads may still be needed after it has written its first output.
    needed, lead = x.nbytes, 0
    for step in reversed(plan.steps):
        assert step.stage is not None
        if region.source in stages[step.stage].inputs:
            needed = min(needed, step.read.begin * in_row)
        if stages[step.stage].output == region.sink:
            lead = max(lead, step.rows.end * out_row - needed)
    return max(0, y.nbytes - lead)


CALL = 150
"""Instructions that a call of a kernel costs beyond its outputs."""


def _work(network: Network, stages: Sequence[Stage], plan: Schedule) -> tuple[int, int]:
    """Multiply-accumulates, and estimated instructions beyond those of whole layers.

    A call costs its entry, rows that slide a word in two instructions, an input of a depthwise
    layer that is widened again and a byte of a tile that is copied some more than one, and a
    multiply-accumulate that is done again one.
    """
    total, macs = 0, 0
    known: dict[tuple[int, tuple[int, ...]], tuple[int, int]] = {}
    for step in plan.steps:
        if step.dropped:
            total += step.kept * row_bytes(network.tensor(output_of(network, stages, step))) // 2
        if step.stage is None:
            total += CALL
            continue
        key = step.stage, stages[step.stage].kind(network, step.rows)
        if key not in known:
            known[key] = _step_work(network, stages[step.stage], step.rows)
        macs += known[key][0]
        total += known[key][1]
    return macs, total + macs - network_macs(network)


def _step_work(network: Network, stage: Stage, rows: Span) -> tuple[int, int]:
    """Multiply-accumulates of a step, and its instructions without them."""
    total, macs = 0, 0
    for tile in stage.tiles(network, rows):
        if stage.tiled:
            read = part_read(network, stage.layers[0], tile[0])
            area = read.rows.count * read.columns.count
            total += area * pixel_bytes(network.tensor(stage.inputs[0])) * 5 // 4
        for layer, rect in zip(stage.layers, tile, strict=True):
            total += CALL
            macs += part_macs(network, layer, rect)
            if isinstance(layer, DepthwiseConv2D):
                read = part_read(network, layer, rect)
                own = rect.rows.count * layer.stride[0] * rect.columns.count * layer.stride[1]
                again = max(0, read.rows.count * read.columns.count - own)
                total += again * pixel_bytes(network.input_of(layer)) * 5 // 4
    return macs, total
