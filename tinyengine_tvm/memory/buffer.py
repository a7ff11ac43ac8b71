# SPDX-License-Identifier: Apache-2.0
"""Buffers with lifetimes, and what keeps two of them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

ALIGNMENT = 4
"""Bytes: kernels read and write words."""


@dataclass(frozen=True)
class Buffer:
    """`size` bytes that are live from step `first` to step `last`, both included.

    `alignment`, in bytes, is a power of two.

    Raises:
        ValueError: a size, lifetime or alignment that makes no sense.
    """

    name: str
    size: int
    first: int
    last: int
    alignment: int = ALIGNMENT

    def __post_init__(self) -> None:
        if self.size <= 0:
            raise ValueError(f"buffer {self.name}: size {self.size}")
        if not 0 <= self.first <= self.last:
            raise ValueError(f"buffer {self.name}: live from {self.first} to {self.last}")
        if self.alignment <= 0 or self.alignment & (self.alignment - 1):
            raise ValueError(f"buffer {self.name}: alignment {self.alignment}")


Separation = Callable[[Buffer, Buffer], "int | None"]
"""separation(a, b): how many bytes b must begin after a, if b is the one that lies above.

None: the two never meet, and may lie anywhere (symmetric in a and b, and so for all whose
lifetimes don't meet). Otherwise a placement keeps `offset_a + separation(a, b) <= offset_b` or
`offset_b + separation(b, a) <= offset_a`. A separation below a's size lets b run over a's end; it's
never negative.
"""

Together = frozenset[tuple[str, str]]
"""Pairs of names, in both orders, that may begin at one address whatever their separation says."""

NEVER: Together = frozenset()


def disjoint(a: Buffer, b: Buffer) -> int | None:
    """The separation of buffers that share no byte while both are live."""
    return a.size if a.first <= b.last and b.first <= a.last else None


def align_up(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment


def live_sets(buffers: Sequence[Buffer]) -> list[tuple[int, ...]]:
    """The maximal sets of buffers (as indices, ascending) that are live at one step, by step."""
    starting: dict[int, list[int]] = {}
    for i, b in enumerate(buffers):
        starting.setdefault(b.first, []).append(i)
    sets: list[frozenset[int]] = []
    live: list[int] = []
    # Every maximal set is complete at some buffer's first step.
    for step in sorted(starting):
        live = [i for i in live if buffers[i].last >= step] + starting[step]
        now = frozenset(live)
        # Lifetimes are intervals, so a set that contains another one stands next to it.
        if sets and now <= sets[-1]:
            continue
        while sets and sets[-1] <= now:
            sets.pop()
        sets.append(now)
    return [tuple(sorted(s)) for s in sets]


class Conflicts:
    """Which buffers meet, and how they keep apart: a separation as tables, for the searches.

    above: above[i][j] is how many bytes j must begin after i if it lies above i; both [i][j] and
        [j][i] are there when i and j meet.
    partners: partners[i] holds the buffers that may begin where i does.
    sections: the maximal sets of buffers that are live at one step, by step.
    """

    def __init__(
        self,
        buffers: Sequence[Buffer],
        separation: Separation = disjoint,
        together: Together = NEVER,
    ) -> None:
        self.buffers = buffers
        self.sections = live_sets(buffers)
        self.above: list[dict[int, int]] = [{} for _ in buffers]
        self.partners: list[set[int]] = [set() for _ in buffers]
        for section in self.sections:
            for i in section:
                for j in section:
                    if i != j and j not in self.above[i]:
                        distance = separation(buffers[i], buffers[j])
                        if distance is not None:
                            self.above[i][j] = distance
                            if (buffers[i].name, buffers[j].name) in together:
                                self.partners[i].add(j)

    def ordered(self, order: Sequence[int]) -> Conflicts:
        """Those of the same buffers in another order, which holds every index once."""
        at = {i: k for k, i in enumerate(order)}
        result = object.__new__(Conflicts)
        result.buffers = [self.buffers[i] for i in order]
        result.sections = [tuple(sorted([at[i] for i in section])) for section in self.sections]
        result.above = [{at[j]: d for j, d in self.above[i].items()} for i in order]
        result.partners = [{at[j] for j in self.partners[i]} for i in order]
        return result

    def advance(self, section: Sequence[int], i: int) -> int:
        """Bytes that buffer i surely adds to the height of its section, unless it lies on top.

        The least by which another buffer of the section begins after it. Of two that may begin
        together only the larger one counts.
        """
        size = self.buffers[i].size
        least = size
        for j in section:
            if j == i:
                continue
            if j in self.partners[i]:
                other = self.buffers[j].size
                if (other, j) > (size, i):
                    return 0
                continue
            least = min(least, self.above[i].get(j, 0))
        return least
