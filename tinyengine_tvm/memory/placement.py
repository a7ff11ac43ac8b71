# SPDX-License-Identifier: Apache-2.0
"""Placement of buffers in one arena: greedy, then hill climbing, then searches with a limit.

Each search starts from the best that the ones before it have found, and none runs once the bound
is met. Effort is counted, not timed, so that results repeat: a unit is a look at one buffer of one
step, of which a desktop core takes some 350,000 a second in every search. Compiled, hill climbing
takes some sixty times as many, and the exact search some two hundred times.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from . import beam
from .bound import bound_of
from .buffer import NEVER, Buffer, Conflicts, Separation, Together, disjoint
from .climb import PATIENT, QUICK, Climb
from .exact import BudgetExhausted, Search
from .greedy import end, fit, orders

BUDGET = 1_500_000
"""Effort of `place`: some four seconds when all of it is used in Python."""
THOROUGH = 700_000_000
"""Effort for instances that the default leaves a gap in: up to some thirty seconds of one core."""
LARGE_FROM = 10_000_000
"""Least effort that is for hill climbing above all, which takes long without a compiler."""
EXACT_LIMIT = 500
"""Most buffers that the exact search takes on: in Python it recurses once per buffer."""
_BEAM_FROM = 60
"""Fewest buffers that the beam search takes on: below, the exact search is as quick, and proves."""
_HARD = (("hill climbing", 0.3), ("beam search", 0.4), ("hill climbing", 0.15))
_EASY = (("hill climbing", 0.06),)
_LARGE = (("hill climbing from all", 0.8), ("beam search", 0.4), ("hill climbing", 0.2))
"""The searches before the exact one, and their shares of the effort; it gets what they leave."""
_ROUNDS, _ATTEMPT, _LATE = 6, 240, 4
"""Rounds of climbs from all greedy placements; the part of their effort that an attempt gets; how
much more it gets when the rounds are over and two climbs are left."""
_TRIES = 3
"""Attempts that fail before the next climb has its turn."""
_SLOW = 2_500_000
"""Most effort of what takes long in Python, of which the shares of the beam search are."""
_CLIMB, _CLIMB_LARGE = 20, 20_000
"""Most effort of hill climbing, per square of the number of buffers: few are better searched."""
_ATTEMPTS, _PER_BUFFER = 60, 400
"""Attempts that hill climbing is split into, unless that's less effort than so much per buffer."""
_PATIENCE = 2
"""Failures at one capacity before a larger one is tried."""
_CUTS = 5
"""Capacities that are tried before the smallest comes again."""


@dataclass(frozen=True)
class Placement:
    """Where each buffer lies.

    `offsets` maps a buffer's name to bytes from the arena's start; `size` is the arena in bytes and
    `lower_bound` what no placement goes below. `method` names the search that found it; `optimal`
    says that nothing smaller exists, of all that exact.py looks for, which can be so above the
    bound as well.
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
    """Offsets for these buffers in an arena as small as found within `budget`.

    `budget` is the level of effort, see BUDGET and THOROUGH; with 0 the answer is the greedy one.

    The result doesn't depend on the order of `buffers`.

    Raises:
        ValueError: two buffers of one name.
    """
    if len({b.name for b in buffers}) < len(buffers):
        raise ValueError("two buffers of one name")
    conflicts = Conflicts(ordered(buffers), separation, together)
    return improved(conflicts, greedy(conflicts), budget)


@dataclass(frozen=True)
class Greedy:
    """The lower bound in bytes, and the best greedy placement: its order and its offsets."""

    bound: int
    order: str
    offsets: list[int]


def ordered(buffers: Iterable[Buffer]) -> list[Buffer]:
    """The order in which the searches know them, which tells all of them from one another."""
    return sorted(buffers, key=lambda b: (b.first, b.last, -b.size, b.name))


def greedy(conflicts: Conflicts) -> Greedy:
    """Of equals the first, in the order of greedy.py."""
    found = {name: fit(conflicts, order) for name, order in orders(conflicts.buffers).items()}
    best = min(found, key=lambda name: end(conflicts.buffers, found[name]))
    return Greedy(bound_of(conflicts), best, found[best])


def improved(conflicts: Conflicts, start: Greedy, budget: int) -> Placement:
    """`place` from the greedy placement on; the buffers come as `ordered` gives them."""
    buffers, bound, offsets = conflicts.buffers, start.bound, start.offsets
    method = f"greedy by {start.order}"
    size = end(buffers, offsets)
    count = len(buffers)
    wide = beam.Beam(conflicts) if count >= _BEAM_FROM and beam.applies(conflicts) else None
    large = budget >= LARGE_FROM
    slow = most_slow = min(budget, _SLOW) if large else budget
    # Mostly the bound is met by then, and its tables aren't needed.
    tastes = PATIENT if large else QUICK
    climb = Climb(conflicts, engine=True, tastes=tastes) if size > bound else None
    most = (_CLIMB_LARGE if large else _CLIMB) * count * count
    schedule = _LARGE if large else _EASY if wide is None else _HARD
    for turn, (search, share) in enumerate(schedule):
        if climb is None or size == bound:
            break
        if search == "beam search":
            if wide is None:
                continue
            better, used = _beam(wide, buffers, bound, size, int(most_slow * share))
            slow -= used
        else:
            granted = min(int(budget * share), most)
            if search == "hill climbing":
                better, used = _climb(climb, buffers, bound, offsets, granted, turn)
            else:
                starts = [fit(conflicts, order) for order in orders(buffers).values()]
                better, used = _climbs(climb, buffers, bound, starts, granted)
            slow -= 0 if large else used
        if better is not None and end(buffers, better) < size:
            method, offsets, size = search.split(" from")[0], better, end(buffers, better)
    proven = bound
    if size > bound and count <= EXACT_LIMIT:
        better, proven = _improve(conflicts, bound, size, slow)
        if better is not None:
            method, offsets, size = "branch and bound", better, end(buffers, better)
    return Placement(
        {b.name: o for b, o in zip(buffers, offsets, strict=True)},
        size,
        bound,
        method,
        size == proven,
    )


def _climb(
    climb: Climb, buffers: Sequence[Buffer], bound: int, start: list[int], budget: int, turn: int
) -> tuple[list[int] | None, int]:
    """The best found below the start, if any, and the effort that took."""
    best, tries = start, 1000 * turn
    climb.budget = budget
    effort = max(budget // _ATTEMPTS, _PER_BUFFER * len(buffers))

    def attempt(capacity: int) -> list[int] | None:
        nonlocal best, tries
        tries += 1
        found = climb.attempt(capacity, best, effort, tries)
        best = found or best
        return found

    found = _descend(attempt, lambda: climb.budget > 0, buffers, bound, end(buffers, start))
    return found, budget - max(0, climb.budget)


def _climbs(
    climb: Climb, buffers: Sequence[Buffer], bound: int, starts: list[list[int]], budget: int
) -> tuple[list[int] | None, int]:
    """The best of climbs from all starts, if any got anywhere, and the effort that took.

    They take turns, and after each the one that is behind is given up, down to two: luck varies
    more from start to start than with effort, and shows early.
    """
    climb.budget = budget
    effort, tries, rounds = max(1, budget // _ATTEMPT), 0, 0
    field = sorted(((end(buffers, start), start) for start in starts), key=lambda pair: pair[0])
    first = field[0][0]
    while climb.budget > 0 and field[0][0] > bound:
        moved = []
        for size, offsets in field:
            failures = 0
            while failures < _TRIES and climb.budget > 0 and size > bound:
                tries += 1
                cut = max(1, (size - bound) >> (3 + failures))
                found = climb.attempt(size - cut, offsets, effort, tries)
                failures += 1
                if found is not None:
                    size, offsets, failures = end(buffers, found), found, 0
            moved.append((size, offsets))
        field = sorted(moved, key=lambda pair: pair[0])[: max(2, len(moved) - 1)]
        rounds += 1
        if rounds == _ROUNDS:
            effort *= _LATE
    size, offsets = field[0]
    return (offsets if size < first else None), budget - max(0, climb.budget)


def _beam(
    wide: beam.Beam, buffers: Sequence[Buffer], bound: int, size: int, budget: int
) -> tuple[list[int] | None, int]:
    """The best found below `size` bytes, if any, and the effort that took."""
    source = random.Random(0)
    wide.budget = budget
    found = _descend(
        lambda capacity: wide.attempt(capacity, beam.drawn(source)),
        lambda: wide.budget > 0,
        buffers,
        bound,
        size,
    )
    return found, budget - max(0, wide.budget)


def _descend(
    attempt: Callable[[int], list[int] | None],
    may_go_on: Callable[[], bool],
    buffers: Sequence[Buffer],
    bound: int,
    size: int,
) -> list[int] | None:
    """The best that attempts at ever smaller capacities find below `size` bytes, if any.

    Each asks for a quarter of the gap to the bound, and after some failures for half of that, five
    times over; then it begins again.
    """
    best, failures = None, 0
    while size > bound and may_go_on():
        cut = max(1, (size - bound) >> (2 + failures // _PATIENCE % _CUTS))
        found = attempt(size - cut)
        if found is None:
            failures += 1
        else:
            best, size, failures = found, end(buffers, found), 0
    return best


def _improve(
    conflicts: Conflicts, bound: int, size: int, budget: int
) -> tuple[list[int] | None, int]:
    """Offsets of a placement below `size` bytes if one is found, and the size proven least.

    Halves the range between the bound and the best known size. Each decision gets a share of the
    budget, and an undecided one is passed over as if nothing fitted, though nothing is proven then.
    """
    buffers = conflicts.buffers
    ranked = orders(buffers)
    tried = [ranked["peak"], ranked["area"], ranked["size"]]
    # Mostly the first one decides, and the others needn't be set up.
    searches: list[Search] = []
    best: list[int] | None = None
    low, high, proven = bound, size, bound
    capacity = bound
    while low < high and budget > 0:
        share = budget // 2 // len(tried)
        for at, order in enumerate(tried):
            if at == len(searches):
                searches.append(Search.of(conflicts.ordered(order)))
            search = searches[at]
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
