# SPDX-License-Identifier: Apache-2.0
"""Hill climbing: a placement that is too high is mended buffer by buffer.

Buffers that end above the wanted capacity are taken out and put back one after the other where they
disturb least; what they disturb is taken out, goes where there's still room, and waits otherwise.
The techniques:

least conflict
    A buffer goes where the buffers in its way are the smallest and shortest-lived (min-conflicts,
    Minton et al., 1992).
breakout
    A buffer weighs more each time that it had to yield, and more yet to the one that it yielded to,
    so that the search leaves a cycle instead of going round in it (Morris, 1993). Weights grow by a
    part of themselves, and what they gained fades, so that only what is hard to place now is spared
    (smoothing as in SAPS, Hutter et al., 2002): without it hard instances end some 2 % larger.
settling
    What was found falls: from the lowest to the highest each buffer goes as low as it fits. Mostly
    that ends lower than asked for, and the next climb starts without gaps.
sweep
    What lies in the way changes only where a neighbour begins or ends to be: one pass over these
    walls in their order finds the cheapest place.

Everything that a separation allows is made use of, as in greedy placement.

The same search is there twice, here and in climb.c, which is some sixty times as fast. Both count
in whole numbers and draw the same random ones, so that they find the same; a test holds it.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from ..native import compiled
from .buffer import Conflicts

_AWAY = -1
"""The offset of a buffer that is taken out."""
_PLACE_COST = 8
_NEIGHBOURS_PER_LOOK = 3
"""So that a unit of effort takes as long as in the exact search, where it's a look at a buffer."""
_NOISE = 30
"""A cost appears up to so many thousandths higher than it is."""
_ONE = 1024
"""What the parts of a weight are counted in, and the weight of a pair that hasn't gained any."""
_REST = 64
"""Steps after which all that was gained fades."""
_WEIGHT = 160_000
"""Of the buffer that weighs most."""
_HEAVIEST, _FARTHEST = 1 << 30, 1 << 20
"""The most that a buffer and a pair get to weigh."""
_MOST = 1 << 22
"""Most places of a buffer that the engine keeps tables of: in units of the finest alignment."""


@dataclass(frozen=True)
class Taste:
    """How the search goes about it, and how much it remembers.

    `heaviest`: of a hundred times, how often the heaviest is placed next, and not any. `gain` and
    `pair_gain`: of a buffer that yields, and of it and the one that it yields to. `kept`: of what
    was gained, when it fades. The last three in parts of 1024.
    """

    heaviest: int
    gain: int
    pair_gain: int
    kept: int


QUICK = (Taste(70, 128, 61, 1024),)
"""For attempts too short to go round in circles: what weighs more stays so."""
PATIENT = (Taste(40, 41, 61, 964), Taste(20, 30, 30, 974))
"""For long ones, which take turns: neither is the better one throughout."""


class Climb:
    """The tables of one list of buffers, and the effort that is left.

    `engine` has the attempts made by compiled C where there's a compiler: the same results sooner,
    once it has been built.
    """

    def __init__(
        self,
        conflicts: Conflicts,
        budget: int = 0,
        engine: bool = False,
        tastes: Sequence[Taste] = QUICK,
    ) -> None:
        self.budget, self._tastes = budget, tastes
        buffers = conflicts.buffers
        self._sizes = [b.size for b in buffers]
        self._alignments = [b.alignment for b in buffers]
        self._near = [
            [
                (j, distance, conflicts.above[j][i], j in conflicts.partners[i])
                for j, distance in above.items()
            ]
            for i, above in enumerate(conflicts.above)
        ]
        lives = [b.last - b.first + 1 for b in buffers]
        areas = [size * life for size, life in zip(self._sizes, lives, strict=True)]
        # What is large for long is hard to place.
        self._base = [max(1, _WEIGHT * area // max(areas)) for area in areas]
        self._first = [0, *accumulate(map(len, self._near))]
        place = {
            (i, entry[0]): self._first[i] + k
            for i, near in enumerate(self._near)
            for k, entry in enumerate(near)
        }
        # Of each entry that of the other buffer of its pair.
        self._twins = [place[entry[0], i] for i, near in enumerate(self._near) for entry in near]
        places = sum(self._sizes) // min(self._alignments, default=1)
        self._engine = _engine() if engine and places < _MOST else None
        if self._engine is not None:
            self._tables = self._flat()

    @property
    def compiled(self) -> bool:
        """Whether it's C that runs."""
        return self._engine is not None

    def attempt(
        self, capacity: int, start: list[int], effort: int, seed: int = 0
    ) -> list[int] | None:
        """Offsets within `capacity` bytes, or None where none are found with that effort.

        Every attempt takes some effort, so that a search which ends with it ends.
        """
        if max(self._sizes, default=0) > capacity:
            self.budget -= _PLACE_COST
            return None
        granted = max(0, min(effort, self.budget))
        climbed = self._climbed if self._engine is None else self._compiled
        taste = self._tastes[seed % len(self._tastes)]
        found, left = climbed(capacity, start, granted, seed, taste)
        self.budget -= granted - left
        return found

    def _climbed(
        self, capacity: int, start: list[int], budget: int, seed: int, taste: Taste
    ) -> tuple[list[int] | None, int]:
        source = _Random(seed)
        base, steps = self._base, 0
        self._weights = weights = base.copy()
        self._pairs = pairs = [_ONE] * len(self._twins)
        waiting = [i for i, o in enumerate(start) if o + self._sizes[i] > capacity]
        self._offsets = offsets = start.copy()
        for i in waiting:
            offsets[i] = _AWAY
        while waiting and budget > 0:
            # Mostly the heaviest; always it would go round in circles.
            if source.below(100) < taste.heaviest:
                at = max(range(len(waiting)), key=lambda q: base[waiting[q]])
            else:
                at = source.below(len(waiting))
            i = waiting[at]
            waiting[at] = waiting[-1]
            waiting.pop()
            budget -= _PLACE_COST + len(self._near[i]) // _NEIGHBOURS_PER_LOOK
            place = offsets[i] = self._cheapest(i, capacity, source)
            yielding = []
            for k, (j, up, down, joins) in enumerate(self._near[i], self._first[i]):
                other = offsets[j]
                if other == _AWAY or place + up <= other or other + down <= place:
                    continue
                if not (joins and place == other):
                    offsets[j] = _AWAY
                    weights[j] = _grown(weights[j], taste.gain, _HEAVIEST)
                    pairs[k] = _grown(pairs[k], taste.pair_gain, _FARTHEST)
                    pairs[self._twins[k]] = pairs[k]
                    yielding.append(j)
            for j in sorted(yielding, key=lambda j: -base[j]):
                budget -= _PLACE_COST + len(self._near[j]) // _NEIGHBOURS_PER_LOOK
                offsets[j] = self._lowest(j, capacity)
                if offsets[j] == _AWAY:
                    waiting.append(j)
            steps += 1
            if steps % _REST == 0:
                weights[:] = [
                    b + (w - b) * taste.kept // _ONE for b, w in zip(base, weights, strict=True)
                ]
                pairs[:] = [_ONE + (w - _ONE) * taste.kept // _ONE for w in pairs]
        return None if waiting else self._settled(capacity), budget

    def _settled(self, capacity: int) -> list[int]:
        """The offsets after a fall, or as they are where one that joins another can't follow."""
        found = self._offsets
        self._offsets = lower = [_AWAY] * len(found)
        for i in sorted(range(len(found)), key=found.__getitem__):
            lower[i] = self._lowest(i, capacity)
            if lower[i] == _AWAY:
                return found
        return lower

    def _cheapest(self, i: int, capacity: int, source: _Random) -> int:
        """The offset where buffer i disturbs least: an end of a stretch between two walls."""
        alignment = self._alignments[i]
        last = (capacity - self._sizes[i]) // alignment
        best, chosen, cost, begin = -1, 0, 0, 0
        for at, weight in [*self._walls(i, last), (last + 1, 0)]:
            if at > begin:
                for place in (begin, at - 1) if at - 1 > begin else (begin,):
                    if cost < best or best < 0:
                        found = cost + cost * source.below(_NOISE) // 1000
                        if found < best or best < 0:
                            best, chosen = found, place
                begin = at
            cost += weight
        return chosen * alignment

    def _lowest(self, i: int, capacity: int) -> int:
        """The lowest offset where buffer i disturbs none, or _AWAY."""
        alignment = self._alignments[i]
        last = (capacity - self._sizes[i]) // alignment
        cost, begin = 0, 0
        for at, weight in [*self._walls(i, last), (last + 1, 0)]:
            if at > begin:
                if cost == 0:
                    return begin * alignment
                begin = at
            cost += weight
        return _AWAY

    def _walls(self, i: int, last: int) -> list[tuple[int, int]]:
        """Where buffer i, moving up, begins and ends to meet others, and their weights.

        In units of its alignment, ascending, from 0 to `last` + 1.
        """
        offsets, weights, alignment = self._offsets, self._weights, self._alignments[i]
        walls: list[tuple[int, int]] = []
        pairs = self._pairs
        for k, (j, up, down, joins) in enumerate(self._near[i], self._first[i]):
            other = offsets[j]
            if other == _AWAY:
                continue
            low = (other - up) // alignment + 1
            high = -(-(other + down) // alignment)
            if low < 0:
                low = 0
            if high > last:
                high = last + 1
            weight = weights[j] * pairs[k] // _ONE
            if joins and other % alignment == 0:
                # Blocked but for where the other one begins.
                middle = other // alignment
                if low < min(high, middle):
                    walls += (low, weight), (min(high, middle), -weight)
                low = max(low, middle + 1)
            if low < high:
                walls += (low, weight), (high, -weight)
        walls.sort()
        return walls

    def _flat(self) -> list[ctypes.Array[ctypes.c_int64]]:
        """The arguments of the engine that never change."""
        columns = list(zip(*(entry for near in self._near for entry in near), strict=True))
        return [
            _int64(values)
            for values in (
                *(self._sizes, self._alignments, self._base, self._first),
                *(columns or [()] * 4),
                self._twins,
            )
        ]

    def _compiled(
        self, capacity: int, start: list[int], budget: int, seed: int, taste: Taste
    ) -> tuple[list[int] | None, int]:
        assert self._engine is not None
        offsets, waiting = _int64(start), ctypes.c_int64()
        sizes, alignments, base, *near = self._tables
        memory = (taste.heaviest, taste.gain, taste.pair_gain, taste.kept)
        numbers = map(
            ctypes.c_int64, (budget, seed, *memory, _NOISE, _PLACE_COST, _NEIGHBOURS_PER_LOOK)
        )
        left = self._engine.climb(
            ctypes.c_int64(len(start)),
            ctypes.c_int64(capacity),
            *(sizes, alignments, base, *near, offsets),
            *numbers,
            ctypes.byref(waiting),
        )
        if waiting.value < 0:
            raise MemoryError
        return None if waiting.value else list(offsets), left


def _grown(weight: int, gain: int, most: int) -> int:
    return min(weight + weight * gain // _ONE + 1, most)


class _Random:
    """Knuth's linear congruential generator for 64 bits, of which the upper 31 are used."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & ((1 << 64) - 1)
        return (self._state >> 33) % limit


def _int64(values: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * len(values))(*values)


@functools.cache
def _engine() -> ctypes.CDLL | None:
    """climb.c, compiled; None where that's not possible."""
    found = compiled(Path(__file__).with_name("climb.c"))
    if found is not None:
        found.climb.restype = ctypes.c_int64
    return found
