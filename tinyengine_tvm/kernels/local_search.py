# SPDX-License-Identifier: Apache-2.0
"""Local search for the facility location problem: routines are facilities, layers customers.

Opens the routines of an option, closes those that no longer pay, until nothing helps. The search is
there twice, here and in local_search.c, which is some ten times as fast. Both count in whole
numbers, so that they find the same; a test holds it.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

import numpy as np

from ..native import compiled
from .base import Cost

_FRACTION = 16
"""Bits behind the point of what is minimised, where numbers aren't too large for that."""
_BITS = 52
"""Of the largest number that is minimised."""
_MOST_ROUTINES = 512
"""That local_search.c has room for."""


class Menu:
    """The options of one layer, or of several that are alike.

    `instructions` and `data`: int64 [options]; `sets`: the routines that each option uses, as
    numbers that stand for a routine and its bytes in all menus, and `routines` all of them.
    """

    def __init__(self, costs: Sequence[Cost]) -> None:
        self.instructions = np.array([cost.instructions for cost in costs], np.int64)
        self.data = np.array([cost.data for cost in costs], np.int64)
        numbers = [[_number(*item) for item in cost.routines.items()] for cost in costs]
        self.routines = tuple(dict.fromkeys(n for own in numbers for n in own))
        self.sets = tuple(frozenset(own) for own in numbers)
        self.fastest = int(self.instructions.min())
        self.greatest = int(self.instructions.max()), int(self.data.max())

    def __len__(self) -> int:
        return len(self.sets)


_numbers: dict[tuple[Hashable, int], int] = {}
_bytes: list[int] = []


def _number(name: Hashable, size: int) -> int:
    number = _numbers.setdefault((name, size), len(_bytes))
    if number == len(_bytes):
        _bytes.append(size)
    return number


def routine_bytes(sets: Iterable[frozenset[int]]) -> int:
    """Bytes of all routines in these sets, each counted once."""
    return sum(_bytes[number] for number in frozenset().union(*sets))


class LocalSearch:
    """The choice at a price: instructions per byte.

    `engine` has the search made by compiled C where there's a compiler: the same choice sooner.
    """

    def __init__(self, menus: Sequence[Menu], price: float, engine: bool = True) -> None:
        alike: dict[int, list[int]] = {}
        for at, menu in enumerate(menus):
            alike.setdefault(id(menu), []).append(at)
        self._places = list(alike.values())
        own = [menus[places[0]] for places in self._places]
        times = [len(places) for places in self._places]
        self._times = np.array(times, np.int64)
        routines: dict[int, int] = {}
        users: list[int] = []
        needs: dict[frozenset[int], int] = {}
        columns: list[int] = []
        for menu, count in zip(own, times, strict=True):
            for number in menu.routines:
                at = routines.setdefault(number, len(routines))
                if at == len(users):
                    users.append(0)
                users[at] += count
            columns += [needs.setdefault(s, len(needs)) for s in menu.sets]
        self._columns = np.array(columns, np.int64)
        self._members = [sorted([routines[number] for number in s]) for s in needs]
        sizes = [_bytes[number] for number in routines]
        greatest = sum(
            count * (menu.greatest[0] + price * menu.greatest[1])
            for menu, count in zip(own, times, strict=True)
        )
        bits = math.frexp(greatest + price * sum(sizes))[1]
        unit = 2.0 ** min(_FRACTION, _BITS - bits)
        self._sizes = np.rint(unit * price * np.array(sizes, np.float64)).astype(np.int64)
        lengths = np.array([len(menu) for menu in own], np.int64)
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        instructions = np.concatenate([menu.instructions for menu in own])
        data = np.concatenate([menu.data for menu in own])
        values = np.rint(unit * (instructions + price * data)).astype(np.int64)
        self._values = values * np.repeat(self._times, lengths)
        self._infinite = (1 << 60) // len(own)
        # What is shared is as good as its bytes divided among those who may share it.
        each = (self._sizes // np.array(users, np.int64)).tolist()
        self._shares = np.array([sum(each[r] for r in m) for m in self._members], np.int64)
        self._engine = _engine() if engine and len(sizes) <= _MOST_ROUTINES else None

    def best(self) -> list[int]:
        """For each layer the index of the option to take."""
        taken = self._searched() if self._engine is None else self._compiled()
        result = [0] * sum(map(len, self._places))
        for places, option in zip(self._places, taken, strict=True):
            for at in places:
                result[at] = option
        return result

    def _compiled(self) -> list[int]:
        assert self._engine is not None
        starts = np.cumsum([0, *map(len, self._members)])
        members = np.array([r for m in self._members for r in m], np.int64)
        taken = np.zeros(len(self._places), np.int64)
        numbers = (len(taken), len(self._sizes), len(self._members), self._infinite)
        arrays = (
            *(self._times, self._starts, self._values, self._columns),
            *(starts, members, self._sizes, self._shares, taken),
        )
        failed = self._engine.local_search(
            *map(ctypes.c_int64, numbers), *(ctypes.c_void_p(a.ctypes.data) for a in arrays)
        )
        if failed:
            raise MemoryError
        result: list[int] = taken.tolist()
        return result

    def _searched(self) -> list[int]:
        self._needs = np.zeros((len(self._members), len(self._sizes)), bool)
        for column, members in enumerate(self._members):
            self._needs[column, members] = True
        shape = (len(self._places), len(self._members))
        self._running = np.full(shape, self._infinite, np.int64)
        options: dict[tuple[int, int], int] = {}
        for layer in range(len(self._places)):
            first, end = self._starts[layer : layer + 2].tolist()
            for at in range(first, end):
                column, value = int(self._columns[at]), int(self._values[at])
                if (layer, column) not in options or value < self._running[layer, column]:
                    self._running[layer, column] = value
                    options[layer, column] = at - first
        shares = self._times[:, None] * self._shares
        there = self._running < self._infinite
        chosen = np.where(there, self._running + shares, self._infinite).argmin(axis=1)
        opened = self._descend(np.any(self._needs[chosen], axis=0))
        usable = ~np.any(self._needs & ~opened, axis=1)
        taken = np.where(usable, self._running, self._infinite).argmin(axis=1)
        return [options[at, int(column)] for at, column in enumerate(taken)]

    def _descend(self, opened: np.ndarray) -> np.ndarray:
        opened, value = self._close(opened)
        while True:
            # What was opened stays at first, or closing it again would be the nearest gain.
            found = [
                self._close(self._close(opened | row, row)[0])
                for row in self._needs
                if (row & ~opened).any()
            ]
            better = min(found, key=lambda item: item[1], default=(opened, value))
            if better[1] >= value:
                return opened
            opened, value = better

    def _close(self, opened: np.ndarray, keep: np.ndarray | None = None) -> tuple[np.ndarray, int]:
        """Closes routines one by one, the one that helps most first; with what is minimised."""
        opened = opened.copy()
        while True:
            usable = ~np.any(self._needs & ~opened, axis=1)
            running, needs = self._running[:, usable], self._needs[usable]
            value = int(running.min(axis=1).sum() + self._sizes[opened].sum())
            places = np.flatnonzero(opened if keep is None else opened & ~keep)
            if not len(places):
                return opened, value
            # [routine that is closed, layer]: the best of the options that do without it.
            left = np.where(needs.T[places][:, None, :], self._infinite, running[None])
            without = left.min(axis=2).sum(axis=1) - self._sizes[places]
            without += self._sizes[opened].sum()
            first = int(without.argmin())
            if without[first] >= value:
                return opened, value
            opened[places[first]] = False


@functools.cache
def _engine() -> ctypes.CDLL | None:
    return compiled(Path(__file__).with_name("local_search.c"))
