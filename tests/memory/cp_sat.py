# SPDX-License-Identifier: Apache-2.0
"""Exact placement of small instances by OR-tools' CP-SAT: it shares nothing with the planner."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ortools.sat.python import cp_model

from tinyengine_tvm.memory import Buffer, Separation, Together, disjoint


def least_arena(
    buffers: Sequence[Buffer],
    separation: Separation = disjoint,
    together: Together = frozenset(),
    seconds: float = 60.0,
) -> int:
    """Bytes of the smallest arena there is.

    Raises:
        TimeoutError: not proven in `seconds`.
    """
    model = cp_model.CpModel()
    most = sum(b.size + b.alignment for b in buffers)
    size = model.new_int_var(0, most, "size")
    offsets = []
    for b in buffers:
        unit = model.new_int_var(0, most // b.alignment, b.name)
        offsets.append(b.alignment * unit)
        model.add(b.alignment * unit + b.size <= size)
    for (a, low), (b, high) in itertools.combinations(zip(buffers, offsets, strict=True), 2):
        above = separation(a, b)
        if above is None:
            continue
        below = separation(b, a)
        assert below is not None
        ways = [model.new_bool_var("") for _ in range(3)]
        model.add(low + above <= high).only_enforce_if(ways[0])
        model.add(high + below <= low).only_enforce_if(ways[1])
        model.add(low == high).only_enforce_if(ways[2])
        if (a.name, b.name) not in together:
            model.add(ways[2] == 0)
        model.add_bool_or(ways)
    model.minimize(size)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = seconds
    if solver.solve(model) != cp_model.OPTIMAL:
        raise TimeoutError("CP-SAT didn't finish")
    return round(solver.objective_value)
