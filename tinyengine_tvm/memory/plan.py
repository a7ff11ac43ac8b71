# SPDX-License-Identifier: Apache-2.0
"""The memory plan of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..network import Network
from .buffer import Buffer
from .check import check_placement, check_plan
from .lifetimes import lifetimes, scratch_name
from .placement import Placement, place


@dataclass(frozen=True)
class MemoryPlan:
    """Where the tensors and scratch areas of a network lie in its arena; all figures are bytes."""

    placement: Placement
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
        """The most bytes live at one step: no arena is smaller."""
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


def plan_memory(network: Network, scratch: Mapping[str, int]) -> MemoryPlan:
    """Places all activations and scratch of a network; `scratch` maps layers' names to bytes.

    The plan has been checked, buffer by buffer and by replaying the network on it.

    Raises:
        PlanError: the plan is wrong, which is a defect of the planner.
    """
    buffers, aliases = lifetimes(network, scratch)
    placement = place(buffers)
    check_placement(buffers, placement.offsets, placement.size)
    plan = MemoryPlan(
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
    check_plan(
        network,
        scratch,
        {tensor: plan.offset_of(tensor) for tensor in aliases},
        {layer: plan.scratch_offset(layer) for layer in plan.scratch},
        plan.arena_bytes,
    )
    return plan
