# SPDX-License-Identifier: Apache-2.0
"""The memory plan of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..network import Network
from .buffer import Buffer
from .check import check_placement, check_plan
from .lifetimes import lifetimes, scratch_name
from .overlap import Rules, leads, separation
from .placement import Placement, place


@dataclass(frozen=True)
class MemoryPlan:
    """Where the tensors and scratch areas of a network lie in its arena; all figures are bytes."""

    placement: Placement
    """`lower_bound` counts, where kernels allow overlap, only the bytes that can't be shared."""
    buffers: tuple[Buffer, ...]
    aliases: dict[str, str]
    """Activation tensor to the buffer that holds it."""
    scratch: dict[str, str]
    """Layer to its scratch buffer, for the layers that have one."""
    steps: dict[str, int]
    """Layer to its place in the order of execution."""

    @property
    def arena_bytes(self) -> int:
        return self.placement.size

    @property
    def lower_bound(self) -> int:
        """Bytes that no arena goes below, with these kernels and what they allow to overlap."""
        return self.placement.lower_bound

    def offset_of(self, tensor: str) -> int:
        """Offset of an activation tensor. KeyError for a constant, which isn't in the arena."""
        return self.placement.offsets[self.aliases[tensor]]

    def scratch_offset(self, layer: str) -> int:
        """Offset of a layer's scratch. KeyError for a layer without."""
        return self.placement.offsets[self.scratch[layer]]

    def live_bytes(self, layer: str) -> int:
        """Bytes of all buffers live while the layer of this name runs, its scratch included."""
        step = self.steps[layer]
        return sum(b.size for b in self.buffers if b.first <= step <= b.last)


def plan_memory(
    network: Network, scratch: Mapping[str, int], rules: Mapping[str, Rules] | None = None
) -> MemoryPlan:
    """Places all activations and scratch of a network; `scratch` maps layers' names to bytes.

    `rules` maps layers' names to what their kernels allow to overlap; absent means nothing.

    The plan has been checked, buffer by buffer and by replaying the network on it.

    Raises:
        PlanError: the plan is wrong, which is a defect of the planner.
    """
    rules = rules or {}
    in_place = {name: rule.in_place for name, rule in rules.items() if rule.in_place}
    plans = [_plan(network, scratch, rules, in_place)]
    if in_place:
        # Two tensors in one buffer keep one offset for both their lives: it can be in the way.
        plans.append(_plan(network, scratch, rules, {}))
    plan = min(plans, key=lambda p: p.arena_bytes)
    check_plan(
        network,
        scratch,
        {tensor: plan.offset_of(tensor) for tensor in plan.aliases},
        {layer: plan.scratch_offset(layer) for layer in plan.scratch},
        plan.arena_bytes,
        rules,
    )
    return plan


def _plan(
    network: Network,
    scratch: Mapping[str, int],
    rules: Mapping[str, Rules],
    in_place: Mapping[str, tuple[int, ...]],
) -> MemoryPlan:
    buffers, aliases = lifetimes(network, scratch, in_place)
    apart = separation(leads(network, buffers, aliases, rules))
    placement = place(buffers, apart)
    check_placement(buffers, placement.offsets, placement.size, apart)
    return MemoryPlan(
        placement,
        tuple(buffers),
        aliases,
        {
            layer.name: scratch_name(network, layer.name)
            for layer in network.layers
            if scratch.get(layer.name, 0)
        },
        {layer.name: step for step, layer in enumerate(network.layers)},
    )
