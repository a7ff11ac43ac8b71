# SPDX-License-Identifier: Apache-2.0
"""Greedy placement: one buffer after the other, each as low as it fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from .buffer import NEVER, Buffer, Conflicts, Separation, Together, align_up, disjoint


def lowest_fit(
    buffers: Sequence[Buffer],
    order: Iterable[int],
    separation: Separation = disjoint,
    together: Together = NEVER,
) -> list[int]:
    """Offsets in bytes, one per buffer, when they are placed in this order."""
    return fit(Conflicts(buffers, separation, together), order)


def fit(conflicts: Conflicts, order: Iterable[int]) -> list[int]:
    """`lowest_fit` of buffers whose conflicts are known; `order` holds every index once."""
    offsets = [-1] * len(conflicts.buffers)
    for i in order:
        partners = conflicts.partners[i]
        own = conflicts.above[i]
        walls = []
        for j, below in own.items():
            offset = offsets[j]
            if offset < 0:
                continue
            above = conflicts.above[j][i]
            # The buffer can't begin between these two, but perhaps where the other one does.
            if j in partners:
                walls.append((offset - below, offset))
                walls.append((offset, offset + above))
            else:
                walls.append((offset - below, offset + above))
        place, alignment = 0, conflicts.buffers[i].alignment
        walls.sort()
        for low, high in walls:
            if low < place < high:
                place = align_up(high, alignment)
        offsets[i] = place
    return offsets


def end(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    """Bytes of the arena that these offsets need."""
    return max((o + b.size for b, o in zip(buffers, offsets, strict=True)), default=0)


def orders(buffers: Sequence[Buffer]) -> dict[str, list[int]]:
    """Orders of buffer indices, by name, in which greedy placement is worth trying."""
    live = [0] * (max((b.last for b in buffers), default=-1) + 1)
    for b in buffers:
        for step in range(b.first, b.last + 1):
            live[step] += b.size
    meeting = _meeting(buffers)
    keys: dict[str, Callable[[Buffer], tuple[int, ...]]] = {
        "size": lambda b: (b.size, b.last - b.first),
        "conflict": lambda b: (meeting(b), b.size),
        "peak": lambda b: (max(live[b.first : b.last + 1]), b.size),
        "area": lambda b: (b.size * (b.last - b.first + 1), b.size),
        "duration": lambda b: (b.last - b.first, b.size),
        "time": lambda b: (-b.first, b.size),
    }
    return {
        name: [i for _, i in sorted(((key(b), i) for i, b in enumerate(buffers)), reverse=True)]
        for name, key in keys.items()
    }


def _meeting(buffers: Sequence[Buffer]) -> Callable[[Buffer], int]:
    """Bytes of all buffers that are live at some step together with the one asked for."""
    end = max((b.last for b in buffers), default=-1) + 2
    born, died = [0] * end, [0] * end
    for b in buffers:
        born[b.first] += b.size
        died[b.last + 1] += b.size
    born, died = list(accumulate(born)), list(accumulate(died))
    return lambda b: born[b.last] - died[b.first]
