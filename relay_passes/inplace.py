# SPDX-License-Identifier: Apache-2.0
"""InplaceDepthwise: which depthwise convolutions may be computed in their input's memory."""

from __future__ import annotations

import tvm

from tinyengine_tvm.dialects.flow import INPLACE, Flow, dialect_module

__all__ = ["INPLACE", "InplaceDepthwise", "inplace_steps"]


def inplace_steps(flow: Flow) -> list[str]:
    """Names of the depthwise convolutions whose input dies there and is large enough.

    An input that belongs to the caller doesn't die. Computed channel by channel, such a layer needs
    a plane of scratch instead of a second feature map.
    """
    last = {value: step.name for step in flow.steps for value in step.reads}
    kept = {*flow.outputs, *flow.parameters}
    return [
        step.name
        for step in flow.steps
        if step.depthwise
        and len(step.writes) == 1
        and last[step.reads[0]] == step.name
        and step.reads[0] not in kept
        and flow.sizes[step.writes[0]] <= flow.sizes[step.reads[0]]
    ]


@tvm.transform.module_pass(opt_level=0, name="tinyengine.InplaceDepthwise")
class InplaceDepthwise:
    """A pass for both of TVM's graph dialects, for use in any pipeline.

    Functions get the attribute `tinyengine.inplace`, the names of the variables that hold the
    results of such convolutions. It holds for the order of operators that the module has then, so
    MemoryAwareSchedule goes before.
    """

    def transform_module(
        self, module: tvm.IRModule, context: tvm.transform.PassContext
    ) -> tvm.IRModule:
        """A new module; `module` stays as it was."""
        dialect = dialect_module(module)
        module = dialect.prepared(module)
        functions = dict(module.functions.items())
        for variable in dialect.graph_functions(module):
            function = functions[variable]
            names = [n for flow in dialect.flows(module, function) for n in inplace_steps(flow)]
            if names:
                functions[variable] = dialect.with_marks(function, module, names)
        return dialect.finished(module, functions)
