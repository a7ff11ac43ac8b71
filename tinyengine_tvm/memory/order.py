# SPDX-License-Identifier: Apache-2.0
"""The operators of a graph as a scheduler sees them: what each reads, writes and needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Operator:
    """One operator.

    reads, writes: values by name. A value is a piece of memory, so an operator that gives its
        operand another shape writes what it reads.
    scratch: bytes that it needs while it runs.
    shared: by value read, the bytes of what it writes that may lie over it, if it dies here.
    after: names of operators that must run before although no value says so.
    """

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    scratch: int = 0
    shared: Mapping[str, int] = field(default_factory=dict)
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class OperatorGraph:
    """Operators in an order in which they can run.

    sizes: bytes by value; those that no operator writes and that aren't here (constants) take none.
    inputs: values that are live from the start; outputs: values that stay live to the end.
    """

    operators: tuple[Operator, ...]
    sizes: Mapping[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def bits(mask: int) -> Iterator[int]:
    """Positions of the bits that are set, ascending."""
    while mask:
        yield (mask & -mask).bit_length() - 1
        mask &= mask - 1


@dataclass(frozen=True, eq=False)
class Point:
    """A point in a chain that has run: its operators, also as a set, and bytes above the start.

    `peak` is the most that is live on the way, `live` what remains.
    """

    steps: tuple[int, ...]
    mask: int
    peak: int
    live: int


class Tables:
    """The graph as bit sets over the positions of its operators, for the searches.

    A set of executed operators is an integer, and so are an operator's predecessors.
    """

    def __init__(self, graph: OperatorGraph) -> None:
        operators = graph.operators
        self.count = len(operators)
        self.everything = (1 << self.count) - 1
        position = {op.name: i for i, op in enumerate(operators)}
        self.before = [0] * self.count
        writers: dict[str, int] = dict.fromkeys(graph.inputs, -1)
        readers: dict[str, int] = {}
        for i, op in enumerate(operators):
            for name in op.after:
                self.before[i] |= 1 << position[name]
            for value in op.reads:
                if writers.get(value, -1) >= 0:
                    self.before[i] |= 1 << writers[value]
                readers[value] = readers.get(value, 0) | 1 << i
            for value in op.writes:
                writers.setdefault(value, i)
        keep = 1 << self.count  # never executed, so an output never dies
        for value in graph.outputs:
            readers[value] = readers.get(value, 0) | keep
        size = {value: graph.sizes.get(value, 0) for value in writers}
        self.start = sum(size[value] for value in graph.inputs)
        # An input that nobody reads needs room until the first operator runs, and none after.
        self.first_live = sum(size[value] for value in graph.inputs if readers.get(value))
        # (readers, size, shared) of each value that an operator reads and may end.
        self.ends: list[list[tuple[int, int, int]]] = [[] for _ in operators]
        self.born = [0] * self.count
        self.scratch = [op.scratch for op in operators]
        for i, op in enumerate(operators):
            for value in dict.fromkeys(op.reads):
                if size.get(value) and not readers[value] & keep:
                    self.ends[i].append((readers[value], size[value], op.shared.get(value, 0)))
            for value in op.writes:
                if writers[value] != i:
                    continue
                self.born[i] += size[value]
                if not readers.get(value, 0):
                    # Nobody reads it, so it dies as soon as it is there.
                    self.ends[i].append((0, size[value], 0))
        # All operators that must run before one, not only those right before it; and after it.
        self.ancestors = [0] * self.count
        self.successors = [0] * self.count
        self.descendants = [0] * self.count
        for i in range(self.count):
            for j in bits(self.before[i]):
                self.ancestors[i] |= 1 << j | self.ancestors[j]
                self.successors[j] |= 1 << i
        for i in reversed(range(self.count)):
            for j in bits(self.before[i]):
                self.descendants[j] |= 1 << i | self.descendants[i]
        # Operators that every other one must run before or after.
        self.cuts = sum(
            1 << i
            for i in range(self.count)
            if self.ancestors[i] | 1 << i | self.descendants[i] == self.everything
        )
        # Whether an operator always follows its only predecessor's result, which nobody else reads,
        # and frees the same bytes whatever has run.
        self.private = [
            len(self.ends[i]) == len(set(op.reads) & size.keys())
            and all(readers == 1 << i for readers, _, _ in self.ends[i])
            and self.before[i].bit_count() == 1
            and not (self.before[i] | 1 << i) & self.cuts
            and self.successors[self.before[i].bit_length() - 1] == 1 << i
            for i, op in enumerate(operators)
        ]
        self.sinks_later = self._sinks_later()
        self.tails = [self._tail(i) for i in range(self.count)]
        self.values = [
            (writers[value], readers.get(value, 0), size[value]) for value in size if size[value]
        ]

    def run(self, executed: int, live: int, i: int) -> tuple[int, int]:
        """Bytes that are live while operator i runs, and after it; `live` are after `executed`."""
        pending = ~(executed | 1 << i)
        freed = shared = 0
        for readers, size, over in self.ends[i]:
            if not readers & pending:
                freed += size
                if over > shared:
                    shared = over
        during = live + self.born[i]
        return during + self.scratch[i] - shared, during - freed

    def _sinks_later(self) -> list[bool]:
        """By operator, whether a private chain goes on to a point with no more live bytes."""
        lowest: list[int | None] = [None] * self.count
        for i in reversed(range(self.count)):
            if self.private[i]:
                change = self.born[i] - sum(size for _, size, _ in self.ends[i])
                lowest[self.before[i].bit_length() - 1] = change + min(0, lowest[i] or 0)
        return [change is not None and change <= 0 for change in lowest]

    def _tail(self, i: int) -> list[Point]:
        """The points worth a stop of the private chain that follows operator i."""
        points = []
        steps: tuple[int, ...] = ()
        live = peak = lowest = 0
        while self.successors[i].bit_count() == 1:
            following = self.successors[i].bit_length() - 1
            if not self.private[following]:
                break
            during, live = self.run(self.ancestors[following], live, following)
            steps = (*steps, following)
            peak = max(peak, during)
            if live < lowest or not self.sinks_later[following]:
                points.append(Point(steps, sum(1 << step for step in steps), peak, live))
            lowest = min(lowest, live)
            i = following
        return points

    def ready(self, executed: int, among: int) -> list[int]:
        """Operators of the set `among` that can run after `executed`, ascending."""
        return [i for i in bits(among & ~executed) if not self.before[i] & ~executed]

    def least(self, i: int) -> int:
        """Bytes that are live while operator i runs, whatever the order."""
        ancestors, later = self.ancestors[i], self.descendants[i] | 1 << i | 1 << self.count
        held = sum(
            size
            for writer, readers, size in self.values
            if (writer < 0 or ancestors >> writer & 1) and readers & later
        )
        shared = max((over for _, _, over in self.ends[i]), default=0)
        return held + self.born[i] + self.scratch[i] - shared

    def peak(self, order: Sequence[int]) -> int:
        """The most bytes that are live at once when operators run in this order."""
        executed, live, peak = 0, self.first_live, self.start
        for i in order:
            during, live = self.run(executed, live, i)
            peak = max(peak, during)
            executed |= 1 << i
        return peak
