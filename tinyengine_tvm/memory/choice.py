# SPDX-License-Identifier: Apache-2.0
"""The plan of a network whose kernels are chosen, with less scratch for some where that pays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from ..kernels.base import Configuration
from ..kernels.registry import Selected
from ..network import Network
from ..network.macs import network_macs
from .lifetimes import joinable
from .overlap import Rules
from .plan import MemoryPlan
from .relief import Option, plan_with_options
from .reorder import has_choice, reordered

ALLOWANCE = 0.02
"""Instructions that a smaller arena may cost, relative to the network's multiply-accumulates: fast
kernels take about one instruction for each."""


def scratch_of(network: Network, selected: Sequence[Selected]) -> dict[str, int]:
    """Bytes of scratch by layer."""
    return {s.layer.name: s.kernel.scratch(network, s.layer, s.configuration) for s in selected}


def rules_of(network: Network, selected: Sequence[Selected]) -> dict[str, Rules]:
    """What may overlap while a layer runs, by layer."""
    return {s.layer.name: _rules(network, s, s.configuration) for s in selected}


def schedule_selected(network: Network, select: Callable[[Network], Sequence[Selected]]) -> Network:
    """The network in the order that suits the memory of the kernels which `select` chooses."""
    if not has_choice(network):
        return network
    selected = select(network)
    return reordered(network, scratch_of(network, selected), rules_of(network, selected))


def plan_selected(
    network: Network, selected: Sequence[Selected], allowance: float = ALLOWANCE
) -> tuple[list[Selected], MemoryPlan]:
    """The smallest plan, and the kernels with configurations whose scratch fits into it.

    Configurations differ from the given ones only where the arena gets smaller by it, and together
    they cost at most `allowance` more instructions, relative to the multiply-accumulates.
    Operands are written into the outputs of Concat and Pad layers at once unless the arena gets
    larger by it.

    Raises:
        PlanError: the plan is wrong, which is a defect of the planner.
    """
    ways = {s.layer.name: ways_of(network, s) for s in selected}
    options = {name: [option for _, option in own] for name, own in ways.items()}
    most = int(allowance * network_macs(network))
    plan, chosen = _joined(network, lambda names: plan_with_options(network, options, most, names))
    picked = [
        Selected(s.layer, s.kernel, ways[s.layer.name][chosen[s.layer.name]][0]) for s in selected
    ]
    return picked, plan


def ways_of(network: Network, selected: Selected) -> list[tuple[Configuration, Option]]:
    """The configuration of a layer and the lighter ones, each with what the planner must know."""
    kernel, layer, configuration = selected.kernel, selected.layer, selected.configuration
    ways = [(configuration, 0), *kernel.lighter(network, layer, configuration)]
    return [
        (way, Option(kernel.scratch(network, layer, way), _rules(network, selected, way), cost))
        for way, cost in ways
    ]


_Plan = tuple[MemoryPlan, dict[str, int]]


def _joined(network: Network, planned: Callable[[Collection[str]], _Plan]) -> _Plan:
    """The smallest of the plans by the layers whose operands are written into their output at once.

    An operand that lies in the output keeps the whole output's memory from the time it is written,
    so that fewer of them may be better: they are left out one by one while that helps.
    """
    names = list(joinable(network))
    best = planned(names)
    if names:
        separate = planned(())
        for name in names:
            found = planned([other for other in names if other != name])
            if found[0].arena_bytes < best[0].arena_bytes:
                names.remove(name)
                best = found
        if separate[0].arena_bytes < best[0].arena_bytes:
            best = separate
    return best


def _rules(network: Network, selected: Selected, configuration: Configuration) -> Rules:
    kernel, layer = selected.kernel, selected.layer
    return Rules(
        kernel.overlap(network, layer, configuration),
        kernel.scratch_overlap(network, layer, configuration),
        kernel.in_place(network, layer, configuration),
    )
