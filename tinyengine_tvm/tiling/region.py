# SPDX-License-Identifier: Apache-2.0
"""A region: consecutive layers computed together, a few rows at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..memory import Buffer, place
from ..network import DepthwiseConv2D, Layer, Network
from .parts import Frugality, Part, Parts, Shape, shape_of
from .schedule import Schedule, Step, schedule
from .stages import row_bytes

PLACEMENT_EFFORT = 200_000
"""Looks at buffers that the exact placement of a region's line buffers may take."""


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

    `parts` holds, per layer, its kernels by the shape of the part; `offsets` the places of line
    buffers (by tensor) and of kernels' scratch (by layer) in the region's scratch.
    """

    region: Region
    network: Network
    """The region's layers alone."""
    streamed: bool
    schedule: Schedule
    parts: tuple[Mapping[Shape, Part], ...]
    offsets: Mapping[str, int]
    scratch: int
    overlap: int
    """Bytes of the output's end that may lie over the beginning of the input."""
    cost: int
    """Estimated instructions beyond those of the layers one by one."""
    chunk: Mapping[str, int]

    def part(self, step: Step) -> Part:
        """The kernel of a step that isn't a delivery."""
        assert step.layer is not None
        layer = self.network.layers[step.layer]
        return self.parts[step.layer][shape_of(self.network, layer, step.rows)]


def scratch_key(layer: Layer) -> str:
    """The name of a layer's scratch among a region's buffers."""
    return f"scratch of {layer.name}"


def subnetwork(network: Network, region: Region) -> Network:
    """The layers of a region as a network of its own."""
    return network.with_layers(
        region.layers(network), inputs=(region.source,), outputs=(region.sink,)
    )


def fuse(
    parts: Parts,
    region: Region,
    chunk: Mapping[str, int],
    *,
    streamed: bool,
    frugality: Frugality,
    effort: int = PLACEMENT_EFFORT,
) -> Fusion:
    """Decides everything about a region whose layers compute `chunk` rows at a time."""
    network = subnetwork(parts.network, region)
    layers = network.layers
    plan = schedule(network, layers, region.source, region.sink, chunk, streamed=streamed)
    found = tuple(
        parts.find(layer, _shapes(network, plan, i), frugality, aligned=_aligned(network, plan, i))
        for i, layer in enumerate(layers)
    )
    names, sizes, live = _line_buffers(network, plan)
    for i, layer in enumerate(layers):
        need = max(part.scratch for part in found[i].values())
        if need:
            names.append(scratch_key(layer))
            sizes.append(need)
            live.append(np.array([step.layer == i for step in plan.steps]))
    offsets, scratch = _place(names, sizes, live, effort)
    return Fusion(
        region,
        network,
        streamed,
        plan,
        found,
        offsets,
        scratch,
        0 if streamed else _overlap(network, plan, region),
        _cost(network, plan, found),
        chunk,
    )


def _shapes(network: Network, plan: Schedule, index: int) -> Any:
    layer = network.layers[index]
    steps = [step for step in plan.steps if step.layer == index]
    return [(shape_of(network, layer, step.rows), step.rows) for step in steps]


def _aligned(network: Network, plan: Schedule, index: int) -> bool:
    """Whether all rows that a layer is given, and writes, begin at multiples of 4 bytes."""
    layer = network.layers[index]
    y = row_bytes(network.output_of(layer))
    for step in plan.steps:
        if step.layer != index:
            continue
        if (step.rows.begin - step.base) * y % 4:
            return False
        for name, base in zip(layer.inputs, step.bases, strict=True):
            if (step.read.begin - base) * row_bytes(network.tensor(name)) % 4:
                return False
    return True


def _line_buffers(
    network: Network, plan: Schedule
) -> tuple[list[str], list[int], list[np.ndarray]]:
    """Names and bytes of the line buffers, and for each the steps at which it holds anything."""
    count = len(plan.steps)
    last_read = {name: np.zeros(network.tensor(name).shape[1], np.int64) for name in plan.capacity}
    for at, step in enumerate(plan.steps):
        if step.layer is not None:
            for name in network.layers[step.layer].inputs:
                if name in last_read:
                    last_read[name][step.read.begin : step.read.end] = at
    live = {name: np.zeros(count, bool) for name in plan.capacity}
    for at, step in enumerate(plan.steps):
        name = network.inputs[0] if step.layer is None else network.layers[step.layer].output
        if name in live:
            until = max(at, int(last_read[name][step.rows.begin : step.rows.end].max()))
            live[name][at : until + 1] = True
    names = list(plan.capacity)
    sizes = [plan.capacity[name] * row_bytes(network.tensor(name)) for name in names]
    return names, sizes, [live[name] for name in names]


def _place(
    names: list[str], sizes: list[int], live: list[np.ndarray], effort: int
) -> tuple[dict[str, int], int]:
    at = {name: i for i, name in enumerate(names)}
    occupied = np.array(live).astype(np.int64)
    meets = (occupied @ occupied.T) > 0 if names else np.zeros((0, 0), bool)

    def apart(a: Buffer, b: Buffer) -> int | None:
        return a.size if meets[at[a.name], at[b.name]] else None

    buffers = [Buffer(name, size, 0, 0) for name, size in zip(names, sizes, strict=True)]
    placement = place(buffers, apart, effort)
    return placement.offsets, placement.size


def _overlap(network: Network, plan: Schedule, region: Region) -> int:
    """How much of the output's end may lie over the input's beginning; see Kernel.overlap."""
    x, y = network.tensor(region.source), network.tensor(region.sink)
    in_row, out_row = row_bytes(x), row_bytes(y)
    # What a step reads may still be needed after it has written its first output.
    needed, lead = x.nbytes, 0
    for step in reversed(plan.steps):
        assert step.layer is not None
        layer = network.layers[step.layer]
        if region.source in layer.inputs:
            needed = min(needed, step.read.begin * in_row)
        if layer.output == region.sink:
            lead = max(lead, step.rows.end * out_row - needed)
    return max(0, y.nbytes - lead)


CALL = 150
"""Instructions that a step costs beyond its outputs."""


def _cost(network: Network, plan: Schedule, found: tuple[Mapping[Shape, Part], ...]) -> int:
    """Estimated instructions that computing row by row takes beyond whole layers.

    Each step costs its call, the rows that slide (a word in two instructions), and in depthwise
    layers the rows that are widened again.
    """
    total = 0
    for step in plan.steps:
        total += CALL
        name = network.inputs[0] if step.layer is None else network.layers[step.layer].output
        if step.dropped:
            total += step.kept * row_bytes(network.tensor(name)) // 2
        if step.layer is not None and isinstance(network.layers[step.layer], DepthwiseConv2D):
            layer = network.layers[step.layer]
            again = step.read.count - step.rows.count * layer.stride[0]  # type: ignore[attr-defined]
            total += max(0, again) * row_bytes(network.input_of(layer)) * 5 // 4
    return total
