# SPDX-License-Identifier: Apache-2.0
"""The Relax pipeline "tinyengine": our order of operators, then TVM's default pipeline."""

from __future__ import annotations

import tvm
from tvm import relax

from .inplace import InplaceDepthwise
from .schedule import MemoryAwareSchedule

NAME = "tinyengine"


def register_pipeline() -> None:
    """Makes `relax.build(module, relax_pipeline="tinyengine")` work. Once is enough."""
    if NAME not in relax.pipeline.PIPELINE_MAP:
        relax.register_pipeline(NAME)(_pipeline)


def _pipeline() -> tvm.transform.Pass:
    @tvm.transform.module_pass(opt_level=0, name="tinyengine.pipeline")
    def run(module: tvm.IRModule, context: tvm.transform.PassContext) -> tvm.IRModule:
        passes = [MemoryAwareSchedule(), InplaceDepthwise(), relax.get_pipeline("default_build")]
        return tvm.transform.Sequential(passes)(module)

    return run
