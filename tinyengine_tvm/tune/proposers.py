# SPDX-License-Identifier: Apache-2.0
"""Which candidates to measure next. All proposers have one interface, and none proposes twice."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from .workload import Workload

ProposerName = Literal["xgboost", "random", "grid", "genetic"]


class Proposer(ABC):
    """Proposes indices of a workload's candidates, and is told what they cost."""

    def __init__(self, workload: Workload, seed: int) -> None:
        self.workload = workload
        self.random = np.random.default_rng([seed, int(workload.key, 16)])
        self.costs: dict[int, float] = {}
        """By index, infinite for those that failed."""
        self._open = set(range(len(workload.candidates)))

    def propose(self, count: int) -> list[int]:
        """Up to `count` candidates that weren't proposed before; none when all were."""
        chosen: list[int] = []
        while self._open and len(chosen) < count:
            index = self._pick(sorted(self._open), len(chosen))
            self._open.discard(index)
            chosen.append(index)
        return chosen

    def learn(self, index: int, cost: float) -> None:
        """What a candidate costs, proposed or known from elsewhere."""
        self._open.discard(index)
        self.costs[index] = cost

    @abstractmethod
    def _pick(self, free: Sequence[int], position: int) -> int:
        """One of `free`, the `position`-th of a batch."""


class Grid(Proposer):
    """In the order of the space."""

    def _pick(self, free: Sequence[int], position: int) -> int:
        return free[0]


class Random(Proposer):
    """Uniform among those that are left."""

    def _pick(self, free: Sequence[int], position: int) -> int:
        return int(self.random.choice(free))


class Genetic(Proposer):
    """Crosses and mutates the parameters of the best ones so far.

    Offspring that isn't in the space is replaced by what differs from it in the fewest parameters.
    """

    PARENTS = 4
    """With more, a few dozen trials end hardly better than chance."""
    MUTATION = 0.2

    def _pick(self, free: Sequence[int], position: int) -> int:
        ranked = sorted((c, i) for i, c in self.costs.items() if math.isfinite(c))
        parents = [i for _, i in ranked[: self.PARENTS]]
        if len(parents) < 2:
            return int(self.random.choice(free))
        mother, father = (self._genes(i) for i in self.random.choice(parents, 2, replace=False))
        stranger = self._genes(int(self.random.choice(free)))
        child = {}
        for name in sorted(mother.keys() | father.keys()):
            other = father if self.random.random() < 0.5 else mother
            source = stranger if self.random.random() < self.MUTATION else other
            child[name] = source.get(name, "")
        distances = [self._distance(child, self._genes(i)) for i in free]
        nearest = [i for i, d in zip(free, distances, strict=True) if d == min(distances)]
        return int(self.random.choice(nearest))

    def _genes(self, index: int) -> dict[str, str]:
        candidate = self.workload.candidates[int(index)]
        values = {k: json.dumps(v) for k, v in candidate.configuration.items()}
        return {"kernel": candidate.kernel.name, **values}

    @staticmethod
    def _distance(a: dict[str, str], b: dict[str, str]) -> int:
        return sum(a.get(name) != b.get(name) for name in a.keys() | b.keys())


Score = Callable[[Workload], np.ndarray | None]
"""float [candidates], greater is better; None while nothing is known."""


class Greedy(Proposer):
    """The best by a model's score; every so often (EPSILON) one at random, to learn from."""

    EPSILON = 0.15

    def __init__(self, workload: Workload, seed: int, score: Score) -> None:
        super().__init__(workload, seed)
        self._score = score
        self._scores: np.ndarray | None = None

    def _pick(self, free: Sequence[int], position: int) -> int:
        if position == 0:
            self._scores = self._score(self.workload)
        if self._scores is None or self.random.random() < self.EPSILON:
            return int(self.random.choice(free))
        return max(free, key=lambda i: (float(self._scores[i]), -i))  # type: ignore[index]
