# SPDX-License-Identifier: Apache-2.0
"""One option per layer: the least time in sum, within so many bytes of code and constants.

Layers share routines, so this is a facility location problem with a budget. A price per byte
turns it into the one that kernels/selection.py solves by local search (Lagrange relaxation);
among prices the choices that fit are compared. The same relaxation bounds what any choice can
reach: each layer pays a share of the routines that it uses, so that shares never exceed a
routine's bytes, and the shares are bettered by subgradient steps. What is left between is
searched by branch and bound, as far as EFFORT.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from ..kernels.base import Cost
from ..kernels.local_search import LocalSearch, Menu

PRICES = 14
SHARE_STEPS = 30
EFFORT = 20_000
"""Nodes of the branch and bound."""
KEPT = 6
"""Options of a layer, for each price, that the local search looks at."""


@dataclass(frozen=True)
class Allocation:
    """choice: the index of each layer's option; bound: no choice takes less than this."""

    choice: tuple[int, ...]
    cost: int
    size: int
    bound: float

    @property
    def gap(self) -> float:
        """By how much another choice could be better at most, relative to the bound."""
        return max(0.0, self.cost / self.bound - 1) if self.bound > 0 else 0.0


def bytes_of(layers: Sequence[Sequence[Cost]], choice: Sequence[int]) -> int:
    """Bytes of the routines and constants of a choice."""
    taken = [options[i] for options, i in zip(layers, choice, strict=True)]
    routines = {name: size for cost in taken for name, size in cost.routines.items()}
    return sum(routines.values()) + sum(cost.data for cost in taken)


def allocate(layers: Sequence[Sequence[Cost]], limit: float) -> Allocation | None:
    """The choice with the fewest instructions in at most `limit` bytes; None where none is found.

    `instructions` of a Cost is whatever is minimised. Deterministic.
    """
    fastest = tuple(min(range(len(o)), key=lambda i: _rank(o[i])) for o in layers)
    least = float(_cost(layers, fastest))
    size = bytes_of(layers, fastest)
    if size <= limit:
        return Allocation(fastest, int(least), size, least)
    return _Budgeted(layers, limit).solve(least)


def _rank(cost: Cost) -> tuple[int, int]:
    return cost.instructions, sum(cost.routines.values()) + cost.data


def _cost(layers: Sequence[Sequence[Cost]], choice: Sequence[int]) -> int:
    return sum(o[i].instructions for o, i in zip(layers, choice, strict=True))


class _Budgeted:
    def __init__(self, layers: Sequence[Sequence[Cost]], limit: float) -> None:
        self.layers, self.limit = layers, limit
        routines: dict[Hashable, int] = {}
        for options in layers:
            for cost in options:
                for name in cost.routines:
                    routines.setdefault(name, len(routines))
        self.sizes = np.zeros(len(routines))
        self.times = [np.array([c.instructions for c in o], np.float64) for o in layers]
        self.data = [np.array([c.data for c in o], np.float64) for o in layers]
        self.uses = [np.zeros((len(o), len(routines))) for o in layers]
        for at, options in enumerate(layers):
            for index, cost in enumerate(options):
                for name, size in cost.routines.items():
                    self.sizes[routines[name]] = size
                    self.uses[at][index, routines[name]] = 1
        self.users = np.stack([use.any(axis=0) for use in self.uses]).astype(float)
        self.best: tuple[int, ...] | None = None
        self.best_cost = np.inf

    def solve(self, least: float) -> Allocation | None:
        bound, multiplier, shares = least, 0.0, np.zeros_like(self.users)
        low, high = 0.0, None
        price = least / max(self.limit, 1.0) / 10
        for _ in range(PRICES):
            value, own_shares = self._relaxed(price)
            if value > bound:
                bound, multiplier, shares = value, price, own_shares
            taken = self._search(price, own_shares)
            if bytes_of(self.layers, taken) <= self.limit:
                self._note(self._bettered(taken))
                high = price
            else:
                low = price
            price = (low + high) / 2 if high is not None else price * 4
        if self.best is None:
            self._note(self._smallest())
        finished = self._branch(multiplier, shares)
        if self.best is None:
            return None
        if finished:
            bound = self.best_cost
        size = bytes_of(self.layers, self.best)
        return Allocation(self.best, int(self.best_cost), size, min(bound, self.best_cost))

    def _note(self, choice: Sequence[int]) -> None:
        cost = _cost(self.layers, choice)
        if cost < self.best_cost and bytes_of(self.layers, choice) <= self.limit:
            self.best, self.best_cost = tuple(choice), cost

    def _reduced(self, price: float, shares: np.ndarray) -> list[np.ndarray]:
        """What each option takes, with its bytes at this price and its shares of routines."""
        return [
            time + price * data + use @ share
            for time, data, use, share in zip(self.times, self.data, self.uses, shares, strict=True)
        ]

    def _relaxed(self, price: float) -> tuple[float, np.ndarray]:
        """The bound at this price, and the shares [layer, routine] that give it."""
        whole = price * self.sizes
        shares = self.users * (whole / np.maximum(self.users.sum(axis=0), 1))
        best, kept = -np.inf, shares
        for step in range(SHARE_STEPS):
            reduced = self._reduced(price, shares)
            value = sum(float(r.min()) for r in reduced) - price * self.limit
            if value > best:
                best, kept = value, shares
            used = np.stack(
                [use[int(r.argmin())] for use, r in zip(self.uses, reduced, strict=True)]
            )
            # Who uses a routine pays more of it, who doesn't less: towards those who can bear it.
            mean = used.sum(axis=0) / np.maximum(self.users.sum(axis=0), 1)
            shares = np.maximum(shares + whole / (step + 2) * (used - mean) * self.users, 0)
            total = shares.sum(axis=0)
            shares = shares * np.where(total > 0, whole / np.where(total > 0, total, 1), 0)
        return best, kept

    def _search(self, price: float, shares: np.ndarray) -> list[int]:
        """Local search among the options that look best at this price."""
        kept = []
        even = self.users * (price * self.sizes / np.maximum(self.users.sum(axis=0), 1))
        alone = [np.tile(price * self.sizes, (len(self.layers), 1)), even, shares]
        for at in range(len(self.layers)):
            found: set[int] = set()
            for paid in alone:
                reduced = self._reduced_of(at, price, paid[at])
                found.update(np.argsort(reduced, kind="stable")[:KEPT].tolist())
            kept.append(sorted(found))
        menus = [Menu([self.layers[at][i] for i in own]) for at, own in enumerate(kept)]
        return [kept[at][i] for at, i in enumerate(LocalSearch(menus, price).best())]

    def _reduced_of(self, at: int, price: float, share: np.ndarray) -> np.ndarray:
        return np.asarray(self.times[at] + price * self.data[at] + self.uses[at] @ share)

    def _smallest(self) -> list[int]:
        price = 1e3 * max(float(t.max()) for t in self.times) + 1
        return self._search(price, self.users * 0)

    def _bettered(self, choice: Sequence[int]) -> list[int]:
        """The choice with faster options for single layers, while they fit."""
        taken = list(choice)
        improved = True
        while improved:
            improved = False
            for at, options in enumerate(self.layers):
                for index in sorted(range(len(options)), key=lambda i: _rank(options[i])):
                    if options[index].instructions >= options[taken[at]].instructions:
                        break
                    tried = [*taken[:at], index, *taken[at + 1 :]]
                    if bytes_of(self.layers, tried) <= self.limit:
                        taken, improved = tried, True
                        break
        return taken

    def _branch(self, price: float, shares: np.ndarray) -> bool:
        """Looks for something better than the best; whether all was looked at."""
        reduced = self._reduced(price, shares)
        minima = np.array([r.min() for r in reduced])
        order = np.argsort(-np.array([np.ptp(r) for r in reduced]), kind="stable")
        after = np.append(np.cumsum(minima[order][::-1])[::-1], 0.0)
        sorted_options = [np.argsort(r, kind="stable") for r in reduced]
        names = [[list(c.routines.items()) for c in options] for options in self.layers]
        nodes = 0
        choice = [0] * len(self.layers)

        def descend(depth: int, paid: float, size: int, have: frozenset[Hashable]) -> bool:
            nonlocal nodes
            if depth == len(self.layers):
                self._note(choice)
                return True
            at = int(order[depth])
            for index in sorted_options[at]:
                total = paid + reduced[at][index]
                # Whole numbers are minimised, so less than one better is none.
                if total + after[depth + 1] - price * self.limit > self.best_cost - 1 + 1e-6:
                    return True
                nodes += 1
                if nodes > EFFORT:
                    return False
                new = [(name, s) for name, s in names[at][index] if name not in have]
                grown = size + self.layers[at][index].data + sum(s for _, s in new)
                if grown > self.limit:
                    continue
                choice[at] = int(index)
                if not descend(depth + 1, total, grown, have | {name for name, _ in new}):
                    return False
            return True

        return descend(0, 0.0, 0, frozenset())
