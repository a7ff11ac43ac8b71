# SPDX-License-Identifier: Apache-2.0
"""The choice within a number of bytes, against all choices of small networks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.kernels.test_selection import random_layers
from tinyengine_tvm.kernels.base import Cost
from tinyengine_tvm.tune import allocate as module
from tinyengine_tvm.tune.allocate import allocate, bytes_of


def best_of_all(layers: list[list[Cost]], limit: float) -> int | None:
    every = itertools.product(*(range(len(options)) for options in layers))
    fitting = (c for c in every if bytes_of(layers, c) <= limit)
    costs = (sum(o[i].instructions for o, i in zip(layers, c, strict=True)) for c in fitting)
    return min(costs, default=None)


@pytest.mark.parametrize("effort", [module.EFFORT, 0])
def test_the_best_of_all_choices_and_a_bound(monkeypatch, effort):
    """Without the branch and bound the relaxation's own bound is what is told."""
    monkeypatch.setattr(module, "EFFORT", effort)
    rng = np.random.default_rng(3)
    tight = exact = fitting = 0
    for _ in range(50):
        layers = random_layers(rng)
        sizes = [bytes_of(layers, [i] * len(layers)) for i in (0, -1)]
        limit = int(rng.uniform(0.5, 1.2) * max(sizes))
        best, found = best_of_all(layers, limit), allocate(layers, limit)
        if best is None:
            assert found is None
            continue
        fitting += 1
        if found is None:
            assert not effort
            continue
        assert found.size == bytes_of(layers, found.choice) <= limit
        assert found.cost == sum(
            o[i].instructions for o, i in zip(layers, found.choice, strict=True)
        )
        assert found.bound <= best + 1e-6 <= found.cost + 2e-6
        exact += found.cost == best
        tight += found.gap == 0
    assert fitting > 35
    if effort:
        assert exact == tight == fitting
    else:
        assert exact > 0.9 * fitting
        assert tight < fitting


def test_more_bytes_are_never_slower():
    layers = random_layers(np.random.default_rng(8))
    limits = range(0, 12_000, 500)
    costs = [found.cost for limit in limits if (found := allocate(layers, limit))]
    assert len(set(costs)) > 3
    assert costs == sorted(costs, reverse=True)
