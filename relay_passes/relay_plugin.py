# SPDX-License-Identifier: Apache-2.0
"""Regions of a partitioned Relay module and TVM's hooks for external code generators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tvm
from tvm import relay
from tvm.relay.build_module import bind_params_by_name

from tinyengine_tvm.dialects.relay_build import function_like, module_like

from .relay_graph import inlined, rebuilt, same_call
from .relay_partition import COMPILER, composite_of

Generator = Callable[[relay.Function], str]
"""From a region's function to the C of a function of the name in its attribute global_symbol."""


def bound(module: tvm.IRModule, params: Mapping[str, Any]) -> tvm.IRModule:
    """The module with these arrays in place of main's parameters; the one given stays."""
    result = module_like(module)
    result["main"] = bind_params_by_name(module["main"], dict(params))
    return result


def regions(module: tvm.IRModule) -> list[tuple[tvm.ir.GlobalVar, relay.Function]]:
    """The functions that the partition made for our compiler."""
    return [
        (variable, function)
        for variable, function in module.functions.items()
        if isinstance(function, relay.Function)
        and function.attrs
        and "Compiler" in function.attrs
        and str(function.attrs["Compiler"]) == COMPILER
    ]


def keep(
    module: tvm.IRModule,
    wanted: Callable[[relay.Function], bool],
    attributes: dict[str, str],
) -> tvm.IRModule:
    """The module with attributes on the regions wanted; the others go back to TVM's operators."""
    kept: dict[Any, Any] = {}
    dropped: dict[Any, Any] = {}
    for variable, function in regions(module):
        (kept if wanted(function) else dropped)[variable] = function

    def plain(call: Any, operands: Sequence[Any]) -> Any:
        return inlined(call.op, operands) if composite_of(call.op) else same_call(call, operands)

    def replace(call: Any, operands: Sequence[Any]) -> Any:
        if call.op in dropped:
            region = dropped[call.op]
            arguments = dict(zip(region.params, operands, strict=True))
            return rebuilt(region.body, plain, arguments)
        return same_call(call, operands)

    functions = {v: f for v, f in module.functions.items() if v not in dropped}
    result = module_like(module, functions)
    for variable, function in kept.items():
        for name, value in attributes.items():
            function = function.with_attr(name, value)
        result[variable] = function
    main = module.get_global_var("main")
    result[main] = function_like(module[main], rebuilt(module[main].body, replace), typed=False)
    return relay.transform.InferType()(result)


def register(generate: Generator) -> None:
    """Makes relay.build call `generate` for our regions. Doing it again replaces the former."""

    def codegen(function: relay.Function) -> tvm.runtime.Module:
        symbol = str(function.attrs["global_symbol"])
        create = tvm.get_global_func("runtime.CSourceModuleCreate")
        return create(generate(function), "c", [symbol], [])

    def constants(function: relay.Function, symbol: str) -> dict[str, Any]:
        # The generated C holds them; without this hook TVM would store them a second time.
        return {}

    tvm.register_func(f"relay.ext.{COMPILER}", codegen, override=True)
    tvm.register_func(f"relay.ext.{COMPILER}.constant_updater", constants, override=True)
