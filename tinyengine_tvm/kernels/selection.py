# SPDX-License-Identifier: Apache-2.0
"""Which configurations a network's layers take together, so that code is spent where it gains most.

Layers share routines, so what a routine costs depends on who else uses it. What is minimised is

    instructions + price * (bytes of all routines that are used + bytes of constants)

which is the facility location problem: routines are facilities, layers their customers. It's solved
by local search, see local_search.py. The price is relative: a kilobyte must save a given part of the
network's instructions.
"""

from __future__ import annotations

from collections.abc import Sequence

from .base import Configuration, Cost, Objective
from .local_search import LocalSearch, Menu

WORTH: dict[Objective, float] = {"speed": 0.01, "size": 0.1}
"""The part of all instructions that a kilobyte must save to be spent."""


def choose_together(layers: Sequence[Menu], objective: Objective) -> list[int]:
    """For each layer the index of the option to take. Deterministic."""
    if not layers:
        return []
    fastest = sum(menu.fastest for menu in layers)
    return LocalSearch(layers, WORTH[objective] * fastest / 1000).best()


def choose_alone(
    options: Sequence[tuple[Configuration, Cost]], objective: Objective
) -> Configuration:
    """The configuration to take where the layer is all there is."""
    menu = Menu([cost for _, cost in options])
    return options[choose_together([menu], objective)[0]][0]
