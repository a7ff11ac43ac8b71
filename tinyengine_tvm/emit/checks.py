# SPDX-License-Identifier: Apache-2.0
"""The checks that `compile --check` puts between layers: what each may touch, from the plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..kernels.base import render
from ..memory import Buffer, MemoryPlan
from ..network import Network

GUARD = 32
"""Bytes before and after the arena that no layer may touch."""

Range = tuple[int, int]
"""Addresses from the first, to the second, which isn't in it."""

TABLES = """\
#ifdef TINYENGINE_ARENA_EXTERN
#error "checks need guards around the arena: compile without --check to place it yourself"
#endif
_Alignas(16) static struct {
    uint8_t before[{{ guard }}];
    uint8_t arena[TVMGEN_{{ name.upper() }}_ARENA_SIZE];
    uint8_t after[{{ guard }}];
} te_check_guarded;
#define tvmgen_{{ name }}_arena te_check_guarded.arena

/* Offsets count from the guard before the arena. Each layer refers to three parts of the table. */
static const struct te_check_range te_check_ranges[] = {
{% for low, high in ranges %}
    {{ "{" }}{{ low }}, {{ high }}},
{% endfor %}
};

static uint32_t te_check_before(uint32_t poison, uint32_t poisons, uint32_t keep, uint32_t keeps)
{
    uint8_t *const all = (uint8_t *)&te_check_guarded;
    te_check_fill(all, te_check_ranges + poison, poisons);
    return te_check_sum(all, te_check_ranges + keep, keeps);
}

static int32_t te_check_after(
    uint32_t guard, uint32_t guards, uint32_t keep, uint32_t keeps, uint32_t sum)
{
    const uint8_t *const all = (const uint8_t *)&te_check_guarded;
    return te_check_filled(all, te_check_ranges + guard, guards)
        && te_check_sum(all, te_check_ranges + keep, keeps) == sum;
}
"""


@dataclass(frozen=True)
class StepChecks:
    """Ranges of one layer, in bytes from the arena's start; guards lie below 0 and at its end.

    poison: what holds nothing that this layer or a later one reads. guard: what this layer has no
    business with. keep: tensors that later layers read and this one doesn't write.
    """

    poison: tuple[Range, ...]
    guard: tuple[Range, ...]
    keep: tuple[Range, ...]


def step_checks(network: Network, plan: MemoryPlan) -> list[StepChecks]:
    """The checks of each layer, in execution order."""
    outputs = {plan.aliases[name].buffer for name in network.outputs if name in plan.aliases}
    size = plan.arena_bytes

    def ranges(buffers: Iterable[Buffer]) -> list[Range]:
        offsets = plan.placement.offsets
        return merged((offsets[b.name], offsets[b.name] + b.size) for b in buffers)

    scratch = set(plan.scratch.values())
    result = []
    for step, layer in enumerate(network.layers):
        begin = plan.offset_of(layer.output)
        own = begin, begin + network.output_of(layer).nbytes
        live = [b for b in plan.buffers if b.first <= step <= b.last]
        # Inputs of the network are there before the first layer.
        held = [
            b
            for b in live
            if b.name not in scratch and (b.first < step or b.name in network.inputs)
        ]
        result.append(
            StepChecks(
                tuple(complement(ranges(held), -GUARD, size + GUARD)),
                tuple(complement(ranges(live), -GUARD, size + GUARD)),
                tuple(without(ranges(b for b in held if b.last > step or b.name in outputs), own)),
            )
        )
    return result


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same addresses in as few ranges as possible, ascending."""
    result: list[Range] = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1]:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return result


def without(ranges: Sequence[Range], taken: Range) -> list[Range]:
    """What is left of ascending ranges when one is taken away."""
    low, high = taken
    pieces = [part for a, b in ranges for part in ((a, min(b, low)), (max(a, high), b))]
    return [(a, b) for a, b in pieces if a < b]


def complement(ranges: Sequence[Range], low: int, high: int) -> list[Range]:
    """What is left of [low, high) by ascending ranges that don't touch each other."""
    result = []
    for begin, end in [*ranges, (high, high)]:
        if begin > low:
            result.append((low, begin))
        low = max(low, end)
    return result


class CheckTable:
    """The ranges of all layers in one table, and the calls that refer to it."""

    def __init__(self, network: Network, plan: MemoryPlan) -> None:
        self.steps = step_checks(network, plan)
        self.ranges: list[Range] = []
        self._first: dict[tuple[Range, ...], int] = {}
        for step in self.steps:
            for group in (step.poison, step.guard, step.keep):
                if group not in self._first:
                    self._first[group] = len(self.ranges)
                    self.ranges += [(low + GUARD, high + GUARD) for low, high in group]

    def text(self, name: str) -> str:
        """The arena between its guards, and the table."""
        return render(TABLES, name=name, guard=GUARD, ranges=self.ranges)

    def _where(self, group: tuple[Range, ...]) -> str:
        return f"{self._first[group]}, {len(group)}"

    def before(self, step: int) -> str:
        """The statement before a layer."""
        found = self.steps[step]
        groups = f"{self._where(found.poison)}, {self._where(found.keep)}"
        kind = "" if step else "uint32_t "
        return f"{kind}te_check_kept = te_check_before({groups});"

    def after(self, step: int) -> str:
        """The statement after a layer, which returns -1 less the layer's number if it fails."""
        found = self.steps[step]
        groups = f"{self._where(found.guard)}, {self._where(found.keep)}"
        return f"if (!te_check_after({groups}, te_check_kept)) {{ return {-1 - step}; }}"
