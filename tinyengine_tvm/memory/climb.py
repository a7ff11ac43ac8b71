# SPDX-License-Identifier: Apache-2.0
"""Hill climbing: a placement that is too high is mended buffer by buffer.

Buffers that end above the wanted capacity are taken out and put back one after the other where they
disturb least; what they disturb is taken out, goes where there's still room, and waits otherwise.
The techniques:

least conflict
    A buffer goes where the buffers in its way are the smallest and shortest-lived (min-conflicts,
    Minton et al., 1992).
breakout
    A buffer weighs more each time that it had to yield, so that the search leaves a cycle instead
    of going round in it (Morris, 1993).

Everything that a separation allows is made use of, as in greedy placement.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .buffer import Conflicts

_AWAY = -(1 << 40)
"""The offset of a buffer that is taken out: no other one meets it there."""
_PLACE_COST = 10
_NEIGHBOURS_PER_LOOK = 10
"""So that a unit of effort takes as long as in the exact search, where it's a look at a buffer."""


class Climb:
    """The tables of one list of buffers, and the effort that is left."""

    def __init__(self, conflicts: Conflicts, budget: int = 0) -> None:
        self.budget = budget
        buffers = conflicts.buffers
        self._sizes = [b.size for b in buffers]
        self._alignments = [b.alignment for b in buffers]
        self._near = [np.array(list(above), np.int64) for above in conflicts.above]
        self._up = [np.array(list(above.values()), np.int64) for above in conflicts.above]
        self._down = [
            np.array([conflicts.above[j][i] for j in above], np.int64)
            for i, above in enumerate(conflicts.above)
        ]
        self._joins = [
            np.array([j in conflicts.partners[i] for j in above], dtype=bool)
            for i, above in enumerate(conflicts.above)
        ]
        largest = max(self._sizes, default=1)
        longest = max((b.last - b.first + 1 for b in buffers), default=1)
        self._weights = np.array(
            [b.size / largest * ((b.last - b.first + 1) / longest) ** 0.5 for b in buffers]
        )

    def attempt(
        self, capacity: int, start: list[int], steps: int, seed: int = 0
    ) -> list[int] | None:
        """Offsets within `capacity` bytes, or None where none are found in so many steps."""
        source = np.random.default_rng(seed)
        self._offsets = offsets = np.array(start, np.int64)
        weights = self._weights.copy()
        waiting = [i for i, o in enumerate(start) if o + self._sizes[i] > capacity]
        if any(self._sizes[i] > capacity for i in waiting):
            return None
        offsets[waiting] = _AWAY
        for _ in range(steps):
            if not waiting or self.budget <= 0:
                break
            # Mostly the heaviest; always it would go round in circles.
            heaviest = max(range(len(waiting)), key=lambda q: self._weights[waiting[q]])
            at = heaviest if source.random() < 0.7 else int(source.integers(len(waiting)))
            i = waiting.pop(at)
            places, blocked = self._places(i, capacity, beneath=True)
            cost = (blocked @ weights[self._near[i]]) * (1 + 0.1 * source.random(len(places)))
            chosen = int(cost.argmin())
            yielding = self._near[i][blocked[chosen]]
            offsets[i] = places[chosen]
            offsets[yielding] = _AWAY
            weights[yielding] += self._weights[yielding]
            for j in sorted(yielding.tolist(), key=lambda j: (-self._weights[j], j)):
                places, blocked = self._places(j, capacity)
                room = np.flatnonzero(~blocked.any(axis=1))
                if len(room):
                    offsets[j] = places[room[0]]
                else:
                    waiting.append(j)
        return None if waiting else [int(o) for o in offsets]

    def _places(
        self, i: int, capacity: int, beneath: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Offsets where buffer i would touch another one, and which neighbours are in its way.

        `beneath` adds those right below another one.
        """
        near = self._near[i]
        self.budget -= _PLACE_COST + len(near) // _NEIGHBOURS_PER_LOOK
        other = self._offsets[near]
        low, high = other - self._up[i], other + self._down[i]
        top = capacity - self._sizes[i]
        places = np.concatenate([[0], high, other[self._joins[i]]])
        if beneath:
            places = np.concatenate([places, [top], low])
        alignment = self._alignments[i]
        # Rounded up what lies above another one, and down what lies beneath: both stay clear.
        rounded = -(-places // alignment) * alignment
        if beneath:
            rounded[-len(near) - 1 :] = places[-len(near) - 1 :] // alignment * alignment
        places = np.unique(rounded[(rounded >= 0) & (rounded <= top)])
        column = places[:, None]
        blocked = (column > low) & (column < high) & ~(self._joins[i] & (column == other))
        return places, blocked
