# SPDX-License-Identifier: Apache-2.0
"""Quick answers of the memory planner."""

from __future__ import annotations

from collections.abc import Sequence

from ..kernels.registry import Selected
from ..memory import lifetimes, place
from ..memory.choice import rules_of, scratch_of
from ..memory.overlap import sharing
from ..network import Network


def arena_bytes(network: Network, selected: Sequence[Selected], effort: int = 20_000) -> int:
    """Bytes of an arena for these kernels, found quickly: plan_selected may do better."""
    scratch, rules = scratch_of(network, selected), rules_of(network, selected)
    buffers, aliases = lifetimes(network, scratch)
    shared = sharing(network, buffers, aliases, rules)
    return place(buffers, shared.separation, effort, shared.together).size
