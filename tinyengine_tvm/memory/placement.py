# SPDX-License-Identifier: Apache-2.0
"""Placement of buffers in one arena: the best of several greedy orders and the exact search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .bound import bound_of
from .buffer import NEVER, Buffer, Conflicts, Separation, Together, disjoint
from .exact import BudgetExhausted, Search
from .greedy import end, fit, orders

EXACT_LIMIT = 300
"""Most buffers that the exact search takes on: it recurses twice per buffer."""
BUDGET = 1_500_000
"""Effort of the exact search, in looks at the buffers of a step: some four seconds when all of it
is used."""


@dataclass(frozen=True)
class Placement:
    """Where each buffer lies.

    `offsets` maps a buffer's name to bytes from the arena's start; `size` is the arena in bytes and
    `lower_bound` what no placement goes below. `method` names the search that found it; `optimal`
    says that nothing smaller exists, which can be so above the bound as well.
    """

    offsets: dict[str, int]
    size: int
    lower_bound: int
    method: str
    optimal: bool

    @property
    def gap(self) -> int:
        """Bytes above the lower bound."""
        return self.size - self.lower_bound


def place(
    buffers: Sequence[Buffer],
    separation: Separation = disjoint,
    budget: int = BUDGET,
    together: Together = NEVER,
) -> Placement:
    """Offsets for these buffers in an arena as small as found within `budget`, see BUDGET.

    The result doesn't depend on the order of `buffers`.

    Raises:
        ValueError: two buffers of one name.
    """
    if len({b.name for b in buffers}) < len(buffers):
        raise ValueError("two buffers of one name")
    buffers = sorted(buffers, key=lambda b: (b.first, b.last, -b.size, b.name))
    conflicts = Conflicts(buffers, separation, together)
    bound = bound_of(conflicts)
    method, offsets = "greedy", [0] * len(buffers)
    size = -1
    for name, order in orders(buffers).items():
        found = fit(conflicts, order)
        if size < 0 or end(buffers, found) < size:
            method, offsets, size = f"greedy by {name}", found, end(buffers, found)
    proven = bound
    if size > bound and len(buffers) <= EXACT_LIMIT:
        better, proven = _improve(buffers, separation, together, bound, size, budget)
        if better is not None:
            method, offsets, size = "branch and bound", better, end(buffers, better)
    return Placement(
        {b.name: o for b, o in zip(buffers, offsets, strict=True)},
        size,
        bound,
        method,
        size == proven,
    )


def _improve(
    buffers: Sequence[Buffer],
    separation: Separation,
    together: Together,
    bound: int,
    size: int,
    budget: int,
) -> tuple[list[int] | None, int]:
    """Offsets of a placement below `size` bytes if one is found, and the size proven least.

    Halves the range between the bound and the best known size. Each decision gets a share of the
    budget, and an undecided one is passed over as if nothing fitted, though nothing is proven then.
    """
    ranked = orders(buffers)
    searches = [
        (order, Search([buffers[i] for i in order], separation, together))
        for order in (ranked["peak"], ranked["area"], ranked["size"])
    ]
    best: list[int] | None = None
    low, high, proven = bound, size, bound
    capacity = bound
    while low < high and budget > 0:
        share = budget // 2 // len(searches)
        for order, search in searches:
            try:
                found = search.decide(capacity, share)
            except BudgetExhausted:
                budget -= share
                continue
            budget -= share - search.budget
            if found is None:
                proven = max(proven, capacity + 1)
                low = capacity + 1
            else:
                offset_of = dict(zip(order, found, strict=True))
                best = [offset_of[i] for i in range(len(buffers))]
                high = end(buffers, best)
            break
        else:
            low = capacity + 1
        capacity = (low + high) // 2
    return best, proven
