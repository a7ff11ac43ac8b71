# SPDX-License-Identifier: Apache-2.0
"""Placement by beam search over skylines: for many buffers, none of which may overlap another.

A state is a set of buffers placed so far, each resting on the floor or on lower ones, so that all
that matters of it is how low every waiting buffer could go. The techniques:

spot
    Only buffers that compete for one lowest place are branched on, as in TelaMalloc (Maas et al.,
    ASPLOS 2023): whatever isn't placed there wastes it, which shows at once in the estimate.
hole
    No buffer is placed so high above the spot that another, waiting one would fit below it.
estimate
    Each step needs at least its lowest free address and its waiting buffers on top. States are
    ranked by the exponentials of these heights, summed: the tallest steps decide, others count.
reach
    Of states that are as good, the one that has placed more bytes times steps is ahead: large and
    long buffers are the harder to place late.
restarts
    A narrow beam is quick and its luck varies, so many are run rather than a wide one, with
    settings drawn at random from a fixed seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .buffer import Conflicts
from .greedy import orders

_NEVER = 1 << 40
"""Above every offset."""
_LEVEL_COST = 100
_ELEMENTS_PER_LOOK = 1_400
"""So that a unit of effort takes as long as in the exact search, where it's a look at a buffer."""

Array = NDArray[np.int64]


@dataclass(frozen=True)
class Settings:
    """order: whose indices break ties, see greedy.orders. width: states that are kept.

    steepness: of the exponentials, per capacity. reach: what having placed all is worth.
    lead: how far above the lowest place a spot may lie, relative to the capacity, if it's the
        earliest; None takes the lowest.
    """

    order: str
    width: int
    steepness: float
    reach: float
    lead: float | None


def drawn(source: random.Random) -> Settings:
    """Settings for one more try."""
    return Settings(
        source.choice(("peak", "peak", "area", "size", "time")),
        source.choice((10, 20, 40, 80)),
        source.choice((40.0, 80.0, 160.0, 320.0)),
        source.choice((0.0, 2.0, 5.0, 10.0, 20.0)),
        source.choice((None, None, None, 0.05, 0.1, 0.2)),
    )


def applies(conflicts: Conflicts) -> bool:
    """Whether no two of the buffers may overlap."""
    return not any(conflicts.partners) and all(
        distance == conflicts.buffers[i].size
        for i, above in enumerate(conflicts.above)
        for distance in above.values()
    )


class Beam:
    """The tables of one list of buffers, and the effort that is left."""

    def __init__(self, conflicts: Conflicts, budget: int = 0) -> None:
        buffers, sections = conflicts.buffers, conflicts.sections
        self.budget = budget
        self._orders = {name: np.array(o, np.int64) for name, o in orders(buffers).items()}
        self._size = np.array([b.size for b in buffers], np.int64)
        self._alignment = np.array([b.alignment for b in buffers], np.int64)
        self._first = np.array([b.first for b in buffers], np.int64)
        self._meets = np.eye(len(buffers), dtype=bool)
        for i, above in enumerate(conflicts.above):
            self._meets[i, list(above)] = True
        self._live = np.zeros((len(buffers), len(sections)), dtype=bool)
        for s, section in enumerate(sections):
            self._live[list(section), s] = True

    def attempt(self, capacity: int, settings: Settings) -> list[int] | None:
        """Offsets within `capacity` bytes, or None where these settings find none.

        The effort may be overdrawn by what one level of the search takes.
        """
        order = self._orders[settings.order]
        size, alignment = self._size[order], self._alignment[order]
        meets, live, first = (
            self._meets[np.ix_(order, order)],
            self._live[order],
            self._first[order],
        )
        count, steps = live.shape
        bytes_live = live * size[:, None]
        area = size * live.sum(axis=1)
        worth = settings.reach * area / area.sum()
        slope = settings.steepness / capacity
        members = _padded(live)
        marks: Array = np.random.default_rng(1).integers(1, 1 << 40, size=(int(count),))

        lowest = np.zeros((1, count), np.int64)
        waiting = np.ones((1, count), dtype=bool)
        top = np.zeros((1, steps), np.int64)
        rest = bytes_live.sum(axis=0)[None]
        offsets, placed = lowest, np.zeros(1)
        mark: Array = np.zeros(1, np.int64)

        def ranked(heights: Array, gained: NDArray[np.float64]) -> NDArray[np.float64]:
            score = np.log(np.exp((heights - capacity) * slope).sum(axis=1)) - gained
            return np.where(heights.max(axis=1) > capacity, np.inf, score)

        for _ in range(count):
            if self.budget <= 0:
                return None
            free = np.where(waiting, lowest, _NEVER)
            state, item = self._branches(settings, capacity, free, waiting, meets, size, first)
            offset, gained = lowest[state, item], placed[state] + worth[item]
            higher = np.where(live[item], (offset + size[item])[:, None], top[state])
            fewer = rest[state] - bytes_live[item]
            # The tops alone estimate less, but choose which states are worth a closer look.
            score = ranked(higher + fewer, gained)
            kept = np.sort(np.argsort(score, kind="stable")[: 3 * settings.width])
            kept = kept[score[kept] < np.inf]
            self.budget -= _LEVEL_COST + len(kept) * members.size // _ELEMENTS_PER_LOOK
            state, item, offset, gained = state[kept], item[kept], offset[kept], gained[kept]
            higher, fewer = higher[kept], fewer[kept]

            end = (offset + size[item])[:, None]
            raised = np.where(meets[item], np.maximum(lowest[state], end), lowest[state])
            raised = -(-raised // alignment) * alignment
            remain = waiting[state]
            remain[np.arange(len(item)), item] = False
            free = np.full((len(item), count + 1), _NEVER, np.int64)
            free[:, :count] = np.where(remain, raised, _NEVER)
            base = np.maximum(higher, free[:, members].min(axis=2))
            score = ranked(np.where(fewer > 0, base + fewer, higher), gained)
            kept = np.argsort(score, kind="stable")
            kept = kept[score[kept] < np.inf]
            marks_of: Array = mark[state] + marks[item] * (offset + 1)
            # One set of offsets is reached by several orders; the sums tell them apart well enough.
            once: Array = np.sort(np.unique(marks_of[kept], return_index=True)[1])
            kept = kept[once[: settings.width]]
            if not len(kept):
                return None
            offsets = offsets[state[kept]]
            offsets[np.arange(len(kept)), item[kept]] = offset[kept]
            lowest, waiting, top, rest = raised[kept], remain[kept], higher[kept], fewer[kept]
            placed, mark = gained[kept], marks_of[kept]
        best = int((offsets + size).max(axis=1).argmin())
        result = np.empty(count, np.int64)
        result[order] = offsets[best]
        return [int(o) for o in result]

    @staticmethod
    def _branches(
        settings: Settings,
        capacity: int,
        free: Array,
        waiting: NDArray[np.bool_],
        meets: NDArray[np.bool_],
        size: Array,
        first: Array,
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Pairs of a state and a buffer to place next: what competes for one low place."""
        if settings.lead is None:
            spot = free.argmin(axis=1)
        else:
            reach = free.min(axis=1) + int(settings.lead * capacity)
            spot = np.where(free <= reach[:, None], first, _NEVER).argmin(axis=1)
            for _ in range(3):  # down to a local minimum, or nearly so
                spot = np.where(meets[spot], free, _NEVER).argmin(axis=1)
        near = meets[spot]
        hole = np.where(near, free + size, 2 * _NEVER).min(axis=1)
        state, item = np.nonzero(waiting & near & (free < hole[:, None]))
        return state, item


def _padded(live: NDArray[np.bool_]) -> Array:
    """By step the indices of its buffers, filled up with one that stands for none."""
    count, steps = live.shape
    result = np.full((steps, int(live.sum(axis=0).max())), count, np.int64)
    for s in range(steps):
        own = np.flatnonzero(live[:, s])
        result[s, : len(own)] = own
    return result
