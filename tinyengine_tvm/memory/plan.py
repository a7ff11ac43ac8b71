# SPDX-License-Identifier: Apache-2.0
"""The memory plan of a network."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ..network import Network
from .buffer import Buffer
from .check import check_placement, check_plan
from .engine import place_shared
from .lifetimes import View, lifetimes, scratch_name
from .overlap import Rules, sharing
from .placement import BUDGET, Placement


@dataclass(frozen=True)
class MemoryPlan:
    """Where the tensors and scratch areas of a network lie in its arena; all figures are bytes."""

    placement: Placement
    """`lower_bound` counts, where kernels allow overlap, only the bytes that can't be shared."""
    buffers: tuple[Buffer, ...]
    aliases: dict[str, View]
    """Activation tensor to its place in the buffer that holds it."""
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
        place = self.aliases[tensor]
        return self.placement.offsets[place.buffer] + place.offset

    def scratch_offset(self, layer: str) -> int:
        """Offset of a layer's scratch. KeyError for a layer without."""
        return self.placement.offsets[self.scratch[layer]]

    def described(self, network: Network) -> Iterator[tuple[Buffer, str, str | None]]:
        """Each buffer, its kind (input, output, activation, scratch), and the layer that writes it.

        The layer is None for an input.
        """
        owner = {name: layer for layer, name in self.scratch.items()}
        written = {layer.output: layer.name for layer in network.layers}
        outputs = {self.aliases[name].buffer for name in network.outputs if name in self.aliases}
        for b in self.buffers:
            if b.name in owner:
                yield b, "scratch", owner[b.name]
            elif b.name in network.inputs:
                yield b, "input", None
            else:
                yield b, "output" if b.name in outputs else "activation", written[b.name]

    def live_bytes(self, layer: str) -> int:
        """Bytes that are in use while the layer of this name runs, its scratch included.

        Bytes that two buffers share count once.
        """
        step = self.steps[layer]
        total, reached = 0, 0
        for low, high in sorted(
            (self.placement.offsets[b.name], self.placement.offsets[b.name] + b.size)
            for b in self.buffers
            if b.first <= step <= b.last
        ):
            total += max(0, high - max(low, reached))
            reached = max(reached, high)
        return total


def plan_memory(
    network: Network,
    scratch: Mapping[str, int],
    rules: Mapping[str, Rules] | None = None,
    joined: Collection[str] = (),
    effort: int = BUDGET,
    check: bool = True,
) -> MemoryPlan:
    """Places all activations and scratch of a network; `scratch` maps layers' names to bytes.

    `rules` maps layers' names to what their kernels allow to overlap; absent means nothing.
    `joined` names layers whose operands are written into their output at once; see `views`.
    `effort` limits the search for a small arena, see placement.py.

    The plan has been checked, buffer by buffer and by replaying the network on it, unless `check`
    is False: for those who plan thousands of networks and run none.

    Raises:
        PlanError: the plan is wrong, which is a defect of the planner.
    """
    rules = rules or {}
    buffers, aliases = lifetimes(network, scratch, joined)
    shared = sharing(network, buffers, aliases, rules)
    plan = MemoryPlan(
        place_shared(buffers, shared, effort),
        tuple(buffers),
        aliases,
        {
            layer.name: scratch_name(network, layer.name)
            for layer in network.layers
            if scratch.get(layer.name, 0)
        },
        {layer.name: step for step, layer in enumerate(network.layers)},
    )
    return checked(network, plan, scratch, rules) if check else plan


def checked(
    network: Network,
    plan: MemoryPlan,
    scratch: Mapping[str, int],
    rules: Mapping[str, Rules],
) -> MemoryPlan:
    """The plan itself, once no buffers overlap wrongly and a replay of the network loses nothing.

    Raises:
        PlanError: the plan is wrong, which is a defect of the planner.
    """
    shared = sharing(network, list(plan.buffers), plan.aliases, rules)
    check_placement(
        plan.buffers,
        plan.placement.offsets,
        plan.arena_bytes,
        shared.separation,
        shared.together,
    )
    check_plan(
        network,
        scratch,
        {tensor: plan.offset_of(tensor) for tensor in plan.aliases},
        {layer: plan.scratch_offset(layer) for layer in plan.scratch},
        plan.arena_bytes,
        rules,
    )
    return plan
