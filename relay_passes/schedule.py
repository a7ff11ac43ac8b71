# SPDX-License-Identifier: Apache-2.0
"""MemoryAwareSchedule: operators in the order in which the fewest bytes are live at once."""

from __future__ import annotations

import tvm

from tinyengine_tvm.dialects.flow import Flow, dialect_module
from tinyengine_tvm.memory.order import Operator, OperatorGraph
from tinyengine_tvm.memory.schedule import best_order


def operator_graph(flow: Flow) -> OperatorGraph:
    """A flow as the scheduler takes it."""
    operators = tuple(Operator(s.name, s.reads, s.writes, after=s.after) for s in flow.steps)
    return OperatorGraph(operators, flow.sizes, flow.inputs, flow.outputs)


@tvm.transform.module_pass(opt_level=0, name="tinyengine.MemoryAwareSchedule")
class MemoryAwareSchedule:
    """A pass for both of TVM's graph dialects, for use in any pipeline.

    In Relax the order of bindings is the order of execution: they're reordered within each
    DataflowBlock. A Relay function becomes a chain of lets. Functions that are one operator
    (composites, primitives) stay as they are, and so do those with shapes that aren't known.

    The order is the best that `best_order` finds, and the one given where that is as good.
    """

    def transform_module(
        self, module: tvm.IRModule, context: tvm.transform.PassContext
    ) -> tvm.IRModule:
        """A new module; `module` stays as it was."""
        dialect = dialect_module(module)
        module = dialect.prepared(module)
        functions = dict(module.functions.items())
        for variable in dialect.graph_functions(module):
            flows = dialect.flows(module, functions[variable])
            orders = [best_order(operator_graph(flow)).names for flow in flows]
            functions[variable] = dialect.in_order(functions[variable], module, orders)
        return dialect.finished(module, functions)
