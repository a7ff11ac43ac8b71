# SPDX-License-Identifier: Apache-2.0
"""The choice of configurations for a network as a whole."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tinyengine_tvm.kernels import local_search
from tinyengine_tvm.kernels.base import Cost
from tinyengine_tvm.kernels.local_search import LocalSearch, Menu
from tinyengine_tvm.kernels.selection import WORTH, choose_together


def choose(layers: list[list[Cost]], objective: str) -> list[int]:
    return choose_together([Menu(options) for options in layers], objective)


def value(layers: list[list[Cost]], taken: tuple[int, ...], objective: str) -> float:
    """What is to be minimised, computed anew."""
    price = WORTH[objective] * sum(min(c.instructions for c in o) for o in layers) / 1000
    costs = [options[i] for options, i in zip(layers, taken, strict=True)]
    routines = {name: size for cost in costs for name, size in cost.routines.items()}
    size = sum(routines.values()) + sum(cost.data for cost in costs)
    return sum(cost.instructions for cost in costs) + price * size


def random_layers(rng: np.random.Generator) -> list[list[Cost]]:
    """Layers with options of one or two routines out of a few, some of them shared."""
    sizes = {name: int(rng.integers(100, 2000)) for name in "abcdefgh"}
    layers = []
    for _ in range(int(rng.integers(2, 6))):
        scale = int(10 ** rng.uniform(3, 6))
        options = []
        for _ in range(int(rng.integers(1, 6))):
            names = rng.choice(list(sizes), int(rng.integers(1, 3)), replace=False)
            instructions = int(scale * rng.uniform(1, 1.6))
            routines = {name: sizes[name] for name in names}
            options.append(Cost(instructions, routines, int(rng.integers(0, 300))))
        layers.append(options)
    return layers


@pytest.mark.parametrize("objective", ["speed", "size"])
def test_near_the_best_of_all_choices(objective):
    rng = np.random.default_rng(1)
    exact = 0
    for _ in range(120):
        layers = random_layers(rng)
        taken = tuple(choose(layers, objective))
        every = itertools.product(*(range(len(options)) for options in layers))
        best = min(value(layers, choice, objective) for choice in every)
        found = value(layers, taken, objective)
        assert found <= 1.02 * best
        exact += found <= best * (1 + 1e-9)
        assert taken == tuple(choose(layers, objective))
    assert exact >= 115


def test_code_is_shared_until_it_pays_not_to():
    other = [Cost(100_000, {"shared": 1000})]

    def first(saved: int) -> int:
        own = Cost(100_000 - saved, {"own": 1000})
        return choose([[Cost(100_000, {"shared": 1000}), own], other], "speed")[0]

    # A kilobyte must save a hundredth of some 200,000 instructions.
    assert first(1_500) == 0
    assert first(3_000) == 1


def test_constants_count_like_code():
    options = [Cost(100_000, {"packed": 500}), Cost(98_000, {"wide": 500}, data=4_000)]
    assert choose([options], "speed") == [0]
    options[1] = Cost(98_000, {"wide": 500}, data=1_000)
    assert choose([options], "speed") == [1]


def test_no_layers():
    assert choose([], "speed") == []


def test_compiled_search_finds_the_same() -> None:
    if local_search._engine() is None:
        pytest.skip("no compiler for this machine")
    rng = np.random.default_rng(2)
    for _ in range(200):
        menus = [Menu(options) for options in random_layers(rng)]
        # Layers that are alike share a menu.
        menus = [menus[int(i)] for i in rng.integers(0, len(menus), 8)]
        price = float(10 ** rng.uniform(-1, 4))
        assert LocalSearch(menus, price).best() == LocalSearch(menus, price, engine=False).best()


def test_layers_that_share_a_menu_choose_as_with_menus_of_their_own() -> None:
    rng = np.random.default_rng(3)
    for _ in range(100):
        layers = random_layers(rng)
        picked = [int(i) for i in rng.integers(0, len(layers), 6)]
        menus = [Menu(options) for options in layers]
        shared = choose_together([menus[i] for i in picked], "speed")
        assert shared == choose([layers[i] for i in picked], "speed")
