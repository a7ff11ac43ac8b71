# SPDX-License-Identifier: Apache-2.0
"""Which layers are computed together, and how many rows at a time: the cheapest that fits."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..kernels.registry import Selected
from ..network import Network
from ..targets import Target
from .apply import fused_choice
from .arena import arena_bytes
from .cuts import pieces_of, region_of
from .parts import Parts
from .region import Fusion, Region, fuse, subnetwork
from .slices import slice_region, sliceable, sliced_choice
from .ways import PLAIN, TILED, Way, bottlenecks, chunk_of, stages_of

SLICES = (2, 3, 4, 6, 8, 12, 16)


UNKNOWN_COST = 20_000
"""Instructions that the configuration of the least scratch is taken to cost."""


@dataclass(frozen=True)
class Option:
    """A way to compute some pieces.

    arena: bytes that it needs; cost: estimated instructions beyond those of whole layers.
    """

    arena: int
    cost: int
    region: Region
    choice: Selected | None
    """What stands for the region; None: layer by layer."""
    choices: tuple[Selected, ...] = ()
    """The kernels of its layers, where they're run one by one."""


class Search:
    """Everything found so far about the regions of one network."""

    def __init__(
        self, network: Network, target: Target, selected: Sequence[Selected], *, streamed: bool
    ) -> None:
        self.network, self.target, self.streamed = network, target, streamed
        self.selected = {s.layer.name: s for s in selected}
        self.parts = Parts(network, target, self.selected)
        self.pieces = pieces_of(network)
        self._plain: dict[int, list[Option]] = {}
        self._sliced: dict[tuple[int, int], Option | None] = {}
        self._fused: dict[tuple[int, int, Way], Option] = {}

    def path(self, budget: int) -> list[Option] | None:
        """The cheapest sequence of options none of which needs more than `budget` bytes."""
        count = len(self.pieces)
        if count == 0:
            # Nothing can be cut: the network has several inputs or outputs.
            return None
        best: dict[int, tuple[int, list[Option]]] = {0: (0, [])}
        queue = [0]
        seen: set[int] = set()
        while queue:
            # Every option leads forward, so places are final when their turn comes.
            at = heapq.heappop(queue)
            if at == count or at in seen:
                continue
            seen.add(at)
            cost, chain = best[at]
            for end, option in self._options(at, budget):
                total = cost + option.cost
                if end not in best or total < best[end][0]:
                    best[end] = (total, [*chain, option])
                    heapq.heappush(queue, end)
        return best[count][1] if count in best else None

    def streamable(self) -> list[int]:
        """Numbers of pieces from the input on that can be computed a few rows at a time."""
        counts: list[int] = []
        for end in range(1, len(self.pieces) + 1):
            if region_of(self.network, self.pieces, 0, end) is None:
                break
            counts.append(end)
        return counts

    def _options(self, begin: int, budget: int) -> list[tuple[int, Option]]:
        found = []
        must_stream = self.streamed and begin == 0
        if not must_stream:
            plain = [o for o in self.plain(begin) if o.arena <= budget]
            if plain:
                found.append((begin + 1, min(plain, key=lambda o: o.cost)))
            sliced = self.sliced(begin, budget)
            if sliced is not None:
                found.append((begin + 2, sliced))
        for end in range(begin + 1, len(self.pieces) + 1):
            if region_of(self.network, self.pieces, begin, end) is None:
                break
            if not must_stream and not self._sensible(begin, end, budget):
                continue
            option = self._cheapest(begin, end, budget)
            if option is not None:
                found.append((end, option))
        return found

    def _sensible(self, begin: int, end: int, budget: int) -> bool:
        """Whether a region of these pieces may gain anything.

        It needs a piece at either end, or the next to it, that doesn't fit on its own: a region may
        have to begin or end at a small tensor.
        """
        if self.pieces[end - 1].last == self.pieces[begin].first:
            return False
        large = [self.plain(i)[-1].arena > budget for i in range(begin, end)]
        return any(large[:2]) and any(large[-2:])

    def _cheapest(self, begin: int, end: int, budget: int) -> Option | None:
        source = self.network.tensor(self.pieces[begin].source).nbytes
        sink = self.network.tensor(self.pieces[end - 1].sink).nbytes
        if budget < (sink if self.streamed and begin == 0 else max(source, sink)):
            return None
        if self.fused(begin, end, PLAIN[-1]).arena <= budget:
            for way in PLAIN:
                option = self.fused(begin, end, way)
                if option.arena <= budget:
                    return option
        region = region_of(self.network, self.pieces, begin, end)
        assert region is not None
        count = len(bottlenecks(self.network, region))
        if count == 0 or self.fused(begin, end, _at_most(TILED[-1], count)).arena > budget:
            return None
        ways = dict.fromkeys(_at_most(way, count) for way in TILED)
        options = [self.fused(begin, end, way) for way in ways]
        return min((o for o in options if o.arena <= budget), key=lambda o: o.cost)

    def plain(self, piece: int) -> list[Option]:
        """Ways to compute a piece layer by layer, cheapest first, the smallest last."""
        if piece not in self._plain:
            part = self.pieces[piece]
            region = Region(part.first, part.last, part.source, part.sink)
            network = subnetwork(self.network, region)
            choices = [self.selected[layer.name] for layer in network.layers]
            arena = arena_bytes(network, choices)
            options = [Option(arena, 0, region, None, tuple(choices))]
            light = [_lightest(network, s) for s in choices]
            if any(cost for _, cost in light):
                small = tuple(s for s, _ in light)
                arena, cost = arena_bytes(network, small), sum(cost for _, cost in light)
                options.append(Option(arena, cost, region, None, small))
            small = tuple(_smallest(network, s, self.target) for s in choices)
            if any(a is not b for a, b in zip(small, choices, strict=True)):
                arena = arena_bytes(network, small)
                options.append(Option(arena, UNKNOWN_COST, region, None, small))
            self._plain[piece] = sorted(options, key=lambda o: (-o.arena, o.cost))
        return self._plain[piece]

    def sliced(self, begin: int, budget: int) -> Option | None:
        """A convolution and a global pool in as few slices of channels as fit the budget."""
        both = self.pieces[begin : begin + 2]
        layers = [self.network.layers[i] for p in both for i in range(p.first, p.last + 1)]
        if len(both) < 2 or len(layers) != 2 or not sliceable(self.network, *layers):
            return None
        region = Region(both[0].first, both[1].last, both[0].source, both[1].sink)
        x, y = self.network.tensor(region.source), self.network.tensor(region.sink)
        between = self.network.output_of(layers[0]).nbytes
        for count in SLICES:
            if x.nbytes + y.nbytes + between // count > budget:
                continue
            key = begin, count
            if key not in self._sliced:
                sliced = slice_region(self.network, region, self.selected, count, self.target)
                self._sliced[key] = (
                    None
                    if sliced is None
                    else Option(
                        x.nbytes + y.nbytes + sliced.scratch,
                        sliced.cost,
                        region,
                        sliced_choice(sliced),
                    )
                )
            option = self._sliced[key]
            if option is not None and option.arena <= budget:
                return option
        return None

    def fused(self, begin: int, end: int, way: Way) -> Option:
        """A region of pieces computed in one of the ways."""
        key = begin, end, way
        if key not in self._fused:
            region = region_of(self.network, self.pieces, begin, end)
            assert region is not None
            stages = stages_of(self.network, region, way)
            fusion = fuse(
                self.parts,
                region,
                stages,
                chunk_of(self.network, region, stages, way),
                streamed=self.streamed and begin == 0,
                frugality=way.frugality,
            )
            arena = region_bytes(fusion)
            self._fused[key] = Option(arena, fusion.cost, region, fused_choice(fusion))
        return self._fused[key]


def _at_most(way: Way, count: int) -> Way:
    """The same with no more bottlenecks than there are."""
    return replace(way, tiled=min(way.tiled, count))


def _lightest(network: Network, choice: Selected) -> tuple[Selected, int]:
    """The kernel with the configuration of the least scratch, and the instructions that costs."""
    kernel, layer = choice.kernel, choice.layer
    ways = [(choice.configuration, 0), *kernel.lighter(network, layer, choice.configuration)]
    best, cost = min(ways, key=lambda way: (kernel.scratch(network, layer, way[0]), way[1]))
    return (Selected(layer, kernel, best) if cost else choice), cost


def _smallest(network: Network, choice: Selected, target: Target) -> Selected:
    """The kernel with the configuration of the least scratch, whatever that costs."""
    kernel, layer = choice.kernel, choice.layer
    ways = (choice.configuration, *kernel.configurations(network, layer, target))
    best = min(ways, key=lambda c: kernel.scratch(network, layer, c))
    return choice if best is choice.configuration else Selected(layer, kernel, best)


def region_bytes(fusion: Fusion) -> int:
    """Bytes of an arena for nothing but this region."""
    network = fusion.network
    x, y = network.tensor(network.inputs[0]).nbytes, network.tensor(network.outputs[0]).nbytes
    if fusion.streamed:
        return y + fusion.scratch
    return max(y, x + max(0, y - fusion.overlap)) + fusion.scratch
