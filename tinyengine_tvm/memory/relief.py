# SPDX-License-Identifier: Apache-2.0
"""Plans that trade scratch for instructions, where the scratch is what makes the arena large.

All layers are planned with the least scratch they can do with. Then, with every tensor where it
is, each layer gets back as much of its scratch as fits beside what is live while it runs. If that
leaves the network slower than allowed, the arena grows until enough layers have theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ..network import Network
from .buffer import Buffer, align_up
from .engine import bound_shared
from .lifetimes import lifetimes, scratch_buffers
from .overlap import Rules, sharing
from .plan import MemoryPlan, checked, plan_memory


@dataclass(frozen=True)
class Option:
    """One way to run a layer: bytes of scratch, what may overlap, and what it costs.

    `cost` is in instructions more than the layer's first option takes.
    """

    scratch: int
    rules: Rules
    cost: int = 0


Options = Mapping[str, Sequence[Option]]
"""Each layer to its options, the preferred one first."""


def plan_with_options(
    network: Network,
    options: Options,
    allowance: int,
    joined: Collection[str] = (),
    check: bool = True,
) -> tuple[MemoryPlan, dict[str, int]]:
    """The smallest plan that costs at most `allowance` instructions, and each layer's option.

    `joined` names layers whose operands are written into their output at once; see `views`. `check`
    is as in `plan_memory`.

    Raises:
        PlanError: the plan is wrong, which is a defect of the planner.
    """
    first = dict.fromkeys(options, 0)
    light = {
        name: min(range(len(choices)), key=lambda i: (choices[i].scratch, choices[i].cost))
        for name, choices in options.items()
    }
    if all(options[name][i].scratch == options[name][0].scratch for name, i in light.items()):
        return plan_memory(network, *_arguments(options, first), joined, check=check), first
    plan = plan_memory(network, *_arguments(options, light), joined, check=check)
    scratch, rules = _arguments(options, first)
    buffers, aliases = lifetimes(network, scratch, joined)
    shared = sharing(network, buffers, aliases, rules)
    grown = _grow(network, plan, options, light, allowance, check)
    if grown is None or grown[0].arena_bytes > bound_shared(buffers, shared):
        preferred = plan_memory(network, scratch, rules, joined, check=check)
        if grown is None or preferred.arena_bytes <= grown[0].arena_bytes:
            return preferred, first
    return grown


def _arguments(
    options: Options, chosen: Mapping[str, int]
) -> tuple[dict[str, int], dict[str, Rules]]:
    picked = {name: choices[chosen[name]] for name, choices in options.items()}
    return (
        {name: option.scratch for name, option in picked.items()},
        {name: option.rules for name, option in picked.items()},
    )


def _grow(
    network: Network,
    plan: MemoryPlan,
    options: Options,
    light: Mapping[str, int],
    allowance: int,
    check: bool,
) -> tuple[MemoryPlan, dict[str, int]] | None:
    """The plan with scratch given back in an arena as small as the allowance permits.

    None where no arena does.
    """
    live: list[list[Buffer]] = [[] for _ in network.layers]
    for b in plan.buffers:
        for step in range(b.first, b.last + 1):
            live[step].append(b)
    places = {
        name: _places(plan, name, choices, choices[light[name]], live[plan.steps[name]])
        for name, choices in options.items()
    }
    sizes = {top for tops in places.values() for _, _, top in tops if top > plan.arena_bytes}
    for size in sorted({plan.arena_bytes, *sizes}):
        chosen = {
            name: min((options[name][i].cost, i, offset) for i, offset, top in tops if top <= size)
            for name, tops in places.items()
        }
        if sum(cost for cost, _, _ in chosen.values()) <= allowance:
            picked = {name: i for name, (_, i, _) in chosen.items()}
            offsets = {name: offset for name, (_, _, offset) in chosen.items()}
            return _with_scratch(network, plan, options, picked, offsets, check), picked
    return None


def _places(
    plan: MemoryPlan,
    layer: str,
    choices: Sequence[Option],
    planned: Option,
    live: Sequence[Buffer],
) -> list[tuple[int, int, int]]:
    """(option, offset of its scratch, end of the arena that it needs) of a layer's options.

    `live` are the buffers while the layer runs. Left out are those options that allow less to
    overlap than the plan has taken for granted.
    """
    if layer not in plan.scratch:
        return [(choices.index(planned), 0, plan.arena_bytes)]
    if len(choices) == 1:
        return [(0, plan.scratch_offset(layer), plan.arena_bytes)]
    own = next(b for b in live if b.name == plan.scratch[layer])
    others = [b for b in live if b.name != own.name]
    found = []
    for i, option in enumerate(choices):
        if option is planned:
            offset = plan.scratch_offset(layer)
            found.append((i, offset, max(plan.arena_bytes, offset + own.size)))
        elif _tensors(option.rules) == _tensors(planned.rules):
            buffer = replace(own, size=option.scratch)
            offset = _lowest(plan, buffer, others)
            found.append((i, offset, max(plan.arena_bytes, offset + option.scratch)))
    return found


def _tensors(rules: Rules) -> tuple[Mapping[int, int], tuple[int, ...]]:
    """What is allowed to overlap but for scratch."""
    return rules.operands, rules.in_place


def _lowest(plan: MemoryPlan, own: Buffer, others: Sequence[Buffer]) -> int:
    """The lowest place of a scratch buffer beside the others, none of which it overlaps."""
    offsets = plan.placement.offsets
    place = 0
    for other in sorted(others, key=lambda b: offsets[b.name]):
        if offsets[other.name] < place + own.size and place < offsets[other.name] + other.size:
            place = align_up(offsets[other.name] + other.size, own.alignment)
    return place


def _with_scratch(
    network: Network,
    plan: MemoryPlan,
    options: Options,
    picked: Mapping[str, int],
    places: Mapping[str, int],
    check: bool,
) -> MemoryPlan:
    """The plan with the scratch of these options at these offsets."""
    scratch, rules = _arguments(options, picked)
    planned = set(plan.scratch.values())
    buffers = [b for b in plan.buffers if b.name not in planned]
    buffers += scratch_buffers(network, scratch)
    shared = sharing(network, buffers, plan.aliases, rules)
    offsets = dict(plan.placement.offsets)
    for layer, name in plan.scratch.items():
        offsets[name] = places[layer]
    size = max(offsets[b.name] + b.size for b in buffers)
    bound = bound_shared(buffers, shared)
    # No scratch of any option makes the arena smaller than the least scratch does.
    least = plan.placement.optimal and size == plan.arena_bytes
    placement = replace(
        plan.placement,
        offsets=offsets,
        size=size,
        lower_bound=bound,
        optimal=least or size == bound,
    )
    found = replace(plan, placement=placement, buffers=tuple(buffers))
    return checked(network, found, scratch, rules) if check else found
