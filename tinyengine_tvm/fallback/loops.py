# SPDX-License-Identifier: Apache-2.0
"""TVM's lowering of a TIR function to plain loops over flat buffers."""

from __future__ import annotations

import tvm
from tvm import s_tir, tirx


def lower_to_loops(function: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function as serial loops without blocks, its buffers flat, its intrinsics those of C.

    Intermediate values that are computed once per use anyway aren't stored, and a reduction's
    start stands before its loops.
    """
    module = tvm.IRModule({"kernel": _scheduled(function)})
    module = tvm.transform.Sequential(_passes())(module)
    (lowered,) = module.functions.values()
    return lowered


def _passes() -> list[tvm.transform.Pass]:
    """TVM's default pipeline for TIR without what is for devices, the packed API and vectors."""
    return [
        tirx.transform.BindTarget(tvm.target.Target("c", host="c")),
        s_tir.transform.CanonicalizeLoop(),
        s_tir.transform.LowerInitBlock(),
        s_tir.transform.PlanAndUpdateBufferAllocationLocation(),
        s_tir.transform.ConvertBlocksToOpaque(),
        s_tir.transform.CompactBufferAllocation(),
        s_tir.transform.LowerMatchBuffer(),
        s_tir.transform.StmtSimplify(),
        s_tir.transform.LowerOpaqueBlock(),
        tirx.transform.FlattenBuffer(),
        tirx.transform.NarrowDataType(32),
        tirx.transform.VectorizeLoop(False),
        tirx.transform.StorageRewrite(),
        tirx.transform.UnrollLoop(),
        tirx.transform.StmtSimplify(),
        tirx.transform.RemoveNoOp(),
        s_tir.transform.RewriteUnsafeSelect(),
        tirx.transform.CommonSubexprElim(),
        tirx.transform.LowerIntrin(),
    ]


def _scheduled(function: tirx.PrimFunc) -> tirx.PrimFunc:
    try:
        schedule = s_tir.Schedule(tvm.IRModule({"main": function}))
        blocks = schedule.get_child_blocks(schedule.get_sblock("root"))
    except Exception:
        # Not made of blocks: it's loops already.
        return function
    for block in blocks:
        _inline(schedule, block)
    for block in schedule.get_child_blocks(schedule.get_sblock("root")):
        _decompose(schedule, block)
    return schedule.mod["main"]


def _inline(schedule: s_tir.Schedule, block: s_tir.schedule.SBlockRV) -> None:
    consumers = schedule.get_consumers(block)
    if len(consumers) != 1 or _points(schedule, block) < _points(schedule, consumers[0]):
        return
    try:
        schedule.compute_inline(block)
    except s_tir.ScheduleError:
        # A reduction, or its consumer reads it in some other way.
        return


def _points(schedule: s_tir.Schedule, block: s_tir.schedule.SBlockRV) -> int:
    """How often a block runs."""
    count = 1
    for axis in schedule.get(block).iter_vars:
        extent = axis.dom.extent
        if not isinstance(extent, tirx.IntImm):
            return 0
        count *= int(extent)
    return count


def _decompose(schedule: s_tir.Schedule, block: s_tir.schedule.SBlockRV) -> None:
    statement = schedule.get(block)
    if statement.init is None:
        return
    reduced = [axis.iter_type == tirx.IterVar.CommReduce for axis in statement.iter_vars]
    loops = schedule.get_loops(block)
    if len(loops) != len(reduced) or True not in reduced:
        return
    first = reduced.index(True)
    if not all(reduced[first:]):
        return
    try:
        schedule.decompose_reduction(block, loops[first])
    except s_tir.ScheduleError:
        return


def macs_of(function: tirx.PrimFunc) -> int:
    """Multiply-accumulates of one call: how often its sums of products add one."""
    try:
        schedule = s_tir.Schedule(tvm.IRModule({"main": function}))
        blocks = schedule.get_child_blocks(schedule.get_sblock("root"))
    except Exception:
        return 0
    return sum(_points(schedule, b) for b in blocks if _sums_products(schedule.get(b)))


def _sums_products(block: s_tir.SBlock) -> bool:
    if block.init is None or not isinstance(block.body, tirx.BufferStore):
        return False
    value = block.body.value
    if type(value).__name__ != "Add":
        return False
    return any(type(_uncast(side)).__name__ == "Mul" for side in (value.a, value.b))


def _uncast(expression: object) -> object:
    while type(expression).__name__ == "Cast":
        expression = expression.value  # type: ignore[attr-defined]
    return expression
