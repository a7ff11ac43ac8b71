# SPDX-License-Identifier: Apache-2.0
"""Places for buffers that are used on and off, such as line buffers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..memory.buffer import align_up


def place_lines(
    names: Sequence[str], sizes: Sequence[int], live: Sequence[np.ndarray]
) -> tuple[dict[str, int], int]:
    """Offsets, and bytes of all: `live` says for each buffer at which steps it holds anything.

    The best of a few greedy orders, each buffer as low as those it meets allow.
    """
    if not names:
        return {}, 0
    occupied = np.array(live).astype(np.float32)
    meets = (occupied @ occupied.T) > 0
    time = occupied.sum(axis=1)
    degree = (meets * np.array(sizes)).sum(axis=1)
    keys = (
        [(-sizes[i], names[i]) for i in range(len(names))],
        [(-degree[i], -sizes[i], names[i]) for i in range(len(names))],
        [(-time[i], -sizes[i], names[i]) for i in range(len(names))],
        [(-sizes[i] * time[i], names[i]) for i in range(len(names))],
    )
    best: tuple[int, list[int]] | None = None
    for key in keys:
        order = sorted(range(len(names)), key=key.__getitem__)
        offsets = _fit(order, sizes, meets)
        end = max(o + s for o, s in zip(offsets, sizes, strict=True))
        if best is None or end < best[0]:
            best = end, offsets
    assert best is not None
    return dict(zip(names, best[1], strict=True)), align_up(best[0], 4)


def _fit(order: Sequence[int], sizes: Sequence[int], meets: np.ndarray) -> list[int]:
    offsets = [0] * len(sizes)
    placed: list[int] = []
    for i in order:
        walls = sorted((offsets[j], offsets[j] + sizes[j]) for j in placed if meets[i, j])
        at = 0
        for low, high in walls:
            if at + sizes[i] <= low:
                break
            at = max(at, align_up(high, 4))
        offsets[i] = at
        placed.append(i)
    return offsets
