# SPDX-License-Identifier: Apache-2.0
"""The compiled greedy placement and lower bound, against those in Python."""

from __future__ import annotations

import numpy as np
import pytest

from tinyengine_tvm.memory import Buffer, engine, lower_bound, place
from tinyengine_tvm.memory.overlap import Sharing


def _drawn(random: np.random.Generator) -> tuple[list[Buffer], Sharing]:
    """Buffers of a few steps, some of which may run over one another or begin together."""
    count = int(random.integers(2, 24))
    first = random.integers(0, 12, count)
    life = random.integers(0, 4, count)
    buffers = [
        Buffer(f"b{i}", int(random.integers(1, 400)), int(f), int(f + n), 4 << int(i % 5 == 0))
        for i, (f, n) in enumerate(zip(first, life, strict=True))
    ]
    pairs = [
        (a.name, b.name) for a in buffers for b in buffers if a is not b and random.random() < 0.15
    ]
    leads = {pair: int(random.integers(0, 400)) for pair in pairs[::2]}
    together = frozenset(p for a, b in pairs[1::2] for p in ((a, b), (b, a)))
    return buffers, Sharing(leads, together)


def test_compiled_greedy_placement_and_bound_are_the_same() -> None:
    if engine._engine() is None:
        pytest.skip("no compiler for this machine")
    random = np.random.default_rng(4)
    bounds_met = 0
    for _ in range(200):
        buffers, shared = _drawn(random)
        bound = lower_bound(buffers, shared.separation, shared.together)
        assert engine.bound_shared(buffers, shared) == bound
        expected = place(buffers, shared.separation, 0, shared.together)
        found = engine._greedy(
            sorted(buffers, key=lambda b: (b.first, b.last, -b.size, b.name)), shared, True
        )
        assert found is not None and found.bound == bound
        placed = engine.place_shared(buffers, shared, 0)
        assert placed == expected
        bounds_met += placed.size == bound
    assert 40 <= bounds_met < 200
