# SPDX-License-Identifier: Apache-2.0
"""Greedy placement: one buffer after the other, each as low as it fits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .buffer import Buffer, Separation, align_up, disjoint


def lowest_fit(
    buffers: Sequence[Buffer], order: Iterable[int], separation: Separation = disjoint
) -> list[int]:
    """Offsets in bytes, one per buffer, when they are placed in this order."""
    offsets: dict[int, int] = {}
    for i in order:
        buffer = buffers[i]
        walls = []
        for j, offset in offsets.items():
            above = separation(buffers[j], buffer)
            below = separation(buffer, buffers[j])
            if above is not None and below is not None:
                # The buffer can't begin between these two.
                walls.append((offset - below, offset + above))
        place = 0
        for low, high in sorted(walls):
            if low < place < high:
                place = align_up(high, buffer.alignment)
        offsets[i] = place
    return [offsets[i] for i in range(len(buffers))]
