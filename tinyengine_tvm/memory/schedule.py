# SPDX-License-Identifier: Apache-2.0
"""The order of operators with the smallest peak of live bytes.

Exact by dynamic programming over downsets, the sets of operators that can have run (Ahn et al.,
"Ordering Chaos: Memory-Aware Scheduling of Irregularly Wired Neural Networks", MLSys 2020), as a
best-first search for the least peak. Three observations keep the number of sets small:

segments
    Operators that must run before or after every other one part the graph; each part is ordered on
    its own.
bound
    Whatever the order, some bytes are live while an operator runs. No peak below the largest of
    these sums needs to be told from another.
valleys
    Where a chain of operators can run on to a point with no more live bytes than here, there's no
    reason to stop here: live bytes are a submodular function of the set, so that having gone on
    never hurts. (Liu's hill-valley segments, for graphs.) Chains stop only at points below all that
    they could reach later, and run at once where they end no higher than they began.

Sets are counted, and beyond a limit beam search takes over; the order given is kept where nothing
better is found.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import NamedTuple

from .order import OperatorGraph, Tables, bits

STATES = 200_000
"""Sets of operators that the exact search looks at; some five seconds. Enough for graphs of width
8 and 100 operators, and for most that are wider."""
BEAM = 48
"""Sets of operators that beam search keeps for each number of operators."""


@dataclass(frozen=True)
class Order:
    """An order of execution.

    `names` are the operators; `peak` and `given_peak` the most bytes that are live at once in this
    order and in the one given. `exact` says that no order has a smaller peak.
    """

    names: tuple[str, ...]
    peak: int
    given_peak: int
    exact: bool


def best_order(graph: OperatorGraph, states: int = STATES, beam: int = BEAM) -> Order:
    """The order of the smallest peak found, never one of a larger peak than the order given.

    `states` and `beam` limit the effort, see STATES and BEAM. Where the order given has the
    smallest peak already, it is what comes back.
    """
    tables = Tables(graph)
    given = range(tables.count)
    given_peak = tables.peak(given)
    bound = max([tables.start, *(tables.least(i) for i in given)])
    order, exact = list(given), given_peak == bound
    if not exact:
        found, exact = _search(tables, bound, states, beam)
        if tables.peak(found) < given_peak:
            order = found
    names = tuple(graph.operators[i].name for i in order)
    return Order(names, tables.peak(order), given_peak, exact)


def _search(tables: Tables, bound: int, states: int, beam: int) -> tuple[list[int], bool]:
    """An order, and whether it's known to be the best."""
    order: list[int] = []
    executed, live, exact = 0, tables.first_live, True
    for segment in _segments(tables):
        # A peak below what another segment needs anyhow is as good as any.
        found = _least_peak(tables, executed, live, segment, bound, states)
        if found is None:
            exact = False
            found = _beam(tables, executed, live, segment, beam)
        for i in found:
            during, live = tables.run(executed, live, i)
            bound = max(bound, during)
            executed |= 1 << i
        order += found
    return order, exact


def _segments(tables: Tables) -> list[int]:
    """Sets of operators to be run one after the other."""
    result, before = [], 0
    for i in bits(tables.cuts):
        between = tables.ancestors[i] & ~before
        if between:
            result.append(between)
        result.append(1 << i)
        before |= tables.ancestors[i] | 1 << i
    if tables.everything & ~before:
        result.append(tables.everything & ~before)
    return result


_Trail = tuple["_Trail | None", tuple[int, ...]]
"""The steps that led to a set, as a list linked backwards."""


def _least_peak(
    tables: Tables, executed: int, live: int, segment: int, bound: int, states: int
) -> list[int] | None:
    """The order of a segment with the least peak, or any whose peak is at most `bound`.

    None after `states` sets without an answer.
    """
    goal = executed | segment
    serial = 0
    # The deepest set first among those of one peak: it's the nearest to an answer.
    heap: list[tuple[int, int, int, int, int, _Trail | None]] = [
        (bound, 0, live, serial, executed, None)
    ]
    seen: set[int] = set()
    while heap:
        peak, _, live, _, done, trail = heapq.heappop(heap)
        if done == goal:
            return _steps(trail)
        if done in seen:
            continue
        seen.add(done)
        if len(seen) > states:
            return None
        reached: list[_Stop] = []
        for i in tables.ready(done, segment):
            stops = _chain(tables, segment, peak, done, live, i)
            if stops[-1].live <= live and stops[-1].peak == peak:
                reached = stops[-1:]
                break
            reached += stops
        for stop in reached:
            if stop.done not in seen:
                serial += 1
                deep = -stop.done.bit_count()
                heapq.heappush(
                    heap, (stop.peak, deep, stop.live, serial, stop.done, (trail, stop.steps))
                )
    raise AssertionError("a graph without an order has a cycle")


class _Stop(NamedTuple):
    """A point in a chain: the steps to it, the peak up to it, what has run then, and live bytes."""

    steps: tuple[int, ...]
    peak: int
    done: int
    live: int


def _chain(tables: Tables, segment: int, peak: int, done: int, live: int, i: int) -> list[_Stop]:
    """Where a chain from operator i on may stop.

    Not where a point no higher follows without a new peak, nor between two points that are no
    higher, if the chain frees the same bytes whatever else has run: while the second is out of
    reach, it may as well wait at the first. The chain ends where it's no higher than where it
    began, and where several operators could follow, since only of a chain all sets that can have
    run are its beginnings.
    """
    points: list[_Stop] = []
    steps: tuple[int, ...] = ()
    before = live

    def add(stop: _Stop) -> bool:
        while points and points[-1].live >= stop.live and points[-1].peak == stop.peak:
            points.pop()
        points.append(stop)
        return stop.live <= before

    while True:
        during, live = tables.run(done, live, i)
        peak = max(peak, during)
        steps = (*steps, i)
        done |= 1 << i
        waits = live > before and tables.private[i] and tables.sinks_later[i]
        if not waits and add(_Stop(steps, peak, done, live)):
            return points
        tail = tables.tails[i]
        for point in tail:
            above = max(peak, live + point.peak)
            stop = _Stop((*steps, *point.steps), above, done | point.mask, live + point.live)
            if add(stop):
                return points
        if tail:
            # The end of a chain is always worth a stop.
            steps, peak, done, live = stop.steps, stop.peak, stop.done, stop.live
            i = steps[-1]
        following = [
            j for j in bits(tables.successors[i] & segment & ~done) if not tables.before[j] & ~done
        ]
        if len(following) != 1:
            return points
        i = following[0]


def _steps(trail: _Trail | None) -> list[int]:
    parts: list[tuple[int, ...]] = []
    while trail is not None:
        trail, steps = trail
        parts.append(steps)
    return [i for steps in reversed(parts) for i in steps]


def _beam(tables: Tables, executed: int, live: int, segment: int, width: int) -> list[int]:
    """An order of a segment by beam search."""
    level: list[tuple[int, int, int, _Trail | None]] = [(0, live, executed, None)]
    for _ in range(segment.bit_count()):
        best: dict[int, tuple[int, int, int, _Trail | None]] = {}
        for peak, live, done, trail in level:
            for i in tables.ready(done, segment):
                during, after = tables.run(done, live, i)
                further = done | 1 << i
                state = (max(peak, during), after, further, (trail, (i,)))
                if further not in best or state[0] < best[further][0]:
                    best[further] = state
        level = heapq.nsmallest(width, best.values(), key=lambda state: state[:3])
    return _steps(level[0][3])
