# SPDX-License-Identifier: Apache-2.0
"""What kernels ask of the memory planner, and quick answers from it."""

from __future__ import annotations

from collections.abc import Sequence

from ..kernels.registry import Selected
from ..memory import Rules, lifetimes, place
from ..memory.overlap import sharing
from ..network import Network


def scratch_of(network: Network, selected: Sequence[Selected]) -> dict[str, int]:
    """Bytes of scratch by layer."""
    return {s.layer.name: s.kernel.scratch(network, s.layer, s.configuration) for s in selected}


def rules_of(network: Network, selected: Sequence[Selected]) -> dict[str, Rules]:
    """What may overlap while a layer runs, by layer."""
    return {
        s.layer.name: Rules(
            s.kernel.overlap(network, s.layer, s.configuration),
            s.kernel.scratch_overlap(network, s.layer, s.configuration),
            s.kernel.in_place(network, s.layer, s.configuration),
        )
        for s in selected
    }


def arena_bytes(network: Network, selected: Sequence[Selected], effort: int = 20_000) -> int:
    """Bytes of an arena for these kernels, found with little effort: plan_memory may do better."""
    scratch, rules = scratch_of(network, selected), rules_of(network, selected)
    buffers, aliases = lifetimes(network, scratch)
    shared = sharing(network, buffers, aliases, rules)
    return place(buffers, shared.separation, effort, shared.together).size
