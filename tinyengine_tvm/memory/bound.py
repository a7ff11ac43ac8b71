# SPDX-License-Identifier: Apache-2.0
"""The lower bound: what is live at one step needs room, whatever lies where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .buffer import NEVER, Buffer, Conflicts, Separation, Together, align_up, disjoint

_TRIED_IN_FULL = 6
"""Most buffers of a step that run over one another whose orders are all tried."""


def lower_bound(
    buffers: Sequence[Buffer], separation: Separation = disjoint, together: Together = NEVER
) -> int:
    """A number of bytes that no placement goes below: the most that are live at one step.

    Where buffers may run over one another, only the bytes that they can't share count.
    """
    return bound_of(Conflicts(buffers, separation, together))


def bound_of(conflicts: Conflicts) -> int:
    """`lower_bound` of buffers whose conflicts are known."""
    return max((section_height(conflicts, s) for s in conflicts.sections), default=0)


def section_height(conflicts: Conflicts, section: Sequence[int]) -> int:
    """The least height in bytes of buffers that are live at one step."""
    buffers = conflicts.buffers
    grain = min(buffers[i].alignment for i in section)
    # Every buffer begins at a multiple of the grain, so all but the topmost take whole grains.
    sizes = {i: align_up(buffers[i].size, grain) for i in section}
    slack = max(sizes[i] - buffers[i].size for i in section)
    plain: list[int] = []
    special: list[int] = []
    for i in section:
        free = any(
            conflicts.above[i].get(j, 0) < buffers[i].size
            or conflicts.above[j].get(i, 0) < buffers[j].size
            for j in section
            if j != i
        )
        (special if free or not conflicts.partners[i].isdisjoint(section) else plain).append(i)
    # A buffer that shares bytes with none can be taken out of any stack, which sinks by its size.
    height = sum(sizes[i] for i in plain) - slack
    if len(special) > _TRIED_IN_FULL:
        height += _stacked(conflicts, special, sizes)
    else:
        height += _least_stack(conflicts, special, sizes, grain)
    return max(height, *(buffers[i].size for i in section))


def _stacked(conflicts: Conflicts, section: Sequence[int], sizes: Mapping[int, int]) -> int:
    advances = {i: conflicts.advance(section, i) for i in section}
    # Whichever comes last counts with its size instead.
    rest = min(sizes[i] - advances[i] for i in section)
    return max(max(sizes[i] for i in section), sum(advances.values()) + rest)


def _least_stack(
    conflicts: Conflicts, section: Sequence[int], sizes: Mapping[int, int], grain: int
) -> int:
    """The least height, by placing the buffers in every order of rising offsets."""
    above = conflicts.above
    best = sum(sizes[i] for i in section)

    def extend(placed: dict[int, int], floor: int, top: int) -> None:
        nonlocal best
        if top >= best:
            return
        if len(placed) == len(section):
            best = top
            return
        for i in section:
            if i in placed:
                continue
            low, joined = floor, floor
            for j, offset in placed.items():
                least = align_up(offset + above[j].get(i, 0), grain)
                low = max(low, least)
                if offset != floor or j not in conflicts.partners[i]:
                    joined = max(joined, least)
            extend({**placed, i: low}, low, max(top, low + sizes[i]))
            if joined == floor < low:
                extend({**placed, i: floor}, floor, max(top, floor + sizes[i]))

    extend({}, 0, 0)
    return best
