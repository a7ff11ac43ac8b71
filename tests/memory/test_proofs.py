# SPDX-License-Identifier: Apache-2.0
"""Plans of whole small networks with their kernels, proven by an independent exact solver."""

from __future__ import annotations

import pytest

from tests.memory.cp_sat import least_arena
from tests.tiling.random_networks import random_network
from tinyengine_tvm.kernels.registry import select_kernels
from tinyengine_tvm.memory import plan_memory
from tinyengine_tvm.memory.choice import rules_of, scratch_of
from tinyengine_tvm.memory.overlap import sharing
from tinyengine_tvm.targets import get_target


@pytest.mark.parametrize("seed", range(12))
def test_an_arena_claimed_to_be_the_least_is(seed: int) -> None:
    network = random_network(seed)
    selected = select_kernels(network, get_target("cortex-m4"), "speed")
    scratch, rules = scratch_of(network, selected), rules_of(network, selected)
    plan = plan_memory(network, scratch, rules)
    shared = sharing(network, list(plan.buffers), plan.aliases, rules)
    assert plan.placement.optimal
    assert plan.arena_bytes == least_arena(plan.buffers, shared.separation, shared.together)
