# SPDX-License-Identifier: Apache-2.0
"""Exact placement: a canonical branch and bound that decides whether a capacity suffices.

After Moffitt, "MiniMalloc: A Lightweight Memory Allocator for Hardware-Accelerated Machine
Learning" (ASPLOS 2023) and its public implementation google/minimalloc, whose ideas are taken up
here and generalised to buffers that may partly run over one another:

canonical
    Of all placements that fit, look only for the one whose offsets have the least sum. In it every
    buffer rests on the floor or on a lower one, so that placing buffers by rising offset, each as
    low as it can go, reaches it; equal offsets go by rising index.
dominance
    A buffer is never placed so high that another, still waiting one would fit below it: the
    canonical placement has no such hole.
inference
    The buffers still waiting that are live at one step must fit between their lowest possible
    offsets and the capacity.
decomposition
    Waiting buffers that don't meet, not even through others, are solved apart.

Each can be switched off, for the tests: the answer stays, the effort grows.

A buffer that may begin where another one does is held at that one's offset for as long as nothing
higher is placed; until then the offset that its separation demands doesn't bind it. It may lie at
that one all the same, where a third one, which can't lie as low, is to begin with it. What isn't
looked for: a buffer moved up only for the alignment of another, stricter one that begins with it.

Effort is counted in looks at the buffers of a step, and limited; time never decides, so results
repeat.

The same search is there twice, here and in exact.c, which is some hundred times as fast. Both give
the same offsets, and take the same effort for it; a test holds it.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path

from ..native import compiled
from .buffer import NEVER, Buffer, Conflicts, Separation, Together, align_up, disjoint

TECHNIQUES = ("canonical", "dominance", "inference", "decomposition")


_MOST = 1 << 40
"""Most bytes of all buffers, and most effort, that the engine's 64 bits suffice for; it has 20 of
them for the number of a buffer."""


class BudgetExhausted(Exception):
    """The search ended undecided."""


_NO_MEMORY, _EXHAUSTED = -2, -1
"""Answers of the engine."""
Section = tuple[int, ...]


class Search:
    """The search for one list of buffers, whose order is the order of preference.

    `engine` has it made by compiled C where there's a compiler: the same results sooner.
    """

    def __init__(
        self,
        buffers: Sequence[Buffer],
        separation: Separation = disjoint,
        together: Together = NEVER,
        without: frozenset[str] = frozenset(),
        engine: bool = True,
    ) -> None:
        self._prepare(Conflicts(buffers, separation, together), without, engine)

    @classmethod
    def of(cls, conflicts: Conflicts) -> Search:
        """The search for buffers whose conflicts are known."""
        search = cls.__new__(cls)
        search._prepare(conflicts, frozenset(), True)
        return search

    def _prepare(self, conflicts: Conflicts, without: frozenset[str], engine: bool) -> None:
        self.buffers = buffers = conflicts.buffers
        self.canonical, self.dominance, self.inference, self.decomposition = (
            name not in without for name in TECHNIQUES
        )
        self.neighbours = conflicts.above
        self.partners = conflicts.partners
        self.extent = [
            max(b.size, *self.neighbours[i].values()) if self.neighbours[i] else b.size
            for i, b in enumerate(buffers)
        ]
        grain = min((b.alignment for b in buffers), default=1)
        # The least advance of a buffer over all its sections holds in each of them.
        sections_of: list[list[int]] = [[] for _ in buffers]
        for at, section in enumerate(conflicts.sections):
            for i in section:
                sections_of[i].append(at)
        self.advance = [
            align_up(min(conflicts.advance(conflicts.sections[at], i) for at in own), grain)
            for i, own in enumerate(sections_of)
        ]
        self.sections: tuple[Section, ...] = tuple(conflicts.sections)
        self.budget = 0
        reach = sum(self.extent) + sum(b.alignment for b in buffers)
        self._engine = _engine() if engine and max(reach, len(buffers) << 20) < _MOST else None
        if self._engine is not None:
            self._tables = self._flat(sections_of)

    @property
    def compiled(self) -> bool:
        """Whether it's C that runs."""
        return self._engine is not None

    def decide(self, capacity: int, budget: int) -> list[int] | None:
        """Offsets that fit into `capacity` bytes, or None when there are none.

        Raises:
            BudgetExhausted: undecided after `budget` looks at the buffers of a step.
        """
        self.capacity = capacity
        self.budget = budget
        if self._engine is not None and max(capacity, budget) < _MOST:
            return self._decided(self._engine)
        self.offsets = [0] * len(self.buffers)
        zeros = [0] * len(self.buffers)
        fits = self._solve_parts(self.sections, zeros, [-1] * len(self.buffers), 0, -1)
        return self.offsets if fits else None

    def _flat(self, sections_of: Sequence[Sequence[int]]) -> list[ctypes.Array[ctypes.c_int64]]:
        """The arguments of the engine that never change."""
        first = [own[0] for own in sections_of]
        start, joins = [0], list[bool]()
        near, distances = list[int](), list[int]()
        for above, partners in zip(self.neighbours, self.partners, strict=True):
            near += above
            distances += above.values()
            joins += [j in partners for j in above]
            start.append(len(near))
        tables = (
            [b.size for b in self.buffers],
            [b.alignment for b in self.buffers],
            self.extent,
            self.advance,
            first,
            [own[-1] for own in sections_of],
            sorted(range(len(first)), key=first.__getitem__),
            start,
            near,
            distances,
            joins,
        )
        return [(ctypes.c_int64 * len(values))(*values) for values in tables]

    def _decided(self, engine: ctypes.CDLL) -> list[int] | None:
        """`decide` by compiled C."""
        left = ctypes.c_int64(self.budget)
        offsets = (ctypes.c_int64 * len(self.buffers))()
        techniques = (self.canonical, self.dominance, self.inference, self.decomposition)
        found = engine.exact(
            ctypes.c_int64(len(self.buffers)),
            ctypes.c_int64(len(self.sections)),
            ctypes.c_int64(self.capacity),
            ctypes.c_int64(sum(on << bit for bit, on in enumerate(techniques))),
            *self._tables,
            ctypes.byref(left),
            offsets,
        )
        self.budget = left.value
        if found == _NO_MEMORY:
            raise MemoryError
        if found == _EXHAUSTED:
            raise BudgetExhausted
        return list(offsets) if found else None

    def _solve_parts(
        self,
        sections: tuple[Section, ...],
        lowest: list[int],
        held: list[int],
        floor: int,
        previous: int,
    ) -> bool:
        parts = self._parts(sections, self.decomposition)
        # A small part that can't be placed is found out sooner than a large one.
        parts.sort(key=lambda part: len(part[0]))
        # One frame of the stack for each buffer: the depth is what limits how many there may be.
        for waiting, own in parts:
            placed = False
            for offset, i in self._candidates(waiting, own, lowest, held, floor, previous):
                raised, holding = self._placed(i, offset, lowest, held)
                if self._solve_parts(self._without(own, i), raised, holding, offset, i):
                    self.offsets[i] = offset
                    placed = True
                    break
            if not placed:
                return False
        return True

    @staticmethod
    def _parts(
        sections: tuple[Section, ...],
        decomposition: bool,
    ) -> list[tuple[tuple[int, ...], tuple[Section, ...]]]:
        """Waiting buffers that are joined by sections, with those sections."""
        parts: list[tuple[set[int], list[Section]]] = []
        # Sections come by rising step, so a section meets the latest part or none at all.
        for section in sections:
            if parts and not (decomposition and parts[-1][0].isdisjoint(section)):
                parts[-1][0].update(section)
                parts[-1][1].append(section)
            else:
                parts.append((set(section), [section]))
        return [(tuple(sorted(members)), tuple(own)) for members, own in parts]

    def _candidates(
        self,
        waiting: tuple[int, ...],
        sections: tuple[Section, ...],
        lowest: list[int],
        held: list[int],
        floor: int,
        previous: int,
    ) -> list[tuple[int, int]]:
        """Offset and index of what can come next, from `floor` on, the offset of the `previous`.

        `lowest` holds for each buffer the least offset that the placed ones allow, and `held` the
        one at which it may begin together with a placed one.
        """
        self.budget -= sum(map(len, sections))
        if self.budget < 0:
            raise BudgetExhausted
        bound = lowest
        if floor in held:
            bound = [floor if h == floor else low for h, low in zip(held, lowest, strict=True)]
        hole = min([bound[i] + self.extent[i] for i in waiting])
        if not self.dominance:
            hole = self.capacity + 1
        if hole <= floor or not self._may_fit(sections, bound, floor):
            return []
        meets = self.neighbours[previous] if previous >= 0 else {}
        found = [
            (bound[i], i)
            for i in waiting
            if floor <= bound[i] < hole
            and (bound[i] > floor or i > previous or i in meets or not self.canonical)
        ]
        if bound is not lowest:
            found += [
                (lowest[i], i)
                for i in waiting
                if held[i] == floor < lowest[i] < hole
                and lowest[i] + self.buffers[i].size <= self.capacity
                and self._joined_above(i, waiting, lowest, held, floor)
            ]
        return sorted(found)

    def _joined_above(
        self, i: int, waiting: tuple[int, ...], lowest: list[int], held: list[int], floor: int
    ) -> bool:
        """Whether a buffer held at `floor` may have to lie higher, for others to begin there too.

        Those are waiting partners that can't lie at the floor, or whose own partners perhaps can't.
        """
        for j in self.partners[i]:
            if j in waiting:
                low = lowest[j] <= floor and floor % self.buffers[j].alignment == 0
                if not (low or held[j] == floor) or any(
                    k != i and k in waiting for k in self.partners[j]
                ):
                    return True
        return False

    def _placed(
        self, i: int, offset: int, lowest: list[int], held: list[int]
    ) -> tuple[list[int], list[int]]:
        """`lowest` and `held` once buffer i lies at `offset`."""
        raised, holding = lowest.copy(), held
        partners = self.partners[i]
        if partners or offset in held:
            holding = held.copy()
            for j, distance in self.neighbours[i].items():
                if j in partners:
                    aligned = offset % self.buffers[j].alignment == 0
                    if aligned and (held[j] == offset or lowest[j] <= offset):
                        holding[j] = offset
                elif distance and held[j] == offset:
                    holding[j] = -1
        for j, distance in self.neighbours[i].items():
            least = offset + distance
            if least > raised[j]:
                raised[j] = align_up(least, self.buffers[j].alignment)
        return raised, holding

    @staticmethod
    def _without(sections: tuple[Section, ...], i: int) -> tuple[Section, ...]:
        result = []
        for section in sections:
            if i in section:
                section = tuple([j for j in section if j != i])
                if not section:
                    continue
            result.append(section)
        return tuple(result)

    def _may_fit(self, sections: tuple[Section, ...], lowest: list[int], floor: int) -> bool:
        """Whether each section's waiting buffers could be stacked below the capacity.

        For every offset, those that can't go below it must fit above it.
        """
        capacity, advances, buffers = self.capacity, self.advance, self.buffers
        if not self.inference:
            return all(lowest[i] + buffers[i].size <= capacity for s in sections for i in s)
        for section in sections:
            height, slack = 0, 1 << 62
            for low, i in sorted([(lowest[i], i) for i in section], reverse=True):
                step = advances[i]
                height += step
                size = buffers[i].size
                slack = min(slack, size - step)
                base = low if low > floor else floor
                # Where buffers may run over one another, the second bound can be below the first.
                if base + size > capacity or base + height + slack > capacity:
                    return False
        return True


@functools.cache
def _engine() -> ctypes.CDLL | None:
    """exact.c, compiled; None where that's not possible."""
    found = compiled(Path(__file__).with_name("exact.c"))
    if found is not None:
        found.exact.restype = ctypes.c_int64
    return found
