# SPDX-License-Identifier: Apache-2.0
"""Greedy placements and lower bounds by compiled C, where there's a compiler: the same sooner."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..native import compiled
from .bound import lower_bound
from .buffer import Buffer, Conflicts
from .greedy import end
from .overlap import Sharing
from .placement import BUDGET, Greedy, Placement, improved, ordered, place

_ORDERS = ("size", "conflict", "peak", "area", "duration", "time")
"""Those of greedy.py, in the same order."""
_MOST = 1 << 20
"""Most buffers times buffers: the engine's tables grow with the square."""


def place_shared(buffers: Sequence[Buffer], shared: Sharing, budget: int = BUDGET) -> Placement:
    """`place` with what may overlap."""
    known = ordered(buffers)
    found = _greedy(known, shared, True)
    if found is None:
        return place(buffers, shared.separation, budget, shared.together)
    size = end(known, found.offsets)
    if size == found.bound:
        offsets = {b.name: o for b, o in zip(known, found.offsets, strict=True)}
        return Placement(offsets, size, size, f"greedy by {found.order}", True)
    return improved(Conflicts(known, shared.separation, shared.together), found, budget)


def bound_shared(buffers: Sequence[Buffer], shared: Sharing) -> int:
    """`lower_bound` with what may overlap."""
    found = _greedy(buffers, shared, False)
    if found is not None:
        return found.bound
    return lower_bound(buffers, shared.separation, shared.together)


def _greedy(buffers: Sequence[Buffer], shared: Sharing, placed: bool) -> Greedy | None:
    """None where there's no engine, or too much for it."""
    engine, count = _engine(), len(buffers)
    if engine is None or not 0 < count * count <= _MOST:
        return None
    at = {b.name: i for i, b in enumerate(buffers)}
    if len(at) < count:
        return None
    facts = np.array([(b.size, b.first, b.last, b.alignment) for b in buffers], np.int64).T.copy()
    leads = _indexed(at, shared.leads)
    together = np.array([(at[a], at[b]) for a, b in shared.together], np.int64).reshape(-1, 2)
    best, offsets = ctypes.c_int64(), np.zeros(count, np.int64)
    bound = engine.greedy(
        ctypes.c_int64(count),
        ctypes.c_int64(int(facts[2].max()) + 1),
        *(ctypes.c_void_p(row.ctypes.data) for row in facts),
        ctypes.c_int64(len(leads)),
        ctypes.c_void_p(leads.ctypes.data),
        ctypes.c_int64(len(together)),
        ctypes.c_void_p(together.ctypes.data),
        ctypes.byref(best) if placed else None,
        ctypes.c_void_p(offsets.ctypes.data),
    )
    if bound < 0:
        raise MemoryError
    return Greedy(bound, _ORDERS[best.value], offsets.tolist())


def _indexed(at: Mapping[str, int], leads: Mapping[tuple[str, str], int]) -> np.ndarray:
    """int64 [leads, 3]: lower buffer, upper buffer, bytes."""
    rows = [(at[a], at[b], lead) for (a, b), lead in leads.items()]
    return np.array(rows, np.int64).reshape(-1, 3)


@functools.cache
def _engine() -> ctypes.CDLL | None:
    found = compiled(Path(__file__).with_name("greedy.c"))
    if found is not None:
        found.greedy.restype = ctypes.c_int64
    return found
