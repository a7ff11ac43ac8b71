# SPDX-License-Identifier: Apache-2.0
"""The curve of SRAM against multiply-accumulates."""

from __future__ import annotations

from .plans import Planner, Tiling, streamable

STEPS = 10
"""Budgets that are tried between the plan without regions and the smallest one."""


def curve(planner: Planner, steps: int = STEPS) -> list[Tiling]:
    """Plans none of which another one beats in both SRAM and cost, the largest first.

    Empty where the input is streamed and can't be.
    """
    if planner.streamed and not streamable(planner):
        return []
    least = planner.smallest(100.0)
    most = planner.whole or planner.within(1 << 30)
    if least is None or most is None:
        return []
    found = [most, least]
    ratio = (least.arena / most.arena) ** (1 / (steps + 1))
    for step in range(1, steps + 1):
        # Less than the last one found, lest the same plan comes again.
        budget = min(int(most.arena * ratio**step), min(t.arena for t in found[2:] or [most]) - 1)
        if budget <= least.arena:
            break
        plan = planner.within(budget)
        if plan is not None:
            found.append(plan)
    # What the search tried on its way may be better than where it went.
    found += planner.known()
    kept: list[Tiling] = []
    for plan in sorted(found, key=lambda t: (t.arena, t.cost, t.macs)):
        if not kept or plan.cost < kept[-1].cost:
            kept.append(plan)
    return kept[::-1]
