# SPDX-License-Identifier: Apache-2.0
"""Buffers with lifetimes, and what keeps two of them apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


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
    alignment: int = 4

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


def disjoint(a: Buffer, b: Buffer) -> int | None:
    """The separation of buffers that share no byte while both are live."""
    return a.size if a.first <= b.last and b.first <= a.last else None


def align_up(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment


def live_sets(buffers: Sequence[Buffer]) -> list[tuple[int, ...]]:
    """The maximal sets of buffers (as indices, ascending) that are live at one step, by step."""
    sets: list[frozenset[int]] = []
    # Every maximal set is complete at some buffer's first step.
    for step in sorted({b.first for b in buffers}):
        live = frozenset(i for i, b in enumerate(buffers) if b.first <= step <= b.last)
        # Lifetimes are intervals, so a set that contains another one stands next to it.
        if sets and live <= sets[-1]:
            continue
        while sets and sets[-1] <= live:
            sets.pop()
        sets.append(live)
    return [tuple(sorted(s)) for s in sets]


def stack_height(parts: Iterable[tuple[int, int]]) -> int:
    """The least height of buffers that all meet, each given as (advance, size) in bytes.

    `advance` is the least by which the next buffer begins after this one. Whichever comes last
    counts with its size instead.
    """
    total, rest = 0, None
    for advance, size in parts:
        total += advance
        rest = size - advance if rest is None else min(rest, size - advance)
    return total + (rest or 0)


def lower_bound(buffers: Sequence[Buffer], separation: Separation = disjoint) -> int:
    """A number of bytes that no placement goes below: the most that are live at one step.

    Where `separation` lets buffers run over one another, only the bytes that they can't share
    count.
    """
    bound = max((b.size for b in buffers), default=0)
    for live in live_sets(buffers):
        parts = [(advance(buffers, live, i, separation), buffers[i].size) for i in live]
        bound = max(bound, stack_height(parts))
    return bound


def advance(
    buffers: Sequence[Buffer], live: Sequence[int], i: int, separation: Separation = disjoint
) -> int:
    """The least by which any other buffer of the set `live` begins after buffer i, in bytes."""
    distances = [separation(buffers[i], buffers[j]) for j in live if j != i]
    return min((0 if d is None else d for d in distances), default=buffers[i].size)
