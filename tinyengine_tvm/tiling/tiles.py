# SPDX-License-Identifier: Apache-2.0
"""The buffers of a stage that computes several layers tile by tile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..memory import Buffer, place
from ..memory.buffer import align_up
from ..network import Network
from .parts import Part
from .stages import Rect, Shape, Stage, part_read, pixel_bytes, shape_of


@dataclass(frozen=True)
class TileBuffers:
    """Where the feature maps of a tile lie, in bytes from the beginning of the stage's buffer.

    maps: the copy of the input, then each layer's output; the last is where the output is written
    when it isn't written to its place at once. scratch: by layer.
    """

    maps: tuple[int, ...]
    scratch: tuple[int, ...]
    size: int


def written_at_once(rect: Rect) -> bool:
    """Whether a tile's output is a stretch of bytes where it belongs."""
    return rect.rows.count == 1


def tile_buffers(
    network: Network,
    stage: Stage,
    tiles: Sequence[Sequence[Rect]],
    parts: Sequence[Mapping[Shape, Part]],
) -> TileBuffers:
    """Places for the largest of all tiles of all steps."""
    count = len(stage.layers)
    sizes = [0] * (count + 1)
    for tile in tiles:
        rects = [part_read(network, stage.layers[0], tile[0]), *tile]
        names = [stage.inputs[0], *(layer.output for layer in stage.layers)]
        for i, (rect, name) in enumerate(zip(rects, names, strict=True)):
            if i == count and written_at_once(rect):
                continue
            area = rect.rows.count * rect.columns.count
            sizes[i] = max(sizes[i], area * pixel_bytes(network.tensor(name)))
    in_place = set()
    buffers = []
    for i, size in enumerate(sizes):
        if size:
            buffers.append(Buffer(f"map {i}", align_up(size, 4), max(i - 1, 0), min(i, count - 1)))
    scratches = [max(part.scratch for part in shapes.values()) for shapes in parts]
    for i, size in enumerate(scratches):
        if size:
            buffers.append(Buffer(f"scratch {i}", size, i, i))
        if sizes[i] and sizes[i + 1] and all(part.in_place for part in parts[i].values()):
            in_place.update({(f"map {i}", f"map {i + 1}"), (f"map {i + 1}", f"map {i}")})
    placement = place(buffers, budget=2_000, together=frozenset(in_place))
    offsets = placement.offsets
    return TileBuffers(
        tuple(offsets.get(f"map {i}", 0) for i in range(count + 1)),
        tuple(offsets.get(f"scratch {i}", 0) for i in range(count)),
        placement.size,
    )


def tile_shapes(
    network: Network, stage: Stage, tiles: Sequence[Sequence[Rect]]
) -> list[list[tuple[Shape, Rect]]]:
    """By layer, the shapes of its parts in all tiles."""
    result: list[dict[Shape, Rect]] = [{} for _ in stage.layers]
    for tile in tiles:
        for known, layer, rect in zip(result, stage.layers, tile, strict=True):
            known.setdefault(shape_of(network, layer, rect), rect)
    return [list(known.items()) for known in result]
