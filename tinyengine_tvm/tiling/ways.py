# SPDX-License-Identifier: Apache-2.0
"""The ways in which a region is tried: rows at a time, and which of its layers go tile by tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..network import Conv2D, DepthwiseConv2D, Layer, Network
from .parts import Frugality
from .region import Region
from .stages import Stage, row_bytes


@dataclass(frozen=True)
class Way:
    """rows: how many every stage computes at once; whole: that many in the last stage, and in the
    others what they need for that, so that each is called once per stripe. tiled: how many
    bottlenecks go tile by tile, each row in `tiles` tiles.
    """

    rows: int
    whole: bool = False
    frugality: Frugality = "small"
    tiled: int = 0
    tiles: int = 1


ALL = 1 << 10
PLAIN: tuple[Way, ...] = (
    Way(8, frugality="shared"),
    Way(2, whole=True, frugality="shared"),
    Way(4, frugality="shared"),
    Way(1, whole=True, frugality="shared"),
    Way(2, frugality="shared"),
    Way(2),
    Way(1, frugality="shared"),
    Way(1),
)
"""Nothing is computed twice; the cheaper and larger ways stand first, the smallest last."""
TILED: tuple[Way, ...] = tuple(
    Way(rows, tiled=tiled, tiles=tiles)
    for tiled in (1, 3, ALL)
    for rows in (2, 1)
    for tiles in (3, 8)
)
"""Some layers are computed again for every tile; the smallest is tried last."""


def bottlenecks(network: Network, region: Region) -> list[tuple[Layer, ...]]:
    """Layers of a region that are worth computing tile by tile, the most memory first.

    A convolution that widens the feature map, the depthwise layer after it, and the convolution
    that narrows it again.
    """
    layers = region.layers(network)
    found = []
    for layer in layers:
        if not isinstance(layer, Conv2D) or layer.kernel != (1, 1) or not _widens(network, layer):
            continue
        chain: list[Layer] = [layer]
        for kind in (DepthwiseConv2D, Conv2D):
            readers = network.consumers(chain[-1].output)
            if len(readers) != 1 or not isinstance(readers[0], kind) or readers[0] not in layers:
                break
            if kind is Conv2D and (readers[0].kernel != (1, 1) or _widens(network, readers[0])):
                break
            chain.append(readers[0])
        if len(chain) > 1 and _kept(network, chain) > 2 * row_bytes(network.input_of(layer)):
            found.append(tuple(chain))
    return sorted(found, key=lambda chain: -_kept(network, chain))


def _widens(network: Network, layer: Layer) -> bool:
    return network.output_of(layer).shape[3] >= network.input_of(layer).shape[3]


def _kept(network: Network, chain: Sequence[Layer]) -> int:
    """Bytes of line buffers that a chain needs when it goes row by row."""
    depthwise = chain[1]
    rows = depthwise.kernel[0]  # type: ignore[attr-defined]
    return rows * row_bytes(network.input_of(depthwise))


def stages_of(network: Network, region: Region, way: Way) -> tuple[Stage, ...]:
    """A region's layers as stages."""
    chains = bottlenecks(network, region)[: way.tiled] if way.tiled else []
    first = {chain[0].name: chain for chain in chains}
    inside = {layer.name for chain in chains for layer in chain[1:]}
    stages = []
    for layer in region.layers(network):
        if layer.name in first:
            chain = first[layer.name]
            width = network.output_of(chain[-1]).shape[2]
            stages.append(Stage(chain, -(-width // min(way.tiles, width))))
        elif layer.name not in inside:
            stages.append(Stage((layer,)))
    return tuple(stages)


def chunk_of(network: Network, region: Region, stages: Sequence[Stage], way: Way) -> dict[str, int]:
    """Rows that each stage computes at once, by its output."""
    names = [region.source, *(stage.output for stage in stages)]
    heights = {name: network.tensor(name).shape[1] for name in names}
    if not way.whole:
        return dict.fromkeys(heights, way.rows)
    return {n: max(1, -(-way.rows * h // heights[region.sink])) for n, h in heights.items()}
