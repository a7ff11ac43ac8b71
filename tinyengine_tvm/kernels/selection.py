# SPDX-License-Identifier: Apache-2.0
"""Which configurations a network's layers take together, so that code is spent where it gains most.

Layers share routines, so what a routine costs depends on who else uses it. What is minimised is

    instructions + price * (bytes of all routines that are used + bytes of constants)

which is the facility location problem: routines are facilities, layers their customers. It's solved
by local search: open the routines of an option, close those that no longer pay, until nothing helps.
The price is relative: a kilobyte must save a given part of the network's instructions.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from .base import Configuration, Cost, Objective

WORTH: dict[Objective, float] = {"speed": 0.01, "size": 0.1}
"""The part of all instructions that a kilobyte must save to be spent."""


def choose_together(layers: Sequence[Sequence[Cost]], objective: Objective) -> list[int]:
    """For each layer the index of the option to take. Deterministic."""
    if not layers:
        return []
    fastest = sum(min(cost.instructions for cost in options) for options in layers)
    return LocalSearch(layers, WORTH[objective] * fastest / 1000).best()


def choose_alone(
    options: Sequence[tuple[Configuration, Cost]], objective: Objective
) -> Configuration:
    """The configuration to take where the layer is all there is."""
    return options[choose_together([[cost for _, cost in options]], objective)[0]][0]


class LocalSearch:
    """The choice at a price: instructions per byte."""

    def __init__(self, layers: Sequence[Sequence[Cost]], price: float) -> None:
        routines: dict[Hashable, int] = {}
        needs: dict[frozenset[int], int] = {}
        sizes: list[int] = []
        for options in layers:
            for cost in options:
                for routine, size in cost.routines.items():
                    if routine not in routines:
                        routines[routine] = len(sizes)
                        sizes.append(size)
        columns: list[list[int]] = []
        for options in layers:
            sets = [frozenset(routines[r] for r in cost.routines) for cost in options]
            columns.append([needs.setdefault(s, len(needs)) for s in sets])
        self.needs = np.zeros((len(needs), len(sizes)), bool)
        for members, row in needs.items():
            self.needs[row, sorted(members)] = True
        self.sizes = price * np.array(sizes, np.float64)
        self.running = np.full((len(layers), len(needs)), np.inf)
        self.option: dict[tuple[int, int], int] = {}
        for at, options in enumerate(layers):
            for index, (column, cost) in enumerate(zip(columns[at], options, strict=True)):
                value = cost.instructions + price * cost.data
                if value < self.running[at, column]:
                    self.running[at, column] = value
                    self.option[at, column] = index

    def best(self) -> list[int]:
        # What is shared is as good as its bytes divided among those who may share it.
        users = np.stack([np.isfinite(self.running[:, row]).any(axis=1) for row in self.needs.T])
        shares = (self.needs * (self.sizes / users.sum(axis=1))).sum(axis=1)
        opened = np.any(self.needs[(self.running + shares).argmin(axis=1)], axis=0)
        opened = self._descend(opened)
        usable = ~np.any(self.needs & ~opened, axis=1)
        taken = np.where(usable, self.running, np.inf).argmin(axis=1)
        return [self.option[at, int(column)] for at, column in enumerate(taken)]

    def _descend(self, opened: np.ndarray) -> np.ndarray:
        opened, value = self._close(opened)
        while True:
            # What was opened stays at first, or closing it again would be the nearest gain.
            found = [
                self._close(self._close(opened | row, row)[0])
                for row in self.needs
                if (row & ~opened).any()
            ]
            better = min(found, key=lambda item: item[1], default=(opened, value))
            if better[1] >= value:
                return opened
            opened, value = better

    def _close(
        self, opened: np.ndarray, keep: np.ndarray | None = None
    ) -> tuple[np.ndarray, float]:
        """Closes routines one by one, the one that helps most first; with what is minimised."""
        opened = opened.copy()
        while True:
            usable = ~np.any(self.needs & ~opened, axis=1)
            running, needs = self.running[:, usable], self.needs[usable]
            value = float(running.min(axis=1).sum() + self.sizes[opened].sum())
            places = np.flatnonzero(opened if keep is None else opened & ~keep)
            if not len(places):
                return opened, value
            # [routine that is closed, layer]: the best of the options that do without it.
            left = np.where(needs.T[places][:, None, :], np.inf, running[None])
            without = left.min(axis=2).sum(axis=1) - self.sizes[places]
            without += self.sizes[opened].sum()
            first = int(without.argmin())
            if without[first] >= value:
                return opened, value
            opened[places[first]] = False
