# SPDX-License-Identifier: Apache-2.0
"""TVM's hooks for Relax: our code generator, and the pipeline "tinyengine"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tvm
import tvm_ffi
from tvm import relax

from .inplace import InplaceDepthwise
from .relax_regions import COMPILER, regions
from .schedule import MemoryAwareSchedule

Generator = Callable[[relax.Function], str]
"""From a region's function to C with a function `__tvm_ffi_<global_symbol>`."""
Partition = Callable[[tvm.IRModule], tvm.IRModule]


def bound(module: tvm.IRModule, params: Mapping[str, Any]) -> tvm.IRModule:
    """The module with these arrays in place of main's parameters; the one given stays."""
    return relax.transform.BindParams("main", dict(params))(module) if params else module


def register(generate: Generator, partition: Partition) -> None:
    """Makes RunCodegen call `generate` for our regions, and the pipeline begin with `partition`.

    Doing it again replaces the former.
    """

    def codegen(
        functions: Sequence[relax.Function], options: Any, names: Any
    ) -> list[tvm.runtime.Module]:
        create = tvm.get_global_func("runtime.CSourceModuleCreate")
        return [
            create(generate(function), "c", [str(function.attrs["global_symbol"])], [])
            for function in functions
        ]

    tvm_ffi.register_global_func(f"relax.ext.{COMPILER}", codegen, override=True)
    relax.pipeline.PIPELINE_MAP[COMPILER] = lambda: pipeline(partition)


def pipeline(partition: Partition) -> tvm.transform.Pass:
    """A partition where there is none yet, our order of operators, our kernels, TVM's default."""

    @tvm.transform.module_pass(opt_level=0, name="tinyengine.pipeline")
    def run(module: tvm.IRModule, context: tvm.transform.PassContext) -> tvm.IRModule:
        passes = [
            MemoryAwareSchedule(),
            InplaceDepthwise(),
            relax.transform.RunCodegen(),
            relax.get_pipeline("default_build"),
        ]
        partitioned = module if regions(module) else partition(module)
        return tvm.transform.Sequential(passes)(partitioned)

    return run
